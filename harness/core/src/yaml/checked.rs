//! Files whose values are checked once they are read: what does not fit is told by its key.

use std::fmt;
use std::path::Path;

use serde::de::DeserializeOwned;

use super::decode::from_file;
use super::document::Document;
use super::error::LocatedError;

/// A value that reads well and does not fit, under a dotted key.
#[derive(Debug)]
pub(crate) struct Misfit {
    key: String,
    message: String,
}

/// Says of the value under a dotted `key` what was expected and what was got, unless it is `good`.
pub(crate) fn expect(
    good: bool,
    key: &str,
    expected: &str,
    got: &dyn fmt::Debug,
) -> Result<(), Misfit> {
    if good {
        return Ok(());
    }
    Err(Misfit {
        key: key.to_owned(),
        message: format!("expected {expected}, got {got:?}"),
    })
}

/// Expects `name`, under the key `name`, to be that of its folder.
pub(crate) fn expect_name_of(folder: &Path, name: &str) -> Result<(), Misfit> {
    let folder = folder.canonicalize().ok();
    let Some(folder) = folder.as_deref().and_then(Path::file_name) else {
        return Ok(());
    };
    let folder = folder.to_string_lossy();
    let expected = format!("the folder's name, {folder:?}");
    expect(name == folder, "name", &expected, &name)
}

/// Reads a file, and checks what is in it.
///
/// # Errors
/// The first fault, with file, line, column and key.
pub(crate) fn from_checked_file<T: DeserializeOwned>(
    path: &Path,
    check: impl FnOnce(&T) -> Result<(), Misfit>,
) -> Result<T, LocatedError> {
    let value: T = from_file(path)?;
    match check(&value) {
        Ok(()) => Ok(value),
        Err(Misfit { key, message }) => {
            let document = Document::read(path)?;
            let keys: Vec<&str> = key.split('.').collect();
            Err(document.problem_under(document.root().id(), &keys, message))
        }
    }
}
