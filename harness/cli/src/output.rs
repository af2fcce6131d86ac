//! What is asked for, on stdout.

use std::io::{ErrorKind, Write};

use serde::Serialize;

/// Writes text to stdout. A reader that has seen enough (`| head`) is no error.
pub(crate) fn text(text: &str) -> std::io::Result<()> {
    bytes(text.as_bytes())
}

/// As [`text`].
pub(crate) fn bytes(bytes: &[u8]) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Writes one JSON document to stdout.
pub(crate) fn json(value: &impl Serialize) -> std::io::Result<()> {
    text(&format!("{}\n", serde_json::to_string_pretty(value)?))
}

/// Columns of the terminal that stdout is; no limit where it is none.
pub(crate) fn width() -> usize {
    match terminal_size::terminal_size_of(std::io::stdout()) {
        Some((width, _)) => usize::from(width.0),
        None => usize::MAX,
    }
}
