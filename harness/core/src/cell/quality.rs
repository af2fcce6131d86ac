//! The quality of a cell's images, in a file of its own beside the record: another embedder or metric
//! changes nothing of what the cell found and scored.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::record::Metric;
use super::sealed::{self, RecordError, Sealed};

/// How good the images of a cell are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// Version of this format.
    pub format: u32,
    /// Id of the cell.
    pub cell: String,
    /// Digest of all that it follows from: findings, reference and protocol. Where it is another than
    /// it would be now, the images are examined again.
    pub id: String,
    /// Name of the embedder.
    pub embedder: String,
    /// Digest of what does not depend on the images: the embedder as it ran, and the revision of
    /// the metrics. Figures of one protocol, with equal counts, can be compared.
    pub protocol: String,
    /// The metric that is the utility.
    pub headline: String,
    /// Images that were examined.
    pub n: u64,
    /// Images of the holdout that they were held against.
    pub n_reference: u64,
    /// Every figure, sorted by name.
    pub metrics: Vec<Metric>,
    /// SHA-256 of all the rest of this file.
    pub checksum: String,
}

/// Ending of the file beside a cell's record, after the cell's id.
pub const QUALITY_ENDING: &str = ".quality.json";

impl Quality {
    /// The version of the format that this build writes.
    pub(crate) const FORMAT: u32 = <Self as Sealed>::FORMAT;

    /// The utility.
    pub fn utility(&self) -> Option<&Metric> {
        self.metrics.iter().find(|of| of.name == self.headline)
    }

    /// Writes it atomically, with its checksum.
    ///
    /// # Errors
    /// The system's: disk full, read-only folder; with the path.
    pub fn write(&mut self, path: &Path) -> io::Result<()> {
        sealed::write(self, path)
    }

    /// Reads one and checks format and checksum, and that it is of `cell`.
    ///
    /// # Errors
    /// [`RecordError`], naming the file and what is wrong with it.
    pub fn read(path: &Path, cell: &str) -> Result<Self, RecordError> {
        sealed::read(path, |quality: &Self| match quality.cell == cell {
            true => Ok(()),
            false => Err(format!("expected cell {cell}, got {}", quality.cell)),
        })
    }
}

impl Sealed for Quality {
    const FORMAT: u32 = 1;
    const WHAT: &'static str = "the quality of a cell";

    fn format(&self) -> u32 {
        self.format
    }

    fn checksum(&mut self) -> &mut String {
        &mut self.checksum
    }
}
