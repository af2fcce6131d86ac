//! Encoded pictures in, pixels out: decoded in blocks on all cores, in the order in which they
//! came, and those that cannot be used kept apart.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::decode::{decode, file_limit};
use super::{Error, Pictures, Unusable};

/// Encoded pictures that wait at once.
const BLOCK: usize = 32;

/// Takes image files one by one.
pub(crate) struct Collector {
    path: PathBuf,
    shape: [usize; 3],
    waiting: Vec<(String, Result<Vec<u8>, String>)>,
    pictures: Pictures,
}

impl Collector {
    /// For pictures of `shape` from the folder or archive `path`.
    ///
    /// # Errors
    /// [`Error::Channels`] where no image file has that shape.
    pub(crate) fn new(path: &Path, shape: [usize; 3]) -> Result<Self, Error> {
        if !matches!(shape[0], 1 | 3) {
            return Err(Error::Channels { channels: shape[0] });
        }
        Ok(Self {
            path: path.to_path_buf(),
            shape,
            waiting: Vec::with_capacity(BLOCK),
            pictures: Pictures::default(),
        })
    }

    /// Takes the file `name` of `size` bytes from `reader`. More than a picture of the shape can
    /// have are not read.
    pub(crate) fn add(&mut self, name: &str, size: u64, reader: impl Read) -> io::Result<()> {
        let limit = file_limit(self.shape) as u64;
        if size > limit {
            let why = format!("expected at most {limit} bytes for its size, got {size}");
            self.push(name, Err(why));
            return Ok(());
        }
        let mut bytes = Vec::with_capacity(size as usize);
        reader.take(size).read_to_end(&mut bytes)?;
        if (bytes.len() as u64) < size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.push(name, Ok(bytes));
        Ok(())
    }

    /// Takes note of a picture that cannot be used.
    pub(crate) fn refuse(&mut self, name: &str, why: impl Into<String>) {
        self.push(name, Err(why.into()));
    }

    fn push(&mut self, name: &str, bytes: Result<Vec<u8>, String>) {
        self.waiting.push((name.to_owned(), bytes));
        if self.waiting.len() == BLOCK {
            self.decode();
        }
    }

    fn decode(&mut self) {
        let shape = self.shape;
        let decoded: Vec<_> = self
            .waiting
            .par_drain(..)
            .map(|(name, bytes)| (name, bytes.and_then(|bytes| decode(&bytes, shape))))
            .collect();
        for (name, pixels) in decoded {
            match pixels {
                Ok(pixels) => {
                    self.pictures.images.extend(pixels);
                    self.pictures.names.push(name);
                }
                Err(why) => self.pictures.skipped.push((name, why)),
            }
        }
    }

    /// What was collected.
    ///
    /// # Errors
    /// [`Error::Nothing`]; [`Error::Unusable`] with every picture that cannot be used unless
    /// `skip_bad`, and [`Error::NoneLeft`] then.
    pub(crate) fn finish(mut self, skip_bad: bool) -> Result<Pictures, Error> {
        self.decode();
        let (path, pictures) = (self.path, self.pictures);
        let of = pictures.names.len() + pictures.skipped.len();
        let unusable = |pictures| Unusable { path, of, pictures };
        match (pictures.names.is_empty(), pictures.skipped.is_empty()) {
            (true, true) => Err(Error::Nothing {
                path: unusable(Vec::new()).path,
            }),
            (_, false) if !skip_bad => Err(Error::Unusable(unusable(pictures.skipped))),
            (true, false) => Err(Error::NoneLeft(unusable(pictures.skipped))),
            (false, _) => Ok(pictures),
        }
    }
}
