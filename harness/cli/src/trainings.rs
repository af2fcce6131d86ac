//! Trains what a suite's recipes ask for and nobody has trained yet, before its cells run: each in
//! a process of this program, as `eidetic train` typed by hand.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use eidetic_harness::plan::{Plan, PlannedTraining};

use crate::exit::{Exit, Failure};
use crate::setup::Setup;
use crate::table::counted;
use crate::talk;

const POLL: Duration = Duration::from_millis(50);
/// How long a training may take to write its checkpoint once it was told to stop.
const GRACE: Duration = Duration::from_secs(20);

/// How the trainings of a suite ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trained {
    /// None is left to do, or those that are failed: their cells will say so.
    Done,
    /// The user said to stop; what was trained is kept.
    Interrupted,
}

/// Trains every model of the plan that is not there.
pub(crate) fn train(
    plan: &Plan,
    setup: &Setup<'_>,
    cancel: &AtomicBool,
) -> Result<Trained, Failure> {
    let missing: Vec<&PlannedTraining> = plan.trainings.iter().filter(|each| !each.there).collect();
    for (place, training) in missing.iter().enumerate() {
        if !setup.global.quiet {
            let all = counted(missing.len(), "model");
            talk::line(&format!(
                "training {} of {all}: {}",
                place + 1,
                training.name
            ));
        }
        let status = one(training, setup, cancel)?;
        if cancel.load(Ordering::SeqCst) || status.code() == Some(Exit::Interrupted as i32) {
            return Ok(Trained::Interrupted);
        }
        if !status.success() {
            talk::warning(&format!(
                "{} was not trained ({status}); its cells will fail, and a further run tries again",
                training.name
            ));
        }
    }
    Ok(Trained::Done)
}

fn one(
    training: &PlannedTraining,
    setup: &Setup<'_>,
    cancel: &AtomicBool,
) -> Result<ExitStatus, Failure> {
    // Beside the models of the cache; what is in the zoo is never written from here.
    let parent = training.folder.parent().unwrap_or(Path::new("."));
    let work = parent.join("training").join(&training.recipe_id[..32]);
    fs::create_dir_all(&work).with_context(|| format!("cannot make {}", work.display()))?;
    let recipe = work.join("recipe.yaml");
    fs::write(&recipe, &training.recipe)
        .with_context(|| format!("cannot write {}", recipe.display()))?;
    let mut child = command(training, setup, &recipe, &work)
        .context("cannot find this program's own file")?
        .spawn()
        .context("cannot start a training")?;
    let status = wait(&mut child, cancel).context("cannot wait for a training")?;
    if status.success() {
        fs::remove_dir_all(&work).with_context(|| format!("cannot remove {}", work.display()))?;
    }
    Ok(status)
}

fn command(
    training: &PlannedTraining,
    setup: &Setup<'_>,
    recipe: &Path,
    work: &Path,
) -> std::io::Result<Command> {
    let global = setup.global;
    let mut command = Command::new(std::env::current_exe()?);
    command
        .arg("train")
        .arg(recipe)
        .arg("--to")
        .arg(&training.folder);
    command.arg("--out").arg(work);
    command.arg("--jobs").arg(global.jobs().to_string());
    command.arg("--device").arg(global.device.to_string());
    command.arg("--benchmarks").arg(&setup.benchmarks);
    let paths: [(&str, Option<&PathBuf>); 2] = [
        ("--data", global.data.as_ref()),
        ("--onnxruntime", global.onnxruntime.as_ref()),
    ];
    for (flag, path) in paths {
        if let Some(path) = path {
            command.arg(flag).arg(path);
        }
    }
    for plugin in &global.plugin {
        command.arg("--plugin").arg(plugin);
    }
    for (flag, on) in [("--offline", global.offline), ("--quiet", global.quiet)] {
        if on {
            command.arg(flag);
        }
    }
    command.stdin(Stdio::null()).stdout(Stdio::null());
    Ok(command)
}

/// A terminal's Ctrl-C reaches the training by itself; if nothing did, it is ended after a while, at
/// its last checkpoint.
fn wait(child: &mut Child, cancel: &AtomicBool) -> std::io::Result<ExitStatus> {
    let mut told = None;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if cancel.load(Ordering::SeqCst) {
            let told = told.get_or_insert_with(Instant::now);
            if told.elapsed() >= GRACE {
                child.kill()?;
            }
        }
        thread::sleep(POLL);
    }
}
