//! The training loop.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use eidetic_runtime::{Device, Runtime, SessionOptions};

use crate::checkpoint::Checkpoint;
use crate::clip;
use crate::ema;
use crate::error::Error;
use crate::forward::Forward;
use crate::gradients::Gradients;
use crate::log::{Figure, LossLog, WatchLog};
use crate::optimiser::Moments;
use crate::parameters::Parameters;
use crate::step::Step;
use crate::task::{Decision, Draw, Task};
use crate::training::Training;

/// What a run is computed on; it does not change the result, but for the device.
#[derive(Debug, Clone, Copy)]
pub struct Machine<'a> {
    /// ONNX Runtime.
    pub runtime: &'a Runtime,
    /// Where.
    pub device: Device,
    /// Passes at once, one thread each.
    pub threads: usize,
}

/// Where a run is kept and who looks on.
pub struct Run<'a> {
    /// Holds `checkpoint.safetensors`, `loss.csv` and `watched.csv`; made where it is not there.
    pub folder: &'a Path,
    /// Digest of the recipe and its data: only a checkpoint of the same is continued.
    pub id: &'a str,
    /// Looks at the average every [`Training::watch_every`] steps, and at the end.
    pub watch: Option<&'a mut dyn Watch>,
    /// Told after every step.
    pub progress: &'a mut dyn FnMut(Progress),
    /// Set to end after the step that runs.
    pub cancel: &'a AtomicBool,
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Steps done.
    pub step: u64,
    /// Of these.
    pub steps: u64,
    /// Loss of the batch; none where no example was drawn.
    pub loss: Option<f64>,
}

/// Computes figures of a network in training.
pub trait Watch {
    /// What there is to say of the average of the weights after `step` steps. It must depend on
    /// them alone: a resumed run asks again.
    ///
    /// # Errors
    /// Whatever stops it.
    fn watch(&mut self, step: u64, ema: &Parameters) -> Result<Vec<Figure>, Error>;
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// All steps are done.
    Finished,
    /// The task said so.
    Stopped,
    /// The caller said so; it can be continued.
    Cancelled,
}

/// What came of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Trained {
    /// The weights.
    pub weights: Parameters,
    /// Their exponential moving average.
    pub ema: Parameters,
    /// Steps done.
    pub step: u64,
    /// Why it ended.
    pub end: End,
}

/// Name of the checkpoint in a run's folder.
pub const CHECKPOINT: &str = "checkpoint.safetensors";

/// Trains, from the checkpoint in the run's folder where there is one: bit for bit what the
/// uninterrupted run gives on the same machine, whatever the number of threads.
///
/// # Errors
/// [`Error::Configuration`]; [`Error::NotFinite`] before the update, the last checkpoint kept;
/// [`Error::Checkpoint`] for a checkpoint or log that cannot be continued; [`Error::Io`]; whatever
/// the task, the graph or ONNX Runtime says.
pub fn train(
    training: &Training,
    task: &dyn Task,
    machine: Machine<'_>,
    run: Run<'_>,
) -> Result<Trained, Error> {
    training.check()?;
    fs::create_dir_all(run.folder).map_err(|source| Error::Io {
        doing: "write",
        path: run.folder.to_owned(),
        source,
    })?;
    let path = run.folder.join(CHECKPOINT);
    let initial = task.initial(training.seed)?;
    let found = Checkpoint::read(&path, run.id, training.seed, &initial)?;
    let saved = found.as_ref().map(|found| found.step);
    let at = match found {
        Some(found) => {
            task.restore(&found.state)?;
            found
        }
        None => Checkpoint {
            run: run.id.to_owned(),
            seed: training.seed,
            step: 0,
            stopped: false,
            moments: Moments::new(&initial),
            ema: initial.clone(),
            weights: initial,
            state: Vec::new(),
        },
    };
    if at.step > training.steps {
        let what = format!("expected at most {} steps, got {}", training.steps, at.step);
        return Err(Error::Checkpoint { path, what });
    }
    let losses = LossLog::open(run.folder, at.step)?;
    let watched = WatchLog::open(run.folder, at.step)?;
    let options = SessionOptions {
        device: machine.device,
        sessions: machine.threads,
        microbatch: training.microbatch,
    };
    let forward = Forward::new(task, machine.runtime, options.clone());
    let end = match (at.stopped, at.step == training.steps) {
        (true, _) => Some(End::Stopped),
        (_, true) => Some(End::Finished),
        _ => None,
    };
    if let Some(end) = end {
        return Ok(trained(at, end));
    }
    let privacy = task.privacy();
    let most = privacy.map_or(usize::MAX, |privacy| privacy.rows.max(1));
    let options = SessionOptions {
        microbatch: training.microbatch.min(most),
        ..options
    };
    let loss = |rows| task.loss(rows);
    let step = Step::new(loss, &at.weights, machine.runtime, &options)?;
    let gradients = Gradients::new(step, privacy, machine.threads);
    Loop {
        training,
        task,
        run,
        gradients,
        forward,
        losses,
        watched,
        at,
        saved,
    }
    .run()
}

