//! One writer a results folder.

use std::fs::{self, File, TryLockError};
use std::path::Path;

use super::error::{Error, at};

/// Keeps other runs and merges out of a results folder for as long as the file is held; makes the
/// folder where it is missing.
///
/// # Errors
/// [`Error::Busy`] where somebody else holds it; [`Error::Io`].
pub fn lock(folder: &Path) -> Result<File, Error> {
    fs::create_dir_all(folder).map_err(at("cannot create", folder))?;
    let path = folder.join(".lock");
    let lock = File::create(&path).map_err(at("cannot create", &path))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(Error::Busy {
            folder: folder.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(at("cannot lock", &path)(source)),
    }
}
