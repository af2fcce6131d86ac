//! From a noised image down to a clean one.

use eidetic_sdk::ndarray::{Array4, ArrayView4, Zip};
use eidetic_sdk::sampler::{Sampler, SamplerKind, sigmas};
use eidetic_sdk::{Batch, Context, Error, ErrorCode, ModelInfo, Result, Target};

/// Descending levels from `sigma`, without the final 0: at most `steps` of EDM's down to the
/// model's smallest, or `sigma` and at most `steps` of its schedule's that lie below. `sigma` alone
/// where nothing lies below.
pub(crate) fn levels(info: &ModelInfo, sigma: f64, steps: u64) -> Vec<f64> {
    let sampler = Sampler {
        steps: steps as usize,
        sigma_max: sigma,
        ..Sampler::for_model(SamplerKind::Heun, info)
    };
    let below = sigmas(&sampler, &info.schedule);
    let below = below.into_iter().filter(|&level| level < sigma);
    std::iter::once(sigma).chain(below).collect()
}

/// Model calls that an image takes over some levels.
pub(crate) fn calls(levels: &[f64]) -> u64 {
    2 * levels.len() as u64 - 1
}

/// Some candidates on their way. The state is float64, the model sees float32.
pub(crate) struct Way<'a> {
    pub(crate) target: &'a dyn Target,
    pub(crate) context: &'a dyn Context,
    pub(crate) row_ids: &'a [u64],
}

impl Way<'_> {
    /// D(x; sigma).
    pub(crate) fn denoise(&self, x: ArrayView4<'_, f32>, sigma: f64) -> Result<Array4<f32>> {
        if self.context.cancelled() {
            return Err(Error::new(ErrorCode::Cancelled, "cancelled between steps"));
        }
        let sigmas = vec![sigma as f32; self.row_ids.len()];
        let mut estimate = Array4::zeros(x.dim());
        let batch = Batch::unconditional(x, &sigmas, self.row_ids);
        self.target.denoise(batch, estimate.view_mut())?;
        match estimate.iter().find(|value| !value.is_finite()) {
            None => Ok(estimate),
            Some(value) => Err(Error::from(format!(
                "expected finite estimates, got {value} at sigma {sigma}"
            ))),
        }
    }

    /// Heun's method over dx/dsigma = (x - D(x; sigma)) / sigma, from x at the first level to 0
    /// (EDM, algorithm 1: Euler's alone in the step to 0).
    pub(crate) fn down(&self, x: ArrayView4<'_, f32>, levels: &[f64]) -> Result<Array4<f32>> {
        let mut x = x.mapv(f64::from);
        for (at, &sigma) in levels.iter().enumerate() {
            let next = levels.get(at + 1).copied().unwrap_or(0.0);
            let slope = self.slope(&x, sigma)?;
            let mut to = &x + &(&slope * (next - sigma));
            if next > 0.0 {
                let second = self.slope(&to, next)?;
                Zip::from(&mut to)
                    .and(&x)
                    .and(&slope)
                    .and(&second)
                    .for_each(|to, &x, &slope, &second| {
                        *to = x + (next - sigma) * 0.5 * (slope + second)
                    });
            }
            x = to;
        }
        Ok(x.mapv(|value| value as f32))
    }

    fn slope(&self, x: &Array4<f64>, sigma: f64) -> Result<Array4<f64>> {
        let estimate = self.denoise(x.mapv(|value| value as f32).view(), sigma)?;
        let slope = |(&x, &estimate): (&f64, &f32)| (x - f64::from(estimate)) / sigma;
        let slopes = x.iter().zip(&estimate).map(slope).collect();
        Ok(Array4::from_shape_vec(x.dim(), slopes)?)
    }
}
