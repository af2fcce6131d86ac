//! Why a run ends before it is through.

use std::io;
use std::path::{Path, PathBuf};

use crate::dataset;

/// Why a run ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody else works in the same folder.
    #[error("another run works in {}; wait for it, or give this one another --out", folder.display())]
    Busy {
        /// The folder.
        folder: PathBuf,
    },
    /// A file or folder cannot be read or written.
    #[error("{doing} {}: {source}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The path.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Data that were there when the plan was made are not any more.
    #[error(transparent)]
    Data(#[from] dataset::Error),
    /// Quality is asked for, and nothing there runs the embedder.
    #[error("quality needs ONNX Runtime, and there is none")]
    NoRuntime,
    /// ONNX Runtime that was there when the plan was made is not any more.
    #[error(transparent)]
    Runtime(#[from] eidetic_runtime::Error),
    /// The embedder cannot be opened, or gives no features.
    #[error(transparent)]
    Embed(#[from] crate::embed::Error),
    /// Findings that cannot be scored, which is a fault of this program.
    #[error("cannot score cell {id}: {source}")]
    Score {
        /// The cell.
        id: String,
        /// What is wrong.
        source: crate::score::Error,
    },
}

pub(super) fn at(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io {
        doing,
        path,
        source,
    }
}
