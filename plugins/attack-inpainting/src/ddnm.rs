//! DDNM.

use eidetic_sdk::ndarray::Zip;
use eidetic_sdk::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::mask::Mask;
use crate::solver::{Course, Solver};
use crate::walk::Walk;

/// DDNM (Wang, Yu and Zhang, "Zero-Shot Image Restoration Using Denoising Diffusion Null-Space
/// Model", ICLR 2023, arXiv 2212.00490): the model's estimate keeps what the known pixels say
/// nothing of, x0' = D + A+ (y - A D), here D with the given pixels in their places, and the step
/// goes to x0' + to (sqrt(1 - eta^2) (x - D) / from + eta n). In the end known pixels are exactly
/// those given.
///
/// Steps and eta are those of the authors' code, which steps as DDIM does where the paper has
/// DDPM's posterior. It jumps as RePaint does ("time travel"), by default not at all; a jump
/// noises x, as in the paper, where the code noises the last D.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Ddnm {
    /// What is hidden, a probe each: left-half, right-half, top-half, bottom-half, {box: share},
    /// {boxes: {count, share}} or {pixels: rate}.
    #[schemars(length(min = 1))]
    pub masks: Vec<Mask>,
    /// Images worked on together; changes memory and speed, never the result.
    #[schemars(range(min = 1))]
    pub batch: u64,
    /// Noise levels from the model's largest to 0; 100 in the authors' code.
    #[schemars(range(min = 1, max = 10_000))]
    pub steps: u64,
    /// Share of fresh noise in each step, 0 for none; 0.85 in the authors' code.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub eta: f64,
    /// Levels that a jump goes back up; 1 in the authors' code.
    #[schemars(range(min = 1, max = 10_000))]
    pub jump_length: u64,
    /// Passes over each stretch of `jump_length` levels, 1 for no jumps; 1 in the authors' code.
    #[schemars(range(min = 1, max = 1_000))]
    pub resampling: u64,
}

impl Default for Ddnm {
    fn default() -> Self {
        Self {
            masks: vec![Mask::LeftHalf],
            batch: 64,
            steps: 100,
            eta: 0.85,
            jump_length: 1,
            resampling: 1,
        }
    }
}

impl Ddnm {
    /// Refuses a share that is none.
    pub(crate) fn check(&self) -> Result<()> {
        if (0.0..=1.0).contains(&self.eta) {
            return Ok(());
        }
        let eta = self.eta;
        Err(Error::bad_options(format!(
            "eta: expected a share of 0 to 1, got {eta}"
        )))
    }
}

impl Solver for Ddnm {
    fn course(&self) -> Course<'_> {
        Course {
            masks: &self.masks,
            batch: self.batch,
            steps: self.steps,
            jump_length: self.jump_length,
            resampling: self.resampling,
        }
    }

    fn step(&self, walk: &mut Walk<'_>, from: f64, to: f64) -> Result<()> {
        walk.denoise(from)?;
        let corrected = walk.corrected();
        let kept = to * (1.0 - self.eta * self.eta).sqrt() / from;
        Zip::from(&mut walk.x)
            .and(&walk.estimate)
            .and(&corrected)
            .for_each(|x, &estimate, &corrected| {
                *x = corrected + kept * (*x - f64::from(estimate));
            });
        walk.add_noise(to * self.eta);
        Ok(())
    }
}
