//! NumPy's NPY arrays and NPZ archives of them.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use npyz::{DType, NpyHeader, Order, TypeChar};
use serde::{Deserialize, Serialize};

use super::error::{fault, io_at};
use super::{Error, unpack};
use crate::files::sha256_hex;

/// The header of an array is a few dozen bytes; numpy pads it to a multiple of 64.
const HEADER_LIMIT: usize = 4096;

/// The order of the axes of an array of images: n images, c channels, h rows, w columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// `[N, H, W]`, one channel.
    Nhw,
    /// `[N, C, H, W]`.
    Nchw,
    /// `[N, H, W, C]`.
    Nhwc,
}

/// The bytes of one array in memory, and what its errors name.
pub(crate) struct Stored<'a> {
    path: &'a Path,
    bytes: Vec<u8>,
}

impl<'a> Stored<'a> {
    /// Reads an NPY file whose data take at most `data_limit` bytes.
    pub(crate) fn npy(path: &'a Path, data_limit: u64) -> Result<Self, Error> {
        let bytes = unpack::read(path, data_limit.saturating_add(HEADER_LIMIT as u64))?;
        Ok(Self { path, bytes })
    }

    /// Reads `array` from an NPZ file, whose data take at most `data_limit` bytes.
    pub(crate) fn npz(path: &'a Path, array: &str, data_limit: u64) -> Result<Self, Error> {
        let mut archive = open_npz(path)?;
        let names = names_in(&archive);
        let entry = archive
            .by_name(&format!("{array}.npy"))
            .map_err(|error| match error {
                zip::result::ZipError::FileNotFound => fault(
                    path,
                    &format!("an array {array:?}"),
                    format!("the arrays {names:?}"),
                ),
                error => fault(path, &format!("a readable array {array:?}"), error),
            })?;
        let limit = data_limit.saturating_add(HEADER_LIMIT as u64);
        let bytes = unpack::up_to(entry, limit)
            .map_err(|error| fault(path, &format!("a whole array {array:?}"), error))?
            .ok_or_else(|| unpack::too_long(path, limit))?;
        Ok(Self { path, bytes })
    }

    /// SHA-256 of header and data.
    pub(crate) fn sha256(&self) -> String {
        sha256_hex(&self.bytes)
    }

    /// The axes that the header names.
    pub(crate) fn shape(&self) -> Result<Vec<u64>, Error> {
        Ok(self.header()?.0.shape().to_vec())
    }

    /// The images in order `[N, C, H, W]` where that is `shape`; u8, C order, stored as `layout`.
    pub(crate) fn images(mut self, shape: [usize; 4], layout: Layout) -> Result<Vec<u8>, Error> {
        let [n, c, h, w] = shape;
        let (header, start) = self.header()?;
        self.check_shape(
            &header,
            &match layout {
                Layout::Nhw => vec![n, h, w],
                Layout::Nchw => vec![n, c, h, w],
                Layout::Nhwc => vec![n, h, w, c],
            },
        )?;
        let kind = plain_type(&header);
        if kind != Some((TypeChar::Uint, 1)) {
            let got = header.dtype().descr();
            let expected = "elements of type u8 ('|u1', 0 to 255; convert others, such as by \
                            numpy.uint8(numpy.rint(255 * x)) for floats in [0, 1])";
            return Err(fault(self.path, expected, got));
        }
        let data = self.data(start, n * c * h * w)?;
        Ok(match layout {
            Layout::Nhw | Layout::Nchw => {
                self.bytes.drain(..start);
                self.bytes
            }
            Layout::Nhwc => data
                .chunks_exact(h * w * c)
                .flat_map(|image| {
                    (0..c).flat_map(move |channel| image.iter().skip(channel).step_by(c).copied())
                })
                .collect(),
        })
    }

    /// `n` labels or indices, integers of any width; each must fit a u32.
    pub(crate) fn labels(self, n: usize) -> Result<Vec<u32>, Error> {
        let (header, start) = self.header()?;
        self.check_shape(&header, &[n])?;
        let (signed, width) = match plain_type(&header) {
            Some((TypeChar::Uint, width @ 1..=8)) => (false, width as usize),
            Some((TypeChar::Int, width @ 1..=8)) => (true, width as usize),
            _ => {
                let got = header.dtype().descr();
                return Err(fault(self.path, "elements of an integer type", got));
            }
        };
        let big = header.dtype().descr().contains('>');
        let data = self.data(start, n * width)?;
        data.chunks_exact(width)
            .enumerate()
            .map(|(i, stored)| {
                let mut bytes = [0; 8];
                bytes[..width].copy_from_slice(stored);
                if big {
                    bytes[..width].reverse();
                }
                let value = u64::from_le_bytes(bytes);
                let negative = signed && bytes[width - 1] & 0x80 != 0;
                u32::try_from(value)
                    .ok()
                    .filter(|_| !negative)
                    .ok_or_else(|| {
                        let got = if negative {
                            "a negative one".into()
                        } else {
                            value.to_string()
                        };
                        fault(
                            self.path,
                            &format!("an integer that fits u32 at index {i}"),
                            got,
                        )
                    })
            })
            .collect()
    }

