//! Pictures from wherever they lie.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::Error;
use super::archive::members;
use super::array;
use super::collect::Collector;
use super::error::{fault, io_at};
use super::folder::{Kind, OTHER_FORMAT, files, kind_of, printable};

/// Pictures that some other program generated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pictures {
    /// u8 images, `[N, C, H, W]`.
    pub images: Vec<u8>,
    /// One name a picture: its path in the folder or archive, or its index in the array.
    pub names: Vec<String>,
    /// Name of each that was left out, and why.
    pub skipped: Vec<(String, String)>,
}

/// Reads pictures of `shape` = `[C, H, W]` from
///
/// - a folder and the folders in it: files named .png, .jpg or .jpeg (in whatever case);
/// - a tar, plain or compressed by gzip: members with such names, so a WebDataset's too;
/// - an NPY file: u8 `[N, H, W]`, `[N, C, H, W]` or `[N, H, W, C]`;
/// - an NPZ file with one such array, or with one that is named `images` or `arr_0`.
///
/// Folders and archives give the same pictures in the same order, that of the bytes of their names
/// (`10.png` before `9.png`). Hidden files and those that are no images by their names (labels,
/// texts) are ignored; an image in another format cannot be used. What a file is decides its
/// content, not its name. Nothing is resized, and no more is decoded than the shape asks for.
/// Grey pictures do for C = 3, and pictures whose three channels are equal for C = 1. Palettes and
/// grey levels of fewer than 8 bits are expanded; 16 bits a channel and pixels that are not opaque
/// cannot be used. A JPEG's levels may differ by a few from those that libjpeg (and so Pillow)
/// decodes; colour profiles, gamma and orientation are not applied.
///
/// Takes the memory of the pictures, twice that for an array, and a few files.
///
/// # Errors
/// [`Error::Unusable`] names the pictures that cannot be used, unless `skip_bad`: then they are
/// left out and listed. A damaged archive or array is an error in any case, and so is no picture.
pub fn read(path: &Path, shape: [usize; 3], skip_bad: bool) -> Result<Pictures, Error> {
    if path.is_dir() {
        return of_folder(path, shape, skip_bad);
    }
    let mut head = Vec::new();
    let file = File::open(path).map_err(io_at(path))?;
    file.take(263).read_to_end(&mut head).map_err(io_at(path))?;
    let is_tar = head.get(257..262) == Some(b"ustar")
        || path.extension().is_some_and(|ending| ending == "tar");
    if head.starts_with(b"\x93NUMPY") || head.starts_with(b"PK") {
        array::read(path, shape)
    } else if is_tar || head.starts_with(&[0x1f, 0x8b]) {
        of_archive(path, shape, skip_bad, kind_of, |_, _, _| Ok(()))
    } else {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let got = match (kind_of(&name), head.is_empty()) {
            (_, true) => "an empty file".to_owned(),
            (Kind::Picture, _) => "one picture: name its folder".to_owned(),
            _ => format!(
                "a file that begins with {:02x?}",
                &head[..head.len().min(4)]
            ),
        };
        Err(Error::Unknown {
            path: path.to_path_buf(),
            got,
        })
    }
}

/// The pictures of a folder in the order of their names.
pub(crate) fn of_folder(
    folder: &Path,
    shape: [usize; 3],
    skip_bad: bool,
) -> Result<Pictures, Error> {
    let mut collector = Collector::new(folder, shape)?;
    for file in files(folder)? {
        let name = printable(&file.name);
        match kind_of(&name) {
            Kind::Ignored => {}
            Kind::OtherImage => collector.refuse(&name, OTHER_FORMAT),
            Kind::Picture => {
                let content = File::open(&file.path).map_err(io_at(&file.path))?;
                let size = content.metadata().map_err(io_at(&file.path))?.len();
                let added = collector.add(&name, size, content);
                added.map_err(io_at(&file.path))?;
            }
        }
    }
    collector.finish(skip_bad)
}

/// The pictures of a tar in the order of their names: the members of which `kind` says so. What it
/// ignores goes to `other`: name, size and content.
pub(crate) fn of_archive(
    path: &Path,
    shape: [usize; 3],
    skip_bad: bool,
    kind: impl Fn(&str) -> Kind,
    mut other: impl FnMut(&str, u64, &mut dyn Read) -> io::Result<()>,
) -> Result<Pictures, Error> {
    let mut collector = Collector::new(path, shape)?;
    members(path, |name, size, content| {
        let name = printable(name);
        match kind(&name) {
            Kind::Ignored => other(&name, size, content),
            Kind::OtherImage => {
                collector.refuse(&name, OTHER_FORMAT);
                Ok(())
            }
            Kind::Picture => collector.add(&name, size, content),
        }
    })?;
    let pictures = collector.finish(skip_bad)?.sorted(shape.iter().product());
    let twice = pictures.names.windows(2).find(|pair| pair[0] == pair[1]);
    match twice {
        None => Ok(pictures),
        Some(pair) => Err(fault(
            path,
            "one member of a name",
            format!("two named {}", pair[0]),
        )),
    }
}

impl Pictures {
    /// In the order of their names; a picture has `dim` bytes.
    fn sorted(mut self, dim: usize) -> Self {
        let mut order: Vec<usize> = (0..self.names.len()).collect();
        order.sort_by(|&a, &b| self.names[a].cmp(&self.names[b]));
        permute(&mut self.images, dim, &order);
        self.names = order
            .iter()
            .map(|&i| std::mem::take(&mut self.names[i]))
            .collect();
        self.skipped.sort();
        self
    }
}

/// Puts the row `order[i]` at `i`, in place, cycle by cycle.
fn permute(rows: &mut [u8], dim: usize, order: &[usize]) {
    let mut placed = vec![false; order.len()];
    for start in 0..order.len() {
        if placed[start] {
            continue;
        }
        let first = rows[start * dim..][..dim].to_vec();
        let mut at = start;
        while order[at] != start {
            placed[at] = true;
            let from = order[at];
            rows.copy_within(from * dim..(from + 1) * dim, at * dim);
            at = from;
        }
        placed[at] = true;
        rows[at * dim..][..dim].copy_from_slice(&first);
    }
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
