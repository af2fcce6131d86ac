//! The image files of a folder, by name.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::Error;
use super::error::{fault, io_at};
use crate::files::hex;

/// What a file is by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// PNG or JPEG.
    Picture,
    /// An image in a format that is not read.
    OtherImage,
    /// No image, or hidden.
    Ignored,
}

/// Why a [`Kind::OtherImage`] cannot be used.
pub(crate) const OTHER_FORMAT: &str = "expected a PNG or JPEG file, got another image format";

/// Image formats that are known and not read: pictures that must not be passed over in silence.
const OTHER_IMAGES: [&str; 14] = [
    "avif", "bmp", "gif", "heic", "heif", "jp2", "jxl", "pbm", "pgm", "pnm", "ppm", "tif", "tiff",
    "webp",
];

/// What `name`, with `/` between folders, is. A file in a hidden folder is hidden.
pub(crate) fn kind_of(name: &str) -> Kind {
    let hidden = |part: &str| part.starts_with('.') && part != "." && part != "..";
    if name
        .split('/')
        .any(|part| hidden(part) || part == "__MACOSX")
    {
        return Kind::Ignored;
    }
    let file = name.rsplit('/').next().unwrap_or_default();
    let ending = file.rsplit_once('.').map(|(_, ending)| ending);
    match ending.map(str::to_ascii_lowercase).as_deref() {
        Some("png" | "jpg" | "jpeg") => Kind::Picture,
        Some(ending) if OTHER_IMAGES.contains(&ending) => Kind::OtherImage,
        _ => Kind::Ignored,
    }
}

/// A name for people and tables: as stored, with what is no text or no print replaced.
pub(crate) fn printable(name: &[u8]) -> String {
    String::from_utf8_lossy(name)
        .chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

/// A file of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    /// Its path in the folder as bytes, `/` between the parts.
    pub(crate) name: Vec<u8>,
    /// Where it is.
    pub(crate) path: PathBuf,
}

/// All files in `folder` and the folders in it that are not hidden, in the order of their names'
/// bytes: `10.png` is before `9.png`, and `a-b.png` before `a/b.png`. Links to files are followed;
/// a link to a folder is an error, for it could lead in a circle, or be passed over unnoticed.
pub(crate) fn files(folder: &Path) -> Result<Vec<Listed>, Error> {
    let mut found = Vec::new();
    let mut folders = vec![(Vec::new(), folder.to_path_buf())];
    while let Some((prefix, folder)) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(io_at(&folder))? {
            let entry = entry.map_err(io_at(&folder))?;
            let part = entry.file_name().into_encoded_bytes();
            if part.starts_with(b".") {
                continue;
            }
            let path = entry.path();
            let name = [&prefix[..], &part].concat();
            let linked = entry.file_type().map_err(io_at(&path))?.is_symlink();
            let kind = fs::metadata(&path).map_err(io_at(&path))?;
            match (kind.is_dir(), linked) {
                (true, true) => {
                    let expected = "no link to a folder among the pictures";
                    return Err(fault(&path, expected, "one: name that folder itself"));
                }
                (true, false) => folders.push(([&name[..], b"/"].concat(), path)),
                (false, _) if kind.is_file() => found.push(Listed { name, path }),
                (false, _) => {}
            }
        }
    }
    found.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// SHA-256 over `"eidetic folder 1\n"`, then of each file the length of its name, its name, the
/// length of its content and its content; lengths as little-endian u64.
pub(crate) fn digest(files: &[Listed]) -> Result<String, Error> {
    let mut digest = Sha256::new_with_prefix("eidetic folder 1\n");
    for file in files {
        let content = fs::read(&file.path).map_err(io_at(&file.path))?;
        for part in [&file.name, &content] {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part);
        }
    }
    Ok(hex(&digest.finalize()))
}
