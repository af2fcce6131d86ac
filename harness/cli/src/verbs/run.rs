//! `eidetic run SUITE`.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use eidetic_harness::board::{Board, Cells, broken};
use eidetic_harness::plan::Plan;
use eidetic_harness::run::{Engine, Summary};
use serde_json::json;

use super::CELL;
use super::leaderboard::{publish, rows};
use crate::args::Global;
use crate::exit::{Exit, Failure};
use crate::progress::Progress;
use crate::setup::Setup;
use crate::table::counted;
use crate::trainings::{self, Trained};
use crate::{output, stop, talk};

pub(crate) fn run(suite: &Path, global: &Global) -> Result<Exit, Failure> {
    let setup = Setup::new(global, Some(suite))?;
    let suite = setup.suite(suite)?;
    let plan = setup.plan(&suite)?;
    let folder = setup.results(&plan.suite);

    let cancel = stop::on_signal()?;
    if trainings::train(&plan, &setup, &cancel)? == Trained::Interrupted {
        talk::hint(&format!("go on with: {}", stop::command()));
        return Ok(Exit::Interrupted);
    }
    let progress = Progress::new(&plan, global);
    let engine = Engine {
        plan: &plan,
        environment: &setup.environment()?,
        program: std::env::current_exe().context("cannot find this program's own file")?,
        verb: CELL,
        folder: folder.clone(),
        jobs: global.jobs(),
        cell_timeout: suite.limits.cell_timeout,
        quiet: global.quiet,
    };
    let started = Instant::now();
    let summary = engine.run(&cancel, &|event| progress.on(event));
    progress.clear();
    let summary = summary.map_err(|error| {
        Failure::from(error).hint(format!(
            "finished cells are kept; once this is mended, go on with: {}",
            stop::command()
        ))
    })?;
    if !global.quiet {
        talk::line(&told(&plan, &summary, started.elapsed()));
    }
    if summary.interrupted {
        if global.json {
            output::json(
                &json!({ "suite": plan.suite, "folder": folder, "summary": counts(&summary) }),
            )?;
        }
        talk::hint(&format!("go on with: {}", stop::command()));
        return Ok(Exit::Interrupted);
    }

    let board = Board::new(&plan, &Cells::read(&plan, &folder)?);
    let broken = broken(&suite.expect, &board);
    if global.json {
        board.write(&folder)?;
        output::json(&json!({
            "suite": plan.suite,
            "folder": folder,
            "summary": counts(&summary),
            "broken": broken,
            "rows": rows(&board),
        }))?;
    } else {
        publish(&board, &folder, global)?;
    }
    if summary.failed > 0 {
        let cells = folder.join("cells");
        talk::hint(&format!(
            "why a cell failed, with the last lines of its stderr, is in its JSON in {}; run \
             again to try it again",
            cells.display()
        ));
    }
    if !broken.is_empty() {
        talk::error(&format!(
            "SELF-CHECK FAILED: {} of the suite's expectations broken:\n  {}",
            broken.len(),
            broken.join("\n  ")
        ));
        talk::hint("nothing on this board can be trusted until that is explained");
        return Ok(Exit::SelfCheck);
    }
    if summary.failed > 0 {
        return Ok(Exit::CellsFailed);
    }
    Ok(Exit::Done)
}

fn counts(summary: &Summary) -> serde_json::Value {
    json!({
        "found": summary.found,
        "ran": summary.ran,
        "failed": summary.failed,
        "interrupted": summary.interrupted,
    })
}

/// `interrupted, 5 of 16 cells are finished` or `16 cells: 4 were there, 12 ran in 8 s, 1 failed`.
fn told(plan: &Plan, summary: &Summary, time: Duration) -> String {
    let all = counted(plan.cells.len(), "cell");
    let Summary {
        found, ran, failed, ..
    } = *summary;
    if summary.interrupted {
        let finished = found + ran - failed;
        return format!("interrupted; {finished} of {all} finished and kept");
    }
    let mut text = format!("{all}:");
    if found > 0 {
        text += &format!(" {found} were there,");
    }
    text += &format!(" {ran} ran in {:.1} s", time.as_secs_f64());
    if failed > 0 {
        text += &format!(", {failed} failed");
    }
    text
}
