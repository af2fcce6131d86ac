//! What the host offers to plugins. A plugin calls these; a test may implement them.

use ndarray::{Array4, ArrayView3, ArrayView4, ArrayViewMut2, ArrayViewMut4};

pub use eidetic_abi::host::{Access, LogLevel};

use crate::batch::{Batch, Condition};
use crate::error::{Error, Result};
use crate::info::ModelInfo;
use crate::random;

/// A request for images.
#[derive(Clone, Copy)]
pub struct SampleRequest<'a> {
    /// Index of the first sample; the same index starts from the same noise in every cell of a
    /// seed. Use each index once.
    pub first_index: u64,
    /// Named conditions, a row a sample; none means unconditional.
    pub conditions: &'a [Condition<'a>],
    /// Guidance without a classifier, D_null + scale (D_c - D_null); 1 is none.
    pub guidance_scale: f32,
}

impl SampleRequest<'_> {
    /// Unconditional samples from an index on.
    pub fn unconditional(first_index: u64) -> Self {
        Self {
            first_index,
            conditions: &[],
            guidance_scale: 1.0,
        }
    }
}

/// Images whose origin an attack has to tell, or to make whole.
#[derive(Clone, Copy)]
pub enum Candidates<'a> {
    /// Whole images `[N, C, H, W]`.
    Membership {
        /// Levels 0..=255.
        images: ArrayView4<'a, u8>,
    },
    /// Partly destroyed images.
    Reconstruction {
        /// `[N, C, H, W]` in [-1, 1], 0 where destroyed, plus noise.
        images: ArrayView4<'a, f32>,
        /// `[N, H, W]`, 1 where a pixel is known.
        known: ArrayView3<'a, u8>,
        /// Sigma of the noise that was added.
        sigma: f32,
    },
}

/// The only thing an attack sees of the model; every call is counted and capped.
pub trait Target: Send + Sync {
    /// What the model says of itself.
    ///
    /// # Errors
    /// A model that fails.
    fn info(&self) -> Result<ModelInfo>;
    /// What this attack was granted.
    fn access(&self) -> Access;
    /// Model calls left; one call is one image through one forward pass.
    fn calls_left(&self) -> u64;
    /// Images of the service, behind every stage of the mitigation, into `out`.
    ///
    /// # Errors
    /// `Budget` when the calls are spent; a model or mitigation that fails.
    fn sample(&self, request: SampleRequest<'_>, out: ArrayViewMut4<'_, u8>) -> Result<()>;
    /// D(x; sigma) into `out`.
    ///
    /// # Errors
    /// As `sample`; `BadInput` without that access.
    fn denoise(&self, batch: Batch<'_>, out: ArrayViewMut4<'_, f32>) -> Result<()>;
    /// The cotangent's product with dD/dx into `out`.
    ///
    /// # Errors
    /// As `denoise`.
    fn denoise_vjp(
        &self,
        batch: Batch<'_>,
        cotangent: ArrayView4<'_, f32>,
        out: ArrayViewMut4<'_, f32>,
    ) -> Result<()>;
    /// Pixels to the space of `denoise`.
    ///
    /// # Errors
    /// A model that fails.
    fn encode(&self, pixels: ArrayView4<'_, f32>, out: ArrayViewMut4<'_, f32>) -> Result<()>;
    /// The space of `denoise` to pixels.
    ///
    /// # Errors
    /// A model that fails.
    fn decode(&self, latents: ArrayView4<'_, f32>, out: ArrayViewMut4<'_, f32>) -> Result<()>;
    /// Features of pixels.
    ///
    /// # Errors
    /// `Unsupported` unless the model offers it.
    fn embed(&self, pixels: ArrayView4<'_, f32>, out: ArrayViewMut2<'_, f32>) -> Result<()>;
    /// The candidates of a reconstruction (a set a probe) or membership (probe 0) attack.
    ///
    /// # Errors
    /// `Unsupported` for an extraction attack; a probe that is not there.
    fn candidates(&self, probe: u32) -> Result<Candidates<'_>>;