    /// Parses the header, and says where the data begin.
    fn header(&self) -> Result<(NpyHeader, usize), Error> {
        let start = header_end(&self.bytes).map_err(|got| {
            fault(
                self.path,
                "an NPY array (magic 93 4e 55 4d 50 59 and a header)",
                got,
            )
        })?;
        let header = NpyHeader::from_reader(&self.bytes[..start])
            .map_err(|error| fault(self.path, "an NPY header", error))?;
        Ok((header, start))
    }

    fn check_shape(&self, header: &NpyHeader, expected: &[usize]) -> Result<(), Error> {
        let found = header.shape();
        let same = found.len() == expected.len()
            && found
                .iter()
                .zip(expected)
                .all(|(&found, &expected)| found == expected as u64);
        if !same {
            let expected = format!("shape {expected:?}");
            return Err(fault(self.path, &expected, format!("shape {found:?}")));
        }
        if header.order() == Order::Fortran && expected.len() > 1 {
            let expected = "C order (numpy.ascontiguousarray)";
            return Err(fault(self.path, expected, "Fortran order"));
        }
        Ok(())
    }

    fn data(&self, start: usize, length: usize) -> Result<&[u8], Error> {
        let data = &self.bytes[start..];
        if data.len() == length {
            return Ok(data);
        }
        let what = if data.len() < length {
            "truncated"
        } else {
            "something appended"
        };
        let got = format!("{} ({what})", data.len());
        Err(fault(self.path, &format!("{length} bytes of data"), got))
    }
}

/// Where the header ends, by its own length field, held against what is there: npyz allocates
/// by that field, and multiplies the axes unchecked, so neither reaches it unseen.
fn header_end(bytes: &[u8]) -> Result<usize, String> {
    let Some(([magic @ .., major, _minor], rest)) = bytes.split_first_chunk::<8>() else {
        return Err(format!("{} bytes (truncated)", bytes.len()));
    };
    if magic != b"\x93NUMPY" {
        return Err(format!("{magic:02x?}"));
    }
    let (size, field) = match (major, rest) {
        (1, [a, b, ..]) => (usize::from(u16::from_le_bytes([*a, *b])), 2),
        (2 | 3, [a, b, c, d, ..]) => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, 4),
        (1..=3, _) => return Err(format!("{} bytes (truncated)", bytes.len())),
        _ => return Err(format!("version {major} of the format")),
    };
    let end = 8 + field + size;
    if size > HEADER_LIMIT || end > bytes.len() {
        return Err(format!(
            "a header of {size} bytes in {} (truncated)",
            bytes.len()
        ));
    }
    let text = String::from_utf8_lossy(&bytes[8 + field..end]);
    if numbers_multiply(&text) {
        Ok(end)
    } else {
        Err(format!("the header {}", text.trim()))
    }
}

/// Whether all numbers of a header are plain decimal ones whose product fits a u64.
fn numbers_multiply(header: &str) -> bool {
    let words = header.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let mut product = Some(1_u64);
    for word in words.filter(|word| word.starts_with(|c: char| c.is_ascii_digit())) {
        let number = word.strip_suffix('L').unwrap_or(word).parse::<u64>().ok();
        product = product
            .zip(number)
            .and_then(|(a, b)| a.checked_mul(b.max(1)));
    }
    product.is_some()
}

/// Kind and width in bytes of a scalar type; `None` for records and subarrays.
fn plain_type(header: &NpyHeader) -> Option<(TypeChar, u64)> {
    match header.dtype() {
        DType::Plain(kind) => Some((kind.type_char(), kind.size_field())),
        _ => None,
    }
}

/// The names of the arrays of an NPZ file.
pub(super) fn arrays(path: &Path) -> Result<Vec<String>, Error> {
    Ok(names_in(&open_npz(path)?))
}

type Npz = zip::ZipArchive<BufReader<File>>;

fn open_npz(path: &Path) -> Result<Npz, Error> {
    let file = File::open(path).map_err(io_at(path))?;
    let archive = zip::ZipArchive::new(BufReader::new(file))
        .map_err(|error| fault(path, "an NPZ archive (zip)", error))?;
    let mut magic = [0; 2];
    File::open(path)
        .and_then(|mut file| file.read_exact(&mut magic))
        .map_err(io_at(path))?;
    if magic != *b"PK" {
        let expected = "an NPZ archive from its first byte";
        return Err(fault(path, expected, format!("{magic:02x?}")));
    }
    Ok(archive)
}

fn names_in(archive: &Npz) -> Vec<String> {
    archive
        .file_names()
        .filter_map(Result::ok)
        .map(|name| name.strip_suffix(".npy").unwrap_or(&name).to_owned())
        .collect()
}

#[cfg(test)]
#[path = "npy_tests.rs"]
mod tests;
