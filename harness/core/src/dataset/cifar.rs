//! CIFAR-10's binary version: six files of records, a label byte and 3,072 pixels as planes of
//! red, green and blue; in one archive or unpacked in a folder.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::Error;
use super::labelled::fault;
use crate::files::hex;
use crate::pictures::{archive, folder};

/// Channels, height, width.
pub(super) const SHAPE: [usize; 3] = [3, 32, 32];
/// What the published archive unpacks to.
pub(super) const FOLDER: &str = "cifar-10-batches-bin";
/// Images in each file of the published archive.
const RECORDS: usize = 10_000;
/// The files in the order in which their images are numbered: training images, then test images.
const FILES: [&str; 6] = [
    "data_batch_1.bin",
    "data_batch_2.bin",
    "data_batch_3.bin",
    "data_batch_4.bin",
    "data_batch_5.bin",
    "test_batch.bin",
];
/// SHA-256 of each as published, by the list of torchvision-ruby.
const SHA256: [&str; 6] = [
    "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
    "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
    "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
    "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
    "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
    "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
];
const DIM: usize = 3072;

/// Images `[N, C, H, W]` and their labels.
type Labelled = (Vec<u8>, Vec<u32>);

/// Reads the first `count` images from the archive at `path`, whose digest is not checked here, or
/// from the folder, whose files' digests are.
pub(super) fn read(path: &Path, count: usize, classes: usize) -> Result<Labelled, Error> {
    let digests = path.is_dir().then_some(&SHA256);
    read_records(path, count, RECORDS, classes, digests)
}

/// The same of files with `records` images and these digests, if any.
fn read_records(
    path: &Path,
    count: usize,
    records: usize,
    classes: usize,
    digests: Option<&[&str; 6]>,
) -> Result<Labelled, Error> {
    let wanted = &FILES[..count.div_ceil(records).min(FILES.len())];
    let mut batches = Batches {
        records,
        classes,
        digests,
        images: vec![0; wanted.len() * records * DIM],
        labels: vec![0; wanted.len() * records],
        seen: vec![false; wanted.len()],
        wrong: None,
    };
    let number = |name: &[u8]| {
        let file = name.rsplit(|&byte| byte == b'/').next()?;
        wanted.iter().position(|known| known.as_bytes() == file)
    };
    if path.is_dir() {
        for file in folder::files(path)? {
            if let Some(number) = number(&file.name) {
                let io_error = |source| Error::Io {
                    path: file.path.clone(),
                    source,
                };
                let content = File::open(&file.path).map_err(io_error)?;
                let size = content.metadata().map_err(io_error)?.len();
                batches.take(number, size, content).map_err(io_error)?;
            }
        }
    } else {
        archive::members(path, |name, size, content| match number(name) {
            Some(number) => batches.take(number, size, content),
            None => Ok(()),
        })?;
    }
    if let Some((expected, got)) = batches.wrong {
        return Err(fault(path, expected, got));
    }
    if let Some(missing) = batches.seen.iter().position(|seen| !seen) {
        return Err(fault(path, FILES[missing].to_owned(), "none of that name"));
    }
    batches.images.truncate(count * DIM);
    batches.labels.truncate(count);
    Ok((batches.images, batches.labels))
}

/// The files as far as they were read, each at its place.
struct Batches<'a> {
    records: usize,
    classes: usize,
    digests: Option<&'a [&'a str; 6]>,
    images: Vec<u8>,
    labels: Vec<u32>,
    seen: Vec<bool>,
    /// What was expected and what was there, where that is not the same.
    wrong: Option<(String, String)>,
}

impl Batches<'_> {
    fn take(&mut self, number: usize, size: u64, mut content: impl Read) -> io::Result<()> {
        let name = FILES[number];
        let whole = self.records * (1 + DIM);
        if std::mem::replace(&mut self.seen[number], true) {
            self.blame(format!("one {name}"), "two".into());
        }
        if size != whole as u64 {
            let expected = format!("{name} of {whole} bytes ({} images)", self.records);
            self.blame(expected, size.to_string());
            return Ok(());
        }
        let mut digest = Sha256::new();
        let mut record = [0; 1 + DIM];
        for i in number * self.records..(number + 1) * self.records {
            content.read_exact(&mut record)?;
            digest.update(record);
            let [label, pixels @ ..] = &record;
            if usize::from(*label) >= self.classes {
                let expected = format!("labels below {} (the number of classes)", self.classes);
                self.blame(expected, format!("{label} at index {i}"));
            }
            self.labels[i] = u32::from(*label);
            self.images[i * DIM..][..DIM].copy_from_slice(pixels);
        }
        let got = hex(&digest.finalize());
        if let Some(wanted) = self.digests.map(|all| all[number]).filter(|d| **d != got) {
            self.blame(format!("{name} of sha256 {wanted}"), got);
        }
        Ok(())
    }

    fn blame(&mut self, expected: String, got: String) {
        self.wrong.get_or_insert((expected, got));
    }
}

#[cfg(test)]
#[path = "cifar_tests.rs"]
mod tests;
