//! Some candidates and the denoiser that they are shown to: what all methods are made of.
//!
//! Rows are `[B, d]` in f64, as in the SDK's samplers; the denoiser sees float32.

use eidetic_sdk::batch::{Condition, condition};
use eidetic_sdk::ndarray::{Array1, Array2, Array4, Axis, Zip};
use eidetic_sdk::{Batch, Error, Result, Target};

/// The class under which rows are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// None is named.
    Plain,
    /// Named, and null.
    Null,
    /// This one.
    Class(u64),
}

/// Fills a row, given by its place in the batch, with the next normal noise of its own.
pub(crate) type Noise<'a> = Box<dyn FnMut(usize, &mut [f64]) + 'a>;

/// B candidates before a denoiser.
pub(crate) struct Subjects<'a> {
    pub(crate) target: &'a dyn Target,
    /// C, H, W of what is denoised.
    pub(crate) shape: [usize; 3],
    /// A candidate's id is the same in any batch.
    pub(crate) ids: Vec<u64>,
    /// Name of the model's class labels, empty where it has none.
    pub(crate) label: &'a str,
    /// How rows are shown where a method does not say.
    pub(crate) shown: Shown,
    pub(crate) noise: Noise<'a>,
    /// The candidates themselves, `[B, d]` in the space of `denoise`.
    pub(crate) x0: Array2<f64>,
}

impl Subjects<'_> {
    /// Normal noise, `[B, d]`.
    pub(crate) fn normal(&mut self) -> Array2<f64> {
        let mut values = Array2::zeros(self.x0.dim());
        let mut row = vec![0.0; self.x0.ncols()];
        for (at, mut out) in values.axis_iter_mut(Axis(0)).enumerate() {
            (self.noise)(at, &mut row);
            out.iter_mut()
                .zip(&row)
                .for_each(|(out, &value)| *out = value);
        }
        values
    }

    /// x0 as the papers of variance preserving models mean it that feed it unscaled as x_t: there
    /// x_t is x / sqrt(1 + sigma^2).
    pub(crate) fn unscaled(&self, sigma: f64) -> Array2<f64> {
        &self.x0 * (1.0 + sigma * sigma).sqrt()
    }

    /// What the denoiser says of `x`, `[B, d]`.
    pub(crate) fn ask(&self, x: &Array2<f64>, sigma: f64) -> Result<Answer> {
        self.ask_as(self.shown, x, sigma)
    }

    /// What the denoiser says of `x`, `[B, d]`, shown under a class.
    pub(crate) fn ask_as(&self, shown: Shown, x: &Array2<f64>, sigma: f64) -> Result<Answer> {
        let rows = self.ids.len();
        let [c, h, w] = self.shape;
        let seen: Vec<f32> = x.iter().map(|&x| x as f32).collect();
        let seen = Array4::from_shape_vec((rows, c, h, w), seen)?;
        let mut estimate = Array4::<f32>::zeros(seen.dim());
        let sigmas = vec![sigma as f32; rows];
        let (class, null) = match shown {
            Shown::Class(class) => (class as i64, 0),
            Shown::Plain | Shown::Null => (0, 1),
        };
        let (classes, null) = (Array1::from_elem(rows, class), vec![null; rows]);
        let conditions: Vec<Condition<'_>> = match shown {
            Shown::Plain => Vec::new(),
            Shown::Null | Shown::Class(_) => vec![condition(self.label, classes.view(), &null)?],
        };
        let batch = Batch {
            x: seen.view(),
            sigma: &sigmas,
            row_id: &self.ids,
            conditions: &conditions,
        };
        self.target.denoise(batch, estimate.view_mut())?;
        if let Some(value) = estimate.iter().find(|value| !value.is_finite()) {
            return Err(Error::bad_input(format!(
                "denoise: expected finite estimates, got {value} at sigma {sigma}"
            )));
        }
        // x as it was seen: at small sigma the rounding to float32 would count.
        let wide = |values: Array4<f32>| {
            let values = values.into_iter().map(f64::from).collect();
            Array2::from_shape_vec(x.dim(), values)
        };
        Ok(Answer {
            x: wide(seen)?,
            estimate: wide(estimate)?,
            sigma,
        })
    }

    /// dD/dx times `direction`, each row of which has root mean square 1, by central differences of
    /// `reach` sigma to either side. Two calls.
    pub(crate) fn derivative(
        &self,
        x: &Array2<f64>,
        sigma: f64,
        direction: &Array2<f64>,
        reach: f64,
    ) -> Result<Array2<f64>> {
        let step = reach * sigma;
        let ahead = self.ask(&(x + &(direction * step)), sigma)?;
        let behind = self.ask(&(x - &(direction * step)), sigma)?;
        Ok((ahead.estimate - behind.estimate) / (2.0 * step))
    }
}

/// D(x; sigma) of some rows.
pub(crate) struct Answer {
    /// Where it was asked, `[B, d]`.
    pub(crate) x: Array2<f64>,
    /// D, `[B, d]`.
    pub(crate) estimate: Array2<f64>,
    sigma: f64,
}

impl Answer {
    /// The noise prediction, (x - D) / sigma.
    pub(crate) fn eps(&self) -> Array2<f64> {
        (&self.x - &self.estimate) / self.sigma
    }

    /// The score, (D - x) / sigma^2.
    pub(crate) fn score(&self) -> Array2<f64> {
        (&self.estimate - &self.x) / (self.sigma * self.sigma)
    }

    /// The deterministic DDIM step to `sigma` from `x`, up or down (Song et al. 2021, eq. 12 at
    /// eta 0): D + (sigma / own sigma) (x - D).
    pub(crate) fn step_to(&self, x: &Array2<f64>, sigma: f64) -> Array2<f64> {
        let share = sigma / self.sigma;
        Zip::from(x)
            .and(&self.estimate)
            .map_collect(|x, d| d + share * (x - d))
    }
}

/// Sum over each row of `term`, in the order of the elements.
pub(crate) fn sums(rows: &Array2<f64>, term: impl Fn(f64) -> f64) -> Vec<f64> {
    let sum = |row: eidetic_sdk::ndarray::ArrayView1<'_, f64>| row.iter().map(|&x| term(x)).sum();
    rows.outer_iter().map(sum).collect()
}

/// |row|^2 of each row.
pub(crate) fn squares(rows: &Array2<f64>) -> Vec<f64> {
    sums(rows, |value| value * value)
}

/// The p-norm of each row.
pub(crate) fn norms(rows: &Array2<f64>, p: f64) -> Vec<f64> {
    let norm = |sum: f64| sum.powf(1.0 / p);
    let sums = sums(rows, |value| value.abs().powf(p));
    sums.into_iter().map(norm).collect()
}

/// Adds up what some rounds say of each row, and gives the mean.
pub(crate) struct Mean {
    sums: Vec<f64>,
    rounds: u64,
}

impl Mean {
    pub(crate) fn of(rows: usize) -> Self {
        Self {
            sums: vec![0.0; rows],
            rounds: 0,
        }
    }

    pub(crate) fn add(&mut self, round: impl IntoIterator<Item = f64>) {
        self.rounds += 1;
        for (sum, value) in self.sums.iter_mut().zip(round) {
            *sum += value;
        }
    }

    /// The mean of each row times `factor`; 0 before the first round.
    pub(crate) fn times(self, factor: f64) -> Vec<f64> {
        let scale = factor / self.rounds.max(1) as f64;
        self.sums.into_iter().map(|sum| sum * scale).collect()
    }
}
