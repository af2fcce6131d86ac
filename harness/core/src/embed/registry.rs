//! The embedders there are: every folder with a manifest, and whether its network is at hand.

use std::path::{Path, PathBuf};

use super::error::Error;
use super::manifest::Manifest;
use crate::files::{folder_with, folders_with};

/// An embedder that has a manifest.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its folder, to be given to [`Embedder::open`](super::Embedder::open).
    pub folder: PathBuf,
    /// What it is.
    pub manifest: Manifest,
    /// Whether it can be opened.
    pub readiness: Readiness,
}

/// Whether an embedder can be opened. The network is looked for, not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// Its network is there.
    Ready,
    /// The file that the user has to export, by name.
    Missing(String),
}

/// The embedders in `embedders_dir` (`benchmarks/embedders`), by name. `data_dir` is the folder
/// that the user gives for networks that are not distributed.
///
/// # Errors
/// [`Error::Io`] where the folder cannot be listed, [`Error::Manifest`] for the first manifest, in
/// order of path, that is wrong.
pub fn embedders_in(embedders_dir: &Path, data_dir: Option<&Path>) -> Result<Vec<Entry>, Error> {
    let io_error = |source| Error::Io {
        path: embedders_dir.to_path_buf(),
        source,
    };
    let folders = folders_with(embedders_dir, Manifest::FILE).map_err(io_error)?;
    folders
        .into_iter()
        .map(|folder| Entry::read(folder, data_dir))
        .collect()
}

/// The embedder of that name in `embedders_dir`, whether or not its network is at hand.
///
/// # Errors
/// [`Error::Unknown`] with the nearest name; [`Error::Manifest`] where its own manifest is wrong.
pub fn find(embedders_dir: &Path, name: &str, data_dir: Option<&Path>) -> Result<Entry, Error> {
    if let Some(folder) = folder_with(embedders_dir, name, Manifest::FILE) {
        return Entry::read(folder, data_dir);
    }
    let names: Vec<String> = embedders_in(embedders_dir, data_dir)?
        .into_iter()
        .map(|entry| entry.manifest.name)
        .collect();
    let hint = crate::suggest::allowed_and_nearest(name, names.iter().map(String::as_str));
    Err(Error::Unknown {
        name: name.to_owned(),
        folder: embedders_dir.to_path_buf(),
        hint,
    })
}

impl Entry {
    fn read(folder: PathBuf, data_dir: Option<&Path>) -> Result<Self, Error> {
        let manifest = Manifest::read(&folder)?;
        let readiness = match manifest.locate(&folder, data_dir) {
            Some(_) => Readiness::Ready,
            None => Readiness::Missing(manifest.network.file.clone()),
        };
        Ok(Self {
            folder,
            manifest,
            readiness,
        })
    }
}
