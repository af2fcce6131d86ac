//! The likelihood of unseen images under a mixture around the generated ones.

use rayon::prelude::*;

use super::Features;
use super::nearest::squared;
use crate::{Error, Measured, Reason};

/// The most rows of each set that [`fls`] takes: it holds two matrices of as many squared.
pub const FLS_MAX_ROWS: usize = 2048;

/// The feature likelihood score (Jiralerspong et al. 2023, section 3; "percentage" form of
/// dgm-eval): 100 exp(-2 (nll - nll of training images) / dim), where nll is the mean negative log
/// likelihood of holdout images under normal distributions around generated images, each with a
/// variance of its own that fits training images best. 100 where generated images do as well as
/// training images in their place.
///
/// Every other member fits the variances: copies of these get variances of 0, and the score falls
/// to 0. The others stand for perfect generated images, so that copies of those score 100: it sees
/// half of what is copied. All four sets are cut to the same number of rows, spread evenly, at most
/// [`FLS_MAX_ROWS`] (dgm-eval draws them at random). Features are scaled to unit variance over the
/// four sets; constant ones are left out. The fit is 100 steps of Adam at 0.5, from the 51st on at
/// 0.05, log variances within -100 to 20, from 0, as in the authors' code.
///
/// Missing for fewer than four training, two holdout or two generated images, and where the score
/// is no number: nothing varies, or every image of one half of the members is in the other.
///
/// ```
/// use eidetic_metrics::{Features, fls};
///
/// let members = Features::new(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], 1)?;
/// let holdout = Features::new(&[0.5, 2.5, 3.5, 6.5], 1)?;
/// let good = fls(Features::new(&[0.625, 1.375, 3.375, 5.625], 1)?, members, holdout)?;
/// assert!((good.value().unwrap() - 75.0836023).abs() < 1e-6);
/// // Copies of the half that fits.
/// let copies = fls(Features::new(&[0.0, 2.0, 4.0, 6.0], 1)?, members, holdout)?;
/// assert_eq!(copies.value(), Some(0.0));
/// # Ok::<(), eidetic_metrics::Error>(())
/// ```
///
/// # Errors
/// The sets differ in dimension.
pub fn fls(
    generated: Features<'_>,
    members: Features<'_>,
    holdout: Features<'_>,
) -> Result<Measured<f64>, Error> {
    generated.check_dim(members.dim())?;
    holdout.check_dim(members.dim())?;
    let enough = Reason::unless_enough("training images", 4, members.len())
        .and_then(|()| Reason::unless_enough("holdout images", 2, holdout.len()))
        .and_then(|()| Reason::unless_enough("generated images", 2, generated.len()));
    Ok(enough.and_then(|()| {
        let rows = (members.len() / 2).min(holdout.len()).min(generated.len());
        let rows = rows.min(FLS_MAX_ROWS);
        let both = spread(members, 2 * rows);
        let every_other = |first: usize| both.iter().skip(first).step_by(2).cloned().collect();
        let mut sets: [Rows; 4] = [
            every_other(0),
            every_other(1),
            spread(holdout, rows),
            spread(generated, rows),
        ];
        let dim = standardize(&mut sets);
        let [fitted, baseline, unseen, generated] = &sets;
        let of = |centres| {
            let variances = fit(&Distances::new(fitted, centres), dim);
            Distances::new(unseen, centres)
                .likelihood(&variances, dim)
                .nll
        };
        let score = 100.0 * (-2.0 * (of(generated) - of(baseline)) / dim).exp();
        if score.is_finite() {
            Measured::Value(score)
        } else {
            let what = "the halves of the training images";
            Measured::Missing(Reason::NoSpread { what })
        }
    }))
}

type Rows = Vec<Vec<f64>>;

/// `rows` rows, evenly over all of them.
fn spread(features: Features<'_>, rows: usize) -> Rows {
    let row = |i| features.row(i * features.len() / rows).iter();
    (0..rows)
        .map(|i| row(i).map(|&x| f64::from(x)).collect())
        .collect()
}

