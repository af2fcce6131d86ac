//! Precision, recall, density and coverage.

use rayon::prelude::*;

use super::Features;
use super::block::starts;
use super::nearest::{Normed, nearest_others};
use crate::{Bootstrap, Error, Estimate, Measured, Proportion, Reason};

/// The neighbours that make a ball, as in the code of Naeem et al. 2020.
pub const PRDC_NEIGHBOURS: usize = 5;

/// How far generated images lie among the reference, and cover it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prdc {
    /// Generated images that lie in the ball of a reference image.
    pub precision: Proportion,
    /// Reference images that lie in the ball of a generated image.
    pub recall: Proportion,
    /// Balls of reference images that a generated image lies in, over k; above 1 where they crowd.
    pub density: Estimate,
    /// Reference images whose ball holds a generated image.
    pub coverage: Proportion,
}

/// Precision and recall (Kynkaanniemi et al. 2019), density and coverage (Naeem et al. 2020), in
/// one pass. The ball of an image reaches to its `k`-th nearest other of its own set, by l2 in
/// float64; what lies on its surface is outside.
///
/// Intervals (of the proportions [`Proportion::wilson`], of the density the `bootstrap` over
/// generated images) take the balls as given. Missing unless both sets have more than `k` rows,
/// and where all balls of the reference are points.
///
/// Time grows with the square of the rows, memory only with the rows.
///
/// ```
/// use eidetic_metrics::{Bootstrap, Features, prdc};
///
/// let reference = Features::new(&[0.0, 1.0, 3.0, 7.0], 1)?;
/// let generated = Features::new(&[0.5, 1.5, 20.0], 1)?;
/// let of = prdc(generated, reference, 1, &Bootstrap::new(0))?.value().unwrap();
/// // Balls of the reference: radii 1, 1, 2 and 4. Of the generated: 1, 1 and 18.5.
/// assert_eq!(of.precision.share().value(), Some(2.0 / 3.0));
/// assert_eq!(of.recall.share().value(), Some(1.0));
/// assert_eq!(of.density.value, 4.0 / 3.0);
/// assert_eq!(of.coverage.share().value(), Some(0.75));
/// # Ok::<(), eidetic_metrics::Error>(())
/// ```
///
/// # Errors
/// `k` is 0, the two differ in dimension, or there are no resamples.
pub fn prdc(
    generated: Features<'_>,
    reference: Features<'_>,
    k: usize,
    bootstrap: &Bootstrap,
) -> Result<Measured<Prdc>, Error> {
    generated.check_dim(reference.dim())?;
    if k == 0 {
        return Err(Error::ZeroNeighbours);
    }
    for rows in [generated.len(), reference.len()] {
        if let Measured::Missing(reason) = Reason::unless_enough("rows of features", k + 1, rows) {
            return Ok(Measured::Missing(reason));
        }
    }
    let radii = Radii {
        generated: radii(generated, k),
        reference: radii(reference, k),
    };
    if radii.reference.iter().all(|&radius| radius == 0.0) {
        let what = "the nearest reference images";
        return Ok(Measured::Missing(Reason::NoSpread { what }));
    }
    let met = meet(generated, reference, &radii);
    let balls: Vec<f64> = met.balls.iter().map(|&balls| f64::from(balls)).collect();
    let k = k as f64;
    Ok(bootstrap.mean(&balls)?.map(|balls| Prdc {
        precision: Proportion::count(met.balls.iter().map(|&balls| balls > 0)),
        recall: Proportion::count(met.recalled),
        density: Estimate {
            value: balls.value / k,
            low: balls.low / k,
            high: balls.high / k,
        },
        coverage: Proportion::count(met.covered),
    }))
}

/// Squared distances to the k-th nearest other.
struct Radii {
    generated: Vec<f64>,
    reference: Vec<f64>,
}

fn radii(features: Features<'_>, k: usize) -> Vec<f64> {
    nearest_others(features, k)
        .into_iter()
        .map(|found| found[k - 1].squared)
        .collect()
}

/// Who lies in whose ball.
struct Met {
    /// Of each generated image: the balls of reference images that it lies in.
    balls: Vec<u32>,
    /// Of each reference image: whether it lies in the ball of a generated one.
    recalled: Vec<bool>,
    /// Of each reference image: whether its ball holds a generated one.
    covered: Vec<bool>,
}

fn meet(generated: Features<'_>, reference: Features<'_>, radii: &Radii) -> Met {
    let of_block = |first: usize| {
        let generated = Normed::new(generated, first);
        let mut met = Met {
            balls: vec![0; generated.block.rows],
            recalled: vec![false; reference.len()],
            covered: vec![false; reference.len()],
        };
        for second in starts(reference.len()) {
            generated.pairs(&Normed::new(reference, second), |i, j, apart| {
                let j = second + j;
                if apart.is_below(radii.reference[j]) {
                    met.balls[i] += 1;
                    met.covered[j] = true;
                }
                if !met.recalled[j] && apart.is_below(radii.generated[first + i]) {
                    met.recalled[j] = true;
                }
            });
        }
        met
    };
    let join = |mut a: Met, b: Met| {
        a.balls.extend(b.balls);
        for (of_a, of_b) in [(&mut a.recalled, b.recalled), (&mut a.covered, b.covered)] {
            for (a, b) in of_a.iter_mut().zip(of_b) {
                *a |= b;
            }
        }
        a
    };
    let nothing = || Met {
        balls: Vec::new(),
        recalled: vec![false; reference.len()],
        covered: vec![false; reference.len()],
    };
    let firsts: Vec<usize> = starts(generated.len()).collect();
    firsts.into_par_iter().map(of_block).reduce(nothing, join)
}
