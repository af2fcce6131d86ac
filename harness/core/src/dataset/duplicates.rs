//! Groups of exact and near duplicates of a dataset, and their cache.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;

use eidetic_metrics::Images;
use sha2::{Digest, Sha256};

use crate::files::{cache_dir, hex, write_atomic};

/// Goes up with every change of how groups are made, so that no older cache is taken for it.
const REVISION: u32 = 1;
/// Fewer images than this are grouped in milliseconds, and not kept.
const CACHED_FROM: usize = 2000;
const MAGIC: &[u8; 8] = b"EIDDUPL1";

/// A dataset's images in groups of duplicates.
///
/// A group is named by its lowest image. Byte-identical images always share a group; beyond
/// these, any two images of a group are within `threshold_l2` (complete linkage), while two
/// groups may still hold a pair within it: under single linkage chains swallow whole classes.
#[derive(Debug, Clone, PartialEq)]
pub struct Duplicates {
    threshold_l2: f64,
    group: Vec<u32>,
    exact: Vec<u32>,
}

/// What was found, in numbers.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct DuplicateReport {
    /// Images of the dataset.
    pub images: usize,
    /// Groups, an image without a duplicate being one of its own.
    pub groups: usize,
    /// Groups of two images or more.
    pub duplicate_groups: usize,
    /// Images in these.
    pub images_in_duplicate_groups: usize,
    /// Of these, images with a byte-identical other image.
    pub images_with_exact_duplicate: usize,
    /// Of these, images with only near duplicates.
    pub images_with_near_duplicate_only: usize,
    /// The size of the largest group.
    pub largest_group: usize,
    /// The threshold, l2 = sqrt(mean((a - b)^2)), pixels in [0, 1].
    pub threshold_l2: f64,
}

impl Duplicates {
    /// Groups `pixels`, rows of `dim`. 0 groups byte-identical images only.
    ///
    /// # Errors
    /// As [`eidetic_metrics::duplicate_groups`].
    pub fn of(
        pixels: &[u8],
        dim: usize,
        threshold_l2: f64,
    ) -> Result<Self, eidetic_metrics::Error> {
        let images = Images::new(pixels, dim)?;
        let mut first = HashMap::new();
        let exact: Vec<u32> = (0..)
            .zip(images.rows())
            .map(|(i, row)| *first.entry(row).or_insert(i))
            .collect();
        // One of each: copies can neither be told apart by linkage nor cost pairs.
        let distinct: Vec<u32> = (0..)
            .zip(&exact)
            .filter(|(i, first)| i == *first)
            .map(|(i, _)| i)
            .collect();
        let selected = images.select(&distinct)?;
        let near = eidetic_metrics::duplicate_groups(Images::new(&selected, dim)?, threshold_l2)?;
        let mut group = exact.clone();
        for (position, &image) in distinct.iter().enumerate() {
            group[image as usize] = distinct[near.group(position) as usize];
        }
        let group = exact.iter().map(|&first| group[first as usize]).collect();
        Ok(Self {
            threshold_l2,
            group,
            exact,
        })
    }

    /// The same from the user's cache, where it is kept under `digest`, the dataset's; made and
    /// kept where it is not there. A damaged file is made again; a cache that cannot be written
    /// costs only time.
    ///
    /// # Errors
    /// As [`Duplicates::of`].
    pub fn cached(
        pixels: &[u8],
        dim: usize,
        threshold_l2: f64,
        digest: &str,
    ) -> Result<Self, eidetic_metrics::Error> {
        if pixels.len().checked_div(dim).unwrap_or(0) < CACHED_FROM {
            return Self::of(pixels, dim, threshold_l2);
        }
        match cache_dir() {
            Ok(cache) => Self::cached_in(&cache, pixels, dim, threshold_l2, digest),
            Err(error) => {
                tracing::warn!(%error, "duplicate groups are not cached");
                Self::of(pixels, dim, threshold_l2)
            }
        }
    }

