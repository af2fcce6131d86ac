#![allow(clippy::unwrap_used)]
use super::samples::{extracted, plan, planned, spec, write};
use super::{Board, Cells, render};
use crate::cell::{Metric, QUALITY_ENDING, Quality};
use crate::plan::{Plan, PlannedCell};

fn quality(cell: &str, value: f64) -> Quality {
    Quality {
        format: Quality::FORMAT,
        cell: cell.into(),
        id: "q".into(),
        embedder: "e".into(),
        protocol: "p".into(),
        headline: "kid_e".into(),
        n: 10,
        n_reference: 4,
        metrics: vec![Metric {
            name: "kid_e".into(),
            value: Some(value),
            low: Some(value - 1.0),
            high: Some(value + 1.0),
            n: 10,
            interval: "jackknife".into(),
            ..Metric::default()
        }],
        checksum: String::new(),
    }
}

/// A row a mitigation: its hits of 10 and the utility of its samples, which are a cell without a
/// row.
fn rows(of: &[(&str, u64, Option<f64>)]) -> (Plan, Cells) {
    let (mut planned_cells, mut cells): (Vec<PlannedCell>, Cells) = Default::default();
    for (mitigation, hits, utility) in of {
        let mut samples = planned(spec("model", mitigation, "quality", 0));
        samples.listed = false;
        let mut row = planned(spec("model", mitigation, "attack", 0));
        row.quality = Some(samples.id.clone());
        let record = extracted(row.spec.clone(), *hits, 0, 10);
        cells.records.insert(row.id.clone(), record);
        if let Some(value) = utility {
            let quality = quality(&samples.id, *value);
            cells.qualities.insert(samples.id.clone(), quality);
        }
        planned_cells.extend([samples, row]);
    }
    (plan(planned_cells), cells)
}

fn pareto(of: &[(&str, u64, Option<f64>)]) -> Vec<(String, Option<bool>)> {
    let (plan, cells) = rows(of);
    let board = Board::new(&plan, &cells);
    let mut all: Vec<_> = board
        .mitigations
        .iter()
        .map(|row| (row.mitigation.clone(), row.pareto))
        .collect();
    all.sort();
    all
}

#[test]
fn every_row_carries_the_quality_of_the_plain_samples() {
    let (plan, cells) = rows(&[("none", 9, Some(0.25)), ("filter", 1, None)]);
    let board = Board::new(&plan, &cells);
    assert_eq!(board.rows.len(), 2);
    let of = |mitigation: &str| {
        let row = board.rows.iter().find(|row| row.mitigation == mitigation);
        &row.unwrap().utility
    };
    let none = of("none");
    assert_eq!((&*none.metric, &*none.protocol), ("kid_e", "p"));
    assert_eq!((none.n, none.n_reference), (Some(10), Some(4)));
    let figure = none.figure;
    assert_eq!(
        (figure.value, figure.low, figure.high, figure.control),
        (Some(0.25), Some(-0.75), Some(1.25), None)
    );
    let filter = of("filter");
    assert_eq!(filter.figure.value, None);
    assert_eq!(
        filter.reason,
        "utility: the plain samples were not examined"
    );
    let metrics: Vec<&str> = board
        .metrics
        .iter()
        .filter(|row| row.attack == "quality")
        .map(|row| &*row.metric)
        .collect();
    assert_eq!(metrics, ["kid_e"]);
}

#[test]
fn the_pareto_set_is_what_nothing_betters() {
    let of = [
        ("best-quality", 9, Some(0.0)),
        ("between", 5, Some(1.0)),
        ("beaten", 5, Some(1.5)),
        ("equal", 5, Some(1.0)),
        ("least-leak", 0, Some(3.0)),
        ("unexamined", 0, None),
    ];
    let expected = [
        ("beaten", Some(false)),
        ("best-quality", Some(true)),
        ("between", Some(true)),
        ("equal", Some(true)),
        ("least-leak", Some(true)),
        ("unexamined", None),
    ];
    let expected: Vec<_> = expected.map(|(m, p)| (m.to_owned(), p)).into();
    assert_eq!(pareto(&of), expected);
    assert_eq!(pareto(&of[..1]), [("best-quality".to_owned(), Some(true))]);
}

