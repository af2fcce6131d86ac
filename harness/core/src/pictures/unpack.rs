//! Bytes of a data file, unpacked where it is gzip, never more of them than were announced.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::Error;

/// Reads `path`, unpacking gzip, up to `limit` bytes of content.
///
/// Memory grows with what is really there and stops at `limit`, whatever a header claims; one
/// byte more is an error, and so is a damaged or cut off gzip stream or anything behind it.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    let io_error = |source| Error::Io {
        path: path.to_path_buf(),
        source,
    };
    let mut file = File::open(path).map_err(io_error)?;
    let mut magic = Vec::new();
    (&mut file)
        .take(2)
        .read_to_end(&mut magic)
        .map_err(io_error)?;
    file.rewind().map_err(io_error)?;
    let bytes = if magic == [0x1f, 0x8b] {
        up_to(MultiGzDecoder::new(BufReader::new(file)), limit).map_err(|error| {
            match error.kind() {
                io::ErrorKind::UnexpectedEof
                | io::ErrorKind::InvalidInput
                | io::ErrorKind::InvalidData => Error::Content {
                    path: path.to_path_buf(),
                    expected: "a whole gzip stream".into(),
                    got: match error.kind() {
                        io::ErrorKind::UnexpectedEof => "a truncated one".into(),
                        _ => format!("{error} (damaged, or followed by something else)"),
                    },
                },
                _ => io_error(error),
            }
        })?
    } else {
        up_to(file, limit).map_err(io_error)?
    };
    bytes.ok_or_else(|| too_long(path, limit))
}

/// All of `reader`, or `None` if that is more than `limit` bytes.
pub(crate) fn up_to(reader: impl Read, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    reader
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= limit).then_some(bytes))
}

pub(crate) fn too_long(path: &Path, limit: u64) -> Error {
    Error::Content {
        path: path.to_path_buf(),
        expected: format!("at most {limit} bytes of content for that count and shape"),
        got: "more (another dataset, or something appended)".into(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn read_bytes(stored: &[u8], limit: u64) -> Result<Vec<u8>, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, stored).unwrap();
        read(&path, limit).map_err(|error| error.to_string())
    }

    #[test]
    fn plain_and_gzip_have_the_same_content() {
        let content: Vec<u8> = (0..=255).cycle().take(5000).collect();
        assert_eq!(read_bytes(&content, 5000).unwrap(), content);
        assert_eq!(read_bytes(&gzip(&content), 5000).unwrap(), content);
        assert!(read_bytes(&[], 0).unwrap().is_empty());
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let error = read_bytes(&gzip(&vec![0; 1 << 22]), 1000).unwrap_err();
        assert!(
            error.contains("at most 1000 bytes") && error.contains("file: "),
            "{error}"
        );
        assert!(read_bytes(&[7; 11], 10).is_err());
    }

    #[test]
    fn damaged_gzip_is_refused() {
        let content: Vec<u8> = (0..200_u32).flat_map(|i| (i * i).to_le_bytes()).collect();
        let whole = gzip(&content);
        let cut = read_bytes(&whole[..whole.len() - 9], 5000).unwrap_err();
        assert!(
            cut.contains("expected a whole gzip stream, got a truncated one"),
            "{cut}"
        );
        let mut appended = whole.clone();
        appended.extend_from_slice(b"something else");
        assert!(
            read_bytes(&appended, 5000)
                .unwrap_err()
                .contains("whole gzip stream")
        );
        let mut flipped = whole.clone();
        let crc = flipped.len() - 8;
        flipped[crc] ^= 1;
        assert!(
            read_bytes(&flipped, 5000)
                .unwrap_err()
                .contains("whole gzip stream")
        );
    }
}
