//! Inpainting probes: a part of an image is hidden, the model fills it, and who is in the training
//! set comes back better than who is not.
//!
//! The attack of Carlini et al. 2023, "Extracting Training Data from Diffusion Models" (USENIX
//! Security; arXiv 2301.13188), which compares what is filled in for members with what is for
//! others. The harness hides the pixels, mixes members with as many holdout images and says nothing
//! of which is which; it grades the hidden pixels alone.
//!
//! One plugin a solver, so that each declares the access that it needs and has no option that does
//! nothing:
//!
//! - `inpainting`: [`RePaint`], which needs the denoiser;
//! - `inpainting-ddnm`: [`Ddnm`], which needs the denoiser;
//! - `inpainting-dps`: [`Dps`], which needs gradients as well.
//!
//! All three walk from the model's largest noise level to 0 over its own levels (the schedule's,
//! else EDM's), in the variance-exploding convention; where an image starts and what noise it
//! meets depends on the run's seed, the mask and the image's place among the candidates alone. The
//! model is asked about an image under one row id, that place, so that a mitigation that shows a
//! network a part of x shows it the same part all the way.

mod ddnm;
mod dps;
mod levels;
mod mask;
mod plugin;
mod repaint;
mod solver;
mod walk;

pub use ddnm::Ddnm;
pub use dps::Dps;
pub use mask::Mask;
pub use plugin::Inpainting;
pub use repaint::RePaint;

eidetic_sdk::export_plugins!(
    attack Inpainting<RePaint>,
    attack Inpainting<Ddnm>,
    attack Inpainting<Dps>,
);

#[cfg(test)]
mod tests;
