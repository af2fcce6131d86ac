//! How the program ends: its exit codes, and errors with the code that they end it with.

use std::process::ExitCode;

use crate::talk;

/// For `--help`; the numbers are [`Exit`]'s.
pub(crate) const CODES: &str = "\
Exit codes:
    0  done
    1  failed while it ran
    2  bad input: the command line, a suite, a plugin, a model, data
    3  some cells failed; the rest is on the board
    4  self-check failed: a bound of the suite's `expect` is broken
  130  interrupted; run again to go on";

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Done = 0,
    Failed = 1,
    BadInput = 2,
    CellsFailed = 3,
    SelfCheck = 4,
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// An error, the code that it ends the program with, and what to do next.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    error: anyhow::Error,
    hint: Option<String>,
}

impl Failure {
    pub(crate) fn bad_input(error: impl Into<anyhow::Error>) -> Self {
        Self {
            exit: Exit::BadInput,
            error: error.into(),
            hint: None,
        }
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        let hint = Some(hint.into());
        Self { hint, ..self }
    }

    /// Says it on stderr.
    pub(crate) fn tell(self) -> Exit {
        talk::error(&chain(&self.error));
        if let Some(hint) = self.hint {
            talk::hint(&hint);
        }
        self.exit
    }
}

/// What is not known to be the input's fault is ours.
impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self {
            exit: Exit::Failed,
            error: error.into(),
            hint: None,
        }
    }
}

/// An error with its causes; many libraries' errors already hold the words of theirs.
pub(crate) fn chain(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |text, cause| {
        let cause = cause.to_string();
        match text.as_str() {
            "" => cause,
            text if text.contains(&cause) => text.to_owned(),
            text => format!("{text}: {cause}"),
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_chain_says_each_thing_once() {
        let error = anyhow::anyhow!("no such file").context("cannot read x: no such file");
        assert_eq!(chain(&error), "cannot read x: no such file");
        let error = anyhow::anyhow!("disk full").context("cannot write x");
        assert_eq!(chain(&error), "cannot write x: disk full");
    }

    #[test]
    fn the_help_names_every_code() {
        let all = [
            Exit::Done,
            Exit::Failed,
            Exit::BadInput,
            Exit::CellsFailed,
            Exit::SelfCheck,
            Exit::Interrupted,
        ];
        let codes: Vec<&str> = CODES
            .lines()
            .filter_map(|line| line.split_whitespace().next())
            .collect();
        let numbers: Vec<String> = all.iter().map(|exit| (*exit as u8).to_string()).collect();
        assert_eq!(codes[1..], numbers);
    }
}
