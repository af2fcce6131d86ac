//! DPS.

use eidetic_sdk::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::mask::Mask;
use crate::solver::{Course, Solver};
use crate::walk::Walk;

/// DPS (Chung et al., "Diffusion Posterior Sampling for General Noisy Inverse Problems", ICLR 2023,
/// arXiv 2209.14687): an ancestral step of the model, then one of length zeta against the gradient
/// of |y - A D(x)|, the norm over the known pixels, through the network. Known pixels are drawn
/// towards those given, not set to them.
///
/// The authors' variables preserve variance; with x = x_vp sqrt(1 + sigma^2) at both ends of the
/// step it is zeta sqrt((1 + from^2) (1 + to^2)) grad_x |y - A D(x; from)| here. Estimates are not
/// clipped, and the variance is the fixed small one where theirs is learned. A step costs 4 model
/// calls: an estimate, and a vjp at 3.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Dps {
    /// What is hidden, a probe each: left-half, right-half, top-half, bottom-half, {box: share},
    /// {boxes: {count, share}} or {pixels: rate}.
    #[schemars(length(min = 1))]
    pub masks: Vec<Mask>,
    /// Images worked on together; changes memory and speed, never the result.
    #[schemars(range(min = 1))]
    pub batch: u64,
    /// Noise levels from the model's largest to 0; 1,000 in the paper.
    #[schemars(range(min = 1, max = 10_000))]
    pub steps: u64,
    /// Length of the step against the gradient, in variance-preserving variables; 0.5 at 1,000
    /// steps in the authors' inpainting. Fewer steps need a longer one: at 100, 1 did best of 0.5,
    /// 1 and 2 on a small network and on closed forms over Fashion-MNIST.
    #[schemars(range(min = 0.0))]
    pub zeta: f64,
}

impl Default for Dps {
    fn default() -> Self {
        Self {
            masks: vec![Mask::LeftHalf],
            batch: 64,
            steps: 100,
            zeta: 1.0,
        }
    }
}

impl Dps {
    /// Refuses a length that is none.
    pub(crate) fn check(&self) -> Result<()> {
        if self.zeta > 0.0 && self.zeta.is_finite() {
            return Ok(());
        }
        let zeta = self.zeta;
        Err(Error::bad_options(format!(
            "zeta: expected a length above 0, got {zeta}"
        )))
    }
}

impl Solver for Dps {
    fn course(&self) -> Course<'_> {
        Course {
            masks: &self.masks,
            batch: self.batch,
            steps: self.steps,
            jump_length: 1,
            resampling: 1,
        }
    }

    fn calls_per_step(&self) -> u64 {
        4
    }

    fn step(&self, walk: &mut Walk<'_>, from: f64, to: f64) -> Result<()> {
        walk.denoise(from)?;
        let gradient = walk.misfit_gradient(from)?;
        walk.ancestral(from, to);
        let length = self.zeta * ((1.0 + from * from) * (1.0 + to * to)).sqrt();
        walk.x
            .zip_mut_with(&gradient, |x, &slope| *x -= length * f64::from(slope));
        Ok(())
    }
}
