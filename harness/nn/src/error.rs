//! What can go wrong in building and training a network.

use std::io;
use std::path::PathBuf;

/// A network, a training run or a checkpoint that cannot be.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A configuration without sense.
    #[error("{key}: expected {expected}, got {got}")]
    Configuration {
        /// The key.
        key: &'static str,
        /// What it should be.
        expected: String,
        /// What it is.
        got: String,
    },
    /// Arrays that do not fit the network.
    #[error("{what}: expected {expected}, got {got}")]
    Shape {
        /// The array.
        what: String,
        /// What it should be.
        expected: String,
        /// What it is.
        got: String,
    },
    /// A graph that cannot be built or differentiated.
    #[error(transparent)]
    Graph(#[from] eidetic_graph::Error),
    /// ONNX Runtime.
    #[error(transparent)]
    Runtime(#[from] eidetic_runtime::Error),
    /// Training diverged.
    #[error(
        "step {step}: expected a finite {what}, got {value}; lower the learning rate or clip the \
         gradient ({kept})"
    )]
    NotFinite {
        /// The step, from 0.
        step: u64,
        /// `loss`, `gradient` or `weight` (or a moment of the optimiser).
        what: &'static str,
        /// What it was.
        value: f64,
        /// What is left of the run.
        kept: String,
    },
    /// What supplies the batches, watches the run or acts after a step failed.
    #[error("{0}")]
    Task(String),
    /// A checkpoint that cannot be trusted, or that is of another run.
    #[error("{path}: {what}")]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What was expected and what was got.
        what: String,
    },
    /// A file that cannot be read or written.
    #[error("cannot {doing} {path}")]
    Io {
        /// `read` or `write`.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}
