//! What a mitigation sees of training, as ndarray views.

pub use eidetic_abi::training::{Decision, TrainingPlan, TrainingRun};
use ndarray::{Array4, ArrayView4, ArrayViewMut4};

use crate::batch::{Batch, Condition};
use crate::error::Result;

/// The training set as the defender sees it.
#[derive(Clone, Copy)]
pub struct TrainingSet<'a> {
    /// `[N, C, H, W]`.
    pub images: ArrayView4<'a, u8>,
    /// `[N]` where the data have labels.
    pub labels: Option<&'a [i64]>,
    /// Stable identity of each image, `[N]`: what a frozen corruption is keyed by.
    pub index: &'a [u64],
    /// Number of classes; 0 where there are no labels.
    pub classes: u64,
}

/// What the data stage makes of a training set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Curation {
    /// Rows to train on, ascending and distinct.
    pub keep: Vec<u64>,
    /// New labels, one a kept row.
    pub labels: Option<Vec<i64>>,
    /// Number of classes of the new labels.
    pub classes: u64,
}

/// One training batch, before the mitigation has touched it.
#[derive(Clone, Copy)]
pub struct TrainingBatch<'a> {
    /// Optimiser step, from 0.
    pub step: u64,
    /// Identity of each example, `[B]`.
    pub index: &'a [u64],
    /// Clean images `[B, C, H, W]` in [-1, 1], before augmentation.
    pub x0: ArrayView4<'a, f32>,
    /// Noise level of each example, `[B]`.
    pub sigma: &'a [f32],
    /// Standard normal noise `[B, C, H, W]`.
    pub noise: ArrayView4<'a, f32>,
    /// Named conditions.
    pub conditions: &'a [Condition<'a>],
}

/// Examples that are trained on together; the loss is the weighted square error of D.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingGroup {
    /// Rows of the batch that each example came from, `[G]`.
    pub row: Vec<u64>,
    /// `[G, C, H, W]`: the noisy input.
    pub x: Array4<f32>,
    /// `[G, extra, H, W]`; `extra` may be 0.
    pub extra: Array4<f32>,
    /// `[G]`.
    pub sigma: Vec<f32>,
    /// `[G, C, H, W]`: what D should be.
    pub target: Array4<f32>,
    /// `[G, C, H, W]`: weight of each element's square error, on top of w(sigma).
    pub weight: Array4<f32>,
}

/// What a mitigation may ask of the network in training, without gradient.
pub trait Trainer: Send + Sync {
    /// Seed of everything random in the mitigation.
    fn seed(&self) -> u64;
    /// D of the network as it is now.
    ///
    /// # Errors
    /// A network that fails.
    fn denoise(&self, batch: Batch<'_>, out: ArrayViewMut4<'_, f32>) -> Result<()>;
    /// D of its exponential moving average.
    ///
    /// # Errors
    /// A network that fails.
    fn denoise_ema(&self, batch: Batch<'_>, out: ArrayViewMut4<'_, f32>) -> Result<()>;
}