fn trained(at: Checkpoint, end: End) -> Trained {
    Trained {
        weights: at.weights,
        ema: at.ema,
        step: at.step,
        end,
    }
}

struct Loop<'a, 'r> {
    training: &'a Training,
    task: &'a dyn Task,
    run: Run<'r>,
    gradients: Gradients,
    forward: Forward<'a>,
    losses: LossLog,
    watched: WatchLog,
    at: Checkpoint,
    /// Step of the checkpoint that is there.
    saved: Option<u64>,
}

impl Loop<'_, '_> {
    fn run(mut self) -> Result<Trained, Error> {
        loop {
            let decision = self.step()?;
            let end = match decision {
                Decision::Stop => Some(End::Stopped),
                Decision::Continue if self.at.step == self.training.steps => Some(End::Finished),
                Decision::Continue => None,
            };
            self.at.stopped = decision == Decision::Stop;
            let every = self.training.watch_every;
            if end.is_some() || every.is_some_and(|every| self.at.step.is_multiple_of(every)) {
                self.watch()?;
            }
            let cancelled = self.run.cancel.load(Ordering::Relaxed);
            let end = end.or(cancelled.then_some(End::Cancelled));
            if end.is_some() || self.at.step.is_multiple_of(self.training.checkpoint_every) {
                self.save()?;
            }
            if let Some(end) = end {
                return Ok(trained(self.at, end));
            }
        }
    }

    fn step(&mut self) -> Result<Decision, Error> {
        let training = self.training;
        let step = self.at.step;
        let draw = Draw {
            seed: training.seed,
            step,
            batch: training.batch,
        };
        let networks = self.forward.with(&self.at.weights, &self.at.ema);
        let batch = self.task.batch(&draw, &networks)?;
        let mut taken = self.gradients.of(&self.at.weights, &batch, &draw)?;
        if let Some(loss) = taken.loss {
            self.check(step, "loss", loss)?;
        }
        let norm = match training.clip {
            Some(most) => clip::clip(&mut taken.gradient, most),
            None => clip::norm(&taken.gradient),
        };
        self.check(step, "gradient", norm)?;
        let factor = training.rate.factor(step, training.steps);
        let optimiser = &training.optimiser;
        let (weights, moments) = (&mut self.at.weights, &mut self.at.moments);
        optimiser.update(step, factor, weights, moments, &taken.gradient);
        ema::average(training.ema, &mut self.at.ema, &self.at.weights);
        self.at.step = step + 1;
        let rate = optimiser.learning_rate * factor;
        self.losses.row(self.at.step, taken.loss, rate, norm)?;
        (self.run.progress)(Progress {
            step: self.at.step,
            steps: training.steps,
            loss: taken.loss,
        });
        self.task.after_step(step, &batch, &taken.losses)
    }

    fn check(&self, step: u64, what: &'static str, value: f64) -> Result<(), Error> {
        if value.is_finite() {
            return Ok(());
        }
        let folder = self.run.folder.display();
        let kept = self.saved.map_or_else(
            || "no checkpoint was written yet".to_owned(),
            |saved| format!("{folder} keeps the checkpoint after {saved} steps"),
        );
        Err(Error::NotFinite {
            step,
            what,
            value,
            kept,
        })
    }

    fn watch(&mut self) -> Result<(), Error> {
        let Some(watch) = self.run.watch.as_deref_mut() else {
            return Ok(());
        };
        let figures = watch.watch(self.at.step, &self.at.ema)?;
        self.watched.rows(self.at.step, &figures)
    }

    /// Logs first: a checkpoint never stands beside a log that lacks its steps.
    fn save(&mut self) -> Result<(), Error> {
        if let Some((_, value)) = self.at.not_finite() {
            self.check(self.at.step - 1, "weight", value.into())?;
        }
        self.losses.sync()?;
        self.watched.sync()?;
        self.at.state = self.task.state()?;
        self.at.write(&self.run.folder.join(CHECKPOINT))?;
        self.saved = Some(self.at.step);
        tracing::debug!(step = self.at.step, "checkpoint written");
        Ok(())
    }
}
