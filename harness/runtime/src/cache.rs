//! The copy in the user's cache: where it lies, and that it is the pinned one bit for bit.

use std::path::PathBuf;

use crate::attempt::{Attempt, Outcome};
use crate::fetch::Pinned;
use crate::{Found, library};

/// Where the pinned library lies once it was fetched:
/// `<cache>/onnxruntime/<version>/libonnxruntime.so.<version>`, where the cache is `EIDETIC_CACHE`
/// or `eidetic` in the user's own cache folder.
pub(crate) fn path(pinned: &Pinned) -> Option<PathBuf> {
    let root = match std::env::var_os("EIDETIC_CACHE").filter(|value| !value.is_empty()) {
        Some(folder) => PathBuf::from(folder),
        None => directories::BaseDirs::new()?.cache_dir().join("eidetic"),
    };
    Some(
        root.join("onnxruntime")
            .join(pinned.version)
            .join(pinned.file_name()),
    )
}

/// Looks in the cache. A file that is not the pinned one to the bit is not loaded.
pub(crate) fn attempt(pinned: &Pinned) -> Attempt {
    let way = Found::Cache;
    let Some(path) = path(pinned) else {
        return Attempt::absent(way, "there is no cache folder for this user");
    };
    if !path.exists() {
        return Attempt::absent(way, format!("no {}", path.display()));
    }
    match library::sha256(&path) {
        Ok(sha256) if sha256 == pinned.library_sha256 => Attempt::check(way, path),
        Ok(sha256) => {
            let reason = format!(
                "damaged, {}: expected sha256 {}, got {sha256}",
                path.display(),
                pinned.library_sha256
            );
            Attempt {
                way,
                outcome: Outcome::Unusable { path, reason },
            }
        }
        Err(error) => {
            let reason = format!("cannot read {}: {error}", path.display());
            Attempt {
                way,
                outcome: Outcome::Unusable { path, reason },
            }
        }
    }
}
