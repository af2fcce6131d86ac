//! The part of a recipe that the training loop needs.

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::optimiser::Optimiser;
use crate::rate::Rate;

/// Everything of a recipe that the loop needs. All of it but `checkpoint_every` can change the
/// weights, and belongs into the digest of the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Optimiser steps.
    pub steps: u64,
    /// Examples a step: 64.
    #[serde(default = "batch")]
    pub batch: usize,
    /// Rows in one pass: 16. Passes run side by side, and fewer rows take less memory.
    /// Under differential privacy the rows of one example, if those are fewer.
    #[serde(default = "microbatch")]
    pub microbatch: usize,
    /// Seed of everything random: 0.
    #[serde(default)]
    pub seed: u64,
    /// Adam at 1e-3.
    #[serde(default)]
    pub optimiser: Optimiser,
    /// Constant.
    #[serde(default)]
    pub rate: Rate,
    /// Largest norm of the gradient: none.
    #[serde(default)]
    pub clip: Option<f64>,
    /// Decay of the average of the weights, 0 up to 1: 0.999.
    #[serde(default = "decay")]
    pub ema: f64,
    /// Steps between checkpoints: 500. The end and a cancelled run write one in any case.
    #[serde(default = "checkpoint_every")]
    pub checkpoint_every: u64,
    /// Steps between looks at the average; absent: none but the last.
    #[serde(default)]
    pub watch_every: Option<u64>,
}

fn batch() -> usize {
    64
}

fn microbatch() -> usize {
    16
}

fn decay() -> f64 {
    0.999
}

fn checkpoint_every() -> u64 {
    500
}

impl Training {
    /// So many steps, all else by default.
    pub fn of(steps: u64) -> Self {
        Self {
            steps,
            batch: batch(),
            microbatch: microbatch(),
            seed: 0,
            optimiser: Optimiser::default(),
            rate: Rate::default(),
            clip: None,
            ema: decay(),
            checkpoint_every: checkpoint_every(),
            watch_every: None,
        }
    }

    /// Refuses values without sense.
    ///
    /// # Errors
    /// [`Error::Configuration`].
    pub fn check(&self) -> Result<(), Error> {
        let counts = [
            ("steps", self.steps),
            ("batch", self.batch as u64),
            ("microbatch", self.microbatch as u64),
            ("checkpoint_every", self.checkpoint_every),
            ("watch_every", self.watch_every.unwrap_or(1)),
        ];
        let wrong = |key, expected: &str, got: String| {
            let expected = expected.to_owned();
            Err(Error::Configuration { key, expected, got })
        };
        if let Some((key, _)) = counts.iter().find(|(_, count)| *count == 0) {
            return wrong(key, "1 or more", "0".to_owned());
        }
        if !(0.0..1.0).contains(&self.ema) {
            return wrong("ema", "a decay from 0 up to 1", self.ema.to_string());
        }
        if let Some(clip) = self.clip.filter(|clip| !(*clip > 0.0 && clip.is_finite())) {
            return wrong("clip", "above 0", clip.to_string());
        }
        self.optimiser.check()?;
        self.rate.check()
    }
}
