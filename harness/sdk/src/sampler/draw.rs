//! Draws samples: from noise, down the levels, to an estimate of x0.

use ndarray::{Array4, ArrayViewMut4, Axis, Zip};

use super::config::{Sampler, SamplerKind};
use super::levels::sigmas;
use super::noise::RowNoise;
use crate::batch::{Batch, Condition};
use crate::error::{Error, Result};
use crate::host::Denoiser;

/// Draws one sample a row into `out`, `[B, C, H, W]` in the space of `denoise`.
///
/// A row depends on `noise`'s stream for it and on the denoiser alone, not on the batch. The state
/// is float64, as in EDM's own code; the denoiser sees float32. Starts at sigma_max times normal
/// noise, or at sqrt(1 + sigma_max^2) times it where the model has a (variance preserving)
/// schedule, which is what diffusers does.
///
/// # Errors
/// A sampler without sense, a denoiser that fails, an estimate that is not finite.
pub fn draw(
    sampler: &Sampler,
    denoiser: &dyn Denoiser,
    row_ids: &[u64],
    conditions: &[Condition<'_>],
    noise: &mut RowNoise,
    mut out: ArrayViewMut4<'_, f32>,
) -> Result<()> {
    sampler.check()?;
    let schedule = denoiser.info()?.schedule;
    let levels = sigmas(sampler, &schedule);
    let Some(&first) = levels.first() else {
        return Err(Error::bad_input(format!(
            "sampler: no level of the model's schedule lies in {}..={}",
            sampler.sigma_min, sampler.sigma_max
        )));
    };
    let start = if schedule.is_empty() {
        first
    } else {
        (1.0 + first * first).sqrt()
    };
    let mut state = Walk {
        sampler,
        denoiser,
        row_ids,
        conditions,
        x: Array4::zeros(out.dim()),
        estimate: Array4::zeros(out.dim()),
        input: Array4::zeros(out.dim()),
    };
    state.add_noise(noise, start);
    for (i, &sigma) in levels.iter().enumerate() {
        let next = levels.get(i + 1).copied().unwrap_or(0.0);
        match sampler.kind {
            SamplerKind::Heun => state.heun(sigma, next, levels.len(), noise)?,
            SamplerKind::Ddim | SamplerKind::Ancestral => state.ddim(sigma, next, noise)?,
        }
    }
    Zip::from(&mut out)
        .and(&state.x)
        .for_each(|out, &x| *out = x as f32);
    Ok(())
}

struct Walk<'a> {
    sampler: &'a Sampler,
    denoiser: &'a dyn Denoiser,
    row_ids: &'a [u64],
    conditions: &'a [Condition<'a>],
    x: Array4<f64>,
    estimate: Array4<f32>,
    input: Array4<f32>,
}

impl Walk<'_> {
    /// x += scale * n, each row from its own stream.
    fn add_noise(&mut self, noise: &mut RowNoise, scale: f64) {
        let mut values = vec![0.0; self.x.len() / self.row_ids.len().max(1)];
        for (row, mut x) in self.x.axis_iter_mut(Axis(0)).enumerate() {
            noise.fill(row, &mut values);
            for (x, value) in x.iter_mut().zip(&values) {
                *x += scale * value;
            }
        }
    }

    /// D(x; sigma) into `estimate`.
    fn denoise(&mut self, x: &Array4<f64>, sigma: f64) -> Result<()> {
        Zip::from(&mut self.input)
            .and(x)
            .for_each(|input, &x| *input = x as f32);
        let levels = vec![sigma as f32; self.row_ids.len()];
        let batch = Batch {
            x: self.input.view(),
            sigma: &levels,
            row_id: self.row_ids,
            conditions: self.conditions,
        };
        self.denoiser.denoise(batch, self.estimate.view_mut())?;
        if self.sampler.clip_sample {
            self.estimate.mapv_inplace(|value| value.clamp(-1.0, 1.0));
        }
        if self.estimate.iter().any(|value| !value.is_finite()) {
            return Err(Error::bad_input(format!(
                "denoise: expected finite estimates, got some that are not, at sigma {sigma}"
            )));
        }
        Ok(())
    }

    /// EDM's algorithm 2, with S_min 0, S_max infinity and S_noise 1.
    fn heun(&mut self, sigma: f64, next: f64, steps: usize, noise: &mut RowNoise) -> Result<()> {
        let gamma = (self.sampler.s_churn / steps as f64).min(2f64.sqrt() - 1.0);
        let hat = sigma * (1.0 + gamma);
        if gamma > 0.0 {
            self.add_noise(noise, (hat * hat - sigma * sigma).sqrt());
        }
        let from = std::mem::take(&mut self.x);
        self.denoise(&from, hat)?;
        let slope = Zip::from(&from)
            .and(&self.estimate)
            .map_collect(|&x, &estimate| (x - f64::from(estimate)) / hat);
        let mut to = &from + &(&slope * (next - hat));
        if next > 0.0 {
            self.denoise(&to, next)?;
            Zip::from(&mut to)
                .and(&from)
                .and(&slope)
                .and(&self.estimate)
                .for_each(|to, &from, &slope, &estimate| {
                    let second = (*to - f64::from(estimate)) / next;
                    *to = from + (next - hat) * 0.5 * (slope + second);
                });
        }
        self.x = to;
        Ok(())
    }

    /// DDIM in the variance-exploding convention: the fresh noise has variance
    /// eta^2 next^2 (sigma^2 - next^2) / sigma^2, which at eta 1 is the ancestral step.
    fn ddim(&mut self, sigma: f64, next: f64, noise: &mut RowNoise) -> Result<()> {
        let from = std::mem::take(&mut self.x);
        self.denoise(&from, sigma)?;
        let eta = self.sampler.eta;
        let fresh = (eta * next / sigma).powi(2) * (sigma * sigma - next * next);
        let kept = (next * next - fresh).max(0.0).sqrt() / sigma;
        self.x = Zip::from(&from)
            .and(&self.estimate)
            .map_collect(|&x, &estimate| {
                let estimate = f64::from(estimate);
                estimate + kept * (x - estimate)
            });
        if fresh > 0.0 {
            self.add_noise(noise, fresh.sqrt());
        }
        Ok(())
    }
}
