//! Which of a suite's expectations the board does not meet.

use super::csv_text::line;
use super::leaderboard::Board;
use super::row::{Row, RowStatus};
use crate::suite::Expectation;

/// One message a bound that does not hold, in the order of the expectations and of the board. A
/// row that is not ok breaks every bound on it, and so does an expectation without a row.
pub fn broken(expectations: &[Expectation], board: &Board) -> Vec<String> {
    let mut messages = Vec::new();
    for expectation in expectations {
        let rows: Vec<&Row> = board
            .rows
            .iter()
            .filter(|row| {
                expectation.matches(&row.dataset, &row.model, &row.mitigation, &row.attack)
            })
            .collect();
        if rows.is_empty() {
            messages.push(format!(
                "no row matches dataset {:?}, model {:?}, mitigation {:?}, attack {:?}",
                expectation.dataset.as_str(),
                expectation.model.as_str(),
                expectation.mitigation.as_str(),
                expectation.attack.as_str(),
            ));
        }
        for row in rows {
            check(expectation, row, &mut messages);
        }
    }
    messages
}

fn check(expectation: &Expectation, row: &Row, messages: &mut Vec<String>) {
    let bounds = &expectation.bounds;
    let (score, excess) = (row.figure.value, row.excess);
    let title = format!(
        "{} x {} x {} x {}",
        row.dataset, row.model, row.mitigation, row.attack
    );
    for (figure, got, bound, least) in [
        ("score", score, bounds.score_at_least, true),
        ("score", score, bounds.score_at_most, false),
        ("excess", excess, bounds.excess_at_least, true),
        ("excess", excess, bounds.excess_at_most, false),
    ] {
        let Some(bound) = bound else { continue };
        let what = match got.filter(|_| row.status == RowStatus::Ok) {
            Some(got) if least && got >= bound => continue,
            Some(got) if !least && got <= bound => continue,
            Some(got) => format!("got {got:.4}"),
            None => format!("got none: {}", why(row)),
        };
        let side = if least { "at least" } else { "at most" };
        let headline = match row.headline.as_str() {
            "" => String::new(),
            name => format!(" of {name}"),
        };
        messages.push(format!(
            "{title}: expected {figure}{headline} {side} {bound}, {what}"
        ));
    }
}

fn why(row: &Row) -> String {
    match (row.status, row.reason.as_str()) {
        (RowStatus::Ok, "") => "there is no such figure".into(),
        (RowStatus::Ok, reason) => line(reason),
        (status, "") => status.as_str().into(),
        (status, reason) => format!("{}, {}", status.as_str(), line(reason)),
    }
}
