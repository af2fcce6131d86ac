//! RePaint.

use eidetic_sdk::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::mask::Mask;
use crate::solver::{Course, Solver};
use crate::walk::Walk;

/// RePaint (Lugmayr et al., CVPR 2022, arXiv 2201.09865): at each level the known pixels are the
/// given ones, noised afresh, and the others are the model's, by ancestral steps; jumps back up
/// and down again bring the two into harmony. In the end known pixels are exactly those given.
///
/// The paper's sizes are 250 steps, jumps of 10 levels and 10 passes: 2,410 calls an image. The
/// defaults cost 130. As in the authors' code the known pixels are put in before each step;
/// estimates are not clipped, and the variance is the fixed small one where theirs is learned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RePaint {
    /// What is hidden, a probe each: left-half, right-half, top-half, bottom-half, {box: share},
    /// {boxes: {count, share}} or {pixels: rate}.
    #[schemars(length(min = 1))]
    pub masks: Vec<Mask>,
    /// Images worked on together; changes memory and speed, never the result.
    #[schemars(range(min = 1))]
    pub batch: u64,
    /// Noise levels from the model's largest to 0; 250 in the paper.
    #[schemars(range(min = 1, max = 10_000))]
    pub steps: u64,
    /// Levels that a jump goes back up; 10 in the paper.
    #[schemars(range(min = 1, max = 10_000))]
    pub jump_length: u64,
    /// Passes over each stretch of `jump_length` levels, 1 for no jumps; 10 in the paper.
    #[schemars(range(min = 1, max = 1_000))]
    pub resampling: u64,
}

impl Default for RePaint {
    fn default() -> Self {
        Self {
            masks: vec![Mask::LeftHalf],
            batch: 64,
            steps: 50,
            jump_length: 10,
            resampling: 3,
        }
    }
}

impl Solver for RePaint {
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
        walk.put_known(from);
        walk.denoise(from)?;
        walk.ancestral(from, to);
        if to == 0.0 {
            walk.put_known(0.0);
        }
        Ok(())
    }
}
