//! What can go wrong from a recipe to a model folder.

use std::io;
use std::path::{Path, PathBuf};

use crate::run;
use crate::yaml::LocatedError;

/// Why a network could not be trained.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The recipe is wrong, or does not fit what is there: file, line, column and key.
    #[error(transparent)]
    Recipe(#[from] LocatedError),
    /// The folder holds a run of another recipe.
    #[error(
        "{folder} holds a run of another recipe:{differences}",
        folder = .folder.display(), differences = list(.differences)
    )]
    OtherRun {
        /// The folder.
        folder: PathBuf,
        /// What differs, as far as that is known.
        differences: Vec<String>,
    },
    /// Another process works there.
    #[error(transparent)]
    Busy(run::Error),
    /// The mitigation failed, or asks for what cannot be.
    #[error("mitigation `{id}`: {source}")]
    Mitigation {
        /// Its id.
        id: String,
        /// In its words.
        source: eidetic_sdk::Error,
    },
    /// Network, loop or ONNX Runtime.
    #[error(transparent)]
    Network(#[from] eidetic_nn::Error),
    /// The model folder.
    #[error(transparent)]
    Model(#[from] crate::model::Error),
    /// A file that is not what this program wrote.
    #[error("{path}: expected {expected}, got {got}", path = .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What should be in it.
        expected: &'static str,
        /// What is.
        got: String,
    },
    /// The operating system refused.
    #[error("cannot {doing} {path}: {source}", path = .path.display())]
    Io {
        /// The verb: read, write.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Its reason.
        source: io::Error,
    },
}

impl Error {
    /// Whether what was given is at fault, and not what happened on the way.
    pub fn is_bad_input(&self) -> bool {
        match self {
            Self::Recipe(_) | Self::OtherRun { .. } => true,
            Self::Model(error) => matches!(error, crate::model::Error::Occupied { .. }),
            Self::Network(error) => matches!(
                error,
                eidetic_nn::Error::Configuration { .. } | eidetic_nn::Error::Checkpoint { .. }
            ),
            Self::Busy(_) | Self::Mitigation { .. } | Self::Damaged { .. } | Self::Io { .. } => {
                false
            }
        }
    }

    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            doing,
            path,
            source,
        }
    }
}

fn list(lines: &[String]) -> String {
    match lines {
        [] => " what differs is not known".to_owned(),
        lines => lines.iter().map(|line| format!("\n  {line}")).collect(),
    }
}
