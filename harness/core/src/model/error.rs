//! What can be wrong with a model folder, and what to do about it.

use std::io;
use std::path::PathBuf;

use crate::yaml::LocatedError;

/// Why a model could not be opened or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `model.yaml` is wrong: file, line, column and key.
    #[error(transparent)]
    Manifest(#[from] LocatedError),
    /// A listed file is not there.
    #[error(
        "{path}: expected the file that {manifest} lists, got none: fetch the whole model folder",
        path = .path.display(), manifest = .manifest.display()
    )]
    Missing {
        /// The file.
        path: PathBuf,
        /// The manifest.
        manifest: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot {doing} {path}: {source}", path = .path.display())]
    Io {
        /// The verb: read, write, replace.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Its reason.
        source: io::Error,
    },
    /// A file is another one than the manifest's.
    #[error(
        "{path}: expected sha256 {expected}, got {got}: fetch the file again, or correct model.yaml \
         if this is the file you mean", path = .path.display()
    )]
    Digest {
        /// The file.
        path: PathBuf,
        /// The manifest's digest.
        expected: String,
        /// The file's digest.
        got: String,
    },
    /// `scheduler_config.json` is wrong.
    #[error("{path}: {key}: {message}", path = .path.display())]
    Schedule {
        /// The file.
        path: PathBuf,
        /// The key, or `(file)`.
        key: String,
        /// What was expected and what was got.
        message: String,
    },
    /// The network's file is no ONNX model.
    #[error(transparent)]
    Onnx(#[from] eidetic_graph::Error),
    /// An input or output of the network is not what the manifest and the format ask for.
    #[error("{path}: {port}: expected {expected}, got {got}", path = .path.display())]
    Port {
        /// The ONNX file.
        path: PathBuf,
        /// `input sample`, `output out_sample`, `inputs`.
        port: String,
        /// What was expected.
        expected: String,
        /// What it is.
        got: String,
    },
    /// The network keeps weights in a file whose digest nobody has written down.
    #[error(
        "{path}: its weights are in {weights:?}: list that file with its sha256 under files: in \
         model.yaml", path = .path.display()
    )]
    Unlisted {
        /// The ONNX file.
        path: PathBuf,
        /// The file of weights, relative to the model folder.
        weights: String,
    },
    /// ONNX Runtime, or the device, does not take the network.
    #[error(transparent)]
    Runtime(Box<eidetic_runtime::Error>),
    /// A folder that is to be written is there already and is something else.
    #[error(
        "{path}: expected no folder, or a model folder to replace, got something else: move it away",
        path = .path.display()
    )]
    Occupied {
        /// The folder.
        path: PathBuf,
    },
    /// Images to memorize that do not fit together.
    #[error("memorizer {name:?}: expected {expected}, got {got}")]
    Images {
        /// The model's name.
        name: String,
        /// What was expected.
        expected: String,
        /// What was given.
        got: String,
    },
}
