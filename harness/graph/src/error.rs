//! What can be wrong with an ONNX file or a graph.

use std::io;
use std::path::PathBuf;

/// Why a model could not be read, built or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused.
    #[error("cannot {doing} {path}: {source}", path = .path.display())]
    Io {
        /// The verb: read, write.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Its reason.
        source: io::Error,
    },
    /// A message of Protocol Buffers holds 2 GiB at most.
    #[error(
        "{path}: expected an ONNX file of at most {limit} bytes, got {bytes}: keep the weights in a \
         file beside it (ONNX external data)", path = .path.display()
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The largest size.
        limit: u64,
    },
    /// Not a model, or a damaged one.
    #[error("{path}: expected an ONNX model, got {got}", path = .path.display())]
    NotOnnx {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        got: String,
    },
    /// A model whose parts do not fit together.
    #[error("graph {graph:?}: {what}")]
    Graph {
        /// The graph's name.
        graph: String,
        /// What was expected and what was got, with the name of the value.
        what: String,
    },
    /// An operator that does not fit what it is given, or that has no gradient here.
    #[error("{file}: operator {operator} ({node:?}): {what}")]
    Operator {
        /// The file, or the graph's name where it was built.
        file: String,
        /// The operator, with its domain where that is not the default one.
        operator: String,
        /// The node's name, or that of its first output.
        node: String,
        /// What was expected and what was got.
        what: String,
    },
}
