//! Sampling-stage guidance away from the nearest training image.
//!
//! Wraps the denoiser. Whenever an estimate D(x; sigma) is memorized by the measure of the board,
//! |D - n1| < nn_ratio |D - n2| for its nearest and second nearest training images n1 and n2, it
//! is moved away from n1:
//!
//! D' = D + scale (P(D) - D), P(D) = c + r (D - c) / |D - c|
//!
//! where { p : |p - n1| < nn_ratio |p - n2| } is the ball of centre c and radius r. D - c is the
//! direction of the gradient of |D - n1|^2 - nn_ratio^2 |D - n2|^2, and P(D) the point nearest to D
//! where the ratio holds: at scale 1 the estimate changes as little as it can. Other estimates pass
//! as they are. Each row is treated alone, whatever the batch.
//!
//! In the spirit of the dissimilarity guidance of AMG (Chen, Liu and Xu, "Towards
//! Memorization-Free Diffusion Models", CVPR 2024, arXiv 2404.00922), which also looks at the
//! estimate in every step and steers away only where a threshold is passed. It differs in that
//!
//! - the gradient is taken at the estimate, not at x through the network, so that no model has to
//!   be differentiable and a call costs one forward pass;
//! - the measure is nn_ratio where AMG has nl2 or an embedding's similarity. At D = n1, the case
//!   that matters, the gradient of a distance to n1 alone is 0 or undefined; this one points to n2;
//! - the step is the exact length instead of a tuned constant, and one threshold holds at all noise
//!   levels instead of a parabola: an estimate of much noise lies between many training images, and
//!   its ratio is near 1 by itself;
//! - it has neither of AMG's two guidances for captions.
//!
//! What it cannot do: a model that knows nothing but its training images is left with mixtures of
//! two of them, which pass the measure and look like what they are.

mod ball;

use ball::Ball;
use eidetic_metrics::{Images, duplicate_groups, nearest};
use eidetic_sdk::ndarray::{Array4, ArrayView4, ArrayViewMut4};
use eidetic_sdk::pixels::to_u8;
use eidetic_sdk::{
    Batch, Denoiser, Error, Mitigation, MitigationPlugin, Result, Stages, TrainingSet,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// When to push, and how far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Estimates nearer to their nearest training image than this share of the distance to the
    /// second nearest are pushed away. Above the board's 1/3, so that rounding to u8 stays inside.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub nn_ratio: f64,
    /// How far, in multiples of the shortest way to where the ratio holds.
    #[schemars(range(min = 0.0))]
    pub scale: f64,
    /// Training images at most this far apart (root mean square difference of pixels in [0, 1])
    /// count as one; 0 joins exact copies alone.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub duplicate_l2: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            nn_ratio: 0.4,
            scale: 1.0,
            duplicate_l2: 0.05,
        }
    }
}

/// The wrapper, with one training image a group of near duplicates.
pub struct Repel {
    options: Options,
    training: Vec<u8>,
    /// Channels, height, width.
    shape: [usize; 3],
}

eidetic_sdk::export_plugins!(mitigation Repel);

fn refused(error: eidetic_metrics::Error) -> Error {
    Error::bad_input(error.to_string())
}

impl MitigationPlugin for Repel {
    const ID: &'static str = "repel";
    const SUMMARY: &'static str =
        "moves estimates that are near copies away from the nearest training image";
    const STAGES: Stages = Stages {
        data: false,
        training: false,
        sampling: true,
        output: false,
    };
    type Options = Options;

    fn check(options: &Options) -> Result<()> {
        let (ratio, scale, duplicate) = (options.nn_ratio, options.scale, options.duplicate_l2);
        if !(ratio > 0.0 && ratio < 1.0) {
            return Err(Error::bad_options(format!(
                "nn_ratio: expected a ratio above 0 and below 1, got {ratio}"
            )));
        }
        if !(scale > 0.0 && scale.is_finite()) {
            return Err(Error::bad_options(format!(
                "scale: expected a factor above 0, got {scale}"
            )));
        }
        if !(0.0..=1.0).contains(&duplicate) {
            return Err(Error::bad_options(format!(
                "duplicate_l2: expected a distance in 0..=1, got {duplicate}"
            )));
        }
        Ok(())
    }

