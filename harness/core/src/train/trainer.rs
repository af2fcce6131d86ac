//! Trains a prepared recipe in a working folder, and writes its model folder at the end.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use eidetic_nn::{CHECKPOINT, End, Machine, Progress, Run, Training};
use eidetic_runtime::{Device, Runtime, SessionOptions};

use super::error::Error;
use super::export::{content, seconds, standing};
use super::identity::Record;
use super::memorized::Memorizing;
use super::prepare::Prepared;
use super::report::{Report, State};
use crate::files::write_atomic;
use crate::model::{check_model_place, write_model_folder};
use crate::run::lock;

/// What the working folder's run is of.
const RECORD: &str = "run.json";
/// Seconds so far.
const TIME: &str = "seconds";
/// All that a run leaves in its working folder.
const FILES: [&str; 5] = [CHECKPOINT, "loss.csv", "watched.csv", RECORD, TIME];

/// Where a run works and where its model goes.
#[derive(Debug, Clone)]
pub struct Place {
    /// The working folder: checkpoint and logs.
    pub work: PathBuf,
    /// The model folder.
    pub model: PathBuf,
}

/// How a recipe is trained; nothing here but the device changes what comes of it.
pub struct Go<'a> {
    /// ONNX Runtime.
    pub runtime: &'a Runtime,
    /// Where it computes.
    pub device: Device,
    /// Passes at once.
    pub threads: usize,
    /// Whether to begin anew, whatever is there.
    pub restart: bool,
    /// Set to end after the step that runs.
    pub cancel: &'a AtomicBool,
    /// Told after every step.
    pub progress: &'a mut dyn FnMut(Progress),
}

/// Trains, from the checkpoint in the working folder where there is one of the same recipe, and
/// writes the model folder. A model folder of the same recipe stays as it is, and nothing is done.
///
/// # Errors
/// [`Error::OtherRun`] for a working folder with a checkpoint of another recipe, [`Error::Busy`]
/// for one in which another process works; [`Error::Model`] where no model folder can be written,
/// before anything is trained; whatever the loop, the mitigation or the file system says.
pub fn train(prepared: &Prepared, place: &Place, go: Go<'_>) -> Result<Report, Error> {
    let report = |state, steps, seconds| Report {
        name: prepared.recipe.name.clone(),
        state,
        recipe_id: prepared.identity.id(),
        folder: place.model.clone(),
        model_sha256: None,
        steps,
        figures: None,
        seconds,
    };
    if !go.restart
        && let Some((folder, figures)) = standing(prepared, &place.model)
    {
        let seconds = seconds(&place.model).unwrap_or_default();
        return Ok(Report {
            model_sha256: Some(folder.digest().to_owned()),
            figures: Some(figures.clone()),
            ..report(State::There, figures.trained_steps, seconds)
        });
    }
    check_model_place(&place.model)?;
    let work = place.work.as_path();
    let _lock = lock(work).map_err(Error::Busy)?;
    enter(prepared, work, go.restart)?;

    let started = Instant::now();
    let before = time(work);
    let trained = run(prepared, work, go);
    let seconds = before + started.elapsed().as_secs_f64();
    let path = work.join(TIME);
    let written = write_atomic(&path, format!("{seconds}\n").as_bytes());
    let trained = trained?;
    written.map_err(Error::io("write", &path))?;
    if trained.end == End::Cancelled {
        return Ok(report(State::Interrupted, trained.step, seconds));
    }
    let (content, figures) = content(prepared, &trained, work, seconds)?;
    let folder = write_model_folder(&place.model, content)?;
    Ok(Report {
        model_sha256: Some(folder.digest().to_owned()),
        figures: Some(figures),
        ..report(State::Trained, trained.step, seconds)
    })
}

fn run(
    prepared: &Prepared,
    work: &Path,
    go: Go<'_>,
) -> Result<eidetic_nn::Trained, eidetic_nn::Error> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(go.threads);
    let pool = pool
        .build()
        .map_err(|error| eidetic_nn::Error::Task(error.to_string()))?;
    let mut watch = Memorizing {
        prepared,
        runtime: go.runtime,
        options: SessionOptions {
            device: go.device,
            sessions: go.threads,
            microbatch: prepared.microbatch,
        },
        pool,
    };
    let training = Training {
        watch_every: Some(prepared.recipe.memorized.every),
        ..prepared.recipe.training.clone()
    };
    let machine = Machine {
        runtime: go.runtime,
        device: go.device,
        threads: go.threads,
    };
    let run = Run {
        folder: work,
        id: &prepared.identity.id(),
        watch: Some(&mut watch),
        progress: go.progress,
        cancel: go.cancel,
    };
    eidetic_nn::train(&training, &prepared.task, machine, run)
}

/// Refuses a working folder of another recipe, and writes down what is trained here.
fn enter(prepared: &Prepared, work: &Path, restart: bool) -> Result<(), Error> {
    let path = work.join(RECORD);
    let begun = work.join(CHECKPOINT).exists();
    if restart || !begun {
        for name in FILES {
            let path = work.join(name);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(Error::io("remove", &path)(error));
                }
                _ => {}
            }
        }
    } else {
        let there = fs::read(&path).ok();
        let there = there.and_then(|json| serde_json::from_slice::<Record>(&json).ok());
        match there {
            Some(there) if there.id == prepared.identity.id() => return Ok(()),
            there => {
                let differs = |there: &Record| prepared.identity.differences(&there.identity);
                return Err(Error::OtherRun {
                    folder: work.to_owned(),
                    differences: there.as_ref().map(differs).unwrap_or_default(),
                });
            }
        }
    }
    let record = Record {
        id: prepared.identity.id(),
        identity: prepared.identity.json(),
        result: None,
    };
    let json = format!("{:#}\n", serde_json::json!(record));
    write_atomic(&path, json.as_bytes()).map_err(Error::io("write", &path))
}

/// Seconds of the calls before this one; what was killed is not in it.
fn time(work: &Path) -> f64 {
    let text = fs::read_to_string(work.join(TIME)).unwrap_or_default();
    text.trim().parse().unwrap_or_default()
}
