//! Anti-gradient control: samples whose loss is unusually low are left out of a step.
//!
//! Liu, Guan, Wu and Miao 2024, "Iterative Ensemble Training with Anti-Gradient Control for
//! Mitigating Memorization in Diffusion Models" (ECCV, arXiv 2407.15328): the loss of an image that
//! is memorized lies below that of others at the same noise level. A bank keeps a running mean of
//! the loss at each level t, mean_t <- 0.8 mean_t + 0.2 loss, from 0; a sample is dropped where
//! ratio * loss < mean_t, ratio 2. As in the published code
//!
//! - a batch is judged by the means before it, and then all of it enters them, what was dropped
//!   too;
//! - the loss is the mean over what is left: its weights grow by batch / kept. A batch of which
//!   nothing is left is a step without gradient.
//!
//! It differs in that
//!
//! - the bank has `bins` of ln sigma where the paper has 1,000 steps, and the loss is weighted with
//!   EDM's w(sigma) = (sigma^2 + sd^2) / (sigma sd)^2, which keeps it of one size within a bin. Bins
//!   are as wide as each other over -4.8..2.4, three deviations about the mean of EDM's ln sigma;
//!   levels outside count as in the outermost;
//! - the loss that judges is of the network as it is, evaluated without gradient, dropout or flip
//!   before the step: no gradient crosses the plugin's boundary, so this is one more forward pass
//!   over each batch, about a third more work;
//! - the other half of the paper, an ensemble over shards of the data, is not here.

mod bank;

use std::sync::{Mutex, MutexGuard, PoisonError};

use bank::Bank;
use eidetic_sdk::ndarray::{Array4, ArrayView3, Axis, Zip};
use eidetic_sdk::pixels::standard_deviation;
use eidetic_sdk::{
    Batch, Error, ErrorCode, Mitigation, MitigationPlugin, Result, Stages, Trainer, TrainingBatch,
    TrainingGroup, TrainingSet,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is unusually low.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// A sample is dropped where this many times its loss is below the running mean.
    #[schemars(range(min = 1.0))]
    pub ratio: f64,
    /// Decay of the running mean a sample.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub decay: f64,
    /// Bins of ln sigma that have a running mean each.
    #[schemars(range(min = 1, max = 10_000))]
    pub bins: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ratio: 2.0,
            decay: 0.8,
            bins: 20,
        }
    }
}

/// Most bins: beyond them each would see a sample in hundreds of steps.
const MOST_BINS: u32 = 10_000;

/// EDM's sd, where the images do not tell.
const SIGMA_DATA: f64 = 0.5;

/// The training stage, with the bank that it remembers.
pub struct Agc {
    options: Options,
    sigma_data: f64,
    bank: Mutex<Bank>,
}

eidetic_sdk::export_plugins!(mitigation Agc);

impl MitigationPlugin for Agc {
    const ID: &'static str = "agc";
    const SUMMARY: &'static str =
        "leaves samples out of a step whose loss is below half the running mean";
    const STAGES: Stages = Stages {
        data: false,
        training: true,
        sampling: false,
        output: false,
    };
    type Options = Options;

    fn check(options: &Options) -> Result<()> {
        let (ratio, decay, bins) = (options.ratio, options.decay, options.bins);
        if !(ratio >= 1.0 && ratio.is_finite()) {
            return Err(Error::bad_options(format!(
                "ratio: expected a factor of at least 1, got {ratio}"
            )));
        }
        if !(0.0..1.0).contains(&decay) {
            return Err(Error::bad_options(format!(
                "decay: expected 0 up to 1, got {decay}"
            )));
        }
        if !(1..=MOST_BINS).contains(&bins) {
            return Err(Error::bad_options(format!(
                "bins: expected 1 to {MOST_BINS}, got {bins}"
            )));
        }
        Ok(())
    }

    fn make(options: Options, train: TrainingSet<'_>) -> Result<Self> {
        Self::check(&options)?;
        let levels = train.images.as_standard_layout();
        let sigma_data = match standard_deviation(levels.as_slice().unwrap_or(&[])) {
            0.0 => SIGMA_DATA,
            deviation => deviation,
        };
        Ok(Self {
            bank: Mutex::new(Bank::new(options.bins)),
            options,
            sigma_data,
        })
    }
}

impl Agc {
    fn bank(&self) -> MutexGuard<'_, Bank> {
        // Whole at any time: it is changed by assignments alone.
        self.bank.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// w(sigma) times the mean square error of D.
    fn loss(&self, sigma: f32, out: ArrayView3<'_, f32>, x0: ArrayView3<'_, f32>) -> f64 {
        let (sigma, data) = (f64::from(sigma), self.sigma_data);
        let weight = (sigma * sigma + data * data) / (sigma * data).powi(2);
        let square = Zip::from(&out).and(&x0).fold(0.0, |sum, &d, &x| {
            let error = f64::from(d) - f64::from(x);
            sum + error * error
        });
        weight * square / x0.len().max(1) as f64
    }
}

impl Mitigation for Agc {
    fn batch(&self, batch: TrainingBatch<'_>, trainer: &dyn Trainer) -> Result<Vec<TrainingGroup>> {
        let rows = batch.index.len();
        let mut x = batch.x0.to_owned();
        for (row, &sigma) in batch.sigma.iter().enumerate() {
            let noise = batch.noise.index_axis(Axis(0), row);
            x.index_axis_mut(Axis(0), row).scaled_add(sigma, &noise);
        }
        let mut out = Array4::zeros(x.dim());
        let present = Batch {
            x: x.view(),
            sigma: batch.sigma,
            row_id: batch.index,
            conditions: batch.conditions,
        };
        trainer.denoise(present, out.view_mut())?;
        let images = out.outer_iter().zip(batch.x0.outer_iter());
        let losses: Vec<f64> = images
            .zip(batch.sigma)
            .map(|((out, x0), &sigma)| self.loss(sigma, out, x0))
            .collect();
        if let Some(row) = losses.iter().position(|loss| !loss.is_finite()) {
            return Err(Error::new(
                ErrorCode::Failed,
                format!(
                    "agc: expected a finite loss, got {} of image {} at sigma {} in step {}",
                    losses[row], batch.index[row], batch.sigma[row], batch.step
                ),
            ));
        }
        let kept = self.bank().take(&self.options, batch.sigma, &losses);
        if kept.is_empty() {
            return Ok(Vec::new());
        }
        let (_, channels, height, width) = x.dim();
        let weight = (rows as f64 / kept.len() as f64) as f32;
        Ok(vec![TrainingGroup {
            row: kept.iter().map(|&row| row as u64).collect(),
            x: x.select(Axis(0), &kept),
            extra: Array4::zeros((kept.len(), 0, height, width)),
            sigma: kept.iter().map(|&row| batch.sigma[row]).collect(),
            target: batch.x0.select(Axis(0), &kept),
            weight: Array4::from_elem((kept.len(), channels, height, width), weight),
        }])
    }

    fn state(&self) -> Result<Vec<u8>> {
        self.bank().to_bytes()
    }

    fn restore(&self, state: &[u8]) -> Result<()> {
        let bank = Bank::from_bytes(state, self.options.bins)?;
        *self.bank() = bank;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
