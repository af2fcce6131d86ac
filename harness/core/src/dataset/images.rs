//! A dataset in memory: u8 images, labels, digest and groups of duplicates.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{
    DataFile, Duplicates, Error, Format, Layout, Manifest, Membership, SplitConfig, cifar, idx,
    labelled, membership,
};
use crate::files::{hex, sha256_file};
use crate::pictures::npy::Stored;

/// A dataset, whole in memory.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// Its id.
    pub id: String,
    /// All images, u8, `[N, C, H, W]`, the last axis fastest.
    pub images: Vec<u8>,
    /// One label an image, below the number of classes.
    pub labels: Option<Vec<u32>>,
    /// The name of each label; empty where there are no labels.
    pub classes: Vec<String>,
    /// Channels, height, width.
    pub shape: [usize; 3],
    /// SHA-256 of shape, pixels and labels, and of the published lists where there are any, in
    /// hexadecimal: independent of file formats, names and class names. See [`Dataset::new`] and
    /// [`Dataset::with_membership`].
    pub digest: String,
    /// The groups of duplicates.
    pub duplicates: Duplicates,
    /// Which images may be members and which holdout, where published lists say so.
    pub membership: Option<Membership>,
    /// The split that is used where a suite names none.
    pub default_split: Option<SplitConfig>,
}

impl Dataset {
    /// A dataset from memory: `images` is u8 `[N, C, H, W]` with `shape` = `[C, H, W]`.
    ///
    /// `near_duplicate_l2` is the threshold of near duplicates, see [`Duplicates`]. The digest
    /// is SHA-256 over `"eidetic dataset 1\n"`, then N, C, H and W as little-endian u64, the
    /// pixels, and, where there are labels, each as a little-endian u32.
    ///
    /// # Errors
    /// [`Error::Parts`] where the parts do not fit together.
    pub fn new(
        id: &str,
        shape: [usize; 3],
        images: Vec<u8>,
        labels: Option<Vec<u32>>,
        classes: Vec<String>,
        near_duplicate_l2: f64,
    ) -> Result<Self, Error> {
        let misfit = |expected: String, got: String| {
            Err(Error::Parts {
                id: id.to_owned(),
                expected,
                got,
            })
        };
        let dim = shape.iter().product::<usize>();
        if dim == 0 || !images.len().is_multiple_of(dim) {
            return misfit(
                format!("whole images of shape {shape:?}"),
                format!("{} bytes", images.len()),
            );
        }
        let n = images.len() / dim;
        if let Some(labels) = &labels {
            if labels.len() != n {
                return misfit(format!("{n} labels"), labels.len().to_string());
            }
            let wrong = labels
                .iter()
                .position(|&label| label as usize >= classes.len());
            if let Some(i) = wrong {
                let expected = format!("labels below {} (the number of classes)", classes.len());
                return misfit(expected, format!("{} at index {i}", labels[i]));
            }
        }
        let digest = content_digest(n, shape, &images, labels.as_deref());
        let duplicates =
            Duplicates::cached(&images, dim, near_duplicate_l2, &digest).map_err(|source| {
                Error::Groups {
                    id: id.to_owned(),
                    source,
                }
            })?;
        let id = id.to_owned();
        Ok(Self {
            id,
            images,
            labels,
            classes,
            shape,
            digest,
            duplicates,
            membership: None,
            default_split: None,
        })
    }

    /// The same images with published lists of the indices of those that a model was trained on,
    /// and of others that it was not: members are drawn from `train` alone, holdout and aux from
    /// `eval`, see [`Split`](super::Split). The order of a list does not matter.
    ///
    /// It is another dataset, with another digest: SHA-256 over `"eidetic membership 1\n"`, the
    /// digest without lists (64 hexadecimal digits), then of each list its length as a
    /// little-endian u64 and its indices in ascending order, each as a little-endian u32.
    ///
    /// # Errors
    /// [`Error::Parts`] for an index that is out of range, twice in a list, or in both.
    pub fn with_membership(self, train: Vec<u32>, eval: Vec<u32>) -> Result<Self, Error> {
        match Membership::new(self.len(), train, eval) {
            Ok(membership) => Ok(self.listed(membership)),
            Err((expected, got)) => Err(Error::Parts {
                id: self.id,
                expected,
                got,
            }),
        }
    }

