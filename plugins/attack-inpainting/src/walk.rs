//! What all solvers share: some images on their way from noise to clean.

use eidetic_sdk::ndarray::{Array3, Array4, ArrayView3, ArrayView4, Axis, Zip};
use eidetic_sdk::{Batch, Context, Error, ErrorCode, Result, Target};

use crate::levels::Levels;
use crate::solver::Solver;

/// Standard normal noise of a row: fills the values of one image.
pub(crate) type Draw<'a> = dyn FnMut(usize, &mut [f64]) + 'a;

/// Some candidates under one mask. The state is float64, the model sees float32.
pub(crate) struct Walk<'a> {
    target: &'a dyn Target,
    row_ids: &'a [u64],
    /// y, `[B, C, H, W]` in [-1, 1].
    given: ArrayView4<'a, f32>,
    /// `[B, H, W]`, 1 where y is known.
    known: ArrayView3<'a, u8>,
    draw: &'a mut Draw<'a>,
    noise: Array3<f64>,
    input: Array4<f32>,
    /// x at the current level.
    pub(crate) x: Array4<f64>,
    /// D at the last point that was asked about.
    pub(crate) estimate: Array4<f32>,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(
        target: &'a dyn Target,
        row_ids: &'a [u64],
        given: ArrayView4<'a, f32>,
        known: ArrayView3<'a, u8>,
        draw: &'a mut Draw<'a>,
    ) -> Self {
        let dim = given.dim();
        Self {
            target,
            row_ids,
            given,
            known,
            draw,
            noise: Array3::zeros((dim.1, dim.2, dim.3)),
            input: Array4::zeros(dim),
            x: Array4::zeros(dim),
            estimate: Array4::zeros(dim),
        }
    }

    /// Walks all levels with a solver; gives x at 0.
    pub(crate) fn solve(
        mut self,
        solver: &dyn Solver,
        levels: &Levels,
        context: &dyn Context,
    ) -> Result<Array4<f64>> {
        self.add_noise(levels.start);
        for (from, to) in levels.moves() {
            if context.cancelled() {
                return Err(Error::new(ErrorCode::Cancelled, "cancelled between steps"));
            }
            if to < from {
                solver.step(&mut self, from, to)?;
            } else {
                self.add_noise((to * to - from * from).sqrt());
            }
            if let Some(value) = self.x.iter().find(|value| !value.is_finite()) {
                return Err(Error::from(format!(
                    "expected a finite image, got {value} after the step from sigma {from} to {to}"
                )));
            }
        }
        Ok(self.x)
    }

    /// x += scale n. At scale 0 nothing is drawn.
    pub(crate) fn add_noise(&mut self, scale: f64) {
        if scale == 0.0 {
            return;
        }
        for row in 0..self.row_ids.len() {
            self.draw(row);
            let mut x = self.x.index_axis_mut(Axis(0), row);
            x.scaled_add(scale, &self.noise);
        }
    }

    /// Known pixels of x become y + sigma n. At sigma 0 nothing is drawn.
    pub(crate) fn put_known(&mut self, sigma: f64) {
        for row in 0..self.row_ids.len() {
            if sigma > 0.0 {
                self.draw(row);
            } else {
                self.noise.fill(0.0);
            }
            Zip::from(self.x.index_axis_mut(Axis(0), row))
                .and(self.given.index_axis(Axis(0), row))
                .and(&self.noise)
                .and_broadcast(self.known.index_axis(Axis(0), row))
                .for_each(|x, &given, &noise, &known| {
                    if known != 0 {
                        *x = f64::from(given) + sigma * noise;
                    }
                });
        }
    }

    /// D(x; sigma) into `estimate`.
    pub(crate) fn denoise(&mut self, sigma: f64) -> Result<()> {
        Zip::from(&mut self.input)
            .and(&self.x)
            .for_each(|input, &x| *input = x as f32);
        let levels = vec![sigma as f32; self.row_ids.len()];
        let batch = Batch::unconditional(self.input.view(), &levels, self.row_ids);
        self.target.denoise(batch, self.estimate.view_mut())
    }

    /// The ancestral step of DDPM with the fixed small variance (Ho et al. 2020), from `estimate`:
    /// mean D + (to / from)^2 (x - D), variance to^2 (from^2 - to^2) / from^2.
    pub(crate) fn ancestral(&mut self, from: f64, to: f64) {
        let kept = (to / from).powi(2);
        Zip::from(&mut self.x)
            .and(&self.estimate)
            .for_each(|x, &estimate| {
                let estimate = f64::from(estimate);
                *x = estimate + kept * (*x - estimate);
            });
        self.add_noise(to * (1.0 - kept).sqrt());
    }

    /// D - A D + y: the estimate with the given pixels in their places.
    pub(crate) fn corrected(&self) -> Array4<f64> {
        let mut corrected = self.estimate.mapv(f64::from);
        Zip::from(&mut corrected)
            .and(self.given)
            .and_broadcast(self.known.insert_axis(Axis(1)))
            .for_each(|corrected, &given, &known| {
                if known != 0 {
                    *corrected = f64::from(given);
                }
            });
        corrected
    }

    /// The gradient of |y - A D(x; sigma)| by x, at the point of the last `denoise`, which was at
    /// `sigma`. Where D meets y it is 0.
    pub(crate) fn misfit_gradient(&mut self, sigma: f64) -> Result<Array4<f32>> {
        let misfit = self.estimate.mapv(f64::from) - self.corrected();
        let mut cotangent = Array4::<f32>::zeros(misfit.dim());
        for (misfit, mut cotangent) in misfit.outer_iter().zip(cotangent.outer_iter_mut()) {
            let norm = misfit.iter().map(|value| value * value).sum::<f64>().sqrt();
            if norm > 0.0 {
                cotangent.zip_mut_with(&misfit, |to, &value| *to = (value / norm) as f32);
            }
        }
        let levels = vec![sigma as f32; self.row_ids.len()];
        let batch = Batch::unconditional(self.input.view(), &levels, self.row_ids);
        let mut gradient = Array4::zeros(misfit.dim());
        self.target
            .denoise_vjp(batch, cotangent.view(), gradient.view_mut())?;
        Ok(gradient)
    }

    fn draw(&mut self, row: usize) {
        let values = self.noise.as_slice_mut();
        (self.draw)(
            row,
            values.expect("an array that was made whole is contiguous"),
        );
    }
}
