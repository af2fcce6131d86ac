//! Noise probes: an image is noised to a level at which others could no longer be told, and who is
//! in the training set comes back better than who is not.
//!
//! The attack of Daras, Dimakis and Daskalakis, "Consistent Diffusion Meets Tweedie: Training Exact
//! Ambient Diffusion Models with Noisy Data" (ICML 2024, arXiv 2404.10177), which noises members
//! far, has the model denoise them, and counts those that come back almost the same. The harness
//! adds the noise, mixes members with as many holdout images and says nothing of which is which.
//!
//! Each level is probed by up to two estimates, a probe each, with noise of its own each:
//!
//! - one step: D(x; sigma), which at its best is the mean of all images that could have become x;
//! - reverse: the model's sampler from x down to 0, deterministic (Heun; Karras et al. 2022,
//!   algorithm 2 without churn), which ends at one image. Levels are EDM's between sigma and the
//!   model's smallest, or those of its schedule.
//!
//! Sigma is in the variance-exploding convention with x0 in [-1, 1]: x = x0 + sigma n. The model is
//! asked about a candidate under one row id, its place, so that a mitigation that shows a network a
//! part of x shows it the same part all the way.

mod options;
mod plugin;
mod reverse;

pub use options::{Estimate, Options};
pub use plugin::Noise;

eidetic_sdk::export_plugins!(attack Noise);

#[cfg(test)]
mod tests;
