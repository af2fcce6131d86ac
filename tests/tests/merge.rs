//! Cells of two machines make the board of one.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use eidetic_harness::cell::Record;
use eidetic_tests::{Place, run};

const REST: &str = "\
models: [ memorizer, clean ]
mitigations: [ none, filter ]
attacks: [ { id: random, options: { samples: 16 } } ]
";

fn suite(place: &Place, seeds: &str) -> PathBuf {
    place.suite("merged", &format!("{REST}seeds: {seeds}"))
}

fn merge(place: &Place, out: &str, from: &[PathBuf]) -> Command {
    let mut command = place.command("leaderboard", &suite(place, "[ 0, 1 ]"), out);
    command.arg("--merge").args(from);
    command
}

#[test]
fn halves_merged_are_the_whole_and_a_conflict_is_refused() {
    let place = Place::new();
    for (out, seeds) in [
        ("whole", "[ 0, 1 ]"),
        ("first", "[ 0 ]"),
        ("second", "[ 1 ]"),
    ] {
        place.run(&suite(&place, seeds), out).code(0);
    }
    let folder = |out: &str| place.results(out, "merged").folder;
    let halves = [folder("first"), folder("second")];
    let whole = place.results("whole", "merged").files();
    run(&mut merge(&place, "joined", &halves))
        .code(0)
        .says(&["8 cells merged, 0 were there with the same bytes, 0 files refused"]);
    place.results("joined", "merged").assert_same(&whole);
    // Findings came along: there is nothing left to run, and nothing to distrust.
    let said = place.run(&suite(&place, "[ 0, 1 ]"), "joined").code(0);
    assert!(
        said.stderr.contains("8 were there, 0 ran"),
        "{}",
        said.stderr
    );
    assert!(!said.stderr.contains("warning"), "{}", said.stderr);
    run(&mut merge(&place, "joined", &halves))
        .code(0)
        .says(&["0 cells merged, 8 were there with the same bytes, 0 files refused"]);
    place.results("joined", "merged").assert_same(&whole);

    conflict(&place, &folder("second"));
    let said = run(&mut merge(&place, "joined", &halves)).code(2);
    assert!(
        said.stderr.contains("the same cell with other bytes"),
        "{}",
        said.stderr
    );
    place.results("joined", "merged").assert_same(&whole);

    damage(&folder("first"));
    let into = Place::new();
    let said = run(&mut merge(&into, "new", &halves[..1])).code(2);
    assert!(
        said.stderr.contains("its checksum does not fit"),
        "{}",
        said.stderr
    );
    assert!(
        said.stderr.contains("not the findings of its cell"),
        "{}",
        said.stderr
    );
    assert!(said.stderr.contains("not a cell"), "{}", said.stderr);
    assert!(said.stderr.contains("2 cells merged"), "{}", said.stderr);
}

fn records(folder: &Path) -> Vec<PathBuf> {
    let folder = folder.to_owned();
    eidetic_tests::Results { folder }.record_files()
}

/// A record that is whole and says something else of its cell.
fn conflict(_: &Place, folder: &Path) {
    let path = &records(folder)[0];
    let mut record = Record::read(path).unwrap();
    record.model_calls = record.model_calls.map(|calls| calls + 1);
    record.write(path).unwrap();
}

/// One record with another digit, one cell's findings with another byte, and a stranger.
fn damage(folder: &Path) {
    let paths = records(folder);
    let text = fs::read_to_string(&paths[0]).unwrap();
    let other = text.replacen("\"n\": 16", "\"n\": 17", 1);
    assert_ne!(other, text);
    fs::write(&paths[0], other).unwrap();
    let findings = paths[1].with_extension("npz");
    let mut bytes = fs::read(&findings).unwrap();
    bytes[300] ^= 1;
    fs::write(findings, bytes).unwrap();
    fs::write(folder.join("cells/stranger.json"), "{}").unwrap();
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let place = Place::new();
    let missing = place.path("nowhere");
    run(&mut merge(&place, "out", &[missing]))
        .code(2)
        .says(&["nowhere", "No such file"]);
}
