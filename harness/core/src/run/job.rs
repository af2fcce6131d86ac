//! What a child is told, and what it tells when it is done.

use std::path::PathBuf;

use eidetic_runtime::Library;
use serde::{Deserialize, Serialize};

use crate::cell::{CellSpec, Spent, Status};

/// Where things are on this machine; nothing here changes what a cell finds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Environment {
    /// The folder with `datasets` and `models`.
    pub benchmarks: PathBuf,
    /// Where the user keeps data that are not distributed.
    pub data_dir: Option<PathBuf>,
    /// Plugin libraries to load.
    pub plugins: Vec<PathBuf>,
    /// ONNX Runtime, found and checked; absent where no model needs it.
    pub library: Option<Library>,
}

/// One cell for one child.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Job {
    /// What to run.
    pub spec: CellSpec,
    /// Where things are.
    pub environment: Environment,
    /// Threads and sessions that it may use.
    pub threads: usize,
    /// An empty folder of its own, for findings and outcome.
    pub folder: PathBuf,
}

/// What a child tells when it is done; a child that tells nothing has crashed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// How it ended.
    pub status: Status,
    /// Why, where it is not ok; or what the reader of an ok row should know.
    pub reason: String,
    /// Model calls that the attack made.
    pub model_calls: u64,
    /// Model calls that rejections caused.
    pub defence_calls: u64,
    /// Stages of the mitigation that applied.
    pub stages_applied: Vec<String>,
    /// Images that the model was trained on, where it is known.
    pub n_trained: Option<u64>,
    /// Digest of the model as served.
    pub model_sha256: String,
    /// Where the time went; absent where the attack did not begin.
    pub spent: Option<Spent>,
}

impl Job {
    /// The job's file in its folder.
    pub const FILE: &'static str = "job.json";
}

impl Outcome {
    /// The outcome's file in the job's folder.
    pub const FILE: &'static str = "outcome.json";

    /// An outcome before anything was called.
    pub(crate) fn early(status: Status, reason: String) -> Self {
        Self {
            status,
            reason,
            model_calls: 0,
            defence_calls: 0,
            stages_applied: Vec::new(),
            n_trained: None,
            model_sha256: String::new(),
            spent: None,
        }
    }
}