    /// `count` images of the service, unconditional, from an index on.
    ///
    /// # Errors
    /// As `sample`.
    fn sample_images(&self, first_index: u64, count: usize) -> Result<Array4<u8>> {
        let mut out = Array4::zeros(self.info()?.image_dim(count));
        self.sample(SampleRequest::unconditional(first_index), out.view_mut())?;
        Ok(out)
    }
}

/// The run around a plugin.
pub trait Context: Send + Sync {
    /// Seed of everything random in the plugin.
    fn seed(&self) -> u64;
    /// True once the plugin should return at its next convenience.
    fn cancelled(&self) -> bool;
    /// `done` of `total` units.
    fn progress(&self, done: u64, total: u64);
    /// A line for the log.
    fn log(&self, level: LogLevel, message: &str);
}

impl dyn Context + '_ {
    /// A random stream for one purpose and index, independent of every other.
    pub fn rng(&self, purpose: &str, index: u64) -> random::Rng {
        random::rng(self.seed(), purpose, index)
    }
}

/// Takes findings as they come: what was emitted before a failure still counts.
pub trait Sink: Send + Sync {
    /// Extraction: images `[N, C, H, W]`; gives the index of the first.
    ///
    /// # Errors
    /// Images of another shape, or another goal.
    fn images(&self, images: ArrayView4<'_, u8>) -> Result<u64>;
    /// Extraction: confidence of the images from `first` on; higher is surer. May be given again.
    ///
    /// # Errors
    /// Values that are not finite or have no image.
    fn confidence(&self, first: u64, values: &[f64]) -> Result<()>;
    /// Reconstruction: whole images for candidates of a probe.
    ///
    /// # Errors
    /// Images of another shape, unknown candidates, or another goal.
    fn reconstructions(
        &self,
        probe: u32,
        candidate: &[u64],
        images: ArrayView4<'_, u8>,
    ) -> Result<()>;
    /// Membership: scores of candidates; higher is more likely a member.
    ///
    /// # Errors
    /// Scores that are not finite, unknown candidates, or another goal.
    fn scores(&self, candidate: &[u64], values: &[f64]) -> Result<()>;
}

/// A denoiser that a sampling-stage mitigation wraps.
pub trait Denoiser: Send + Sync {
    /// What the wrapped model says of itself.
    ///
    /// # Errors
    /// A model that fails.
    fn info(&self) -> Result<ModelInfo>;
    /// D(x; sigma) of what is wrapped.
    ///
    /// # Errors
    /// A model that fails.
    fn denoise(&self, batch: Batch<'_>, out: ArrayViewMut4<'_, f32>) -> Result<()>;
    /// Its product with a cotangent.
    ///
    /// # Errors
    /// `Unsupported` unless the model offers it.
    fn denoise_vjp(
        &self,
        _batch: Batch<'_>,
        _cotangent: ArrayView4<'_, f32>,
        _out: ArrayViewMut4<'_, f32>,
    ) -> Result<()> {
        Err(Error::unsupported("denoise_vjp"))
    }
}

/// What an attack with access to the denoiser hands to [`crate::sampler::draw`].
impl Denoiser for &(dyn Target + '_) {
    fn info(&self) -> Result<ModelInfo> {
        Target::info(*self)
    }

    fn denoise(&self, batch: Batch<'_>, out: ArrayViewMut4<'_, f32>) -> Result<()> {
        Target::denoise(*self, batch, out)
    }

    fn denoise_vjp(
        &self,
        batch: Batch<'_>,
        cotangent: ArrayView4<'_, f32>,
        out: ArrayViewMut4<'_, f32>,
    ) -> Result<()> {
        Target::denoise_vjp(*self, batch, cotangent, out)
    }
}
