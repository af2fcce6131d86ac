//! The mitigation trait as an author writes it: four stages, each the identity unless written.

pub use eidetic_abi::mitigation::Stages;
use ndarray::{ArrayView4, ArrayViewMut4};

use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::host::Denoiser;
use crate::info::ModelInfo;
use crate::options::Options;
use crate::training::{Curation, Decision, Trainer, TrainingBatch, TrainingGroup};
use crate::training::{TrainingPlan, TrainingRun, TrainingSet};

/// A mitigation. The host calls only the stages that [`MitigationPlugin::STAGES`] declares.
pub trait Mitigation: Send + Sync {
    /// Data stage: what to train on.
    ///
    /// # Errors
    /// Data that the mitigation cannot work on.
    fn curate(&self, data: TrainingSet<'_>, _seed: u64) -> Result<Curation> {
        let keep = (0..data.index.len() as u64).collect();
        Ok(Curation {
            keep,
            labels: None,
            classes: data.classes,
        })
    }

    /// Training stage, once: what the loop has to arrange.
    ///
    /// # Errors
    /// A run that the mitigation cannot work on.
    fn plan(&self, _run: TrainingRun) -> Result<TrainingPlan> {
        Ok(TrainingPlan {
            extra_channels: 0,
            masked: false,
            clip_per_example: None.into(),
            noise_multiplier: 0.0,
            poisson: false,
            draws_per_example: 1,
            note: String::new().into(),
        })
    }

    /// Training stage, each step: what the network sees and what it is graded on.
    ///
    /// # Errors
    /// Whatever stops the mitigation.
    fn batch(
        &self,
        batch: TrainingBatch<'_>,
        _trainer: &dyn Trainer,
    ) -> Result<Vec<TrainingGroup>> {
        let (b, c, h, w) = batch.x0.dim();
        let mut x = batch.x0.to_owned();
        for (row, &sigma) in batch.sigma.iter().enumerate() {
            let noise = batch.noise.index_axis(ndarray::Axis(0), row);
            x.index_axis_mut(ndarray::Axis(0), row)
                .scaled_add(sigma, &noise);
        }
        Ok(vec![TrainingGroup {
            row: (0..b as u64).collect(),
            x,
            extra: ndarray::Array4::zeros((b, 0, h, w)),
            sigma: batch.sigma.to_vec(),
            target: batch.x0.to_owned(),
            weight: ndarray::Array4::ones((b, c, h, w)),
        }])
    }

    /// Training stage, after each step, with the loss of each example.
    ///
    /// # Errors
    /// Whatever stops the mitigation.
    fn after_step(
        &self,
        _step: u64,
        _index: &[u64],
        _sigma: &[f32],
        _loss: &[f32],
    ) -> Result<Decision> {
        Ok(Decision::Continue)
    }

    /// Training stage: what it remembers from step to step, kept in checkpoints so that a resumed
    /// run is the uninterrupted one.
    ///
    /// # Errors
    /// Whatever stops the mitigation.
    fn state(&self) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }

    /// Training stage: takes back what [`Mitigation::state`] gave.
    ///
    /// # Errors
    /// A state that is not its own.
    fn restore(&self, state: &[u8]) -> Result<()> {
        match state {
            [] => Ok(()),
            _ => Err(Error::bad_input(format!(
                "state of a mitigation that has none: expected no bytes, got {}",
                state.len()
            ))),
        }
    }

    /// Sampling stage: what the wrapped model says of itself; extra channels that the mitigation
    /// supplies are taken off here.
    fn wrapped_info(&self, inner: ModelInfo) -> ModelInfo {
        inner
    }

    /// Sampling stage: D(x; sigma) of the wrapped model.
    ///
    /// # Errors
    /// Whatever stops the mitigation or the model in it.
    fn denoise(
        &self,
        inner: &dyn Denoiser,
        batch: Batch<'_>,
        out: ArrayViewMut4<'_, f32>,
    ) -> Result<()> {
        inner.denoise(batch, out)
    }

    /// Sampling stage: the product of a cotangent with the wrapped dD/dx.
    ///
    /// # Errors
    /// `Unsupported` unless written: a wrapper that changes D must change this too.
    fn denoise_vjp(
        &self,
        _inner: &dyn Denoiser,
        _batch: Batch<'_>,
        _cotangent: ArrayView4<'_, f32>,
        _out: ArrayViewMut4<'_, f32>,
    ) -> Result<()> {
        Err(Error::unsupported("denoise_vjp through this mitigation"))
    }

    /// Output stage: true into `keep` for each image `[N, C, H, W]` that may leave the service.
    ///
    /// # Errors
    /// Images of another shape than the training set's.
    fn accept(&self, _images: ArrayView4<'_, u8>, keep: &mut [bool]) -> Result<()> {
        keep.fill(true);
        Ok(())
    }
}

/// How a mitigation presents itself to the harness.
pub trait MitigationPlugin: Mitigation + Sized + 'static {
    /// The crate's name without `eidetic-mitigation-`.
    const ID: &'static str;
    /// One line for `eidetic list`.
    const SUMMARY: &'static str;
    /// The stages that it writes.
    const STAGES: Stages;
    /// Its options, with their defaults.
    type Options: Options;

    /// Refuses options that make no sense, before anything runs.
    ///
    /// # Errors
    /// `BadOptions`, naming the key, what was expected and what was got.
    fn check(_options: &Self::Options) -> Result<()> {
        Ok(())
    }

    /// Makes one from what the defender has; the training set is borrowed for this call alone.
    ///
    /// # Errors
    /// Whatever stops it from being made.
    fn make(options: Self::Options, train: TrainingSet<'_>) -> Result<Self>;
}
