#![allow(clippy::unwrap_used)]
use super::samples::{extracted, plan, planned, spec};
use super::{Board, Cells, broken, render};
use crate::cell::{Record, Status};
use crate::suite::{Bounds, Expectation, Glob};
use crate::yaml::Document;

/// The memorizer found out, its filter failed, the clean model not run.
fn board() -> Board {
    let mut cells = Cells::default();
    let specs = [
        spec("memorizer", "none", "random", 0),
        spec("memorizer", "filter", "random", 0),
        spec("clean", "none", "random", 0),
    ];
    let failed = Record::new(
        specs[1].clone(),
        Status::Failed,
        "the process ended with\nsignal 11".into(),
    );
    for record in [extracted(specs[0].clone(), 2000, 0, 2000), failed] {
        cells.records.insert(record.id.clone(), record);
    }
    Board::new(&plan(specs.map(planned).to_vec()), &cells)
}

#[test]
fn the_table_reads_and_is_aligned() {
    let expected = "\
data, extraction
#  model      mitigation  attack  status           score [95 %]  control  excess  twin     n  calls
   clean      none        random  not run
1  memorizer  none        random  ok       1.000 [0.998, 1.000]    0.000   1.000        2000  20.0k
   memorizer  filter      random  failed
not run: clean x none x random: seed 0 has not run
failed: memorizer x filter x random: the process ended with signal 11
score: nn_ratio_below_0.333; control: on holdout; excess: score - control; twin: score on the clean~
";
    assert_eq!(render(&board(), 100, false), expected);
}

#[test]
fn long_labels_give_way() {
    let mut board = board();
    board.rows[0].model = "a-very-long-label-of-a-model{with: details, and: more}".into();
    board.rows[1].attack = "sänd".repeat(20);
    for width in [100, 90, 80, 67] {
        let table = render(&board, width, false);
        for line in table.lines() {
            assert!(line.chars().count() <= width, "{line}");
        }
        assert!(table.contains('~'));
        assert_eq!(table.contains("[0.998, 1.000]"), width >= 100, "{table}");
    }
}

#[test]
fn colours_change_nothing_but_colour() {
    let colored = render(&board(), 100, true);
    assert!(colored.contains("\u{1b}[31mfailed\u{1b}[0m"));
    let mut plain = String::new();
    for (i, part) in colored.split('\u{1b}').enumerate() {
        let text = if i == 0 {
            part
        } else {
            part.split_once('m').unwrap().1
        };
        plain.push_str(text);
    }
    let trimmed =
        |text: &str| -> Vec<String> { text.lines().map(|l| l.trim_end().into()).collect() };
    assert_eq!(trimmed(&plain), trimmed(&render(&board(), 100, false)));
}

#[test]
fn an_empty_board_says_so() {
    let board = Board::new(&plan(Vec::new()), &Cells::default());
    assert!(render(&board, 100, false).starts_with("no rows\n"));
}

fn expecting(model: &str, mitigation: &str, bounds: Bounds) -> Expectation {
    let document = Document::parse(std::path::Path::new("suite.yaml"), "a: 1".into()).unwrap();
    Expectation {
        dataset: Glob::new("*"),
        model: Glob::new(model),
        mitigation: Glob::new(mitigation),
        attack: Glob::new("*"),
        bounds,
        at: document.root().id(),
    }
}

#[test]
fn bounds_are_inclusive_and_those_that_do_not_hold_are_named() {
    let held = Bounds {
        score_at_least: Some(1.0),
        score_at_most: Some(1.0),
        excess_at_least: Some(1.0),
        excess_at_most: Some(1.0),
    };
    let board = board();
    assert_eq!(
        broken(&[expecting("memo*", "none", held)], &board),
        [] as [String; 0]
    );
    let not_held = Bounds {
        score_at_most: Some(0.05),
        excess_at_most: Some(0.5),
        ..Bounds::default()
    };
    assert_eq!(
        broken(&[expecting("memo*", "none", not_held)], &board),
        [
            "data x memorizer x none x random: expected score of nn_ratio_below_0.333 at most 0.05, got 1.0000",
            "data x memorizer x none x random: expected excess of nn_ratio_below_0.333 at most 0.5, got 1.0000",
        ]
    );
}

#[test]
fn what_did_not_run_breaks_every_bound_and_so_does_no_row() {
    let bounds = Bounds {
        score_at_most: Some(1.0),
        excess_at_most: Some(1.0),
        ..Bounds::default()
    };
    let expectations = [
        expecting("*", "filter", bounds.clone()),
        expecting("clean", "*", bounds.clone()),
        expecting("nobody", "*", bounds),
    ];
    assert_eq!(
        broken(&expectations, &board()),
        [
            "data x memorizer x filter x random: expected score at most 1, got none: failed, the process ended with signal 11",
            "data x memorizer x filter x random: expected excess at most 1, got none: failed, the process ended with signal 11",
            "data x clean x none x random: expected score at most 1, got none: not run, seed 0 has not run",
            "data x clean x none x random: expected excess at most 1, got none: not run, seed 0 has not run",
            "no row matches dataset \"*\", model \"nobody\", mitigation \"*\", attack \"*\"",
        ]
    );
}
