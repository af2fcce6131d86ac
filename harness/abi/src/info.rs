//! What a model says of itself.

use abi_stable::StableAbi;
use abi_stable::std_types::{ROption, RString, RVec};

use crate::tensor::ElementType;

/// Channels, height and width.
#[repr(C)]
#[derive(StableAbi, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ImageShape {
    /// C: 1 for grey, 3 for RGB; a latent space has its own.
    pub channels: u32,
    /// H in pixels (or latent cells).
    pub height: u32,
    /// W in pixels (or latent cells).
    pub width: u32,
}

/// A latent space: `denoise` works on `latent = (encode(pixels) - shift) * scale`.
#[repr(C)]
#[derive(StableAbi, Clone, Copy, Debug, PartialEq)]
pub struct LatentSpace {
    /// Shape of one latent.
    pub shape: ImageShape,
    /// Multiplier after encoding (0.18215 for Stable Diffusion 1).
    pub scale: f64,
    /// Subtracted before scaling; 0 for most.
    pub shift: f64,
}

/// One named input beside x and sigma: class labels, text embeddings.
#[repr(C)]
#[derive(StableAbi, Clone, Debug, PartialEq)]
pub struct ConditionSpec {
    /// Its name, as used in [`crate::model::Condition`].
    pub name: RString,
    /// Type of one element.
    pub element: ElementType,
    /// Dimensions of one row: empty for a label, `[77, 768]` for text embeddings.
    pub dims: RVec<u64>,
    /// Number of classes where it is a label.
    pub classes: ROption<u64>,
    /// Whether rows may be null (what guidance without a classifier needs).
    pub nullable: bool,
}

/// What a model can do and in which ranges.
#[repr(C)]
#[derive(StableAbi, Clone, Debug, PartialEq)]
pub struct ModelInfo {
    /// Shape of an image in pixels.
    pub image: ImageShape,
    /// Present where `denoise` works in a latent space; absent in pixel space.
    pub latent: ROption<LatentSpace>,
    /// Smallest sigma that `denoise` was made for, in the variance-exploding convention.
    pub sigma_min: f64,
    /// Largest such sigma.
    pub sigma_max: f64,
    /// Standard deviation of the training pixels in [-1, 1].
    pub sigma_data: f64,
    /// The sigmas of the noise schedule, ascending; empty where sigma is continuous.
    pub schedule: RVec<f64>,
    /// What the model can be conditioned on.
    pub conditions: RVec<ConditionSpec>,
    /// Channels that `denoise` takes behind the image's own, for a training mitigation's masks.
    pub extra_channels: u32,
    /// Whether `denoise` is offered.
    pub denoises: bool,
    /// Whether `denoise_vjp` is offered.
    pub differentiates: bool,
    /// Whether the model has a sampler of its own.
    pub samples: bool,
    /// Length of one embedding; 0 where `embed` is not offered.
    pub embedding: u32,
}