    fn cached_in(
        cache: &Path,
        pixels: &[u8],
        dim: usize,
        threshold_l2: f64,
        digest: &str,
    ) -> Result<Self, eidetic_metrics::Error> {
        let key = Sha256::new()
            .chain_update(MAGIC)
            .chain_update(REVISION.to_le_bytes())
            .chain_update(threshold_l2.to_bits().to_le_bytes())
            .chain_update(digest)
            .finalize();
        let path = cache.join("duplicates").join(hex(&key));
        let count = pixels.len().checked_div(dim).unwrap_or(0);
        match fs::read(&path) {
            Ok(bytes) => match Self::from_bytes(&bytes, &key, count, threshold_l2) {
                Some(found) => return Ok(found),
                None => tracing::warn!(path = %path.display(), "damaged cache file, made again"),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(path = %path.display(), %error, "unreadable cache file"),
        }
        let found = Self::of(pixels, dim, threshold_l2)?;
        if let Err(error) = write_atomic(&path, &found.to_bytes(&key)) {
            tracing::warn!(%error, "duplicate groups are not cached");
        }
        Ok(found)
    }

    /// Magic, key, groups, exact groups, and SHA-256 of all that.
    fn to_bytes(&self, key: &[u8]) -> Vec<u8> {
        let mut bytes = [MAGIC, key].concat();
        bytes.extend(
            self.group
                .iter()
                .chain(&self.exact)
                .flat_map(|i| i.to_le_bytes()),
        );
        let check = Sha256::digest(&bytes);
        bytes.extend_from_slice(&check);
        bytes
    }

    fn from_bytes(bytes: &[u8], key: &[u8], count: usize, threshold_l2: f64) -> Option<Self> {
        let (content, check) = bytes.split_last_chunk::<32>()?;
        if Sha256::digest(content)[..] != check[..] {
            return None;
        }
        let numbers = content.strip_prefix(MAGIC)?.strip_prefix(key)?;
        let (numbers, rest) = numbers.as_chunks::<4>();
        if !rest.is_empty() || numbers.len() != 2 * count {
            return None;
        }
        let numbers: Vec<u32> = numbers
            .iter()
            .map(|&bytes| u32::from_le_bytes(bytes))
            .collect();
        let (group, exact) = numbers.split_at(count);
        Some(Self {
            threshold_l2,
            group: group.to_vec(),
            exact: exact.to_vec(),
        })
    }

    /// The group of each image: the index of the group's lowest image.
    pub fn as_slice(&self) -> &[u32] {
        &self.group
    }

    /// SHA-256 of threshold and grouping: what every split and score rests on.
    pub fn digest(&self) -> String {
        let mut digest = Sha256::new_with_prefix(self.threshold_l2.to_le_bytes());
        for group in &self.group {
            digest.update(group.to_le_bytes());
        }
        hex(&digest.finalize())
    }

    /// The threshold, l2 = sqrt(mean((a - b)^2)), pixels in [0, 1].
    pub fn threshold_l2(&self) -> f64 {
        self.threshold_l2
    }

    /// Counts groups and the images in them.
    pub fn report(&self) -> DuplicateReport {
        let sizes = sizes(&self.group);
        let exact = sizes_of(&self.exact, |size| size > 1);
        let in_groups = sizes_of(&self.group, |size| size > 1);
        DuplicateReport {
            images: self.group.len(),
            groups: sizes.len(),
            duplicate_groups: sizes.values().filter(|&&size| size > 1).count(),
            images_in_duplicate_groups: in_groups,
            images_with_exact_duplicate: exact,
            images_with_near_duplicate_only: in_groups - exact,
            largest_group: sizes.values().copied().max().unwrap_or(0),
            threshold_l2: self.threshold_l2,
        }
    }
}

fn sizes(group: &[u32]) -> HashMap<u32, usize> {
    let mut sizes = HashMap::new();
    for &name in group {
        *sizes.entry(name).or_insert(0) += 1;
    }
    sizes
}

/// Images in groups whose size is `wanted`.
fn sizes_of(group: &[u32], wanted: impl Fn(usize) -> bool) -> usize {
    sizes(group)
        .into_values()
        .filter(|&size| wanted(size))
        .sum()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// l2 of 1/255 a step; 100, 100 and 101, 101 are near, 0 and 0 exact.
    const PIXELS: [u8; 14] = [0, 0, 100, 100, 0, 0, 101, 101, 200, 200, 101, 101, 255, 0];

    #[test]
    fn exact_and_near_duplicates_are_grouped_and_counted() {
        let near = Duplicates::of(&PIXELS, 2, 0.01).unwrap();
        assert_eq!(near.as_slice(), [0, 1, 0, 1, 4, 1, 6]);
        let report = near.report();
        assert_eq!(
            (report.images, report.groups, report.duplicate_groups),
            (7, 4, 2)
        );
        assert_eq!(
            (report.images_in_duplicate_groups, report.largest_group),
            (5, 3)
        );
        assert_eq!(report.images_with_exact_duplicate, 4);
        assert_eq!(report.images_with_near_duplicate_only, 1);
        let exact = Duplicates::of(&PIXELS, 2, 0.0).unwrap();
        assert_eq!(exact.as_slice(), [0, 1, 0, 3, 4, 3, 6]);
        assert_eq!(exact.report().images_with_near_duplicate_only, 0);
    }

    #[test]
    fn nothing_and_one_image() {
        assert_eq!(Duplicates::of(&[], 2, 0.1).unwrap().report().groups, 0);
        assert_eq!(Duplicates::of(&[1, 2], 2, 0.1).unwrap().as_slice(), [0]);
        assert!(Duplicates::of(&PIXELS, 0, 0.1).is_err());
        assert!(Duplicates::of(&PIXELS, 2, f64::NAN).is_err());
    }

    #[test]
    fn the_cache_is_used_and_a_damaged_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let cached = || Duplicates::cached_in(dir.path(), &PIXELS, 2, 0.01, "digest").unwrap();
        let made = cached();
        let files: Vec<_> = fs::read_dir(dir.path().join("duplicates"))
            .unwrap()
            .collect();
        assert_eq!(files.len(), 1);
        let path = files[0].as_ref().unwrap().path();
        let whole = fs::read(&path).unwrap();

        // A whole file is believed: one with other groups comes back as it is.
        let key = &whole[8..40];
        let other = Duplicates {
            threshold_l2: 0.01,
            group: vec![0; 7],
            exact: vec![0; 7],
        };
        fs::write(&path, other.to_bytes(key)).unwrap();
        assert_eq!(cached(), other);

        let mut flipped = whole.clone();
        flipped[50] ^= 1;
        for damaged in [&flipped[..], &whole[..whole.len() - 1], &whole[..5], &[]] {
            fs::write(&path, damaged).unwrap();
            assert_eq!(cached(), made);
            assert_eq!(fs::read(&path).unwrap(), whole, "the file is made again");
        }
    }

    #[test]
    fn another_threshold_or_digest_is_another_file() {
        let dir = tempfile::tempdir().unwrap();
        for (threshold, digest) in [(0.01, "a"), (0.02, "a"), (0.01, "b")] {
            Duplicates::cached_in(dir.path(), &PIXELS, 2, threshold, digest).unwrap();
        }
        assert_eq!(
            fs::read_dir(dir.path().join("duplicates")).unwrap().count(),
            3
        );
    }

    #[test]
    fn a_cache_that_cannot_be_written_costs_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, b"").unwrap();
        let found = Duplicates::cached_in(&file, &PIXELS, 2, 0.01, "digest").unwrap();
        assert_eq!(found, Duplicates::of(&PIXELS, 2, 0.01).unwrap());
    }
}
