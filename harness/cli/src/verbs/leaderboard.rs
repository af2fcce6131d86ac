//! `eidetic leaderboard SUITE`, and what `run` shows at its end.

use std::path::Path;

use eidetic_harness::board::{Board, Cells, Row, RowStatus, broken, merge, render};
use eidetic_harness::run::lock;
use serde_json::{Value, json};

use crate::args::{Global, LeaderboardArgs};
use crate::exit::{Exit, Failure};
use crate::setup::Setup;
use crate::{output, talk};

pub(crate) fn run(args: &LeaderboardArgs, global: &Global) -> Result<Exit, Failure> {
    let named = &args.suite.suite;
    let setup = Setup::new(global, Some(named))?;
    let suite = setup.suite(named)?;
    let plan = setup.plan(&suite)?;
    let folder = setup.results(&plan.suite);

    let mut exit = Exit::Done;
    if !args.merge.is_empty() {
        let _lock = lock(&folder).map_err(Failure::from)?;
        let report = merge(&plan, &folder, &args.merge).map_err(Failure::bad_input)?;
        for problem in &report.refused {
            talk::error(&format!("refused {problem}"));
            exit = Exit::BadInput;
        }
        if !global.quiet {
            talk::line(&format!(
                "{} cells merged, {} were there with the same bytes, {} files refused",
                report.copied.len(),
                report.same.len(),
                report.refused.len()
            ));
        }
    }
    let cells = Cells::read(&plan, &folder)?;
    for problem in &cells.problems {
        talk::warning(&format!("left out {problem}"));
    }
    let board = Board::new(&plan, &cells);
    // What has not run yet cannot break a promise.
    let complete = board.rows.iter().all(|row| row.status != RowStatus::NotRun);
    let broken = match complete {
        true => broken(&suite.expect, &board),
        false => Vec::new(),
    };
    if global.json {
        board.write(&folder)?;
        output::json(&json!({
            "suite": plan.suite,
            "folder": folder,
            "complete": complete,
            "broken": broken,
            "rows": rows(&board),
        }))?;
    } else {
        publish(&board, &folder, global)?;
    }
    if !complete && !global.quiet {
        talk::hint(&format!(
            "some cells have not run; `eidetic run {}` with the same flags runs them",
            named.display()
        ));
    }
    for message in &broken {
        talk::error(&format!("expectation broken: {message}"));
        exit = Exit::SelfCheck;
    }
    Ok(exit)
}

/// Writes the board's files, prints the table, says where the files are.
pub(crate) fn publish(board: &Board, folder: &Path, global: &Global) -> Result<(), Failure> {
    board.write(folder)?;
    let color = talk::color(&std::io::stdout());
    output::text(&render(board, output::width(), color))?;
    if !global.quiet {
        let mut names = vec!["metrics.csv", "mitigations.csv", "comparisons.csv"];
        if !board.trends.is_empty() {
            names.push("trends.csv");
        }
        names.push("cells/");
        let names = names.join(", ");
        let file = folder.join("leaderboard.csv");
        talk::line(&format!("board: {}; beside it {names}", file.display()));
    }
    Ok(())
}

/// The rows of a board for programs; what is missing is null.
pub(crate) fn rows(board: &Board) -> Vec<Value> {
    board.rows.iter().map(row).collect()
}

fn row(row: &Row) -> Value {
    json!({
        "rank": row.rank,
        "dataset": row.dataset,
        "model": row.model,
        "mitigation": row.mitigation,
        "attack": row.attack,
        "goal": row.goal,
        "access": row.access,
        "status": row.status.as_str(),
        "reason": row.reason,
        "seeds": row.seeds,
        "n": row.n,
        "n_trained": row.n_trained,
        "model_calls": row.model_calls,
        "defence_calls": row.defence_calls,
        "headline": row.headline,
        "score": row.figure.value,
        "score_low": row.figure.low,
        "score_high": row.figure.high,
        "control": row.figure.control,
        "excess": row.excess,
        "twin_score": row.twin_score,
        "unique_extracted": row.unique_extracted,
        "utility_metric": row.utility.metric,
        "utility": row.utility.figure.value,
        "utility_low": row.utility.figure.low,
        "utility_high": row.utility.figure.high,
        "flag": row.flag,
    })
}
