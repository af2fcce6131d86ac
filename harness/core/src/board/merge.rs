//! Joins cells that others ran. Everything is checked before anything is copied, and nothing that
//! is there is overwritten.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::cells::{CellProblem, TIMES, cells_folder, file_name, is_id, list};
use super::cells::{read_quality, read_record, read_times};
use crate::cell::{FINDINGS_ENDING, QUALITY_ENDING};
use crate::files::{sha256_file, sha256_hex, write_atomic};
use crate::plan::Plan;

const RECORD: &str = ".json";
/// Files beside a record that go with it and its findings.
const COMPANIONS: [&str; 4] = [".similarity.csv", ".png", QUALITY_ENDING, TIMES];

/// What a merge did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MergeReport {
    /// Ids of cells that were copied, ascending.
    pub copied: Vec<String>,
    /// Ids of cells that were there with the same bytes, ascending.
    pub same: Vec<String>,
    /// Files that were refused, and why, in the order of the folders. Their cells were not
    /// copied.
    pub refused: Vec<CellProblem>,
}

/// A file as it was checked.
struct Checked {
    from: PathBuf,
    sha256: String,
}

/// A cell as it was checked: its record, and its companions by their names.
struct Offer {
    record: Checked,
    companions: Vec<(String, Checked)>,
}

/// Copies the cells of `plan` in `dirs` (results folders or their `cells` folders) into
/// `<into>/cells`.
///
/// Refused are: a file that is not a cell's record, a cell that is not the plan's, a damaged
/// record, findings that are missing or have another digest than the record says, and a cell that
/// is there, or in another of the folders, with other bytes; then none of these is taken.
///
/// # Errors
/// A folder is missing or cannot be read, or a file cannot be written; with its path.
pub fn merge(plan: &Plan, into: &Path, dirs: &[PathBuf]) -> io::Result<MergeReport> {
    let into = into.join("cells");
    let planned: HashSet<&str> = plan.cells.iter().map(|cell| cell.id.as_str()).collect();
    let mut report = MergeReport::default();
    let mut offers: BTreeMap<String, Vec<Offer>> = BTreeMap::new();
    for dir in dirs {
        fs::metadata(dir)
            .map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", dir.display())))?;
        for path in list(&cells_folder(dir))? {
            let name = file_name(&path);
            if !name.ends_with(RECORD) || name.ends_with(QUALITY_ENDING) || name.ends_with(TIMES) {
                continue;
            }
            match offer(&path, &name[..name.len() - RECORD.len()], &planned) {
                Ok((id, offer)) => offers.entry(id).or_default().push(offer),
                Err(problem) => report.refused.push(problem),
            }
        }
    }
    let mut accepted = Vec::new();
    for (id, offers) in offers {
        match settle(&id, offers, &into) {
            Ok((offer, true)) => {
                accepted.push(offer);
                report.same.push(id);
            }
            Ok((offer, false)) => {
                accepted.push(offer);
                report.copied.push(id);
            }
            Err(problems) => report.refused.extend(problems),
        }
    }
    for offer in &accepted {
        // The record comes last: where it is, the rest is.
        for (name, file) in &offer.companions {
            file.copy(&into.join(name))?;
        }
        let name = file_name(&offer.record.from);
        offer.record.copy(&into.join(name))?;
    }
    Ok(report)
}

