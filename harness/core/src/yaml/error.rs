//! The one error of this module: where, at which key, what.

use std::fmt;
use std::path::PathBuf;

/// A complaint about one place in a YAML file.
///
/// Shown as `suite.yaml:12:5: models[2].optoins: unknown key "optoins"; allowed: ...`; the position
/// is left out where there is none (an unreadable file), the key path at the top level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocatedError {
    /// The file as it was named to the reader.
    pub file: PathBuf,
    /// Line and column, both from 1; the column counts characters.
    pub place: Option<(usize, usize)>,
    /// Dotted path of keys and indices from the top, such as `models[2].options`; empty at the top.
    pub key: String,
    /// What was expected and what was found.
    pub message: String,
}

impl fmt::Display for LocatedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if let Some((line, column)) = self.place {
            write!(f, "{line}:{column}:")?;
        }
        if !self.key.is_empty() {
            write!(f, " {}:", self.key)?;
        }
        write!(f, " {}", self.message)
    }
}

impl std::error::Error for LocatedError {}
