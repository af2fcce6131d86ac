//! MNIST's IDX format: two zero bytes, an element type, the number of axes, each axis as a
//! big-endian u32, then the elements, the last axis fastest.

use std::path::Path;

use super::Error;
use crate::files::sha256_hex;
use crate::pictures::unpack;

/// Reads an IDX file of u8 elements, plain or gzip, whose axes must be `axes`, and checks its
/// digest (of the unpacked content).
pub(super) fn read(path: &Path, axes: &[usize], sha256: &str) -> Result<Vec<u8>, Error> {
    let content = |expected: String, got: String| {
        let path = path.to_path_buf();
        Err(Error::Content {
            path,
            expected,
            got,
        })
    };
    let header = 4 + 4 * axes.len();
    let length = header + axes.iter().product::<usize>();
    let mut bytes = unpack::read(path, length as u64)?;

    let Some(magic) = bytes.first_chunk::<4>() else {
        let got = format!("{} bytes (truncated)", bytes.len());
        return content(format!("an IDX file of {length} bytes"), got);
    };
    if magic[..2] != [0, 0] {
        return content("the IDX magic 00 00".into(), format!("{magic:02x?}"));
    }
    if magic[2] != 0x08 {
        let got = format!("{} (0x{:02x})", element_name(magic[2]), magic[2]);
        return content("elements of type u8 (0x08)".into(), got);
    }
    if usize::from(magic[3]) != axes.len() {
        return content(
            format!("{} axes {axes:?}", axes.len()),
            format!("{} axes", magic[3]),
        );
    }
    if bytes.len() < header {
        let got = format!("{} bytes (truncated)", bytes.len());
        return content(format!("an IDX file of {length} bytes"), got);
    }
    let found: Vec<u32> = bytes[4..header]
        .as_chunks::<4>()
        .0
        .iter()
        .map(|&axis| u32::from_be_bytes(axis))
        .collect();
    if !found
        .iter()
        .zip(axes)
        .all(|(&found, &axis)| found as usize == axis)
    {
        return content(format!("shape {axes:?}"), format!("shape {found:?}"));
    }
    if bytes.len() != length {
        let got = format!("{} (truncated)", bytes.len());
        return content(format!("{length} bytes for shape {axes:?}"), got);
    }
    let got = sha256_hex(&bytes);
    if got != sha256 {
        let expected = sha256.to_owned();
        return Err(Error::Digest {
            path: path.to_path_buf(),
            expected,
            got,
        });
    }
    bytes.drain(..header);
    Ok(bytes)
}

fn element_name(code: u8) -> &'static str {
    match code {
        0x09 => "i8",
        0x0b => "i16",
        0x0c => "i32",
        0x0d => "f32",
        0x0e => "f64",
        _ => "an unknown type",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;

    use super::*;

    /// Two images of 2 x 3 pixels.
    const GOOD: [u8; 28] = [
        0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
    ];

    fn read_bytes(stored: &[u8], sha256: &str) -> Result<Vec<u8>, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("images-idx3-ubyte");
        fs::write(&path, stored).unwrap();
        read(&path, &[2, 2, 3], sha256).map_err(|error| error.to_string())
    }

    fn refused(stored: &[u8], expected: &str, got: &str) {
        let error = read_bytes(stored, &sha256_hex(stored)).unwrap_err();
        assert!(error.contains("images-idx3-ubyte: expected "), "{error}");
        assert!(error.contains(expected) && error.contains(got), "{error}");
    }

    #[test]
    fn pixels_follow_the_header() {
        let pixels = read_bytes(&GOOD, &sha256_hex(&GOOD)).unwrap();
        assert_eq!(pixels, (1..=12).collect::<Vec<u8>>());
    }

    #[test]
    fn each_fault_is_named() {
        let with = |at: usize, byte: u8| {
            let mut bytes = GOOD;
            bytes[at] = byte;
            bytes
        };
        refused(&with(0, b'P'), "magic 00 00", "[50, 00, 08, 03]");
        refused(&with(2, 0x0d), "type u8 (0x08)", "f32 (0x0d)");
        refused(&with(3, 1), "3 axes [2, 2, 3]", "1 axes");
        refused(&with(11, 4), "shape [2, 2, 3]", "shape [2, 4, 3]");
        refused(&with(4, 255), "shape [2, 2, 3]", "shape [4278190082, 2, 3]");
        refused(&GOOD[..27], "28 bytes for shape", "27 (truncated)");
        refused(&GOOD[..10], "28 bytes", "10 bytes (truncated)");
        refused(&GOOD[..3], "28 bytes", "3 bytes (truncated)");
        refused(&[], "28 bytes", "0 bytes (truncated)");
        refused(&[&GOOD[..], &[0]].concat(), "at most 28 bytes", "appended");
    }

    #[test]
    fn another_content_of_the_same_shape_is_refused() {
        let mut bytes = GOOD;
        bytes[20] ^= 1;
        let error = read_bytes(&bytes, &sha256_hex(&GOOD)).unwrap_err();
        assert!(error.contains(&sha256_hex(&GOOD)) && error.contains(&sha256_hex(&bytes)));
    }
}
