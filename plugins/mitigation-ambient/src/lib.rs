//! Ambient Diffusion: a network that only ever sees a part of each training image.
//!
//! Daras, Shah, Dagan, Gollakota, Dimakis and Klivans, "Ambient Diffusion: Learning Clean
//! Distributions from Corrupted Data" (NeurIPS 2023, arXiv 2305.19256).
//!
//! Training. Each image has a mask A, fixed for good, and in each step a further mask B; A~ = A B.
//! The network sees A~ (x0 + sigma n) with A~ as one more channel, and is graded on A:
//!
//! w(sigma) |A (D - x0)|^2
//!
//! Since it cannot tell what A hides from what B hides, it has to give all of the image to be right
//! where B alone hides. What A hides never reaches it: x, extra channel and target are 0 there, and
//! so is the weight. A depends on the seed and the image's identity alone; the rows come before
//! augmentation, so that a flip takes the mask along and reveals nothing twice. B depends on the
//! run's seed, the step and the identity, or with `frozen_b` on the first and the last of the
//! options' seed and the identity: the published code draws both masks once, with the data.
//!
//! Hidden pixels are preconditioned as at sigma = infinity (the plan's `masked`), with EDM's plain
//! form as an option.
//!
//! Corruptions are orthogonal projections P: of pixels one by one, of a box, or of frequencies
//! ([`Kind`]). With frequencies
//!
//! - the network sees the image P~ (x0 + sigma n), and its extra channel is the mask of the
//!   frequencies, laid out as the discrete Fourier transform has them: place (ky, kx), 0 first;
//! - the loss |P (D - x0)|^2 is not one of single pixels, which is what the boundary has. With D'
//!   the network's present output, held constant, |D - t|^2 with t = D' - P (D' - x0) has the same
//!   value and gradient, 2 P (D - x0) dD. That costs one more forward pass a step. Where the network
//!   has dropout, D' is without, and what P hides is drawn towards it;
//! - the preconditioning is EDM's: no pixel is hidden altogether.
//!
//! Sampling. Each sample keeps one mask A~ through all its steps, drawn from the options' seed and
//! the row's identity; the network sees A~ x beside A~, and its whole output is D. So D is the
//! estimate from a part of x. An attack that names other rows sees through other masks.

mod boxes;
mod corruption;
mod fourier;
mod options;
mod pixels;

pub use options::{Kind, Options};

use corruption::{Corruption, Mask, corruption};
use eidetic_sdk::ndarray::{Array4, ArrayView4, ArrayViewMut4, Axis, s};
use eidetic_sdk::random::rng;
use eidetic_sdk::{
    Batch, Denoiser, Error, Mitigation, MitigationPlugin, ModelInfo, Result, Stages, Trainer,
    TrainingBatch, TrainingGroup, TrainingPlan, TrainingRun, TrainingSet,
};

/// The masks of a training set and of samples.
pub struct Ambient {
    options: Options,
    corruption: Box<dyn Corruption>,
    /// Height, width.
    size: [usize; 2],
}

eidetic_sdk::export_plugins!(mitigation Ambient);

impl MitigationPlugin for Ambient {
    const ID: &'static str = "ambient";
    const SUMMARY: &'static str = "trains on a fixed part of each image, graded on a little more";
    const STAGES: Stages = Stages {
        data: false,
        training: true,
        sampling: true,
        output: false,
    };
    type Options = Options;

    fn check(options: &Options) -> Result<()> {
        options.check()
    }

    fn make(options: Options, train: TrainingSet<'_>) -> Result<Self> {
        options.check()?;
        let (_, _, height, width) = train.images.dim();
        if height == 0 || width == 0 {
            return Err(Error::bad_input(format!(
                "expected training images with pixels, got {height} x {width}"
            )));
        }
        let size = [height, width];
        Ok(Self {
            corruption: corruption(&options, size),
            options,
            size,
        })
    }
}

impl Ambient {
    fn check_size(&self, what: &str, got: [usize; 2]) -> Result<()> {
        if got == self.size {
            return Ok(());
        }
        let [height, width] = self.size;
        let [h, w] = got;
        Err(Error::bad_input(format!(
            "{what}: expected {height} x {width} as the training set has, got {h} x {w}"
        ))
        .with_help("ambient works in pixel space; a latent model has no place for it"))
    }

    /// A and A~ of an image in a step.
    fn training_masks(&self, run_seed: u64, step: u64, index: u64) -> [Mask; 2] {
        let seed = self.options.seed;
        let mask = self.corruption.mask(&mut rng(seed, "ambient A", index));
        let mut stream = match self.options.frozen_b {
            true => rng(seed, "ambient B", index),
            false => rng(run_seed, &format!("ambient B {step}"), index),
        };
        let further = self.corruption.further(&mask, &mut stream);
        [mask, further]
    }

    /// A~ of a sample.
    fn sample_mask(&self, row_id: u64) -> Mask {
        let mut stream = rng(self.options.seed, "ambient sample", row_id);
        let mask = self.corruption.mask(&mut stream);
        self.corruption.further(&mask, &mut stream)
    }

    /// P of each row, in all its channels.
    fn project(&self, masks: &[Mask], mut images: ArrayViewMut4<'_, f32>) {
        for (mask, mut image) in masks.iter().zip(images.outer_iter_mut()) {
            for plane in image.outer_iter_mut() {
                self.corruption.project(mask, plane);
            }
        }
    }

