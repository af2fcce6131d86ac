//! What a denoiser is graded on: where a mitigation acts in training.

use ndarray::{Array4, ArrayView4, Axis};

use crate::error::Error;
use crate::task::{Decision, Which, no_state};

/// What the loop arranges for an objective.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plan {
    /// Channels behind the image's own; not scaled by c_in.
    pub extra_channels: usize,
    /// Whether these are keep-masks: [`crate::Denoiser::masked`].
    pub masked: bool,
    /// Clip each example's gradient to this norm: [`crate::Privacy`].
    pub clip_per_example: Option<f64>,
    /// Standard deviation of the gradient noise, as a multiple of the clip.
    pub noise_multiplier: f64,
    /// Draw each example on its own with probability batch / N instead of shuffled epochs.
    pub poisson: bool,
    /// Draws of sigma and noise averaged an example, before any clip; at least 1 (noise
    /// multiplicity, Dockhorn et al. 2023).
    pub draws_per_example: usize,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            extra_channels: 0,
            masked: false,
            clip_per_example: None,
            noise_multiplier: 0.0,
            poisson: false,
            draws_per_example: 1,
        }
    }
}

/// Rows drawn for a step, before objective and augmentation.
#[derive(Debug, Clone, Copy)]
pub struct Examples<'a> {
    /// Seed of the run.
    pub seed: u64,
    /// Step, from 0.
    pub step: u64,
    /// Identity of each image, `[B]`; each stands `draws_per_example` times, one after another.
    pub index: &'a [u64],
    /// Clean images `[B, C, H, W]` in [-1, 1].
    pub x0: ArrayView4<'a, f32>,
    /// Noise levels, `[B]`.
    pub sigma: &'a [f32],
    /// Standard normal noise `[B, C, H, W]`.
    pub noise: ArrayView4<'a, f32>,
    /// Labels `[B]` where the denoiser has classes; the number of classes is the null class.
    pub labels: Option<&'a [i64]>,
}

/// Rows that are trained on: the loss is the mean over elements of weight . w(sigma) . (D - target)^2.
#[derive(Debug, Clone, PartialEq)]
pub struct Graded {
    /// Row of the examples that each came from, `[G]`; label and flip follow it.
    pub row: Vec<usize>,
    /// Noisy input `[G, C, H, W]`.
    pub x: Array4<f32>,
    /// `[G, extra, H, W]`; `extra` may be 0.
    pub extra: Array4<f32>,
    /// Noise levels, `[G]`, above 0.
    pub sigma: Vec<f32>,
    /// What D should be, `[G, C, H, W]`.
    pub target: Array4<f32>,
    /// `[G, C, H, W]`, on top of w(sigma).
    pub weight: Array4<f32>,
}

/// D of the network in training, without gradient.
pub trait Denoisers: Sync {
    /// D `[B, C, H, W]` of x `[B, C + extra, H, W]` at sigma `[B]`; labels where there are classes.
    ///
    /// # Errors
    /// Rows that do not fit the network.
    fn denoise(
        &self,
        which: Which,
        x: ArrayView4<'_, f32>,
        sigma: &[f32],
        labels: Option<&[i64]>,
    ) -> Result<Array4<f32>, Error>;
}

/// Makes what is trained on from what was drawn; the identity unless written.
pub trait Objective: Send + Sync {
    /// What the loop has to arrange; the same at every call.
    fn plan(&self) -> Plan {
        Plan::default()
    }

    /// The rows of a step: any number of groups of any size. Horizontal flips come after it.
    ///
    /// # Errors
    /// Whatever stops it.
    fn batch(
        &self,
        examples: &Examples<'_>,
        _denoisers: &dyn Denoisers,
    ) -> Result<Vec<Graded>, Error> {
        let (rows, _, height, width) = examples.x0.dim();
        let mut x = examples.x0.to_owned();
        let noise = examples.noise.outer_iter().zip(examples.sigma);
        for (mut x, (noise, &sigma)) in x.axis_iter_mut(Axis(0)).zip(noise) {
            x.scaled_add(sigma, &noise);
        }
        Ok(vec![Graded {
            row: (0..rows).collect(),
            x,
            extra: Array4::zeros((rows, 0, height, width)),
            sigma: examples.sigma.to_vec(),
            target: examples.x0.to_owned(),
            weight: Array4::ones(examples.x0.dim()),
        }])
    }

    /// Called after the update, with identity, noise level and loss of each row trained on.
    ///
    /// # Errors
    /// Whatever stops it.
    fn after_step(
        &self,
        _step: u64,
        _index: &[u64],
        _sigma: &[f32],
        _loss: &[f32],
    ) -> Result<Decision, Error> {
        Ok(Decision::Continue)
    }

    /// What it remembers from step to step: [`crate::Task::state`].
    ///
    /// # Errors
    /// Whatever stops it.
    fn state(&self) -> Result<Vec<u8>, Error> {
        Ok(Vec::new())
    }

    /// Takes back what [`Objective::state`] gave.
    ///
    /// # Errors
    /// A state that is not its own.
    fn restore(&self, state: &[u8]) -> Result<(), Error> {
        no_state(state)
    }
}

/// x = x0 + sigma n, target x0, weight 1: denoising score matching.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Plain;

impl Objective for Plain {}

impl Graded {
    /// Refuses rows that do not fit the examples and the plan.
    pub(crate) fn check(&self, examples: [usize; 4], plan: &Plan) -> Result<(), Error> {
        let [rows, channels, height, width] = examples;
        let count = self.row.len();
        let wrong = |what: &str, expected: String, got: String| {
            Err(Error::Shape {
                what: format!("the objective's {what}"),
                expected,
                got,
            })
        };
        if let Some(row) = self.row.iter().find(|&&row| row >= rows) {
            return wrong("row", format!("a row below {rows}"), row.to_string());
        }
        if self.sigma.len() != count {
            let got = self.sigma.len().to_string();
            return wrong("sigma", format!("{count} levels"), got);
        }
        let above_0 = |&sigma: &f32| sigma > 0.0 && sigma.is_finite();
        if let Some(sigma) = self.sigma.iter().find(|sigma| !above_0(sigma)) {
            return wrong("sigma", "finite and above 0".to_owned(), sigma.to_string());
        }
        for (what, array, channels) in [
            ("x", &self.x, channels),
            ("extra", &self.extra, plan.extra_channels),
            ("target", &self.target, channels),
            ("weight", &self.weight, channels),
        ] {
            let expected = [count, channels, height, width];
            if array.shape() != expected {
                return wrong(
                    what,
                    format!("{expected:?}"),
                    format!("{:?}", array.shape()),
                );
            }
            if let Some(value) = array.iter().find(|value| !value.is_finite()) {
                return wrong(what, "finite values".to_owned(), value.to_string());
            }
        }
        match self.weight.iter().find(|&&weight| weight < 0.0) {
            None => Ok(()),
            Some(weight) => wrong("weight", "0 or more".to_owned(), weight.to_string()),
        }
    }
}
