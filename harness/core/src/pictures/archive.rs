//! The members of a tar, plain or compressed by gzip. Nothing is unpacked to disk: a member's name
//! is a label and no path, whatever it says.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use tar::EntryType;

use super::Error;
use super::error::{fault, io_at};

/// The longest name or list of attributes of a member, in bytes.
const ATTRIBUTES_LIMIT: u64 = 1 << 16;

/// Calls `each` for every file of the tar at `path`: its name as stored without `./` before it,
/// its size in bytes, and its content, which need not be read.
///
/// # Errors
/// What `each` returns; [`Error::Content`] where the archive is damaged, cut off (also exactly
/// between two members), or followed by something.
pub(crate) fn members(
    path: &Path,
    mut each: impl FnMut(&[u8], u64, &mut dyn Read) -> io::Result<()>,
) -> Result<(), Error> {
    let damaged = |error: io::Error| {
        let truncated = error.kind() == io::ErrorKind::UnexpectedEof;
        let got = if truncated {
            "a truncated one".to_owned()
        } else {
            error.to_string()
        };
        fault(path, "a whole tar archive", got)
    };
    let mut file = BufReader::new(File::open(path).map_err(io_at(path))?);
    let gzip = io::BufRead::fill_buf(&mut file)
        .map_err(io_at(path))?
        .starts_with(&[0x1f, 0x8b]);
    let reader: Box<dyn Read> = match gzip {
        true => Box::new(BufReader::new(MultiGzDecoder::new(file))),
        false => Box::new(file),
    };
    let mut archive = tar::Archive::new(reader);
    // Raw: the library would read a name of any length into memory.
    let entries = archive.entries().map_err(damaged)?.raw(true);
    let mut long_name = None;
    for entry in entries {
        let mut entry = entry.map_err(damaged)?;
        match entry.header().entry_type() {
            EntryType::GNULongName => {
                let mut name = attributes(&mut entry).map_err(damaged)?;
                name.truncate(name.iter().position(|&b| b == 0).unwrap_or(name.len()));
                long_name = Some(name);
            }
            EntryType::XHeader => {
                let attributes = attributes(&mut entry).map_err(damaged)?;
                long_name = pax_path(&attributes).map_err(damaged)?.or(long_name);
            }
            EntryType::Regular | EntryType::Continuous => {
                let stored = long_name
                    .take()
                    .unwrap_or_else(|| entry.path_bytes().into_owned());
                let mut name = &stored[..];
                while let Some(rest) = name.strip_prefix(b"./") {
                    name = rest;
                }
                each(name, entry.size(), &mut entry).map_err(damaged)?;
            }
            EntryType::GNUSparse => {
                let got = format!("the sparse member {:?}", entry.path_bytes());
                return Err(fault(path, "members stored whole", got));
            }
            EntryType::GNULongLink | EntryType::XGlobalHeader => {}
            _ => long_name = None,
        }
    }
    at_its_end(archive.into_inner())
        .map_err(damaged)?
        .map_or(Ok(()), |got| {
            Err(fault(path, "a tar archive with its end", got))
        })
}

/// What is wrong with the rest behind the block of zeros that ended the members: one more is due,
/// and nothing but zeros may follow.
fn at_its_end(mut rest: impl Read) -> io::Result<Option<&'static str>> {
    let mut length = 0;
    let mut block = [0; 1 << 13];
    loop {
        let n = match rest.read(&mut block) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            n => n?,
        };
        if block[..n].iter().any(|&byte| byte != 0) {
            return Ok(Some("something behind it (two archives in one file?)"));
        }
        length += n;
        if n == 0 {
            return Ok((length < 512).then_some("one without it (truncated)"));
        }
    }
}

fn attributes(entry: &mut tar::Entry<'_, impl Read>) -> io::Result<Vec<u8>> {
    let size = entry.size();
    if size > ATTRIBUTES_LIMIT {
        return Err(io::Error::other(format!(
            "a member with a name or attributes of {size} bytes"
        )));
    }
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes)?;
    match (bytes.len() as u64) < size {
        true => Err(io::ErrorKind::UnexpectedEof.into()),
        false => Ok(bytes),
    }
}

/// The `path` among pax attributes, if it is there. A `size` there is not supported: only members
/// of 8 GiB or more need one.
fn pax_path(attributes: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let mut path = None;
    for attribute in tar::PaxExtensions::new(attributes) {
        let attribute = attribute?;
        match attribute.key_bytes() {
            b"path" => path = Some(attribute.value_bytes().to_vec()),
            b"size" => return Err(io::Error::other("a member with a size in its attributes")),
            _ => {}
        }
    }
    Ok(path)
}