/// A record with all that goes with it, checked in itself.
fn offer(path: &Path, id: &str, planned: &HashSet<&str>) -> Result<(String, Offer), CellProblem> {
    if !is_id(id) {
        return Err(problem(
            path,
            "not a cell: expected 32 hexadecimal digits as its name",
        ));
    }
    if !planned.contains(id) {
        return Err(problem(
            path,
            "not a cell of this suite, or of another version of it",
        ));
    }
    let record = read_record(path, id).map_err(|reason| problem(path, reason))?;
    let mut companions = Vec::new();
    if !record.findings_sha256.is_empty() {
        let name = findings_name(id);
        let from = path.with_file_name(&name);
        if !from.exists() {
            return Err(problem(&from, "the findings of this cell are missing"));
        }
        let file = Checked::new(from)?;
        if file.sha256 != record.findings_sha256 {
            let reason = format!(
                "not the findings of its cell: expected sha256 {}, got {}",
                record.findings_sha256, file.sha256
            );
            return Err(problem(&file.from, reason));
        }
        companions.push((name, file));
    }
    for ending in COMPANIONS {
        let name = format!("{id}{ending}");
        let from = path.with_file_name(&name);
        if !from.is_file() {
            continue;
        }
        if ending == TIMES {
            read_times(&from).map_err(|reason| problem(&from, reason))?;
        }
        if ending == QUALITY_ENDING {
            read_quality(&from, id).map_err(|reason| problem(&from, reason))?;
        }
        companions.push((name, Checked::new(from)?));
    }
    let record = Checked::new(path.to_owned())?;
    Ok((id.to_owned(), Offer { record, companions }))
}

/// The first of the offers, if all have the bytes that are there, or else each other's; and
/// whether it was there.
fn settle(
    id: &str,
    mut offers: Vec<Offer>,
    into: &Path,
) -> Result<(Offer, bool), Vec<CellProblem>> {
    let here = into.join(format!("{id}{RECORD}"));
    let there = here.exists();
    let expected = if there {
        Checked::new(here).map_err(|problem| vec![problem])?
    } else {
        let first = &offers[0].record;
        Checked {
            from: first.from.clone(),
            sha256: first.sha256.clone(),
        }
    };
    let same = |offer: &Offer| offer.record.sha256 == expected.sha256;
    if !offers.iter().all(same) {
        // Without one that is there, none of them is more to be trusted than another.
        let refused = offers.iter().filter(|offer| !there || !same(offer));
        return Err(refused
            .map(|offer| {
                let other = if same(offer) {
                    offers.iter().find(|other| !same(other))
                } else {
                    None
                };
                let other = other.map_or(&expected.from, |other| &other.record.from);
                let reason = format!("the same cell with other bytes than {}", other.display());
                problem(&offer.record.from, reason)
            })
            .collect());
    }
    let offer = offers.swap_remove(0);
    let name = findings_name(id);
    let findings = into.join(&name);
    if findings.exists() {
        let here = Checked::new(findings).map_err(|problem| vec![problem])?;
        let offered = offer.companions.iter().find(|(other, _)| *other == name);
        if offered.is_some_and(|(_, offered)| offered.sha256 != here.sha256) {
            let reason =
                "findings with other bytes than the cell that is to be merged; remove them";
            return Err(vec![problem(&here.from, reason)]);
        }
    }
    Ok((offer, there))
}

fn findings_name(id: &str) -> String {
    format!("{id}.{FINDINGS_ENDING}")
}

impl Checked {
    fn new(from: PathBuf) -> Result<Self, CellProblem> {
        match sha256_file(&from) {
            Ok(sha256) => Ok(Self { from, sha256 }),
            Err(error) => Err(problem(&from, format!("cannot be read: {error}"))),
        }
    }

    /// Copies to where nothing is yet.
    fn copy(&self, to: &Path) -> io::Result<()> {
        if to.exists() {
            return Ok(());
        }
        let from = self.from.display();
        let bytes =
            fs::read(&self.from).map_err(|e| io::Error::new(e.kind(), format!("{from}: {e}")))?;
        if sha256_hex(&bytes) != self.sha256 {
            return Err(io::Error::other(format!(
                "{from}: changed while it was merged; merge again"
            )));
        }
        write_atomic(to, &bytes)
    }
}

fn problem(path: &Path, reason: impl Into<String>) -> CellProblem {
    CellProblem {
        path: path.to_owned(),
        reason: reason.into(),
    }
}