    /// With lists of this dataset, which has none yet.
    fn listed(mut self, membership: Membership) -> Self {
        self.digest = membership.digest(&self.digest);
        self.membership = Some(membership);
        self
    }

    /// Reads the dataset whose manifest is in `folder`. Its files are looked for in `folder`,
    /// then in `data_dir`, the folder that the user gives, and in `data_dir/<name>`.
    ///
    /// # Errors
    /// [`Error::NoData`] where the user has to bring the files, [`Error::NotBuilt`] where this program
    /// does not read their format, [`Error::Unusable`] for image files that cannot be used, else the
    /// fault with the file's path.
    pub fn load(folder: &Path, data_dir: Option<&Path>) -> Result<Self, Error> {
        let manifest = Manifest::read(folder)?;
        let folders = manifest.data_folders(folder, data_dir);
        let locate = |file: &DataFile| {
            file.locate(&folders).ok_or_else(|| Error::NoData {
                id: manifest.name.clone(),
                file: file.file.clone(),
                looked: folders.clone(),
                source_page: manifest.source.clone(),
            })
        };
        if let Some(feature) = manifest.images.format.missing_feature() {
            return Err(Error::NotBuilt {
                id: manifest.name,
                file: manifest.images.file,
                feature,
            });
        }
        let path = locate(&manifest.images)?;
        let lists = manifest.membership.as_ref();
        let lists = lists.map(|file| {
            let path = locate(&file.array(membership::TRAIN))?;
            Membership::read(file, &path, manifest.count as usize)
        });
        let lists = lists.transpose()?;
        let (images, labels) = match manifest.images.format {
            Format::Idx | Format::Npy | Format::Npz => {
                let images = manifest.read_images(&path)?;
                let labels = manifest.labels.as_ref();
                let labels = labels.map(|file| manifest.read_labels(file, &locate(file)?));
                (images, labels.transpose()?)
            }
            Format::Cifar10Binary => {
                if path.is_file() {
                    manifest.images.check_whole(&path)?;
                }
                let (count, classes) = (manifest.count as usize, manifest.classes.len());
                let (images, labels) = cifar::read(&path, count, classes)?;
                (images, Some(labels))
            }
            Format::ImageFolder | Format::Webdataset | Format::Parquet => {
                manifest.images.check_whole(&path)?;
                labelled::read(&manifest, &path)?
            }
        };
        let mut dataset = Self::new(
            &manifest.name,
            manifest.shape,
            images,
            labels,
            manifest.classes,
            manifest.near_duplicate_l2,
        )?;
        dataset.default_split = Some(manifest.split);
        Ok(match lists {
            Some(membership) => dataset.listed(membership),
            None => dataset,
        })
    }

    /// The number of images.
    pub fn len(&self) -> usize {
        self.duplicates.as_slice().len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Pixels of one image, C * H * W.
    pub fn dim(&self) -> usize {
        self.shape.iter().product()
    }

    /// The pixels of one image, `[C, H, W]`. Panics where there is none of that index.
    pub fn image(&self, index: u32) -> &[u8] {
        let start = index as usize * self.dim();
        &self.images[start..start + self.dim()]
    }

    /// Copies the images at `indices`, in that order. Panics where there is none of an index.
    pub fn select(&self, indices: &[u32]) -> Vec<u8> {
        indices
            .iter()
            .flat_map(|&i| self.image(i))
            .copied()
            .collect()
    }
}

impl Manifest {
    /// Where the files may lie, in the order of search.
    pub(super) fn data_folders(&self, folder: &Path, data_dir: Option<&Path>) -> Vec<PathBuf> {
        let given = data_dir.map(|dir| [dir.to_path_buf(), dir.join(&self.name)]);
        [folder.to_path_buf()]
            .into_iter()
            .chain(given.into_iter().flatten())
            .collect()
    }

    fn read_images(&self, path: &Path) -> Result<Vec<u8>, Error> {
        let file = &self.images;
        let n = self.count as usize;
        let [c, h, w] = self.shape;
        let bytes = (n * self.dim()) as u64;
        let stored = match file.format {
            Format::Idx => return idx::read(path, &[n, h, w], &file.sha256),
            _ => file.stored(path, bytes)?,
        };
        Ok(stored.images([n, c, h, w], file.layout.unwrap_or(Layout::Nchw))?)
    }

