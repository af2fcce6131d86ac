//! The datasets there are: every folder with a manifest, and whether its data are at hand.

use std::path::{Path, PathBuf};

use super::{Error, Manifest, membership};
use crate::files::{folder_with, folders_with};

/// A dataset that has a manifest, read or not.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its folder, to be given to [`Dataset::load`](super::Dataset::load).
    pub folder: PathBuf,
    /// What it is.
    pub manifest: Manifest,
    /// Whether it can be loaded.
    pub readiness: Readiness,
}

/// Whether a dataset can be loaded. Files are looked for, not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// Its files are there.
    Ready,
    /// Files that the user has to bring, by name.
    Missing(Vec<String>),
    /// The program was built without this cargo feature, which reads them.
    NotBuilt(&'static str),
}

/// The datasets in `datasets_dir` (`benchmarks/datasets`), by name. `data_dir` is the folder
/// that the user gives for data that are not distributed.
///
/// # Errors
/// [`Error::Io`] where the folder cannot be listed, [`Error::Manifest`] for the first manifest,
/// in order of path, that is wrong.
pub fn datasets_in(datasets_dir: &Path, data_dir: Option<&Path>) -> Result<Vec<Entry>, Error> {
    let io_error = |source| Error::Io {
        path: datasets_dir.to_path_buf(),
        source,
    };
    let folders = folders_with(datasets_dir, Manifest::FILE).map_err(io_error)?;
    folders
        .into_iter()
        .map(|folder| Entry::read(folder, data_dir))
        .collect()
}

/// The dataset of that name in `datasets_dir`, whether or not its data are at hand.
///
/// # Errors
/// [`Error::Unknown`] with the nearest name; [`Error::Manifest`] where its own manifest is wrong.
pub fn find(datasets_dir: &Path, id: &str, data_dir: Option<&Path>) -> Result<Entry, Error> {
    if let Some(folder) = folder_with(datasets_dir, id, Manifest::FILE) {
        return Entry::read(folder, data_dir);
    }
    let names: Vec<String> = datasets_in(datasets_dir, data_dir)?
        .into_iter()
        .map(|entry| entry.manifest.name)
        .collect();
    let hint = crate::suggest::allowed_and_nearest(id, names.iter().map(String::as_str));
    Err(Error::Unknown {
        id: id.to_owned(),
        folder: datasets_dir.to_path_buf(),
        hint,
    })
}

impl Entry {
    fn read(folder: PathBuf, data_dir: Option<&Path>) -> Result<Self, Error> {
        let manifest = Manifest::read(&folder)?;
        let readiness = manifest.readiness(&folder, data_dir);
        Ok(Self {
            folder,
            manifest,
            readiness,
        })
    }
}

impl Manifest {
    fn readiness(&self, folder: &Path, data_dir: Option<&Path>) -> Readiness {
        if let Some(feature) = self.images.format.missing_feature() {
            return Readiness::NotBuilt(feature);
        }
        let lists = self.membership.as_ref();
        let lists = lists.map(|file| file.array(membership::TRAIN));
        let files = [Some(&self.images), self.labels.as_ref(), lists.as_ref()];
        let folders = self.data_folders(folder, data_dir);
        let missing: Vec<String> = files
            .into_iter()
            .flatten()
            .filter(|file| file.locate(&folders).is_none())
            .map(|file| file.file.clone())
            .collect();
        if missing.is_empty() {
            Readiness::Ready
        } else {
            Readiness::Missing(missing)
        }
    }
}

#[cfg(test)]
#[path = "registry_tests.rs"]
mod tests;
