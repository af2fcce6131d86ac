//! What crosses while a model is trained under a mitigation.
//!
//! The loss is the weighted square error of D against a target, so no gradient crosses. Only x is
//! scaled by c_in; extra channels are not.
#![allow(
    non_local_definitions,
    unsafe_code,
    reason = "abi_stable's macros put their impls, some of them unsafe, inside constants"
)]

use abi_stable::StableAbi;
use abi_stable::sabi_trait;
use abi_stable::sabi_types::RRef;
use abi_stable::std_types::{ROption, RSlice, RString, RVec};

use crate::error::AbiResult;
use crate::info::ImageShape;
use crate::model::{Batch, Condition};
use crate::tensor::{TensorMut, TensorRef};

/// The training set as the defender sees it.
#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct TrainingSet<'a> {
    /// u8 `[N, C, H, W]`.
    pub images: TensorRef<'a>,
    /// i64 `[N]` where the data have labels.
    pub labels: ROption<TensorRef<'a>>,
    /// Stable identity of each image, `[N]`: what a frozen corruption is keyed by.
    pub index: RSlice<'a, u64>,
    /// Number of classes; 0 where there are no labels.
    pub classes: u64,
}

/// What the data stage makes of a training set.
#[repr(C)]
#[derive(StableAbi, Clone, Debug, PartialEq)]
pub struct Curation {
    /// Rows to train on, ascending and distinct.
    pub keep: RVec<u64>,
    /// New labels, one a kept row; absent to keep the old.
    pub labels: ROption<RVec<i64>>,
    /// Number of classes of the new labels.
    pub classes: u64,
}

/// What is known of a training run before it begins.
#[repr(C)]
#[derive(StableAbi, Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrainingRun {
    /// Images `[channels, height, width]`.
    pub shape: ImageShape,
    /// Optimiser steps.
    pub steps: u64,
    /// Examples a step.
    pub batch: u64,
    /// Images in the training set, after every data stage.
    pub examples: u64,
}

/// What the training loop has to arrange.
#[repr(C)]
#[derive(StableAbi, Clone, Debug, PartialEq)]
pub struct TrainingPlan {
    /// Channels behind the image's own.
    pub extra_channels: u32,
    /// Whether the extra channels are keep-masks, one for all channels or one each, of what the
    /// network sees: where a mask is 0 the network is preconditioned as at sigma = infinity.
    pub masked: bool,
    /// Clip each example's gradient to this l2 norm.
    pub clip_per_example: ROption<f64>,
    /// Standard deviation of the gradient noise, as a multiple of the clip.
    pub noise_multiplier: f64,
    /// Draw each example on its own with probability batch / N instead of a fixed batch.
    pub poisson: bool,
    /// Noise draws averaged an example before the clip; at least 1.
    pub draws_per_example: u32,
    /// One line for the model's card, such as the privacy that the run will have spent; may be empty.
    pub note: RString,
}

/// One training batch, before the mitigation has touched it.
#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct TrainingBatch<'a> {
    /// Optimiser step, from 0.
    pub step: u64,
    /// Identity of each example, `[B]`.
    pub index: RSlice<'a, u64>,
    /// Clean images f32 `[B, C, H, W]` in [-1, 1], before augmentation.
    pub x0: TensorRef<'a>,
    /// Noise level of each example, `[B]`.
    pub sigma: RSlice<'a, f32>,
    /// Standard normal noise `[B, C, H, W]`.
    pub noise: TensorRef<'a>,
    /// Named conditions.
    pub conditions: RSlice<'a, Condition<'a>>,
}

/// Examples that are trained on together; a batch may become several groups of any size.
#[repr(C)]
#[derive(StableAbi, Clone, Debug, PartialEq)]
pub struct TrainingGroup {
    /// Rows of the batch that each example came from, `[G]`; conditions follow them.
    pub row: RVec<u64>,
    /// f32 `[G, C, H, W]`: the noisy input.
    pub x: RVec<f32>,
    /// f32 `[G, extra, H, W]`; empty where there are none.
    pub extra: RVec<f32>,
    /// `[G]`.
    pub sigma: RVec<f32>,
    /// f32 `[G, C, H, W]`: what D should be.
    pub target: RVec<f32>,
    /// f32 `[G, C, H, W]`: weight of each element's square error, on top of w(sigma).
    pub weight: RVec<f32>,
}

/// Whether training goes on.
#[repr(u8)]
#[derive(StableAbi, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Next step.
    Continue,
    /// Keep what is there and end.
    Stop,
}

/// What a mitigation may ask of the network in training, without gradient.
#[sabi_trait]
pub trait Trainer: Send + Sync {
    /// Seed of everything random in the mitigation.
    fn seed(&self) -> u64;
    /// D of the network as it is now.
    fn denoise(&self, batch: Batch<'_>, out: TensorMut<'_>) -> AbiResult<()>;
    /// D of its exponential moving average.
    #[sabi(last_prefix_field)]
    fn denoise_ema(&self, batch: Batch<'_>, out: TensorMut<'_>) -> AbiResult<()>;
}

/// A borrowed trainer.
pub type TrainerRef<'a> = Trainer_TO<'a, RRef<'a, ()>>;
