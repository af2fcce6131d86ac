//! Everything that is wrong with a suite file, in one go.

use std::fmt;

use crate::yaml::LocatedError;

/// The problems of a suite file in the order of their lines; shown one a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SuiteErrors {
    /// At least one and at most 50 problems.
    pub problems: Vec<LocatedError>,
    /// How many there were beyond those.
    pub more: usize,
}

impl fmt::Display for SuiteErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            let newline = if index == 0 { "" } else { "\n" };
            write!(f, "{newline}{problem}")?;
        }
        if self.more > 0 {
            write!(f, "\nand {} more", self.more)?;
        }
        Ok(())
    }
}

impl std::error::Error for SuiteErrors {}

impl From<LocatedError> for SuiteErrors {
    fn from(problem: LocatedError) -> Self {
        Self {
            problems: vec![problem],
            more: 0,
        }
    }
}
