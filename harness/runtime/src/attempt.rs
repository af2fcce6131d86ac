//! What one way of the search came to.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use crate::{Error, Found, Library};

/// One way of finding ONNX Runtime and what it came to.
#[derive(Debug, Clone, Serialize)]
pub struct Attempt {
    /// The way.
    pub way: Found,
    /// What it came to.
    pub outcome: Outcome,
}

/// What one way of the search came to.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A library that passed every check.
    Usable(Library),
    /// Nothing there; says where it looked.
    Absent(String),
    /// Something is there that cannot be used; says what and why.
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
}

impl Attempt {
    pub(crate) fn absent(way: Found, why: impl Into<String>) -> Self {
        Self {
            way,
            outcome: Outcome::Absent(why.into()),
        }
    }

    /// Checks a candidate.
    pub(crate) fn check(way: Found, path: PathBuf) -> Self {
        let outcome = match Library::check(&path, way) {
            Ok(library) => Outcome::Usable(library),
            Err(error) => Outcome::unusable(path, &error),
        };
        Self { way, outcome }
    }
}

impl Outcome {
    pub(crate) fn unusable(path: PathBuf, error: &Error) -> Self {
        Self::Unusable {
            path,
            reason: error.to_string(),
        }
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.way)?;
        match &self.outcome {
            Outcome::Usable(library) => {
                write!(
                    f,
                    "ONNX Runtime {} at {}",
                    library.version,
                    library.path.display()
                )
            }
            Outcome::Absent(why) => f.write_str(why),
            Outcome::Unusable { reason, .. } => f.write_str(reason),
        }
    }
}
