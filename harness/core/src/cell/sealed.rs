//! JSON files under a checksum of their own, which are never trusted when damaged.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::files::{sha256_hex, write_atomic};

/// Why a record cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// It cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// It is not what it should be.
    #[error("{}: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// What is kept in such a file.
pub(super) trait Sealed: Serialize + DeserializeOwned {
    /// The format that this build reads and writes.
    const FORMAT: u32;
    /// What a file of it is called where it is none.
    const WHAT: &'static str;

    /// The format that it has.
    fn format(&self) -> u32;

    /// SHA-256 of the file with an empty checksum.
    fn checksum(&mut self) -> &mut String;
}

/// Writes it atomically, with its checksum.
pub(super) fn write<T: Sealed>(value: &mut T, path: &Path) -> io::Result<()> {
    value.checksum().clear();
    *value.checksum() = digest(value);
    let json = serde_json::to_vec_pretty(value).map_err(io::Error::other)?;
    write_atomic(path, &[&json[..], b"\n"].concat())
}

/// Reads one and checks format and checksum, then `own`, which says what else is wrong.
pub(super) fn read<T: Sealed>(
    path: &Path,
    own: impl FnOnce(&T) -> Result<(), String>,
) -> Result<T, RecordError> {
    let bytes = fs::read(path).map_err(|source| RecordError::Read {
        path: path.to_owned(),
        source,
    })?;
    let damaged = |reason: String| RecordError::Damaged {
        path: path.to_owned(),
        reason,
    };
    let mut value: T = serde_json::from_slice(&bytes)
        .map_err(|error| damaged(format!("not {}: {error}", T::WHAT)))?;
    if value.format() != T::FORMAT {
        let (expected, got) = (T::FORMAT, value.format());
        return Err(damaged(format!("expected format {expected}, got {got}")));
    }
    let expected = std::mem::take(value.checksum());
    if digest(&value) != expected {
        return Err(damaged("its checksum does not fit its content".into()));
    }
    *value.checksum() = expected;
    own(&value).map_err(damaged)?;
    Ok(value)
}

/// Of a value without its checksum.
fn digest(value: &impl Serialize) -> String {
    // No map in these has other than string keys, so that this cannot fail.
    sha256_hex(&serde_json::to_vec(value).expect("a record is always JSON"))
}
