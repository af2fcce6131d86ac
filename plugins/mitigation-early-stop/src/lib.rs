//! Early stopping: training ends when images that it does not see are no longer denoised better.
//!
//! A diffusion model generalizes before it memorizes: the quality of its samples is reached at a
//! time that hardly depends on the number n of training images, and memorization, with a growing
//! loss on other images, sets in at one proportional to n (Bonnaire et al. 2025, "Why Diffusion
//! Models Don't Memorize: The Role of Implicit Dynamical Regularization in Training", arXiv
//! 2505.17638). It is also the baseline that other mitigations have to beat: a defence that only
//! slows training looks good otherwise.
//!
//! - Data stage: a share of the training set is withheld, chosen by seed and identity. Withheld
//!   images still count as members when the board is made. A near duplicate of a training image
//!   among them hides what is looked for: deduplicate before.
//! - Training stage: every `every` steps the average network's denoising loss is measured on the
//!   withheld images and on as many of the others, the same at every check, with noise and noise
//!   levels that stay the same too. After `patience` checks in a row without a new minimum of the
//!   withheld loss training stops, one step after the last check. The weights that are kept are
//!   those of the stop, not those of the minimum: choose `every` and `patience` small.
//! - `at_step` stops after a number of steps in any case. Without `patience` it is all there is:
//!   nothing is withheld or measured.
//!
//! Every check, with its step and both losses, is in the state that goes into checkpoints: when and
//! why a run was stopped is its last line.

mod measure;
mod record;
mod withheld;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use eidetic_sdk::{
    Curation, Decision, Error, Mitigation, MitigationPlugin, Result, Stages, Trainer,
    TrainingBatch, TrainingGroup, TrainingPlan, TrainingRun, TrainingSet,
};
use record::{Check, Record};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use withheld::Split;

/// When to stop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Share of the training set that is withheld, 8 images at least.
    #[schemars(range(min = 0.0, max = 0.5))]
    pub withhold: f64,
    /// Steps from check to check.
    #[schemars(range(min = 1))]
    pub every: u64,
    /// Checks in a row without a new minimum of the withheld loss that stop training; null for no
    /// checks.
    #[schemars(range(min = 1))]
    pub patience: Option<u64>,
    /// Steps after which training stops in any case; null for as many as there are.
    #[schemars(range(min = 1))]
    pub at_step: Option<u64>,
    /// Draws of noise and noise level an image that is measured.
    #[schemars(range(min = 1, max = 1_000))]
    pub draws: u32,
    /// Mean of ln sigma in the measure; EDM's by default.
    #[schemars(range(min = -20.0, max = 20.0))]
    pub ln_sigma_mean: f64,
    /// Standard deviation of ln sigma in the measure; EDM's by default.
    #[schemars(range(min = 0.0, max = 5.0))]
    pub ln_sigma_std: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            withhold: 0.1,
            every: 100,
            patience: Some(5),
            at_step: None,
            draws: 4,
            ln_sigma_mean: -1.2,
            ln_sigma_std: 1.2,
        }
    }
}

/// Both stages, with what the first leaves to the second.
pub struct EarlyStop {
    options: Options,
    split: Mutex<Option<Arc<Split>>>,
    record: Mutex<Record>,
}

/// A mitigation without any stage, for what is left as it is.
struct Plain;

impl Mitigation for Plain {}

eidetic_sdk::export_plugins!(mitigation EarlyStop);

impl MitigationPlugin for EarlyStop {
    const ID: &'static str = "early-stop";
    const SUMMARY: &'static str =
        "stops training when withheld images are no longer denoised better";
    const STAGES: Stages = Stages {
        data: true,
        training: true,
        sampling: false,
        output: false,
    };
    type Options = Options;

