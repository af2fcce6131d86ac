//! What can be wrong with pictures, and what to do about it.

use std::fmt;
use std::path::{Path, PathBuf};

/// Why pictures could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused.
    #[error("cannot read {path}: {source}", path = .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Its reason.
        source: std::io::Error,
    },
    /// Neither a folder nor a file that is read.
    #[error(
        "{path}: expected a folder of PNG or JPEG files, a tar of them (or .tar.gz), an NPY or an \
         NPZ file, got {got}", path = .path.display()
    )]
    Unknown {
        /// The path that was given.
        path: PathBuf,
        /// What it is.
        got: String,
    },
    /// No file among them is a picture by its name.
    #[error("{path}: expected .png, .jpg or .jpeg files, found none", path = .path.display())]
    Nothing {
        /// The folder or archive.
        path: PathBuf,
    },
    /// Image files have 1 or 3 channels; others come as arrays.
    #[error("image files have 1 or 3 channels, the dataset has {channels}: give an NPY file")]
    Channels {
        /// The dataset's.
        channels: usize,
    },
    /// The array or archive is not what it should be.
    #[error("{path}: expected {expected}, got {got}", path = .path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is read.
        expected: String,
        /// What the file has.
        got: String,
    },
    /// Pictures that cannot be used, and nobody said to leave them out.
    #[error("{0}; mend or remove them, or pass --skip-bad to leave them out")]
    Unusable(Unusable),
    /// With `skip_bad`, but nothing is left.
    #[error("{0}; nothing is left")]
    NoneLeft(Unusable),
}

/// Pictures that cannot be used, by name and reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unusable {
    /// The folder or archive.
    pub path: PathBuf,
    /// How many pictures were looked at.
    pub of: usize,
    /// Name of each that cannot be used, and why.
    pub pictures: Vec<(String, String)>,
}

impl Unusable {
    /// How many are named; the others are counted.
    const NAMED: usize = 10;
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.pictures.len();
        let path = self.path.display();
        write!(f, "{path}: {count} of {} pictures cannot be used", self.of)?;
        for (i, (name, why)) in self.pictures.iter().take(Self::NAMED).enumerate() {
            let before = if i == 0 { ": " } else { "; " };
            write!(f, "{before}{name}: {why}")?;
        }
        match count.saturating_sub(Self::NAMED) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

/// The error of an operation on `path`.
pub(super) fn io_at(path: &Path) -> impl Fn(std::io::Error) -> Error {
    |source| Error::Io {
        path: path.to_path_buf(),
        source,
    }
}

pub(super) fn fault(path: &Path, expected: &str, got: impl ToString) -> Error {
    Error::Content {
        path: path.to_path_buf(),
        expected: expected.to_owned(),
        got: got.to_string(),
    }
}
