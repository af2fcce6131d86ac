//! Writes a model folder as a whole.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use super::error::Error;
use super::folder::{ModelFolder, digest_of};
use super::manifest::{ListedFile, Manifest};
use crate::files::{sha256_hex, write_atomic};
use crate::yaml::LocatedError;

/// What is written. The same manifest and listed files give the same model digest.
#[derive(Debug, Clone)]
pub struct FolderContent {
    /// The manifest; its `files` are filled in from `listed`.
    pub manifest: Manifest,
    /// Path in the folder, with `/`, and bytes of each file that is part of the model.
    pub listed: Vec<(String, Vec<u8>)>,
    /// Files that lie beside it and are no part of its digest.
    pub beside: Vec<(String, Vec<u8>)>,
}

/// Writes `path` as a whole: into a temporary folder beside it, synced, renamed. A folder that is
/// there and is this very model stays as it is; a model folder that differs, or is damaged, is
/// replaced.
///
/// # Errors
/// [`Error::Manifest`] for what a manifest does not take; [`Error::Occupied`] where `path` is
/// something else; [`Error::Io`]; whatever [`ModelFolder::open`] says of what was written.
pub fn write_model_folder(path: &Path, content: FolderContent) -> Result<ModelFolder, Error> {
    let mut manifest = content.manifest;
    let listed = content.listed.iter().map(|(path, bytes)| ListedFile {
        path: path.clone(),
        sha256: sha256_hex(bytes),
    });
    manifest.files = listed.collect();
    let wrong = |key, message| LocatedError {
        file: path.join(Manifest::FILE),
        place: None,
        key,
        message,
    };
    manifest.check().map_err(|(key, text)| wrong(key, text))?;
    let yaml = serde_yaml::to_string(&manifest)
        .map_err(|error| wrong(String::new(), error.to_string()))?;
    let digest = digest_of(yaml.as_bytes(), &manifest);
    let standing = || {
        ModelFolder::open(path)
            .ok()
            .filter(|folder| folder.digest() == digest)
    };
    if let Some(folder) = standing() {
        return Ok(folder);
    }
    check_model_place(path)?;
    let parent = parent(path);
    let failed = |doing| failed(doing, path);
    let temporary = temporary(parent).map_err(failed("write"))?;
    let built = temporary.path().join("model");
    let manifest = (Manifest::FILE.to_owned(), yaml.into_bytes());
    let all = content.listed.iter().chain(&content.beside);
    for (name, bytes) in all.chain([&manifest]) {
        write_atomic(&built.join(name), bytes).map_err(failed("write"))?;
    }
    ModelFolder::open(&built)?;

    if path.exists() {
        // Renamed away first, so that nobody meets half of it.
        fs::rename(path, temporary.path().join("old")).map_err(failed("replace"))?;
    }
    match fs::rename(&built, path) {
        Ok(()) => sync(parent).map_err(failed("write"))?,
        // Another process was faster: what counts is that the right model is there.
        Err(source) => return standing().ok_or_else(|| failed("write")(source)),
    }
    ModelFolder::open(path)
}

/// Whether a model folder can be written at `path`: the folder above is made where it is not there,
/// and tried.
///
/// # Errors
/// [`Error::Occupied`] where `path` is something else than a model folder; [`Error::Io`].
pub fn check_model_place(path: &Path) -> Result<(), Error> {
    let parent = parent(path);
    fs::create_dir_all(parent).map_err(failed("write", path))?;
    temporary(parent).map_err(failed("write", path))?;
    if path.exists() && !path.join(Manifest::FILE).is_file() {
        return Err(Error::Occupied {
            path: path.to_owned(),
        });
    }
    Ok(())
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error + use<> {
    let path = path.to_owned();
    move |source| Error::Io {
        doing,
        path,
        source,
    }
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn temporary(parent: &Path) -> io::Result<tempfile::TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".").suffix(".tmp");
    builder.tempdir_in(parent)
}

fn sync(folder: &Path) -> io::Result<()> {
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    Ok(())
}
