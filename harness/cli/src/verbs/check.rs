//! `eidetic check SUITE`.

use std::path::Path;

use eidetic_harness::suite::Suite;
use eidetic_harness::yaml::LocatedError;
use serde_json::{Value, json};

use crate::args::Global;
use crate::exit::{Exit, Failure};
use crate::setup::Setup;
use crate::table::counted;
use crate::{output, talk};

pub(crate) fn run(named: &Path, global: &Global) -> Result<Exit, Failure> {
    let (setup, of_plugins) = Setup::with_problems(global, Some(named))?;
    let file = setup.suite_file(named)?;
    let planned = Suite::load(&file).and_then(|suite| setup.try_plan(&suite));
    let (plan, of_suite) = match planned {
        Ok(plan) => (Some(plan), Vec::new()),
        Err(errors) => (None, errors.problems),
    };
    let n = of_plugins.len() + of_suite.len();
    if global.json {
        let plugins = of_plugins
            .iter()
            .map(|p| json!({ "message": p.to_string() }));
        let problems: Vec<Value> = plugins.chain(of_suite.iter().map(located)).collect();
        let cells = plan.as_ref().map(|plan| plan.cells.len());
        output::json(
            &json!({ "suite": file, "ok": n == 0, "cells": cells, "problems": problems }),
        )?;
    } else {
        for problem in &of_plugins {
            output::text(&format!("{problem}\n"))?;
        }
        for problem in &of_suite {
            output::text(&format!("{problem}\n"))?;
        }
        if let (Some(plan), 0) = (&plan, n) {
            let na = plan
                .cells
                .iter()
                .filter(|cell| cell.not_applicable.is_some());
            let na = match na.count() {
                0 => String::new(),
                na => format!(", {na} of them n/a"),
            };
            let cells = counted(plan.cells.len(), "cell");
            output::text(&format!("{}: ok, {cells}{na}\n", file.display()))?;
        }
    }
    if n == 0 {
        return Ok(Exit::Done);
    }
    talk::error(&counted(n, "problem"));
    Ok(Exit::BadInput)
}

fn located(problem: &LocatedError) -> Value {
    json!({
        "file": problem.file,
        "line": problem.place.map(|place| place.0),
        "column": problem.place.map(|place| place.1),
        "key": problem.key,
        "message": problem.message,
    })
}
