//! The cells of a suite, in the suite's order.

use std::path::{Path, PathBuf};

use super::trainings::PlannedTraining;
use crate::cell::CellSpec;
use crate::embed::{self, CheckedNetwork};
use crate::suite::Trend;

/// One cell that a suite asks for, or that is the twin of one.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedCell {
    /// [`CellSpec::id`].
    pub id: String,
    /// What it is.
    pub spec: CellSpec,
    /// Why it cannot run, where that is known before it does.
    pub not_applicable: Option<String>,
    /// Images that the attack is asked about; 0 of extraction.
    pub candidates: u64,
    /// Id of the same attack on the clean twin, another cell of the same plan.
    pub twin: Option<String>,
    /// Id of the cell of plain samples that its quality is measured on, another cell of the same
    /// plan or itself.
    pub quality: Option<String>,
    /// Whether it has a row of its own; cells that are only somebody's twin or quality have
    /// none.
    pub listed: bool,
}

/// An embedder as a plan has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedder {
    /// Its name.
    pub name: String,
    /// Its folder.
    pub folder: PathBuf,
}

impl Embedder {
    /// The embedder of that name in the folder of benchmarks, its network there and checked, so that
    /// no run ends at what was missing from the start.
    ///
    /// # Errors
    /// As [`embed::find`] and [`CheckedNetwork::open`].
    pub fn find(
        benchmarks: &Path,
        name: &str,
        data_dir: Option<&Path>,
    ) -> Result<Self, embed::Error> {
        let found = embed::find(&benchmarks.join("embedders"), name, data_dir)?;
        CheckedNetwork::open(&found.manifest, &found.folder, data_dir)?;
        Ok(Self {
            name: name.to_owned(),
            folder: found.folder,
        })
    }
}

/// Every cell of a suite.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The suite's name.
    pub suite: String,
    /// The suite's version.
    pub suite_version: u64,
    /// Its cells, each id once.
    pub cells: Vec<PlannedCell>,
    /// What measures the quality of samples, where that is asked for.
    pub embedder: Option<Embedder>,
    /// Claims that are judged on its board.
    pub trends: Vec<Trend>,
    /// The recipes whose models they need, each once.
    pub trainings: Vec<PlannedTraining>,
}
