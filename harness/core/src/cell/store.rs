//! Findings at rest: one NPZ beside the record, the same bytes for the same findings.

use std::fs;
use std::io::{self, Cursor, Read, Write};
use std::path::Path;

use npyz::WriterBuilder;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::findings::{Extracted, Findings, Inferred, Reconstructed};
use crate::files::{sha256_hex, write_atomic};

/// Ending of a findings file.
pub const FINDINGS_ENDING: &str = "npz";

impl Findings {
    /// How many: images, reconstructions or scores.
    pub fn len(&self) -> usize {
        match self {
            Self::Extraction(found) => found.count,
            Self::Reconstruction(found) => found.candidate.len(),
            Self::Membership(found) => found.candidate.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes them atomically and gives the file's SHA-256. Images are u8 `[N, C, H, W]`, of
    /// `shape` C, H, W.
    ///
    /// # Errors
    /// The system's, with the path.
    pub fn write(&self, path: &Path, shape: [usize; 3]) -> io::Result<String> {
        let bytes = self.to_npz(shape)?;
        write_atomic(path, &bytes)?;
        Ok(sha256_hex(&bytes))
    }

    /// Reads what [`Findings::write`] wrote.
    ///
    /// # Errors
    /// A file that is not whole, or not what was written: `sha256` is compared first.
    pub fn read(path: &Path, sha256: &str) -> io::Result<Self> {
        let bytes = fs::read(path)?;
        if sha256_hex(&bytes) != sha256 {
            return Err(io::Error::other(
                "its SHA-256 is not the one in the cell's record",
            ));
        }
        let mut zip = ZipArchive::new(Cursor::new(bytes)).map_err(io::Error::other)?;
        if zip.index_for_name("score.npy").is_some() {
            let candidate = array(&mut zip, "candidate")?;
            return Ok(Self::Membership(Inferred {
                candidate,
                score: array(&mut zip, "score")?,
            }));
        }
        let images = array(&mut zip, "images")?;
        if zip.index_for_name("probe.npy").is_some() {
            let (probe, candidate) = (array(&mut zip, "probe")?, array(&mut zip, "candidate")?);
            return Ok(Self::Reconstruction(Reconstructed {
                images,
                probe,
                candidate,
            }));
        }
        let count = array::<u64>(&mut zip, "count")?
            .first()
            .copied()
            .unwrap_or(0) as usize;
        let confidence = match zip.index_for_name("confidence.npy") {
            Some(_) => Some(array(&mut zip, "confidence")?),
            None => None,
        };
        Ok(Self::Extraction(Extracted {
            images,
            count,
            confidence,
        }))
    }

    fn to_npz(&self, [c, h, w]: [usize; 3]) -> io::Result<Vec<u8>> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        match self {
            Self::Extraction(found) => {
                put(&mut zip, "images", &found.images, &[found.count, c, h, w])?;
                put(&mut zip, "count", &[found.count as u64], &[1])?;
                if let Some(confidence) = &found.confidence {
                    put(&mut zip, "confidence", confidence, &[found.count])?;
                }
            }
            Self::Reconstruction(found) => {
                let n = found.candidate.len();
                put(&mut zip, "images", &found.images, &[n, c, h, w])?;
                put(&mut zip, "probe", &found.probe, &[n])?;
                put(&mut zip, "candidate", &found.candidate, &[n])?;
            }
            Self::Membership(found) => {
                put(
                    &mut zip,
                    "candidate",
                    &found.candidate,
                    &[found.candidate.len()],
                )?;
                put(&mut zip, "score", &found.score, &[found.score.len()])?;
            }
        }
        Ok(zip.finish().map_err(io::Error::other)?.into_inner())
    }
}

/// Stored, not deflated, and without a date: the bytes must not depend on a compressor's version.
fn put<T: npyz::AutoSerialize>(
    zip: &mut ZipWriter<Cursor<Vec<u8>>>,
    name: &str,
    values: &[T],
    shape: &[usize],
) -> io::Result<()> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(zip::DateTime::default())
        .large_file(std::mem::size_of_val(values) > u32::MAX as usize);
    zip.start_file(format!("{name}.npy"), options)
        .map_err(io::Error::other)?;
    let shape: Vec<u64> = shape.iter().map(|&n| n as u64).collect();
    let mut npy = Vec::new();
    let mut writer = npyz::WriteOptions::new()
        .default_dtype()
        .shape(&shape)
        .writer(&mut npy)
        .begin_nd()?;
    writer.extend(values.iter())?;
    writer.finish()?;
    zip.write_all(&npy)
}

fn array<T: npyz::Deserialize>(
    zip: &mut ZipArchive<Cursor<Vec<u8>>>,
    name: &str,
) -> io::Result<Vec<T>> {
    let mut file = zip
        .by_name(&format!("{name}.npy"))
        .map_err(io::Error::other)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    npyz::NpyFile::new(&bytes[..])?.into_vec()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_kind_comes_back_and_damage_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cell.npz");
        let all = [
            Findings::Extraction(Extracted {
                images: (0..24).collect(),
                count: 2,
                confidence: Some(vec![0.5, -1.0]),
            }),
            Findings::Extraction(Extracted::default()),
            Findings::Reconstruction(Reconstructed {
                images: (0..12).collect(),
                probe: vec![3],
                candidate: vec![9],
            }),
            Findings::Membership(Inferred {
                candidate: vec![1, 5],
                score: vec![0.25, 1e300],
            }),
        ];
        for findings in all {
            let sha256 = findings.write(&path, [3, 2, 2]).unwrap();
            assert_eq!(Findings::read(&path, &sha256).unwrap(), findings);
            let first = fs::read(&path).unwrap();
            assert_eq!(findings.write(&path, [3, 2, 2]).unwrap(), sha256);
            assert_eq!(fs::read(&path).unwrap(), first);
            let mut damaged = first.clone();
            damaged[40] ^= 1;
            fs::write(&path, damaged).unwrap();
            let message = Findings::read(&path, &sha256).unwrap_err().to_string();
            assert!(message.contains("SHA-256"), "{message}");
        }
    }
}