/// Scales every feature to mean 0 and variance 1 over all sets; constant ones become 0. How many
/// are not.
fn standardize(sets: &mut [Rows; 4]) -> f64 {
    let mut varying = 0.0;
    for k in 0..sets[0][0].len() {
        let values: Vec<f64> = sets.iter().flatten().map(|row| row[k]).collect();
        let n = values.len() as f64;
        let mean = crate::interval::mean(&values);
        let squares: f64 = values.iter().map(|x| (x - mean).powi(2)).sum();
        let constant = values.iter().all(|&x| x == values[0]);
        let scale = if constant {
            0.0
        } else {
            (squares / (n - 1.0)).sqrt().recip()
        };
        varying += f64::from(u8::from(!constant));
        for row in sets.iter_mut().flatten() {
            row[k] = (row[k] - mean) * scale;
        }
    }
    varying
}

/// Squared distances of points to centres.
struct Distances {
    centres: usize,
    squared: Vec<f64>,
}

struct Likelihood {
    /// The mean of the negative log likelihoods, but for the constant of dimensions.
    nll: f64,
    /// Its derivative by each log variance.
    gradient: Vec<f64>,
}

impl Distances {
    fn new(points: &Rows, centres: &Rows) -> Self {
        let of = |point: &Vec<f64>| -> Vec<f64> {
            centres
                .iter()
                .map(|centre| squared(point, centre))
                .collect()
        };
        Self {
            centres: centres.len(),
            squared: points.par_iter().flat_map_iter(of).collect(),
        }
    }

    fn likelihood(&self, log_variances: &[f64], dim: f64) -> Likelihood {
        let halved: Vec<f64> = log_variances.iter().map(|s| 0.5 * (-s).exp()).collect();
        let base: Vec<f64> = log_variances.iter().map(|s| -0.5 * dim * s).collect();
        let mut weights = vec![0.0; self.squared.len()];
        let sums: Vec<(f64, f64)> = weights
            .par_chunks_mut(self.centres)
            .zip(self.squared.par_chunks(self.centres))
            .map(|(weights, squared)| {
                let mut largest = f64::NEG_INFINITY;
                for (j, weight) in weights.iter_mut().enumerate() {
                    *weight = base[j] - squared[j] * halved[j];
                    largest = largest.max(*weight);
                }
                let mut sum = 0.0;
                for weight in weights {
                    *weight = (*weight - largest).exp();
                    sum += *weight;
                }
                (largest, sum)
            })
            .collect();
        let n = sums.len() as f64;
        let logs: f64 = sums.iter().map(|(largest, sum)| largest + sum.ln()).sum();
        let gradient = |j: usize| {
            let terms = sums.iter().enumerate().map(|(i, (_, sum))| {
                let at = i * self.centres + j;
                weights[at] / sum * (0.5 * dim - self.squared[at] * halved[j])
            });
            terms.sum::<f64>() / n
        };
        Likelihood {
            nll: (self.centres as f64).ln() - logs / n,
            gradient: (0..self.centres).into_par_iter().map(gradient).collect(),
        }
    }
}

/// The log variances of the centres under which the points are most likely, by Adam (Kingma and Ba
/// 2015, algorithm 1).
fn fit(distances: &Distances, dim: f64) -> Vec<f64> {
    const DECAYS: (f64, f64) = (0.9, 0.999);
    let mut log_variances = vec![0.0; distances.centres];
    let mut moments = vec![(0.0, 0.0); distances.centres];
    for step in 1..=100 {
        let rate = if step <= 50 { 0.5 } else { 0.05 };
        let gradient = distances.likelihood(&log_variances, dim).gradient;
        let unbiased = (1.0 - DECAYS.0.powi(step), 1.0 - DECAYS.1.powi(step));
        for ((s, (first, second)), g) in log_variances.iter_mut().zip(&mut moments).zip(gradient) {
            *first = DECAYS.0 * *first + (1.0 - DECAYS.0) * g;
            *second = DECAYS.1 * *second + (1.0 - DECAYS.1) * g * g;
            let root = (*second / unbiased.1).sqrt() + 1e-8;
            *s = (*s - rate * *first / unbiased.0 / root).clamp(-100.0, 20.0);
        }
    }
    log_variances
}
