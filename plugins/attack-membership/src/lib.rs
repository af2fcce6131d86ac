//! Membership inference: was this image in the training set?
//!
//! Each candidate is given one score by one [`Method`]; thresholds, rates and curves are the
//! harness's. What every method has in common:
//!
//! - noise levels are sigma in the variance exploding convention, x = x0 + sigma n. A published
//!   timestep t stands for sqrt((1 - alpha_bar_t) / alpha_bar_t) of its paper's schedule, the linear
//!   one of DDPM unless the method says otherwise;
//! - eps = (x - D) / sigma, the score is (D - x) / sigma^2;
//! - papers that feed x0 unscaled as x_t (PIA, PIAN, SimA, SecMI) mean x0 sqrt(1 + sigma^2);
//! - a candidate's noise depends on the seed and on the candidate alone, and its score on nothing
//!   else: not on the batch, nor on what else is asked. Memory is bounded by the batch;
//! - what a candidate costs is known beforehand, so that a budget buys the same scores at any batch.
//!   Candidates beyond it are left without;
//! - access to the denoiser is all that is asked for. Derivatives (flipd, sharpness) are central
//!   differences of it, so that they are had of every model and through every mitigation.
//!
//! Which definition is followed, and where it had to differ, stands with each method's source.

mod cfg_norm;
mod clid;
mod contrast;
mod flipd;
mod loss;
mod options;
mod pia;
mod pian;
mod plan;
mod schedule;
mod secmi;
mod sharpness;
mod sima;
mod subjects;

use eidetic_sdk::ndarray::{Array2, Array4, ArrayView4, Axis, Slice};
use eidetic_sdk::pixels::to_unit;
use eidetic_sdk::sampler::RowNoise;
use eidetic_sdk::{
    Access, Attack, AttackPlugin, Candidates, Context, Error, Goal, ModelInfo, Result, Sink,
    Target, Work,
};
pub use options::{Method, Options};
use plan::Plan;
use subjects::Subjects;

/// The attack.
pub struct Membership(Options);

eidetic_sdk::export_plugins!(attack Membership);

impl AttackPlugin for Membership {
    const ID: &'static str = "membership";
    const SUMMARY: &'static str = "scores candidates by loss, secmi, pia, pian, sima, score-norm, flipd, sharpness, cfg-norm or clid";
    const GOAL: Goal = Goal::Membership;
    const ACCESS: Access = Access::Denoiser;
    type Options = Options;

    fn check(options: &Options) -> Result<()> {
        options.check()
    }

    fn make(options: Options) -> Result<Self> {
        options.check()?;
        Ok(Self(options))
    }
}

impl Attack for Membership {
    fn model_calls(&self, info: &ModelInfo, _: u64, candidates: u64) -> Result<Option<u64>> {
        let each = Plan::new(&self.0, info)?.calls();
        Ok(Some(candidates.saturating_mul(each)))
    }

    /// Gives the scores of every batch to the sink as they come.
    fn run(&self, target: &dyn Target, context: &dyn Context, sink: &dyn Sink) -> Result<()> {
        let info = target.info()?;
        let Candidates::Membership { images } = target.candidates(0)? else {
            return Err(Error::bad_input(
                "candidates: expected whole images, got destroyed ones",
            ));
        };
        let (total, want) = (images.dim().0 as u64, info.image_dim(images.dim().0));
        if images.shape() != want {
            let got = images.shape();
            return Err(Error::bad_input(format!(
                "candidates: expected images of shape {want:?}, got {got:?}"
            )));
        }
        let plan = Plan::new(&self.0, &info)?;
        let work = Work {
            units: "candidates",
            total,
            batch: self.0.batch,
            calls_each: plan.calls(),
            help: "raise the limit of model calls, or choose a cheaper method",
        };
        work.for_each_batch(target, context, |range| {
            let rows = Slice::from(range.start as usize..range.end as usize);
            let rows = images.slice_axis(Axis(0), rows);
            let ids: Vec<u64> = range.collect();
            let mut noise = RowNoise::new(context.seed(), "membership", &ids);
            let mut subjects = Subjects {
                target,
                shape: shape(&info),
                label: &plan.label,
                shown: plan.shown,
                noise: Box::new(move |row: usize, values: &mut [f64]| noise.fill(row, values)),
                x0: encoded(target, &info, rows)?,
                ids,
            };
            let scores = plan.scores(&mut subjects)?;
            sink.scores(&subjects.ids, &scores)
        })
    }
}

/// C, H, W of what is denoised.
fn shape(info: &ModelInfo) -> [usize; 3] {
    let [_, c, h, w] = info.space_dim(1);
    [c, h, w]
}

/// Images as rows in the space of `denoise`.
fn encoded(
    target: &dyn Target,
    info: &ModelInfo,
    images: ArrayView4<'_, u8>,
) -> Result<Array2<f64>> {
    let rows = images.dim().0;
    let mut values: Array4<f32> = images.mapv(to_unit);
    if info.latent.is_some() {
        let mut latents = Array4::zeros(info.space_dim(rows));
        target.encode(values.view(), latents.view_mut())?;
        values = latents;
    }
    let columns: usize = shape(info).iter().product();
    let values = values.iter().copied().map(f64::from).collect();
    Ok(Array2::from_shape_vec((rows, columns), values)?)
}

#[cfg(test)]
mod tests;
