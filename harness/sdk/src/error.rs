//! The error that plugins return: what kind, what happened, what to do next.

use eidetic_abi::error::AbiError;
pub use eidetic_abi::error::ErrorCode;

/// A result of a plugin or of the host's side of it.
pub type Result<T> = std::result::Result<T, Error>;

/// An error that can cross the boundary.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What kind.
    pub code: ErrorCode,
    /// What happened: lower case, what was expected and what was got.
    pub message: String,
    /// What to do next; may be empty.
    pub help: String,
}

impl Error {
    /// An error of a kind.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            help: String::new(),
        }
    }

    /// A call that was wrong: shapes, lengths, ranges.
    pub fn bad_input(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::BadInput, message)
    }

    /// Options that were wrong.
    pub fn bad_options(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::BadOptions, message)
    }

    /// A call that is not offered.
    pub fn unsupported(what: &str) -> Self {
        Self::new(ErrorCode::Unsupported, format!("{what} is not offered"))
    }

    /// Adds what to do next.
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }
}

impl From<&str> for Error {
    fn from(message: &str) -> Self {
        Self::new(ErrorCode::Failed, message)
    }
}

impl From<String> for Error {
    fn from(message: String) -> Self {
        Self::new(ErrorCode::Failed, message)
    }
}

impl From<ndarray::ShapeError> for Error {
    fn from(error: ndarray::ShapeError) -> Self {
        Self::bad_input(error.to_string())
    }
}

impl From<AbiError> for Error {
    fn from(error: AbiError) -> Self {
        Self {
            code: error.code,
            message: error.message.into(),
            help: error.help.into(),
        }
    }
}

impl From<Error> for AbiError {
    fn from(error: Error) -> Self {
        Self {
            code: error.code,
            message: error.message.into(),
            help: error.help.into(),
        }
    }
}
