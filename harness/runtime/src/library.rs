//! A copy of ONNX Runtime that has passed every check.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Error, elf, foreign};

/// The oldest supported minor version, 1.x: the API version that this crate is built against.
pub(crate) const OLDEST_MINOR: u32 = 24;
/// The newest minor version that was tried.
pub(crate) const NEWEST_MINOR: u32 = 31;

/// How a library was found, in the order of the search.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// Named by the caller (`--onnxruntime`).
    Explicit,
    /// Named by `ORT_DYLIB_PATH`.
    Environment,
    /// In the folder of the running program.
    BesideBinary,
    /// In the user's cache, from an earlier fetch.
    Cache,
    /// In an installed Python package.
    Python,
    /// Fetched with pip just now.
    Fetched,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Explicit => "--onnxruntime PATH",
            Self::Environment => "ORT_DYLIB_PATH",
            Self::BesideBinary => "beside the program",
            Self::Cache => "the user's cache",
            Self::Python => "an installed Python package",
            Self::Fetched => "a download with pip",
        })
    }
}

/// A shared library of ONNX Runtime: a whole ELF file that loads and speaks a supported API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Library {
    /// Canonical path.
    pub path: PathBuf,
    /// How it was found.
    pub found: Found,
    /// ONNX Runtime's version, `1.24.4`.
    pub version: String,
    /// SHA-256 of the file, 64 lower-case hexadecimal digits.
    pub sha256: String,
}

impl Library {
    /// Checks a file and loads it once: a whole ELF file, `OrtGetApiBase`, a version from 1.24 on
    /// that has API 24. Some older versions abort or hang the process when they are used through a
    /// newer API, so nothing more is called before this has passed.
    pub(crate) fn check(path: &Path, found: Found) -> Result<Self, Error> {
        let path = path.canonicalize().map_err(|source| Error::Io {
            doing: "find",
            path: path.to_owned(),
            source,
        })?;
        elf::check_elf(&path)?;
        let sha256 = sha256(&path).map_err(|source| Error::Io {
            doing: "read",
            path: path.clone(),
            source,
        })?;
        let version = foreign::onnxruntime_version(&path)?;
        if minor(&version) > Some(NEWEST_MINOR) {
            tracing::warn!(
                "ONNX Runtime {version} at {} is newer than 1.{NEWEST_MINOR}, the newest tried",
                path.display()
            );
        }
        Ok(Self {
            path,
            found,
            version,
            sha256,
        })
    }
}

/// Whether this version can be used through the API that this crate is built against.
pub(crate) fn is_supported(version: &str) -> bool {
    minor(version).is_some_and(|minor| minor >= OLDEST_MINOR)
}

/// The `x` of `1.x`; `None` for another major version or something that is no version.
fn minor(version: &str) -> Option<u32> {
    let mut parts = version.split('.');
    if parts.next()? != "1" {
        return None;
    }
    parts.next()?.parse().ok()
}

/// SHA-256 of a file as hexadecimal digits.
pub(crate) fn sha256(path: &Path) -> io::Result<String> {
    let mut hash = Hash(Sha256::new());
    io::copy(&mut File::open(path)?, &mut hash)?;
    Ok(hash
        .0
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

/// Lets `io::copy` feed a digest.
struct Hash(Sha256);

impl io::Write for Hash {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn versions_are_read_as_numbers() {
        assert_eq!(minor("1.24.4"), Some(24));
        assert_eq!(minor("1.9.0"), Some(9));
        assert_eq!(minor("2.24.0"), None);
        assert_eq!(minor("1"), None);
        assert_eq!(minor("1.x.0"), None);
        assert_eq!(minor(""), None);
        assert!(is_supported("1.24.0") && is_supported("1.31.1"));
        assert!(!is_supported("1.23.9") && !is_supported("1.9.0") && !is_supported("2.24.0"));
    }

    #[test]
    fn digest_is_the_published_one() {
        // FIPS 180-2, appendix B.1.
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "abc").unwrap();
        assert_eq!(
            sha256(file.path()).unwrap(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
