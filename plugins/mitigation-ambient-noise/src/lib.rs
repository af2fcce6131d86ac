//! Ambient noise: at large noise levels a network learns from images with one fixed noise each.
//!
//! Shah, Kalavasis, Klivans and Daras, "Does Generation Require Memorization? Creative Diffusion
//! Models using Ambient Diffusion" (ICML 2025, arXiv 2502.21278), with the loss of Daras, Dimakis
//! and Daskalakis, "Consistent Diffusion Meets Tweedie" (ICML 2024, arXiv 2404.10177).
//!
//! Each image has one noise z for good, drawn from the options' seed and the image's identity
//! before augmentation, and x_n = x0 + sigma_n z.
//!
//! - sigma < sigma_n: the ordinary loss on x0.
//! - sigma >= sigma_n: x_t = x_n + sqrt(sigma^2 - sigma_n^2) n, and by Tweedie's formula
//!   E[x_n | x_t] = a E[x0 | x_t] + b x_t with a = (sigma^2 - sigma_n^2) / sigma^2 and
//!   b = sigma_n^2 / sigma^2, so that the minimiser of w(sigma) |a D + b x_t - x_n|^2 is the
//!   denoiser of clean images though no clean image was shown. As a regression of D (derived at
//!   `regression`): target x_n - sigma_n^2 / sqrt(sigma^2 - sigma_n^2) n, weight a^2 w(sigma).
//!   Levels below sigma_n sqrt(1 + 1e-3) are raised to it, where the target is still finite.
//!
//! What that means for privacy. The paper's argument is that what is special about an image is
//! needed at small levels alone, so its noised copy does at the large ones, where a sample's content
//! is decided. It is no guarantee: below sigma_n the network is trained on the clean images, which
//! an attack that may choose its levels can ask it about; above, it may learn x_n by heart, and for
//! a small sigma_n the levels below make of x_n what it came from. Nothing here is differentially
//! private.
//!
//! Consistency (Daras et al. 2024, option `consistency`; the second paper has no clean images at
//! all, and this term instead of the first loss). Of each example at sigma >= sigma_n a reverse step
//! of the network makes x' at a level sigma' < sigma, another from x' makes x'' at a slightly
//! lower sigma'', and D(x'; sigma') is drawn to D(x''; sigma''), which the D of a true posterior
//! mean gives on average. Departures from the paper: D(x''; sigma'') is the network's without
//! gradient, the paper's gradient passes through both; one x'' is drawn where the paper has the
//! product of two, which for a target without gradient has the same gradient on average; sigma' is
//! reached in one ancestral step, after which x' varies less than what many steps give; and levels
//! are uniform in sigma^(1/7), the time of the sampler (Karras et al. 2022), down to 0.002. That
//! costs three more forward passes of these rows.
//!
//! Sampling is unchanged.

mod consistency;
mod levels;
mod options;

pub use options::Options;

use eidetic_sdk::ndarray::{Array3, Array4, Axis, Ix3, Zip};
use eidetic_sdk::random::rng;
use eidetic_sdk::{
    Mitigation, MitigationPlugin, Result, Stages, Trainer, TrainingBatch, TrainingGroup,
    TrainingPlan, TrainingRun, TrainingSet,
};
use levels::{level, regression};
use rand::RngExt;
use rand_distr::StandardNormal;

/// The fixed noise of a training set.
pub struct AmbientNoise {
    options: Options,
}

eidetic_sdk::export_plugins!(mitigation AmbientNoise);

impl MitigationPlugin for AmbientNoise {
    const ID: &'static str = "ambient-noise";
    const SUMMARY: &'static str =
        "trains on images with one fixed noise each where the noise level is above it";
    const STAGES: Stages = Stages {
        data: false,
        training: true,
        sampling: false,
        output: false,
    };
    type Options = Options;

    fn check(options: &Options) -> Result<()> {
        options.check()
    }

    fn make(options: Options, _: TrainingSet<'_>) -> Result<Self> {
        options.check()?;
        Ok(Self { options })
    }
}

impl AmbientNoise {
    /// z of an image, `[C, H, W]`.
    fn fixed_noise(&self, index: u64, dim: Ix3) -> Array3<f32> {
        let mut stream = rng(self.options.seed, "ambient noise z", index);
        Array3::from_shape_simple_fn(dim, || stream.sample(StandardNormal))
    }
}

impl Mitigation for AmbientNoise {
    fn plan(&self, _: TrainingRun) -> Result<TrainingPlan> {
        let Options {
            sigma_n,
            consistency,
            seed,
        } = self.options;
        let note =
            format!("ambient-noise: sigma_n {sigma_n}, consistency {consistency}, seed {seed}");
        Ok(TrainingPlan {
            extra_channels: 0,
            masked: false,
            clip_per_example: None.into(),
            noise_multiplier: 0.0,
            poisson: false,
            draws_per_example: 1,
            note: note.into(),
        })
    }

    fn batch(&self, batch: TrainingBatch<'_>, trainer: &dyn Trainer) -> Result<Vec<TrainingGroup>> {
        let sigma_n = self.options.sigma_n;
        let (rows, _, height, width) = batch.x0.dim();
        let mut group = TrainingGroup {
            row: (0..rows as u64).collect(),
            x: batch.x0.to_owned(),
            extra: Array4::zeros((rows, 0, height, width)),
            sigma: batch.sigma.to_vec(),
            target: batch.x0.to_owned(),
            weight: Array4::ones(batch.x0.dim()),
        };
        let mut above = Vec::new();
        for (row, &sigma) in batch.sigma.iter().enumerate() {
            let mut x = group.x.index_axis_mut(Axis(0), row);
            let noise = batch.noise.index_axis(Axis(0), row);
            if f64::from(sigma) < sigma_n {
                x.scaled_add(sigma, &noise);
                continue;
            }
            above.push(row);
            let sigma = level(sigma, sigma_n);
            let terms = regression(sigma, sigma_n);
            let z = self.fixed_noise(batch.index[row], x.raw_dim());
            let mut target = group.target.index_axis_mut(Axis(0), row);
            Zip::from(&mut x)
                .and(&mut target)
                .and(&z)
                .and(&noise)
                .for_each(|x, target, &z, &noise| {
                    let noised = f64::from(*x) + sigma_n * f64::from(z);
                    *x = (noised + terms.spread * f64::from(noise)) as f32;
                    *target = (noised - terms.back * f64::from(noise)) as f32;
                });
            let mut weight = group.weight.index_axis_mut(Axis(0), row);
            weight.fill(terms.weight as f32);
            group.sigma[row] = sigma;
        }
        let mut groups = vec![group];
        if self.options.consistency > 0.0 && !above.is_empty() {
            let weight = self.options.consistency as f32;
            let more = consistency::group(&groups[0], &above, weight, &batch, trainer)?;
            groups.push(more);
        }
        Ok(groups)
    }
}

#[cfg(test)]
mod tests;
