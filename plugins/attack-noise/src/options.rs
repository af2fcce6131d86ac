//! Which levels, and what is made of them.

use eidetic_sdk::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is given back for a noised image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Estimate {
    /// D(x; sigma): one model call.
    OneStep,
    /// Where Heun's method ends, from x down to 0: two model calls a step but for the last.
    Reverse,
}

/// Which levels, which estimates, and what they cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Noise levels, each above 0, by default 1, 2, 4 and 8.35: the last is t = 900 of Stable
    /// Diffusion's schedule, where the paper probes.
    #[schemars(length(min = 1))]
    pub sigmas: Vec<f64>,
    /// What is given back for each level, a probe each: one-step, reverse.
    #[schemars(length(min = 1))]
    pub estimates: Vec<Estimate>,
    /// Levels of the reverse estimate from sigma to 0; 18 in EDM's sampler.
    #[schemars(range(min = 1, max = 10_000))]
    pub steps: u64,
    /// Images worked on together; changes memory and speed, never the result.
    #[schemars(range(min = 1))]
    pub batch: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            sigmas: vec![1.0, 2.0, 4.0, 8.35],
            estimates: vec![Estimate::OneStep, Estimate::Reverse],
            steps: 18,
            batch: 64,
        }
    }
}

impl Options {
    /// Level and estimate of each probe.
    pub(crate) fn probes(&self) -> impl Iterator<Item = (f64, Estimate)> {
        let of = |&sigma| {
            self.estimates
                .iter()
                .map(move |&estimate| (sigma, estimate))
        };
        self.sigmas.iter().flat_map(of)
    }

    /// Refuses what makes no sense.
    pub(crate) fn check(&self) -> Result<()> {
        let bad = |message: String| Err(Error::bad_options(message));
        for (at, &sigma) in self.sigmas.iter().enumerate() {
            // The boundary carries a probe's sigma as f32.
            let single = sigma as f32;
            if !(single > 0.0 && single.is_finite()) {
                return bad(format!(
                    "sigmas: expected levels above 0 that a float32 holds, got {sigma}"
                ));
            }
            if self.sigmas[..at].contains(&sigma) {
                return bad(format!("sigmas: {sigma} is there twice"));
            }
        }
        for (at, estimate) in self.estimates.iter().enumerate() {
            if self.estimates[..at].contains(estimate) {
                return bad(format!("estimates: {} is there twice", estimate.name()));
            }
        }
        if self.sigmas.is_empty() || self.estimates.is_empty() {
            return bad("expected at least one of `sigmas` and of `estimates`, got none".into());
        }
        if !(1..=10_000).contains(&self.steps) {
            return bad(format!("steps: expected 1 to 10000, got {}", self.steps));
        }
        if self.batch == 0 {
            return bad("batch: expected at least 1, got 0".into());
        }
        Ok(())
    }
}

impl Estimate {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OneStep => "one-step",
            Self::Reverse => "reverse",
        }
    }
}
