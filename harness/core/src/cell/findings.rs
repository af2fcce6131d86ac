//! What an attack emitted: written as it comes, read back whole.
//!
//! `findings.jsonl` holds a line an emission and `images.u8` the pixels, both only ever appended
//! to. So whatever ends the process, what was emitted before can be read.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What an attack found, by its goal.
#[derive(Debug, Clone, PartialEq)]
pub enum Findings {
    /// Images that should be training images.
    Extraction(Extracted),
    /// Images made whole.
    Reconstruction(Reconstructed),
    /// Scores of candidates.
    Membership(Inferred),
}

/// Findings of an extraction attack.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Extracted {
    /// u8 `[N, C, H, W]`.
    pub images: Vec<u8>,
    /// N.
    pub count: usize,
    /// One an image, where the attack gave it for all of them.
    pub confidence: Option<Vec<f64>>,
}

/// Findings of a reconstruction attack; the three vectors go together.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reconstructed {
    /// u8 `[N, C, H, W]`.
    pub images: Vec<u8>,
    /// Probe of each image.
    pub probe: Vec<u32>,
    /// Candidate of each image.
    pub candidate: Vec<u64>,
}

/// Findings of a membership attack: the last score of each candidate.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Inferred {
    /// Candidates, ascending.
    pub candidate: Vec<u64>,
    /// Score of each; higher is more likely a member.
    pub score: Vec<f64>,
}

/// One line of `findings.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Emission {
    /// `count` images were appended to `images.u8`.
    Images { count: u64 },
    /// Confidence of images from `first` on.
    Confidence { first: u64, values: Vec<f64> },
    /// Images for these candidates were appended to `images.u8`.
    Reconstructions { probe: u32, candidate: Vec<u64> },
    /// How a probe of a reconstruction attack destroys candidates: `known` is one character, 0 or
    /// 1, a flag.
    Probe {
        name: String,
        known: String,
        sigma: f32,
    },
    /// Scores of candidates.
    Scores {
        candidate: Vec<u64>,
        values: Vec<f64>,
    },
    /// What it had cost by then.
    Calls { model: u64, defence: u64 },
}

/// Why findings cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FindingsError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A line that is whole and makes no sense.
    #[error("{}:{line}: {reason}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Its line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
}

/// The file of emissions in a cell's work folder.
pub(crate) const EMISSIONS: &str = "findings.jsonl";
/// The file of pixels in a cell's work folder.
pub(crate) const PIXELS: &str = "images.u8";

/// Everything that was emitted into a work folder, and what it had cost at the last emission.
pub(crate) struct Emitted {
    /// In the attack's order.
    pub(crate) emissions: Vec<Emission>,
    /// u8 pixels of all images.
    pub(crate) pixels: Vec<u8>,
}

impl Emitted {
    /// Reads a work folder whose process has ended. A last line that was cut short, and pixels
    /// without a line, are left out; files that are not there were never begun.
    pub(crate) fn read(folder: &Path) -> Result<Self, FindingsError> {
        let path = folder.join(EMISSIONS);
        let mut emissions = Vec::new();
        if let Some(file) = open(&path)? {
            let mut reader = BufReader::new(file);
            let mut line = Vec::new();
            let io = |source| FindingsError::Io {
                path: path.clone(),
                source,
            };
            for number in 1.. {
                line.clear();
                if reader.read_until(b'\n', &mut line).map_err(io)? == 0 || !line.ends_with(b"\n") {
                    break;
                }
                emissions.push(serde_json::from_slice(&line).map_err(|error| {
                    FindingsError::Line {
                        path: path.clone(),
                        line: number,
                        reason: error.to_string(),
                    }
                })?);
            }
        }
        let path = folder.join(PIXELS);
        let mut pixels = Vec::new();
        if let Some(mut file) = open(&path)? {
            file.read_to_end(&mut pixels)
                .map_err(|source| FindingsError::Io { path, source })?;
        }
        Ok(Self { emissions, pixels })
    }

    /// Model calls and defence calls at the last emission that told.
    pub(crate) fn calls(&self) -> Option<(u64, u64)> {
        self.emissions
            .iter()
            .rev()
            .find_map(|emission| match emission {
                Emission::Calls { model, defence } => Some((*model, *defence)),
                _ => None,
            })
    }

    /// The findings of an extraction attack on images of `dim` bytes.
    pub(crate) fn extraction(mut self, dim: usize) -> Extracted {
        let mut count = 0usize;
        let mut confidence: Vec<Option<f64>> = Vec::new();
        for emission in &self.emissions {
            match emission {
                Emission::Images { count: more } => count += *more as usize,
                Emission::Confidence { first, values } => {
                    confidence.resize(count, None);
                    for (i, value) in values.iter().enumerate() {
                        if let Some(slot) = confidence.get_mut(*first as usize + i) {
                            *slot = Some(*value);
                        }
                    }
                }
                _ => {}
            }
        }
        confidence.resize(count, None);
        count = count.min(self.pixels.len() / dim.max(1));
        self.pixels.truncate(count * dim);
        confidence.truncate(count);
        let confidence = confidence.into_iter().collect::<Option<Vec<f64>>>();
        let confidence = confidence.filter(|values| !values.is_empty());
        Extracted {
            images: self.pixels,
            count,
            confidence,
        }
    }

    /// The findings of a reconstruction attack on images of `dim` bytes.
    pub(crate) fn reconstruction(mut self, dim: usize) -> Reconstructed {
        let mut found = Reconstructed::default();
        for emission in &self.emissions {
            if let Emission::Reconstructions { probe, candidate } = emission {
                found
                    .probe
                    .extend(std::iter::repeat_n(*probe, candidate.len()));
                found.candidate.extend(candidate);
            }
        }
        let count = found.candidate.len().min(self.pixels.len() / dim.max(1));
        found.probe.truncate(count);
        found.candidate.truncate(count);
        self.pixels.truncate(count * dim);
        found.images = self.pixels;
        found
    }

    /// The findings of a membership attack.
    pub(crate) fn membership(self) -> Inferred {
        let mut scores = std::collections::BTreeMap::new();
        for emission in self.emissions {
            if let Emission::Scores { candidate, values } = emission {
                scores.extend(candidate.into_iter().zip(values));
            }
        }
        let (candidate, score) = scores.into_iter().unzip();
        Inferred { candidate, score }
    }
}

fn open(path: &Path) -> Result<Option<File>, FindingsError> {
    match fs::File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(FindingsError::Io {
            path: path.to_owned(),
            source,
        }),
    }
}
