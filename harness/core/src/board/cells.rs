//! The records of a results folder: which of a plan's cells are there and can be trusted.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::cell::{QUALITY_ENDING, Quality, Record, RecordError, Times};
use crate::plan::Plan;

/// Ending of the side file with a cell's times.
pub(super) const TIMES: &str = ".time.json";
const RECORD: &str = ".json";

/// What a results folder holds of a plan.
#[derive(Debug, Clone, Default)]
pub struct Cells {
    /// Whole records of the plan's cells, by id.
    pub records: BTreeMap<String, Record>,
    /// Their times, by id, where they are there.
    pub times: BTreeMap<String, Times>,
    /// The quality of their images, by id, where they were examined.
    pub qualities: BTreeMap<String, Quality>,
    /// Files that were left out, sorted by path.
    pub problems: Vec<CellProblem>,
    /// Ids of the plan's cells whose record was left out.
    pub damaged: Vec<String>,
    /// Records of cells that the plan does not ask for, such as those of an earlier version of
    /// the suite. They are ignored.
    pub stale: usize,
}

/// A file that cannot be trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellProblem {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

impl fmt::Display for CellProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.reason)
    }
}

impl Cells {
    /// Reads `<folder>/cells`, or `folder` itself where it has no folder `cells`. A folder that
    /// is not there holds nothing yet.
    ///
    /// # Errors
    /// The folder cannot be listed. A file that cannot be read is a problem, not an error.
    pub fn read(plan: &Plan, folder: &Path) -> io::Result<Self> {
        let planned: HashSet<&str> = plan.cells.iter().map(|cell| cell.id.as_str()).collect();
        let mut cells = Self::default();
        for path in list(&cells_folder(folder))? {
            let name = file_name(&path);
            let times = name.strip_suffix(TIMES);
            let quality = name.strip_suffix(QUALITY_ENDING);
            let Some(id) = times.or(quality).or_else(|| name.strip_suffix(RECORD)) else {
                continue;
            };
            if !is_id(id) {
                cells.problem(
                    &path,
                    "not a cell: expected 32 hexadecimal digits as its name",
                );
            } else if times.is_some() {
                if planned.contains(id) {
                    cells.read_times(&path, id);
                }
            } else if quality.is_some() {
                if planned.contains(id) {
                    cells.read_quality(&path, id);
                }
            } else if planned.contains(id) {
                cells.read_record(&path, id);
            } else {
                cells.stale += 1;
            }
        }
        Ok(cells)
    }

    fn read_record(&mut self, path: &Path, id: &str) {
        match read_record(path, id) {
            Ok(record) => {
                self.records.insert(id.to_owned(), record);
            }
            Err(reason) => {
                self.problem(path, reason);
                self.damaged.push(id.to_owned());
            }
        }
    }

    fn read_times(&mut self, path: &Path, id: &str) {
        match read_times(path) {
            Ok(times) => {
                self.times.insert(id.to_owned(), times);
            }
            Err(reason) => self.problem(path, reason),
        }
    }

    fn read_quality(&mut self, path: &Path, id: &str) {
        match read_quality(path, id) {
            Ok(quality) => {
                self.qualities.insert(id.to_owned(), quality);
            }
            Err(reason) => self.problem(path, reason),
        }
    }

    fn problem(&mut self, path: &Path, reason: impl Into<String>) {
        self.problems.push(CellProblem {
            path: path.to_owned(),
            reason: reason.into(),
        });
    }
}

/// The record of cell `id`, or what is wrong with the file.
pub(super) fn read_record(path: &Path, id: &str) -> Result<Record, String> {
    let record = Record::read(path).map_err(fault)?;
    if record.id != id {
        return Err(format!(
            "expected cell {id}, as its name says, got {}",
            record.id
        ));
    }
    Ok(record)
}

/// The quality of cell `id`, or what is wrong with the file.
pub(super) fn read_quality(path: &Path, id: &str) -> Result<Quality, String> {
    Quality::read(path, id).map_err(fault)
}

fn fault(error: RecordError) -> String {
    match error {
        RecordError::Read { source, .. } => format!("cannot be read: {source}"),
        RecordError::Damaged { reason, .. } => reason,
    }
}

/// The times in a side file, or what is wrong with it.
pub(super) fn read_times(path: &Path) -> Result<Times, String> {
    let bytes = fs::read(path).map_err(|error| format!("cannot be read: {error}"))?;
    serde_json::from_slice(&bytes).map_err(|error| format!("not the times of a cell: {error}"))
}

/// `<folder>/cells` where it is there, else `folder`.
pub(super) fn cells_folder(folder: &Path) -> PathBuf {
    let inner = folder.join("cells");
    if inner.is_dir() {
        inner
    } else {
        folder.to_owned()
    }
}

/// Files of a folder, sorted; none where there is no folder. Hidden ones are another process's
/// half-written files.
pub(super) fn list(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let at =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", folder.display()));
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(at)?,
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(at)?.path();
        if path.is_file() && !file_name(&path).starts_with('.') {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

pub(super) fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// Whether `text` has the form of [`CellSpec::id`](crate::cell::CellSpec::id).
pub(super) fn is_id(text: &str) -> bool {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    text.len() == 32 && text.bytes().all(is_digit)
}