#[test]
fn the_terminal_names_the_pareto_set() {
    let (plan, cells) = rows(&[
        ("none", 9, Some(0.0)),
        ("filter", 5, Some(1.0)),
        ("x", 6, Some(2.0)),
    ]);
    let shown = render(&Board::new(&plan, &cells), 200, false);
    let expected = "best by worst excess and kid_e, model, extraction: filter (0.500, 1.000), none (0.900, 0.000)";
    assert!(shown.lines().any(|line| line == expected), "{shown}");
    let header = shown.lines().nth(1).unwrap();
    assert!(header.ends_with("calls  utility"), "{header}");
    assert!(shown.contains("utility: kid_e, less is better"), "{shown}");
    let (plan, cells) = rows(&[("none", 9, None)]);
    let shown = render(&Board::new(&plan, &cells), 200, false);
    assert!(
        !shown.lines().nth(1).unwrap().contains("utility"),
        "{shown}"
    );
    let (plan, cells) = rows(&[("none", 9, Some(0.0))]);
    assert!(!render(&Board::new(&plan, &cells), 200, false).contains("best by"));
}

#[test]
fn seeds_of_different_protocols_are_not_averaged() {
    let mut seeds = [0, 1].map(|seed| planned(spec("model", "none", "random", seed)));
    let mut cells = Cells::default();
    for (seed, cell) in seeds.iter_mut().enumerate() {
        cell.quality = Some(cell.id.clone());
        let record = extracted(cell.spec.clone(), 1, 0, 10);
        cells.records.insert(cell.id.clone(), record);
        let quality = quality(&cell.id, seed as f64);
        cells.qualities.insert(cell.id.clone(), quality);
    }
    let plan = plan(seeds.to_vec());
    let same = Board::new(&plan, &cells).rows.remove(0).utility;
    assert_eq!((same.figure.value, same.n), (Some(0.5), Some(20)));
    let other = &mut cells.qualities.get_mut(&seeds[1].id).unwrap().protocol;
    other.push('2');
    let mixed = Board::new(&plan, &cells).rows.remove(0).utility;
    assert_eq!(mixed.figure.value, None);
    assert!(
        mixed.reason.contains("different protocols"),
        "{}",
        mixed.reason
    );
}

#[test]
fn a_file_that_cannot_be_trusted_is_left_out() {
    let (plan, cells) = rows(&[("none", 9, Some(0.25))]);
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), cells.records.values().cloned());
    let (id, quality) = cells.qualities.iter().next().unwrap();
    let path = dir.path().join(format!("cells/{id}{QUALITY_ENDING}"));
    quality.clone().write(&path).unwrap();
    let read = Cells::read(&plan, dir.path()).unwrap();
    assert_eq!(read.qualities[id].utility().unwrap().value, Some(0.25));
    assert!(read.problems.is_empty());
    let text = std::fs::read_to_string(&path).unwrap();
    for (from, to) in [
        ("0.25", "0.24"),
        ("\"format\": 1", "\"format\": 2"),
        ("{", ""),
    ] {
        std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
        let read = Cells::read(&plan, dir.path()).unwrap();
        assert!(
            read.qualities.is_empty() && read.problems.len() == 1,
            "{from}"
        );
    }
    assert!(Quality::read(&path, id).is_err());
    std::fs::write(&path, &text).unwrap();
    let of_another = Quality::read(&path, &"0".repeat(32)).unwrap_err();
    assert!(
        of_another.to_string().contains("expected cell 000"),
        "{of_another}"
    );
}