    /// What the network is given of x, `[B, C + 1, H, W]`: P~ x and the mask.
    fn input(&self, masks: &[Mask], x: ArrayView4<'_, f32>) -> Array4<f32> {
        let (rows, channels, height, width) = x.dim();
        let mut input = Array4::zeros((rows, channels + 1, height, width));
        let mut shown = input.slice_mut(s![.., ..channels, .., ..]);
        shown.assign(&x);
        self.project(masks, shown);
        for (mask, mut row) in masks.iter().zip(input.outer_iter_mut()) {
            row.index_axis_mut(Axis(0), channels).assign(mask);
        }
        input
    }

    /// Masks and network input of rows that are sampled.
    fn wrap(&self, inner: &dyn Denoiser, batch: &Batch<'_>) -> Result<(Vec<Mask>, Array4<f32>)> {
        let (_, _, height, width) = batch.x.dim();
        self.check_size("x", [height, width])?;
        let extra = inner.info()?.extra_channels;
        if extra != 1 {
            return Err(Error::bad_input(format!(
                "expected a model with 1 extra channel, for the mask, got {extra}"
            ))
            .with_help("ambient wraps a model that was trained under it"));
        }
        let masks: Vec<Mask> = batch
            .row_id
            .iter()
            .map(|&id| self.sample_mask(id))
            .collect();
        let input = self.input(&masks, batch.x);
        Ok((masks, input))
    }
}

impl Mitigation for Ambient {
    fn plan(&self, run: TrainingRun) -> Result<TrainingPlan> {
        let size = [run.shape.height, run.shape.width].map(|n| n as usize);
        self.check_size("images", size)?;
        let Options {
            corruption,
            p,
            delta,
            seed,
            plain_preconditioning,
            ..
        } = self.options;
        let what = format!("{corruption:?}").to_lowercase();
        Ok(TrainingPlan {
            extra_channels: 1,
            masked: self.corruption.hides_pixels() && !plain_preconditioning,
            clip_per_example: None.into(),
            noise_multiplier: 0.0,
            poisson: false,
            draws_per_example: 1,
            note: format!("ambient: {what}, p {p}, delta {delta}, seed {seed}").into(),
        })
    }

    fn batch(&self, batch: TrainingBatch<'_>, trainer: &dyn Trainer) -> Result<Vec<TrainingGroup>> {
        let (rows, _, height, width) = batch.x0.dim();
        self.check_size("images", [height, width])?;
        let seed = trainer.seed();
        let both = |&index: &u64| {
            let [mask, further] = self.training_masks(seed, batch.step, index);
            (mask, further)
        };
        let (masks, further): (Vec<Mask>, Vec<Mask>) = batch.index.iter().map(both).unzip();
        let mut noisy = batch.x0.to_owned();
        let noise = batch.noise.outer_iter().zip(batch.sigma);
        for (mut x, (noise, &sigma)) in noisy.outer_iter_mut().zip(noise) {
            x.scaled_add(sigma, &noise);
        }
        let mut target = batch.x0.to_owned();
        self.project(&masks, target.view_mut());
        let mut weight = Array4::ones(batch.x0.dim());
        let input = self.input(&further, noisy.view());
        if self.corruption.hides_pixels() {
            self.project(&masks, weight.view_mut());
        } else {
            let mut denoised = Array4::zeros(batch.x0.dim());
            let shown = Batch {
                x: input.view(),
                sigma: batch.sigma,
                row_id: batch.index,
                conditions: batch.conditions,
            };
            trainer.denoise(shown, denoised.view_mut())?;
            // t = P x0 + D' - P D'.
            target += &denoised;
            self.project(&masks, denoised.view_mut());
            target -= &denoised;
        }
        let channels = input.shape()[1] - 1;
        Ok(vec![TrainingGroup {
            row: (0..rows as u64).collect(),
            x: input.slice(s![.., ..channels, .., ..]).to_owned(),
            extra: input.slice(s![.., channels.., .., ..]).to_owned(),
            sigma: batch.sigma.to_vec(),
            target,
            weight,
        }])
    }

    fn wrapped_info(&self, inner: ModelInfo) -> ModelInfo {
        ModelInfo {
            extra_channels: inner.extra_channels.saturating_sub(1),
            ..inner
        }
    }

    fn denoise(
        &self,
        inner: &dyn Denoiser,
        batch: Batch<'_>,
        out: ArrayViewMut4<'_, f32>,
    ) -> Result<()> {
        let (_, input) = self.wrap(inner, &batch)?;
        let x = input.view();
        inner.denoise(Batch { x, ..batch }, out)
    }

    /// P~ of the inner product, since P~ is symmetric; the mask's own part falls away.
    fn denoise_vjp(
        &self,
        inner: &dyn Denoiser,
        batch: Batch<'_>,
        cotangent: ArrayView4<'_, f32>,
        mut out: ArrayViewMut4<'_, f32>,
    ) -> Result<()> {
        let (masks, input) = self.wrap(inner, &batch)?;
        let x = input.view();
        let mut product = Array4::zeros(input.dim());
        inner.denoise_vjp(Batch { x, ..batch }, cotangent, product.view_mut())?;
        let channels = batch.x.shape()[1];
        out.assign(&product.slice(s![.., ..channels, .., ..]));
        self.project(&masks, out);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
