//! The JSON of a cell: what it was, how it ended, what it scored. Never trusted when damaged.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::sealed::{self, RecordError, Sealed};
use super::spec::CellSpec;

const FORMAT: u32 = 1;

/// How a cell ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Status {
    /// As it should.
    #[serde(rename = "ok")]
    Ok,
    /// The combination cannot run; the reason says why.
    #[serde(rename = "n/a")]
    NotApplicable,
    /// Something failed; what was found before still counts.
    #[serde(rename = "failed")]
    Failed,
    /// It took longer than the suite's `cell_timeout`.
    #[serde(rename = "timed out")]
    TimedOut,
}

impl Status {
    /// As it stands on the board.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NotApplicable => "n/a",
            Self::Failed => "failed",
            Self::TimedOut => "timed out",
        }
    }

    /// Whether running again would give the same, so that it is not run again.
    pub fn is_settled(self) -> bool {
        matches!(self, Self::Ok | Self::NotApplicable)
    }
}

/// The metric that says whether members can be told without a model, of every attack that is
/// asked about candidates.
pub const BLIND_AUC: &str = "blind_auc";

/// One figure with its interval and its control.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// Such as `nn_ratio_below_0.333`, `l2_p05`, `ums_nl2_generated_below_1.4`.
    pub name: String,
    /// The figure against the members; absent with a reason.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub value: Option<f64>,
    /// Lower end of the 95 % interval.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub low: Option<f64>,
    /// Upper end of the 95 % interval.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub high: Option<f64>,
    /// The same figure against as many holdout images.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub control: Option<f64>,
    /// Lower end of the control's interval.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub control_low: Option<f64>,
    /// Upper end of the control's interval.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub control_high: Option<f64>,
    /// What was counted: images, candidates.
    pub n: u64,
    /// How the interval was made: `wilson`, `bootstrap`, `delong`, `newcombe`; empty without one.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub interval: String,
    /// Why a figure is missing.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub reason: String,
}

/// Scores of each image, column by column; a column is absent where its figure is missing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PerImage {
    /// Integer columns, such as the matched member's index in the dataset.
    pub index: BTreeMap<String, Vec<u64>>,
    /// Real columns, such as `l2` and `nn_ratio`, against members and, with the suffix
    /// `_control`, against holdout.
    pub value: BTreeMap<String, Vec<f64>>,
}

/// What the findings were worth.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Digest of the findings' id and the revision of every metric: another revision scores the
    /// same findings again, without running the attack.
    pub id: String,
    /// Name of the metric that the board ranks by.
    pub headline: String,
    /// Every figure, sorted by name.
    pub metrics: Vec<Metric>,
    /// Distinct members (groups of duplicates) that were extracted; of extraction only.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub unique_extracted: Option<u64>,
    /// Each image's scores.
    pub per_image: PerImage,
}

/// A probe of a reconstruction attack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProbeRecord {
    /// Its name.
    pub name: String,
    /// A character, 0 or 1, a flag: `H * W`, `N * H * W`, or none where all pixels are known.
    pub known: String,
    /// Sigma of the noise that was added.
    pub sigma: f32,
}

/// One cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Version of this format.
    pub format: u32,
    /// The cell's id, [`CellSpec::id`] of `spec`.
    pub id: String,
    /// What it was.
    pub spec: CellSpec,
    /// How it ended.
    pub status: Status,
    /// Why, where it is not ok.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub reason: String,
    /// Model calls that the attack made; absent where a crash hid it.
    pub model_calls: Option<u64>,
    /// Model calls that an output stage caused by rejecting.
    pub defence_calls: Option<u64>,
    /// Stages of the mitigation that applied.
    pub stages_applied: Vec<String>,
    /// Images that the model was trained on, where it is known.
    pub n_trained: Option<u64>,
    /// SHA-256 of the model as served (folder or plugin), hex.
    pub model_sha256: String,
    /// Findings: images, reconstructions or scores.
    pub n: u64,
    /// How a reconstruction attack had its candidates destroyed.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub probes: Vec<ProbeRecord>,
    /// SHA-256 of the file of findings beside this one; empty where there is none.
    pub findings_sha256: String,
    /// What the findings were worth; absent where there are none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub scores: Option<Scores>,
    /// Last lines of the process's stderr, where it failed.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub stderr_tail: String,
    /// SHA-256 of all the rest of this file.
    pub checksum: String,
}

/// Seconds and host facts, which differ from run to run and so lie beside the record.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Times {
    /// Wall-clock seconds of the cell's process.
    pub seconds: f64,
    /// Version of the harness.
    pub harness: String,
    /// Processor.
    pub processor: String,
    /// Threads that the cell had.
    pub threads: usize,
    /// Where the attack's time went; absent where it did not begin, or crashed.
    #[serde(flatten, skip_serializing_if = "Option::is_none", default)]
    pub spent: Option<Spent>,
}

/// Where an attack's time went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Spent {
    /// Wall-clock seconds from the attack's first instruction to its last.
    pub attack_seconds: f64,
    /// Of these, seconds in the model, summed over threads. The rest is the attack's own work and
    /// that of samplers and mitigations.
    pub model_seconds: f64,
}

impl Record {
    /// A record of a cell that has only a status and a reason so far.
    /// Where a model folder lies is left out: records of one id have the same bytes everywhere.
    pub fn new(mut spec: CellSpec, status: Status, reason: String) -> Self {
        spec.model.origin.forget_path();
        Self {
            format: FORMAT,
            id: spec.id(),
            spec,
            status,
            reason,
            model_calls: None,
            defence_calls: None,
            stages_applied: Vec::new(),
            n_trained: None,
            model_sha256: String::new(),
            n: 0,
            probes: Vec::new(),
            findings_sha256: String::new(),
            scores: None,
            stderr_tail: String::new(),
            checksum: String::new(),
        }
    }

    /// Writes it atomically, with its checksum.
    ///
    /// # Errors
    /// The system's: disk full, read-only folder; with the path.
    pub fn write(&mut self, path: &Path) -> io::Result<()> {
        sealed::write(self, path)
    }

    /// Reads one and checks format, id and checksum.
    ///
    /// # Errors
    /// [`RecordError`], naming the file and what is wrong with it.
    pub fn read(path: &Path) -> Result<Self, RecordError> {
        sealed::read(path, |record: &Self| {
            let id = record.spec.id();
            match id == record.id {
                true => Ok(()),
                false => Err(format!(
                    "expected id {id} for its content, got {}",
                    record.id
                )),
            }
        })
    }
}

impl Sealed for Record {
    const FORMAT: u32 = FORMAT;
    const WHAT: &'static str = "a whole cell";

    fn format(&self) -> u32 {
        self.format
    }

    fn checksum(&mut self) -> &mut String {
        &mut self.checksum
    }
}
