#![allow(clippy::unwrap_used)]
use std::path::Path;

use super::samples::{extracted, plan, planned, spec};
use super::{Board, Cells, render};
use crate::cell::Record;
use crate::suite::Suite;

/// Model, attack, hits, and those of the clean twin where there is one.
type Line<'a> = (&'a str, &'a str, u64, Option<u64>);

/// Boards of 100 images a row.
fn board(rows: &[Line<'_>], trends: &str) -> Board {
    let (mut cells, mut records): (Vec<_>, Vec<Record>) = Default::default();
    for &(model, attack, hits, twin) in rows {
        let own = spec(model, "none", attack, 0);
        let mut cell = planned(own.clone());
        if let Some(hits) = twin {
            let twin = spec(&format!("{model}, clean twin"), "none", attack, 0);
            cell.twin = Some(twin.id());
            let mut hidden = planned(twin.clone());
            hidden.listed = false;
            cells.push(hidden);
            records.push(extracted(twin, hits, 0, 100));
        }
        cells.push(cell);
        records.push(extracted(own, hits, 0, 100));
    }
    let labels = |of: fn(&Line<'_>) -> String| -> String {
        let mut labels: Vec<String> = rows.iter().map(of).collect();
        labels.sort();
        labels.dedup();
        labels.join(", ")
    };
    let (models, attacks) = (labels(|row| row.0.into()), labels(|row| row.1.into()));
    let text = format!(
        "version: 1\nname: test\ndatasets: [data]\nmodels: [{models}]\nattacks: [{attacks}]\n\
         trends:\n{trends}"
    );
    let suite = Suite::parse(Path::new("test.yaml"), &text).unwrap();
    let mut plan = plan(cells);
    plan.trends = suite.trends;
    let mut found = Cells::default();
    for record in records {
        found.records.insert(record.id.clone(), record);
    }
    Board::new(&plan, &found)
}

fn verdicts(board: &Board) -> Vec<(&'static str, &str)> {
    let of = board.trends.iter();
    of.map(|row| (row.verdict(), row.reason.as_str())).collect()
}

#[test]
fn what_falls_falls_from_end_to_end_and_never_rises_between() {
    let rows = [
        ("a", "x", 90, None),
        ("b", "x", 40, None),
        ("c", "x", 10, None),
        ("d", "x", 35, None),
        ("e", "x", 12, None),
    ];
    let trends = "  - { name: down, falls: [{ model: a }, { model: b }, { model: c }] }
  - { name: up, rises: [{ model: c }, { model: b }, { model: a }] }
  - { name: bump, falls: [{ model: a }, { model: c }, { model: d }] }
  - { name: even, falls: [{ model: e }, { model: c }] }
";
    let board = board(&rows, trends);
    assert_eq!(
        verdicts(&board),
        [
            ("pass", ""),
            ("pass", ""),
            ("fail", "d x none x x is above c x none x x"),
            ("fail", "the interval holds 0"),
        ]
    );
    let down = &board.trends[0];
    // Newcombe's interval of 90 of 100 less 10 of 100, from Wilson's [0.8256, 0.9448] and
    // [0.0552, 0.1744].
    assert!((down.value.unwrap() - 0.8).abs() < 1e-12);
    assert!((down.low.unwrap() - (0.8 - 0.0744_f64.hypot(0.0744))).abs() < 1e-3);
    assert!((down.high.unwrap() - (0.8 + 0.0448_f64.hypot(0.0448))).abs() < 1e-3);
    assert_eq!(board.trends[1].value, down.value);
    assert!(
        down.rows
            .starts_with("a x none x x 0.900 [0.826, 0.945]; b x none x x 0.400")
    );
}

#[test]
fn the_highest_row_stands_for_many_and_pays_for_the_choice() {
    let rows = [
        ("a", "side1", 50, None),
        ("a", "side2", 62, None),
        ("a", "side3", 40, None),
        ("a", "random", 46, None),
    ];
    let trends = "  - { name: best, falls: [{ attack: side* }, { attack: random }] }
  - { name: named, falls: [{ attack: side2 }, { attack: random }] }
  - { name: peak, peaks: [{ attack: side1 }, { attack: side2 }, { attack: side3 }] }
";
    let board = board(&rows, trends);
    // 62 against 46 of 100 is beyond chance, but not as the best of three.
    assert_eq!(
        verdicts(&board),
        [
            ("fail", "the interval holds 0"),
            ("pass", ""),
            (
                "fail",
                "a x none x side2 is not above both ends beyond chance"
            ),
        ]
    );
    assert_eq!(board.trends[0].value, board.trends[1].value);
    assert!(board.trends[0].low < board.trends[1].low);
    assert!((board.trends[2].value.unwrap() - 0.12).abs() < 1e-12);
}

#[test]
fn a_peak_is_above_both_ends() {
    let rows = [
        ("a", "l0", 5, None),
        ("a", "l1", 60, None),
        ("a", "l2", 55, None),
        ("a", "l3", 30, None),
    ];
    let trends = "  - name: peak
    peaks: [{ attack: l0 }, { attack: l1 }, { attack: l2 }, { attack: l3 }]
";
    let board = board(&rows, trends);
    assert_eq!(verdicts(&board), [("pass", "")]);
    // Against the nearer end.
    assert!((board.trends[0].value.unwrap() - 0.3).abs() < 1e-12);
}

#[test]
fn controls_and_twins() {
    let rows = [("a", "x", 80, Some(0)), ("b", "x", 30, Some(25))];
    let trends = "  - { name: above, above_control: [{ model: a }, { model: b }] }
  - { name: clean, within: 0.05, at_control: [{ model: a, twin: true }] }
  - { name: dirty, within: 0.5, at_control: [{ model: a, twin: true }, { model: b, twin: true }] }
  - { name: unsure, within: 0.01, at_control: [{ model: a, twin: true }] }
";
    let board = board(&rows, trends);
    assert_eq!(
        verdicts(&board),
        [
            ("pass", ""),
            ("pass", ""),
            ("fail", "b x none x x, clean twin is above its control"),
            (
                "fail",
                "a x none x x, clean twin may be further than 0.01 above its control"
            ),
        ]
    );
}

#[test]
fn what_has_no_score_is_missing() {
    let rows = [("a", "x", 80, None), ("b", "x", 10, None)];
    let trends = "  - { name: t, falls: [{ model: a }, { model: b }] }
  - { name: twin, falls: [{ model: a }, { model: b, twin: true }] }
";
    let whole = board(&rows, trends);
    assert_eq!(
        verdicts(&whole),
        [
            ("pass", ""),
            ("missing", "b x none x x, clean twin: no score")
        ]
    );
    let shown = render(&whole, 120, false);
    assert!(
        shown.contains("\npass: t: 0.700 [0.584, 0.780]\n"),
        "{shown}"
    );
    let missing = "\nmissing: twin; b x none x x, clean twin: no score\n";
    assert!(shown.ends_with(missing), "{shown}");
    let files = whole.files().unwrap();
    let (_, csv) = files
        .iter()
        .find(|(name, _)| *name == "trends.csv")
        .unwrap();
    let csv = String::from_utf8(csv.clone()).unwrap();
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(
        lines[0],
        "suite,trend,claim,holds,value,low,high,rows,reason"
    );
    assert!(lines[1].starts_with("test,t,falls,pass,0.7,"), "{csv}");
    assert!(
        lines[2].starts_with("test,twin,falls,missing,,,,,\"b x none"),
        "{csv}"
    );
}
