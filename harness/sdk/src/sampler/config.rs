//! Which sampler, with everything settled.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::info::ModelInfo;

/// The samplers there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SamplerKind {
    /// Second order; deterministic unless `s_churn` is above 0 (Karras et al. 2022, algorithm 2).
    Heun,
    /// First order; deterministic at `eta` 0 (Song et al. 2021, eq. 12).
    Ddim,
    /// Ancestral DDPM with the fixed small variance (Ho et al. 2020): DDIM at `eta` 1.
    Ancestral,
}

/// A sampler with every value settled.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Sampler {
    /// Which.
    pub kind: SamplerKind,
    /// Steps from `sigma_max` to 0.
    pub steps: usize,
    /// Last noise level before 0.
    pub sigma_min: f64,
    /// First noise level.
    pub sigma_max: f64,
    /// Exponent of the levels' spacing (EDM, eq. 5), where the model has no schedule.
    pub rho: f64,
    /// Noise added again over all steps (Heun).
    pub s_churn: f64,
    /// Share of fresh noise (DDIM); 1 for ancestral.
    pub eta: f64,
    /// Whether each estimate of x0 is clipped to [-1, 1].
    pub clip_sample: bool,
}

impl Sampler {
    /// Raised whenever a sampler's result changes; part of every cell's id.
    pub const REVISION: u32 = 1;

    /// The defaults of a kind for a model: EDM's 18 steps and rho 7 for Heun, 50 steps for DDIM,
    /// every step of the schedule (256 where there is none) for ancestral sampling.
    pub fn for_model(kind: SamplerKind, info: &ModelInfo) -> Self {
        let steps = match kind {
            SamplerKind::Heun => 18,
            SamplerKind::Ddim => 50,
            SamplerKind::Ancestral if info.schedule.is_empty() => 256,
            SamplerKind::Ancestral => info.schedule.len(),
        };
        Self {
            kind,
            steps,
            sigma_min: info.sigma_min.max(0.002),
            sigma_max: info.sigma_max,
            rho: 7.0,
            s_churn: 0.0,
            eta: if kind == SamplerKind::Ancestral {
                1.0
            } else {
                0.0
            },
            clip_sample: false,
        }
    }

    /// Forward passes a sample.
    pub fn calls_per_sample(&self) -> u64 {
        match self.kind {
            SamplerKind::Heun => 2 * self.steps as u64 - 1,
            SamplerKind::Ddim | SamplerKind::Ancestral => self.steps as u64,
        }
    }

    /// Whether it makes sense.
    ///
    /// # Errors
    /// `BadInput` with the value, what was expected and what was got.
    pub fn check(&self) -> Result<()> {
        let fail = |what: String| Err(Error::bad_input(format!("sampler: {what}")));
        if self.steps == 0 {
            return fail("expected at least one step, got 0".into());
        }
        let (low, high) = (self.sigma_min, self.sigma_max);
        if !(low > 0.0 && low < high && high.is_finite()) {
            return fail(format!(
                "expected 0 < sigma_min < sigma_max, got {low} and {high}"
            ));
        }
        if !(self.rho > 0.0 && self.s_churn >= 0.0 && (0.0..=1.0).contains(&self.eta)) {
            let (rho, churn, eta) = (self.rho, self.s_churn, self.eta);
            return fail(format!(
                "expected rho > 0, s_churn >= 0, eta in 0..=1, got {rho}, {churn}, {eta}"
            ));
        }
        Ok(())
    }
}
