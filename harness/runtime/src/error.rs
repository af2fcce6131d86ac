//! What can go wrong.

use std::io;
use std::path::PathBuf;

use crate::library::{NEWEST_MINOR, OLDEST_MINOR};
use crate::{Attempt, Device, ElfError};

/// Anything that keeps ONNX Runtime from being found, loaded or run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// None of the ways found a library.
    #[error("no usable ONNX Runtime (1.{OLDEST_MINOR} to 1.{NEWEST_MINOR}) found:{}", lines(.0))]
    NotFound(Vec<Attempt>),

    /// The library that was asked for by name cannot be used.
    #[error("{way} does not name a usable ONNX Runtime: {source}")]
    Named {
        /// The option or variable.
        way: crate::Found,
        /// Why not.
        source: Box<Error>,
    },

    /// Not a whole ELF file.
    #[error(transparent)]
    Elf(#[from] ElfError),

    /// A file could not be read or written.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// The verb: read, write, find.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },

    /// The system's loader refused the library.
    #[error("cannot load {}: {reason}", path.display())]
    Load {
        /// The library.
        path: PathBuf,
        /// The loader's words.
        reason: String,
    },

    /// A library that is not ONNX Runtime.
    #[error("{} is not ONNX Runtime: it has no symbol OrtGetApiBase", path.display())]
    NotOnnxRuntime {
        /// The library.
        path: PathBuf,
    },

    /// A version of ONNX Runtime that is known not to work.
    #[error(
        "expected ONNX Runtime 1.{OLDEST_MINOR} to 1.{NEWEST_MINOR}, got {version} at {}",
        path.display()
    )]
    Version {
        /// The library.
        path: PathBuf,
        /// What it calls itself.
        version: String,
    },

    /// The download with pip failed.
    #[error("{0}")]
    Fetch(String),

    /// ONNX Runtime is loaded once a process, and it was loaded from elsewhere.
    #[error(
        "ONNX Runtime is loaded once a process: expected {}, already loaded {}",
        asked.display(), loaded.display()
    )]
    AlreadyLoaded {
        /// The path asked for.
        asked: PathBuf,
        /// The path in use.
        loaded: PathBuf,
    },

    /// ONNX Runtime did not start.
    #[error("cannot start ONNX Runtime: {0}")]
    Start(String),

    /// A model that ONNX Runtime refuses.
    #[error("cannot open model {model}: {reason}")]
    Model {
        /// The file, or "(in memory)".
        model: String,
        /// ONNX Runtime's words.
        reason: String,
    },

    /// The device is not there; never replaced by another one.
    #[error("cannot use device {device} for model {model}: {reason}")]
    Device {
        /// The device asked for.
        device: Device,
        /// The file, or "(in memory)".
        model: String,
        /// ONNX Runtime's words.
        reason: String,
    },

    /// An input that was not given, or one that the model does not have.
    #[error("model {model}: expected inputs {expected}, got {got}")]
    Inputs {
        /// The model.
        model: String,
        /// Names and shapes of the model's inputs.
        expected: String,
        /// Names that were given.
        got: String,
    },

    /// An input of another type or shape.
    #[error("model {model}, input {input}: expected {expected}, got {got}")]
    Input {
        /// The model.
        model: String,
        /// The input's name.
        input: String,
        /// What the model takes.
        expected: String,
        /// What was given.
        got: String,
    },

    /// An output that the model does not have or that has not one entry a row.
    #[error("model {model}, output {output}: expected {expected}, got {got}")]
    Output {
        /// The model.
        model: String,
        /// The output's name.
        output: String,
        /// What was needed.
        expected: String,
        /// What the model has or gave.
        got: String,
    },

    /// Options or sizes that make no sense.
    #[error("expected at least 1 {what}, got 0")]
    Zero {
        /// rows, sessions or microbatch.
        what: &'static str,
    },

    /// ONNX Runtime failed while it ran a model.
    #[error("model {model} failed: {reason}")]
    Run {
        /// The model.
        model: String,
        /// ONNX Runtime's words.
        reason: String,
    },
}

/// One attempt a line, indented.
fn lines(attempts: &[Attempt]) -> String {
    attempts
        .iter()
        .map(|attempt| format!("\n  - {attempt}"))
        .collect()
}
