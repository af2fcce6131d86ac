//! The change of variables: what a network is fed and how D(x; sigma) comes out of what it says.
//! The one place where model families differ.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::schedule::Schedule;

/// What a network predicts. All but EDM take x_vp = x / sqrt(1 + sigma^2) and a timestep of a
/// schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prediction {
    /// The noise (Ho et al. 2020): D = x - sigma F.
    Epsilon,
    /// x0: D = F.
    Sample,
    /// v = alpha eps - sigma_vp x0 (Salimans and Ho 2022):
    /// D = x / (1 + sigma^2) - sigma / sqrt(1 + sigma^2) F.
    VPrediction,
    /// D itself, preconditioning inside (Karras et al. 2022): takes x and sigma as they are.
    Edm,
}

impl fmt::Display for Prediction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Epsilon => "epsilon",
            Self::Sample => "sample",
            Self::VPrediction => "v_prediction",
            Self::Edm => "edm",
        })
    }
}

/// The noise level that a network is told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Noise {
    /// EDM's sigma, or a timestep between training steps.
    Real(f64),
    /// A training step.
    Step(usize),
}

/// One noise level in a network's own terms: it is fed `input * x` and `noise`, and
/// D = `skip` x + `output` F.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    pub(super) noise: Noise,
    pub(super) input: f64,
    pub(super) skip: f64,
    pub(super) output: f64,
}

impl Prediction {
    /// At sigma, for a network without schedule, or with one that takes timesteps in between.
    ///
    /// Off the schedule's steps, t is interpolated in log sigma and x is scaled by the sigma asked
    /// for; beyond the schedule's ends t stays at the end while x and D still go by that sigma, so
    /// that D is continuous in it.
    pub(super) fn at(self, sigma: f32, schedule: Option<&Schedule>) -> Point {
        let Some(schedule) = schedule else {
            return self.point(Noise::Real(f64::from(sigma)), f64::from(sigma));
        };
        let step = schedule.nearest_step(f64::from(sigma));
        let on_step = schedule.sigmas()[step];
        // A step's own sigma has been rounded to f32 on its way here.
        if on_step as f32 == sigma {
            return self.point(Noise::Real(step as f64), on_step);
        }
        let timestep = schedule.timestep(f64::from(sigma));
        self.point(Noise::Real(timestep), f64::from(sigma))
    }

    /// At the training step nearest to sigma, for a network that takes whole timesteps.
    ///
    /// x is scaled, and D taken, by that step's sigma_k, not by the one asked for:
    /// D(x; sigma) = D(x; sigma_k). The network then meets exactly the pair of scale and timestep
    /// that it was trained on, and as much noise is taken out as it was told there is. The noise
    /// really in x differs by the rounding, so samplers do best on `ModelInfo::schedule`, where
    /// nothing is rounded.
    pub(super) fn at_step(self, sigma: f32, schedule: &Schedule) -> Point {
        let step = schedule.nearest_step(f64::from(sigma));
        self.point(Noise::Step(step), schedule.sigmas()[step])
    }

    fn point(self, noise: Noise, sigma: f64) -> Point {
        let scale = 1.0 / (1.0 + sigma * sigma).sqrt();
        let (input, skip, output) = match self {
            Self::Epsilon => (scale, 1.0, -sigma),
            Self::Sample => (scale, 0.0, 1.0),
            Self::VPrediction => (scale, scale * scale, -sigma * scale),
            Self::Edm => (1.0, 0.0, 1.0),
        };
        Point {
            noise,
            input,
            skip,
            output,
        }
    }
}
