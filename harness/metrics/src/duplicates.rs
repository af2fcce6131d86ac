//! Groups of exact and near duplicates, by complete linkage.

use std::collections::HashMap;

use crate::images::squared_limit;
use crate::{Error, Images, Index};

/// A partition of images into groups of duplicates. A group is named by its lowest member, which
/// is its representative.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Groups {
    group: Vec<u32>,
}

impl Groups {
    /// The number of images.
    pub fn len(&self) -> usize {
        self.group.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.group.is_empty()
    }

    /// The group of image `i`: the index of the group's lowest member.
    pub fn group(&self, i: usize) -> u32 {
        self.group[i]
    }

    /// The group of each image.
    pub fn as_slice(&self) -> &[u32] {
        &self.group
    }

    /// One image a group, the lowest member, ascending.
    pub fn representatives(&self) -> Vec<u32> {
        (0..)
            .zip(&self.group)
            .filter(|(i, group)| i == *group)
            .map(|(i, _)| i)
            .collect()
    }

    /// The members of each group in the order of [`Groups::representatives`].
    pub fn sizes(&self) -> Vec<u32> {
        let mut counts = vec![0; self.group.len()];
        for &group in &self.group {
            counts[group as usize] += 1;
        }
        counts.retain(|&count| count > 0);
        counts
    }

    /// The number of groups of two images or more.
    pub fn non_singletons(&self) -> usize {
        self.sizes().iter().filter(|&&size| size > 1).count()
    }
}

/// Groups `images` by complete linkage at `threshold_l2` (in [0, 1], see [`l2`](crate::l2)): any
/// two members of a group are within the threshold, and no two groups could be joined. Single
/// linkage would chain: on Fashion-MNIST it swallows whole classes.
///
/// Clusters merge in ascending order of their furthest pair; at equal distances, in the order
/// of the indices of the pair that completes them. 0 groups exact duplicates only.
///
/// Memory grows with the number of pairs within the threshold, 16 bytes each.
///
/// ```
/// use eidetic_metrics::{Images, duplicate_groups};
///
/// let images = Images::new(&[0, 9, 200, 0, 100], 1)?;
/// let groups = duplicate_groups(images, 0.05)?;
/// assert_eq!(groups.as_slice(), [0, 0, 2, 0, 4]);
/// assert_eq!(groups.representatives(), [0, 2, 4]);
/// # Ok::<(), eidetic_metrics::Error>(())
/// ```
///
/// # Errors
/// The threshold is negative or NaN.
pub fn duplicate_groups(images: Images<'_>, threshold_l2: f64) -> Result<Groups, Error> {
    let limit = squared_limit(threshold_l2, images.dim()).filter(|_| !threshold_l2.is_nan());
    let Some(limit) = limit else {
        let expected = "of at least 0";
        return Err(Error::Parameter {
            name: "threshold_l2",
            expected,
            got: threshold_l2,
        });
    };
    let pairs = Index::for_queries(images, images.len()).pairs_within(limit);
    Ok(complete_linkage(images.len(), &pairs))
}

/// Walks the pairs from the closest on and counts those between each two clusters. When the last
/// one between A and B has passed (|A| |B| of them), its distance is their complete linkage, and
/// no other two clusters are nearer: merge. Pairs beyond the threshold never pass.
fn complete_linkage(images: usize, pairs: &[(u64, u32, u32)]) -> Groups {
    let mut group: Vec<u32> = (0..images as u32).collect();
    let mut members: HashMap<u32, Vec<u32>> = HashMap::new();
    let mut passed: HashMap<u32, HashMap<u32, u64>> = HashMap::new();
    for &(_, i, j) in pairs {
        let (a, b) = (group[i as usize], group[j as usize]);
        if a == b {
            continue;
        }
        let count = passed.entry(a).or_default().entry(b).or_default();
        *count += 1;
        let count = *count;
        passed.entry(b).or_default().insert(a, count);
        let size = |group| {
            members
                .get(&group)
                .map_or(1, |members| members.len() as u64)
        };
        if count < size(a) * size(b) {
            continue;
        }
        let (keep, gone) = (a.min(b), a.max(b));
        let moved = members.remove(&gone).unwrap_or_else(|| vec![gone]);
        for &image in &moved {
            group[image as usize] = keep;
        }
        members
            .entry(keep)
            .or_insert_with(|| vec![keep])
            .extend(moved);
        for (other, count) in passed.remove(&gone).unwrap_or_default() {
            if other == keep {
                continue;
            }
            *passed.entry(keep).or_default().entry(other).or_default() += count;
            let back = passed.entry(other).or_default();
            back.remove(&gone);
            *back.entry(keep).or_default() += count;
        }
        passed.entry(keep).or_default().remove(&gone);
    }
    Groups { group }
}
