//! The search for ONNX Runtime.

use std::fs;
use std::path::{Path, PathBuf};

use crate::attempt::{Attempt, Outcome};
use crate::fetch::{PINNED, fetch};
use crate::{Error, Found, Library, cache, python};

/// Why nothing is fetched.
const OFFLINE: &str = "not allowed (--offline)";

/// What the user said about where ONNX Runtime is.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// `--onnxruntime PATH`: the library, or a folder that holds it. Goes before `ORT_DYLIB_PATH`.
    pub explicit: Option<PathBuf>,
    /// `--offline`: nothing is fetched.
    pub offline: bool,
}

/// Finds ONNX Runtime: where the user says (`explicit`, else `ORT_DYLIB_PATH`), and nowhere else
/// then; or beside the program, in the user's cache, in an installed Python package, or, unless
/// `offline`, by fetching it once with pip into the cache (`EIDETIC_CACHE`, or `eidetic` in the
/// user's cache folder). A candidate that cannot be used is passed over with a warning.
///
/// # Errors
///
/// [`Error::Named`] where the user named something unusable; [`Error::NotFound`], with one line a
/// way, where no way led to a library.
pub fn find(search: &Search) -> Result<Library, Error> {
    if let Some((way, path)) = named(search) {
        let path = named_file(&path);
        return Library::check(&path, way).map_err(|source| Error::Named {
            way,
            source: Box::new(source),
        });
    }
    let mut tried = vec![unnamed()];
    for way in [beside_binary, in_cache, in_python] {
        let attempt = way();
        match attempt.outcome {
            Outcome::Usable(library) => return Ok(library),
            Outcome::Unusable { .. } => tracing::warn!("passed over an ONNX Runtime, {attempt}"),
            Outcome::Absent(_) => {}
        }
        tried.push(attempt);
    }
    tried.push(match fetched(search.offline) {
        Ok(library) => return Ok(library),
        Err(attempt) => attempt,
    });
    Err(Error::NotFound(tried))
}

/// Every way of the search and what it comes to, for `eidetic doctor`. Nothing is fetched. Loads
/// each library that it finds to ask its version.
pub fn attempts(search: &Search) -> Vec<Attempt> {
    let named = match named(search) {
        Some((way, path)) => Attempt::check(way, named_file(&path)),
        None => unnamed(),
    };
    let pip = if search.offline {
        OFFLINE.to_owned()
    } else {
        format!("would fetch {} when it is needed", PINNED.version)
    };
    let pip = Attempt::absent(Found::Fetched, pip);
    vec![named, beside_binary(), in_cache(), in_python(), pip]
}

/// What the user named, and how.
fn named(search: &Search) -> Option<(Found, PathBuf)> {
    if let Some(path) = &search.explicit {
        return Some((Found::Explicit, path.clone()));
    }
    let path = std::env::var_os("ORT_DYLIB_PATH").filter(|value| !value.is_empty())?;
    Some((Found::Environment, path.into()))
}

fn unnamed() -> Attempt {
    Attempt::absent(Found::Explicit, "not given, and ORT_DYLIB_PATH is not set")
}

/// The library itself where a folder is named.
fn named_file(path: &Path) -> PathBuf {
    library_in(path).unwrap_or_else(|| path.to_owned())
}

fn beside_binary() -> Attempt {
    let way = Found::BesideBinary;
    let folder = std::env::current_exe()
        .ok()
        .and_then(|exe| Some(exe.parent()?.to_owned()));
    match folder {
        Some(folder) => in_folder(way, &folder),
        None => Attempt::absent(way, "the program's own folder is not known"),
    }
}

fn in_cache() -> Attempt {
    cache::attempt(&PINNED)
}

fn in_python() -> Attempt {
    match python::package_folder() {
        Ok(folder) => in_folder(Found::Python, &folder),
        Err(why) => Attempt::absent(Found::Python, why),
    }
}

fn fetched(offline: bool) -> Result<Library, Attempt> {
    let way = Found::Fetched;
    if offline {
        return Err(Attempt::absent(way, OFFLINE));
    }
    fetch(&PINNED)
        .and_then(|path| Library::check(&path, way))
        .map_err(|error| Attempt::absent(way, error.to_string()))
}

fn in_folder(way: Found, folder: &Path) -> Attempt {
    match library_in(folder) {
        Some(path) => Attempt::check(way, path),
        None => Attempt::absent(way, format!("no libonnxruntime.so in {}", folder.display())),
    }
}

/// The library in a folder, `libonnxruntime.so` or `libonnxruntime.so.1.24.4`; the highest version
/// where there are several.
fn library_in(folder: &Path) -> Option<PathBuf> {
    let version = |path: &Path| -> Option<Vec<u32>> {
        let rest = path
            .file_name()?
            .to_str()?
            .strip_prefix("libonnxruntime.so")?;
        if rest.is_empty() {
            return Some(Vec::new());
        }
        rest.strip_prefix('.')?
            .split('.')
            .map(|part| part.parse().ok())
            .collect()
    };
    let paths = fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()));
    paths
        .filter_map(|path| Some((version(&path)?, path)))
        .max()
        .map(|(_, path)| path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_highest_version_in_a_folder_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(library_in(folder.path()), None);
        for name in [
            "libonnxruntime_providers_shared.so",
            "libonnxruntime.so.bak",
            "libonnxruntime.so.1.9.0",
            "libonnxruntime.so",
            "libonnxruntime.so.1.24.4",
        ] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let found = library_in(folder.path()).unwrap();
        assert_eq!(found.file_name().unwrap(), "libonnxruntime.so.1.24.4");
        assert_eq!(library_in(&folder.path().join("missing")), None);
    }
}
