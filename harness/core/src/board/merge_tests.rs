#![allow(clippy::unwrap_used)]
use std::fs;
use std::path::{Path, PathBuf};

use super::merge;
use super::samples::{extracted, plan, planned, spec};
use crate::cell::{Record, Times};
use crate::files::sha256_hex;
use crate::plan::Plan;

fn two_seeds() -> Plan {
    plan(
        [0, 1]
            .map(|seed| planned(spec("memorizer", "none", "random", seed)))
            .to_vec(),
    )
}

fn record(seed: u64, hits: u64) -> Record {
    extracted(spec("memorizer", "none", "random", seed), hits, 0, 10)
}

/// A results folder as a run leaves it, with these records and all that goes with them.
fn results(dir: &Path, name: &str, records: Vec<Record>) -> PathBuf {
    let folder = dir.join(name);
    let cells = folder.join("cells");
    for mut record in records {
        let id = record.id.clone();
        record.findings_sha256 = sha256_hex(b"findings");
        record.write(&cells.join(format!("{id}.json"))).unwrap();
        let times = serde_json::to_vec(&Times::default()).unwrap();
        fs::write(cells.join(format!("{id}.time.json")), times).unwrap();
        fs::write(cells.join(format!("{id}.npz")), b"findings").unwrap();
        fs::write(cells.join(format!("{id}.png")), b"picture").unwrap();
        fs::write(cells.join(format!("{id}.similarity.csv")), b"table").unwrap();
    }
    folder
}

fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder.join("cells")) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// The refusals of merging `theirs` into `into`.
fn refused(plan: &Plan, into: &Path, theirs: &[PathBuf]) -> Vec<String> {
    let report = merge(plan, into, theirs).unwrap();
    assert_eq!(report.copied, [] as [String; 0]);
    report.refused.iter().map(ToString::to_string).collect()
}

#[test]
fn what_others_ran_is_copied_with_all_that_goes_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let plan = two_seeds();
    let ours = results(dir.path(), "ours", vec![record(0, 8)]);
    let theirs = results(dir.path(), "theirs", vec![record(0, 8), record(1, 6)]);
    // A cells folder does as well as a results folder, and the same twice is no conflict.
    let dirs = [theirs.clone(), theirs.join("cells")];
    let report = merge(&plan, &ours, &dirs).unwrap();
    assert_eq!(report.refused, []);
    assert_eq!(report.same, [plan.cells[0].id.clone()]);
    assert_eq!(report.copied, [plan.cells[1].id.clone()]);
    assert_eq!(names(&ours), names(&theirs));
    assert_eq!(names(&ours).len(), 10);
    for name in names(&ours) {
        let read = |folder: &Path| fs::read(folder.join("cells").join(&name)).unwrap();
        assert_eq!(read(&ours), read(&theirs), "{name}");
    }
    let again = merge(&plan, &ours, &dirs).unwrap();
    assert_eq!((again.copied.len(), again.same.len()), (0, 2));
}

#[test]
fn the_same_cell_with_other_bytes_is_refused_and_ours_stays() {
    let dir = tempfile::tempdir().unwrap();
    let plan = two_seeds();
    let ours = results(dir.path(), "ours", vec![record(0, 8)]);
    let theirs = results(dir.path(), "theirs", vec![record(0, 7)]);
    let path = ours.join(format!("cells/{}.json", plan.cells[0].id));
    let before = fs::read(&path).unwrap();
    let refused = refused(&plan, &ours, std::slice::from_ref(&theirs));
    let named = theirs.join(format!("cells/{}.json", plan.cells[0].id));
    assert_eq!(
        refused,
        [format!(
            "{}: the same cell with other bytes than {}",
            named.display(),
            path.display()
        )]
    );
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn of_two_that_differ_neither_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let plan = two_seeds();
    let one = results(dir.path(), "one", vec![record(0, 8)]);
    let other = results(dir.path(), "other", vec![record(0, 7)]);
    let into = dir.path().join("into");
    let refused = refused(&plan, &into, &[one, other]);
    assert_eq!(refused.len(), 2);
    assert!(refused[0].contains("/one/cells/") && refused[0].contains("/other/cells/"));
    assert_eq!(names(&into), [] as [String; 0]);
}

#[test]
fn damaged_foreign_and_misnamed_files_are_named_and_refused() {
    let dir = tempfile::tempdir().unwrap();
    let plan = two_seeds();
    let id = &plan.cells[0].id;
    let foreign = extracted(spec("other", "none", "random", 0), 1, 0, 10);
    let foreign_id = foreign.id.clone();
    let theirs = results(dir.path(), "theirs", vec![record(0, 8), foreign]);
    let cells = theirs.join("cells");
    let path = cells.join(format!("{id}.json"));
    fs::write(cells.join("notes.json"), b"{}").unwrap();
    fs::copy(&path, cells.join(format!("{}.json", plan.cells[1].id))).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"n\": 10", "\"n\": 11")).unwrap();
    let into = dir.path().join("into");
    let refused = refused(&plan, &into, &[theirs]).join("\n");
    for expected in [
        format!("{id}.json: its checksum does not fit its content"),
        format!("{foreign_id}.json: not a cell of this suite"),
        "notes.json: not a cell".to_owned(),
        format!("{}.json: expected cell", plan.cells[1].id),
    ] {
        assert!(refused.contains(&expected), "{expected}\n{refused}");
    }
    assert_eq!(refused.lines().count(), 4);
    assert_eq!(names(&into), [] as [String; 0]);
}

#[test]
fn findings_must_be_there_and_be_the_cells_own() {
    let dir = tempfile::tempdir().unwrap();
    let plan = two_seeds();
    let into = dir.path().join("into");
    let theirs = results(dir.path(), "theirs", vec![record(0, 8), record(1, 6)]);
    let findings = |cell: usize| theirs.join(format!("cells/{}.npz", plan.cells[cell].id));
    fs::remove_file(findings(0)).unwrap();
    fs::write(findings(1), b"other findings").unwrap();
    let refused = refused(&plan, &into, std::slice::from_ref(&theirs)).join("\n");
    assert!(refused.contains("the findings of this cell are missing"));
    assert!(refused.contains("not the findings of its cell: expected sha256"));
    assert_eq!(names(&into), [] as [String; 0]);
}

#[test]
fn findings_that_are_there_are_not_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let plan = two_seeds();
    let into = dir.path().join("into");
    let theirs = results(dir.path(), "theirs", vec![record(0, 8)]);
    let stray = into.join(format!("cells/{}.npz", plan.cells[0].id));
    fs::create_dir_all(stray.parent().unwrap()).unwrap();
    fs::write(&stray, b"stray").unwrap();
    let refused = refused(&plan, &into, &[theirs]);
    assert!(
        refused[0].contains("findings with other bytes"),
        "{refused:?}"
    );
    assert_eq!(fs::read(&stray).unwrap(), b"stray");
}

#[test]
fn a_folder_that_is_not_there_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing");
    let error = merge(&two_seeds(), dir.path(), &[missing]).unwrap_err();
    assert!(error.to_string().contains("missing"), "{error}");
}
