//! The child of a run: works on one cell and writes what came of it.

use std::io::{Read, stdin};
use std::path::Path;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use eidetic_harness::cell::Status;
use eidetic_harness::files::write_atomic;
use eidetic_harness::plugin::Registry;
use eidetic_harness::run::{Environment, Job, Outcome, work};

use crate::exit::{Exit, Failure};
use crate::registry;

/// The verb of a child.
pub(crate) const CELL: &str = "__cell";

/// How long a cell may take to end by itself once its parent wants it to; less than the parent's
/// own patience.
const GRACE: Duration = Duration::from_millis(1500);

/// Works on the job in a file.
pub(crate) fn work_on_cell(path: &Path) -> Result<Exit, Failure> {
    let json = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let job: Job = serde_json::from_slice(&json)
        .with_context(|| format!("{}: expected a job", path.display()))
        .map_err(Failure::bad_input)?;
    let stop = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&stop);
    thread::spawn(move || end_with_parent(&set));

    let outcome = match plugins(&job.environment) {
        Ok(registry) => work(&job, &registry, &stop),
        Err(error) => failed(error.to_string()),
    };
    if stop.load(Ordering::SeqCst) {
        return Ok(Exit::Interrupted);
    }
    let json = serde_json::to_vec_pretty(&outcome)?;
    write_atomic(&job.folder.join(Outcome::FILE), &json)?;
    Ok(Exit::Done)
}

fn plugins(environment: &Environment) -> Result<Registry, eidetic_harness::plugin::Error> {
    let mut registry = registry::linked();
    for path in &environment.plugins {
        registry.load(path)?;
    }
    Ok(registry)
}

/// Stdin ends when the parent wants this process to, or is gone.
fn end_with_parent(stop: &AtomicBool) {
    let mut byte = [0];
    while !matches!(stdin().read(&mut byte), Ok(0) | Err(_)) {}
    stop.store(true, Ordering::SeqCst);
    thread::sleep(GRACE);
    process::exit(Exit::Interrupted as i32);
}

fn failed(reason: String) -> Outcome {
    Outcome {
        status: Status::Failed,
        reason,
        model_calls: 0,
        defence_calls: 0,
        stages_applied: Vec::new(),
        n_trained: None,
        model_sha256: String::new(),
        spent: None,
    }
}