    fn check(options: &Options) -> Result<()> {
        let wrong = |key: &str, expected: &str, got: &dyn std::fmt::Display| {
            Err(Error::bad_options(format!(
                "{key}: expected {expected}, got {got}"
            )))
        };
        if options.patience.is_none() && options.at_step.is_none() {
            return Err(Error::bad_options(
                "expected `patience` or `at_step`, got null for both",
            ));
        }
        let share = options.withhold;
        if !(share > 0.0 && share <= 0.5) {
            return wrong("withhold", "a share above 0 and at most 0.5", &share);
        }
        for (key, count) in [
            ("every", Some(options.every)),
            ("patience", options.patience),
            ("at_step", options.at_step),
        ] {
            if count == Some(0) {
                return wrong(key, "at least 1", &0);
            }
        }
        if !(1..=1000).contains(&options.draws) {
            return wrong("draws", "1 to 1000", &options.draws);
        }
        let (mean, std) = (options.ln_sigma_mean, options.ln_sigma_std);
        if !(-20.0..=20.0).contains(&mean) {
            return wrong("ln_sigma_mean", "-20 to 20", &mean);
        }
        match (0.0..=5.0).contains(&std) {
            true => Ok(()),
            false => wrong("ln_sigma_std", "0 to 5", &std),
        }
    }

    fn make(options: Options, _train: TrainingSet<'_>) -> Result<Self> {
        Self::check(&options)?;
        Ok(Self {
            options,
            split: Mutex::new(None),
            record: Mutex::new(Record::default()),
        })
    }
}

impl EarlyStop {
    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn split(&self) -> MutexGuard<'_, Option<Arc<Split>>> {
        self.split.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self) -> String {
        let options = &self.options;
        let patience = options.patience.map(|patience| {
            let withheld = self.split().as_ref().map(|split| split.withheld.len());
            let images = withheld.map_or_else(String::new, |count| format!("{count} "));
            format!(
                "stops when the loss of {images}withheld images has not improved for {patience} \
                 checks, one every {} steps",
                options.every
            )
        });
        let at_step = options.at_step.map(|at| format!("stops after {at} steps"));
        let parts: Vec<String> = patience.into_iter().chain(at_step).collect();
        parts.join("; ")
    }
}

impl Mitigation for EarlyStop {
    fn curate(&self, data: TrainingSet<'_>, seed: u64) -> Result<Curation> {
        if self.options.patience.is_none() {
            return Plain.curate(data, seed);
        }
        let (split, keep) = Split::of(&data, self.options.withhold, seed)?;
        *self.split() = Some(Arc::new(split));
        Ok(Curation {
            keep,
            labels: None,
            classes: data.classes,
        })
    }

    fn plan(&self, run: TrainingRun) -> Result<TrainingPlan> {
        Ok(TrainingPlan {
            note: self.note().into(),
            ..Plain.plan(run)?
        })
    }

    fn batch(&self, batch: TrainingBatch<'_>, trainer: &dyn Trainer) -> Result<Vec<TrainingGroup>> {
        let (step, every) = (batch.step, self.options.every);
        if self.options.patience.is_some() && step > 0 && step.is_multiple_of(every) {
            let split = self.split().clone().ok_or_else(|| {
                Error::bad_input("early-stop: expected its data stage before training, got none")
                    .with_help("the mitigation that curates is the one that trains")
            })?;
            let (options, conditions) = (&self.options, batch.conditions);
            let loss = |part| measure::loss(&split, part, options, conditions, trainer);
            let check = Check {
                step,
                withheld: loss(&split.withheld)?,
                training: loss(&split.training)?,
            };
            self.record().add(check);
        }
        Plain.batch(batch, trainer)
    }

    fn after_step(&self, step: u64, _: &[u64], _: &[f32], _: &[f32]) -> Result<Decision> {
        let due = self.options.at_step.is_some_and(|at| step + 1 >= at);
        let patience = self.options.patience;
        let stale = patience.is_some_and(|patience| self.record().stale() >= patience);
        Ok(match due || stale {
            true => Decision::Stop,
            false => Decision::Continue,
        })
    }

    fn state(&self) -> Result<Vec<u8>> {
        self.record().to_bytes()
    }

    fn restore(&self, state: &[u8]) -> Result<()> {
        let record = Record::from_bytes(state, &self.options)?;
        *self.record() = record;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