    fn make(options: Options, train: TrainingSet<'_>) -> Result<Self> {
        Self::check(&options)?;
        let (_, channels, height, width) = train.images.dim();
        let shape = [channels, height, width];
        let images = train.images.as_standard_layout();
        let images = Images::new(images.as_slice().unwrap_or(&[]), shape.iter().product())
            .map_err(refused)?;
        let groups = duplicate_groups(images, options.duplicate_l2).map_err(refused)?;
        let representatives = groups.representatives();
        if representatives.len() < 2 {
            return Err(Error::bad_input(format!(
                "nn_ratio needs 2 training images that are no duplicates of each other, got {}",
                representatives.len()
            )));
        }
        Ok(Self {
            training: images.select(&representatives).map_err(refused)?,
            options,
            shape,
        })
    }
}

impl Mitigation for Repel {
    fn denoise(
        &self,
        inner: &dyn Denoiser,
        batch: Batch<'_>,
        mut out: ArrayViewMut4<'_, f32>,
    ) -> Result<()> {
        inner.denoise(batch, out.view_mut())?;
        let balls = self.balls(out.view())?;
        for (ball, mut row) in balls.iter().zip(out.outer_iter_mut()) {
            if let (Some(ball), Some(estimate)) = (ball, row.as_slice_mut()) {
                ball.push(estimate, self.options.scale);
            }
        }
        Ok(())
    }

    /// n1 and n2 are taken as constant, as they are almost everywhere. Costs one more forward
    /// pass.
    fn denoise_vjp(
        &self,
        inner: &dyn Denoiser,
        batch: Batch<'_>,
        cotangent: ArrayView4<'_, f32>,
        out: ArrayViewMut4<'_, f32>,
    ) -> Result<()> {
        let mut estimate = Array4::zeros(cotangent.dim());
        inner.denoise(batch, estimate.view_mut())?;
        let mut cotangent = cotangent.as_standard_layout().into_owned();
        let balls = self.balls(estimate.view())?;
        for (ball, mut row) in balls.iter().zip(cotangent.outer_iter_mut()) {
            if let (Some(ball), Some(cotangent)) = (ball, row.as_slice_mut()) {
                ball.pull_back(cotangent, self.options.scale);
            }
        }
        inner.denoise_vjp(batch, cotangent.view(), out)
    }
}

impl Repel {
    /// For each estimate the ball that it lies in, if it does.
    fn balls(&self, estimates: ArrayView4<'_, f32>) -> Result<Vec<Option<Ball>>> {
        let (_, channels, height, width) = estimates.dim();
        let Some(values) = estimates.to_slice() else {
            return Err(Error::bad_input(
                "expected contiguous row-major estimates, got a strided view",
            ));
        };
        if [channels, height, width] != self.shape {
            return Err(Error::bad_input(format!(
                "expected estimates of shape {:?} as the training set has, got {:?}",
                self.shape,
                [channels, height, width]
            ))
            .with_help("repel works in pixel space; a latent model has no place for it"));
        }
        let dim = self.shape.iter().product();
        let training = Images::new(&self.training, dim).map_err(refused)?;
        // The neighbours of what would be emitted: an estimate beyond [-1, 1] is clipped, NaN is 0.
        let levels: Vec<u8> = values.iter().copied().map(to_u8).collect();
        let found =
            nearest(Images::new(&levels, dim).map_err(refused)?, training, 2).map_err(refused)?;
        let ball = |(i, estimate): (usize, &[f32])| {
            let [n1, n2] = [0, 1].map(|rank| training.row(found.index(i, rank) as usize));
            Ball::around(estimate, n1, n2, self.options.nn_ratio)
        };
        Ok(values.chunks_exact(dim).enumerate().map(ball).collect())
    }
}

#[cfg(test)]
mod tests;
