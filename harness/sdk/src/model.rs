//! The model trait as an author writes it.

use ndarray::{ArrayView4, ArrayViewMut2, ArrayViewMut4};

use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::info::ModelInfo;
use crate::options::Options;
use crate::training::TrainingSet;

/// A diffusion model. Each row's result depends on that row alone, whatever the batch.
pub trait Model: Send + Sync {
    /// What it is; constant.
    fn info(&self) -> ModelInfo;

    /// D(x; sigma), `[B, C, H, W]`, into `out`: the estimate of x0 (Karras et al. 2022, eq. 1).
    ///
    /// # Errors
    /// Whatever stops the model; `Unsupported` for one that only samples.
    fn denoise(&self, batch: Batch<'_>, out: ArrayViewMut4<'_, f32>) -> Result<()>;

    /// The cotangent's product with dD/dx, shaped as `batch.x`, into `out`.
    ///
    /// # Errors
    /// `Unsupported` unless offered.
    fn denoise_vjp(
        &self,
        _batch: Batch<'_>,
        _cotangent: ArrayView4<'_, f32>,
        _out: ArrayViewMut4<'_, f32>,
    ) -> Result<()> {
        Err(Error::unsupported("denoise_vjp"))
    }

    /// Whole images in [-1, 1] from the model's own sampler, started from the standard normal
    /// `batch.x`; `batch.sigma` is ignored.
    ///
    /// # Errors
    /// `Unsupported` unless offered.
    fn sample(&self, _batch: Batch<'_>, _out: ArrayViewMut4<'_, f32>) -> Result<()> {
        Err(Error::unsupported("sample"))
    }

    /// Pixels in [-1, 1] to the space of `denoise`. In pixel space the identity.
    ///
    /// # Errors
    /// Whatever stops the model.
    fn encode(&self, pixels: ArrayView4<'_, f32>, mut out: ArrayViewMut4<'_, f32>) -> Result<()> {
        assign(&pixels, &mut out)
    }

    /// The space of `denoise` to pixels in [-1, 1]. In pixel space the identity.
    ///
    /// # Errors
    /// Whatever stops the model.
    fn decode(&self, latents: ArrayView4<'_, f32>, mut out: ArrayViewMut4<'_, f32>) -> Result<()> {
        assign(&latents, &mut out)
    }

    /// Features `[B, E]` of pixels `[B, C, H, W]` in [-1, 1].
    ///
    /// # Errors
    /// `Unsupported` unless offered.
    fn embed(&self, _pixels: ArrayView4<'_, f32>, _out: ArrayViewMut2<'_, f32>) -> Result<()> {
        Err(Error::unsupported("embed"))
    }
}

fn assign(from: &ArrayView4<'_, f32>, to: &mut ArrayViewMut4<'_, f32>) -> Result<()> {
    if from.shape() != to.shape() {
        return Err(Error::bad_input(format!(
            "expected an output of shape {:?}, got {:?}",
            from.shape(),
            to.shape()
        )));
    }
    to.assign(from);
    Ok(())
}

/// How a model presents itself to the harness.
pub trait ModelPlugin: Model + Sized + 'static {
    /// The crate's name without `eidetic-model-`.
    const ID: &'static str;
    /// One line for `eidetic list`.
    const SUMMARY: &'static str;
    /// Whether it trains itself on the training set that `make` is given.
    const TRAINS: bool = false;
    /// Its options, with their defaults.
    type Options: Options;

    /// Refuses options that make no sense, before anything runs.
    ///
    /// # Errors
    /// `BadOptions`, naming the key, what was expected and what was got.
    fn check(_options: &Self::Options) -> Result<()> {
        Ok(())
    }

    /// Makes one.
    ///
    /// # Errors
    /// Whatever stops it from being made.
    fn make(options: Self::Options, train: Option<TrainingSet<'_>>) -> Result<Self>;
}