    fn read_labels(&self, file: &DataFile, path: &Path) -> Result<Vec<u32>, Error> {
        let n = self.count as usize;
        // Integers have up to eight bytes.
        let bytes = 8 * n as u64;
        let labels = match file.format {
            Format::Idx => {
                let labels = idx::read(path, &[n], &file.sha256)?;
                labels.into_iter().map(u32::from).collect()
            }
            _ => file.stored(path, bytes)?.labels(n)?,
        };
        match labels
            .iter()
            .position(|&label: &u32| label as usize >= self.classes.len())
        {
            None => Ok(labels),
            Some(i) => Err(Error::Content {
                path: path.to_path_buf(),
                expected: format!(
                    "labels below {} (the number of classes)",
                    self.classes.len()
                ),
                got: format!("{} at index {i}", labels[i]),
            }),
        }
    }
}

impl DataFile {
    /// The array of an NPY or NPZ file, whose data take at most `data_limit` bytes; the digest is
    /// checked.
    pub(super) fn stored<'a>(&self, path: &'a Path, data_limit: u64) -> Result<Stored<'a>, Error> {
        match &self.array {
            None => {
                let stored = Stored::npy(path, data_limit)?;
                self.check_digest(path, stored.sha256())?;
                Ok(stored)
            }
            Some(array) => {
                self.check_whole(path)?;
                Ok(Stored::npz(path, array, data_limit)?)
            }
        }
    }

    /// Checks the digest of the file as it is stored, or of the folder.
    fn check_whole(&self, path: &Path) -> Result<(), Error> {
        let got = match path.is_dir() {
            true => labelled::folder_digest(path)?,
            false => sha256_file(path).map_err(|source| Error::Io {
                path: path.to_path_buf(),
                source,
            })?,
        };
        self.check_digest(path, got)
    }

    fn check_digest(&self, path: &Path, got: String) -> Result<(), Error> {
        if got == self.sha256 {
            return Ok(());
        }
        Err(Error::Digest {
            path: path.to_path_buf(),
            expected: self.sha256.clone(),
            got,
        })
    }
}

fn content_digest(n: usize, shape: [usize; 3], images: &[u8], labels: Option<&[u32]>) -> String {
    let mut digest = Sha256::new_with_prefix("eidetic dataset 1\n");
    for size in [n, shape[0], shape[1], shape[2]] {
        digest.update((size as u64).to_le_bytes());
    }
    digest.update(images);
    for label in labels.unwrap_or_default() {
        digest.update(label.to_le_bytes());
    }
    hex(&digest.finalize())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parts(images: Vec<u8>, labels: Option<Vec<u32>>) -> Result<Dataset, String> {
        let classes = vec!["a".to_owned(), "b".to_owned()];
        Dataset::new("parts", [2, 1, 2], images, labels, classes, 0.0)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn parts_that_do_not_fit_are_refused() {
        assert_eq!(parts(vec![0; 8], Some(vec![0, 1])).unwrap().len(), 2);
        assert!(parts(vec![], None).unwrap().is_empty());
        let error = parts(vec![0; 7], None).unwrap_err();
        assert!(
            error.contains("expected whole images of shape [2, 1, 2], got 7 bytes"),
            "{error}"
        );
        let error = parts(vec![0; 8], Some(vec![0])).unwrap_err();
        assert!(error.contains("expected 2 labels, got 1"), "{error}");
        let error = parts(vec![0; 8], Some(vec![0, 2])).unwrap_err();
        assert!(
            error.contains("labels below 2") && error.contains("2 at index 1"),
            "{error}"
        );
        assert!(Dataset::new("empty", [1, 0, 2], vec![], None, vec![], 0.0).is_err());
    }

    #[test]
    fn the_digest_depends_on_pixels_labels_and_shape_alone() {
        let whole = parts(vec![0; 8], Some(vec![0, 1])).unwrap().digest;
        let named = vec!["c".to_owned(), "d".to_owned()];
        let same = Dataset::new("x", [2, 1, 2], vec![0; 8], Some(vec![0, 1]), named, 0.5).unwrap();
        assert_eq!(whole, same.digest);
        assert_ne!(whole, parts(vec![0; 8], None).unwrap().digest);
        assert_ne!(whole, parts(vec![0; 8], Some(vec![1, 1])).unwrap().digest);
        let reshaped = Dataset::new("x", [1, 2, 2], vec![0; 8], None, vec![], 0.0)
            .unwrap()
            .digest;
        assert_ne!(parts(vec![0; 8], None).unwrap().digest, reshaped);
    }
}
