//! The data-copying test.

use super::Features;
use super::nearest::nearest;
use crate::{Error, Measured, Reason};

/// The data-copying statistic C_T (Meehan, Chaudhuri and Dasgupta 2020, section 3): the z-score of
/// Mann and Whitney's U of the distances to the nearest training image, generated images against
/// the holdout. Far below 0 where generated images are closer to the training images than the
/// holdout is, which tells of copying; far above where they are farther, which tells of
/// underfitting. Standard normal, near enough, where both are alike.
///
/// It is the global statistic on the features as they are: dgm-eval averages it over three cells
/// of k-means on 64 principal directions, which depends on their random start. The continuity
/// correction of half a pair is the authors' code's. Distances are by l2 in float64.
///
/// Missing without training, holdout or generated images, and where all distances are equal.
///
/// ```
/// use eidetic_metrics::{Features, c_t};
///
/// let members = Features::new(&[0.0, 10.0], 1)?;
/// let holdout = Features::new(&[2.0, 7.0, 14.0], 1)?;
/// let generated = Features::new(&[0.5, 9.0, 10.0], 1)?;
/// // No generated image is farther than one of the holdout: U = 0.
/// let by_hand = (0.0 - (4.5 - 0.5)) / (9.0_f64 * 7.0 / 12.0).sqrt();
/// assert_eq!(c_t(generated, members, holdout)?.value(), Some(by_hand));
/// # Ok::<(), eidetic_metrics::Error>(())
/// ```
///
/// # Errors
/// The sets differ in dimension.
pub fn c_t(
    generated: Features<'_>,
    members: Features<'_>,
    holdout: Features<'_>,
) -> Result<Measured<f64>, Error> {
    generated.check_dim(members.dim())?;
    holdout.check_dim(members.dim())?;
    let enough = Reason::unless_enough("training images", 1, members.len())
        .and_then(|()| Reason::unless_enough("holdout images", 1, holdout.len()))
        .and_then(|()| Reason::unless_enough("generated images", 1, generated.len()));
    Ok(enough.and_then(|()| {
        let (generated, holdout) = (to_nearest(generated, members), to_nearest(holdout, members));
        let same = |&squared: &f64| squared == holdout[0];
        if generated.iter().all(same) && holdout.iter().all(same) {
            let what = "distances to the nearest training image";
            return Measured::Missing(Reason::NoSpread { what });
        }
        let (m, n) = (generated.len() as f64, holdout.len() as f64);
        let mean = n * m / 2.0 - 0.5;
        let deviation = (n * m * (n + m + 1.0) / 12.0).sqrt();
        Measured::Value((farther(&generated, &holdout) - mean) / deviation)
    }))
}

/// Ascending squared distances.
fn to_nearest(queries: Features<'_>, members: Features<'_>) -> Vec<f64> {
    let found = nearest(queries, members, 1);
    let mut distances: Vec<f64> = found.iter().map(|found| found[0].squared).collect();
    distances.sort_by(f64::total_cmp);
    distances
}

/// The pairs in which `a` is above `b`, ties as halves; both ascend.
fn farther(a: &[f64], b: &[f64]) -> f64 {
    let wins = a.iter().map(|&a| {
        let below = b.partition_point(|&b| b < a);
        let not_above = b.partition_point(|&b| b <= a);
        (below + not_above) as f64 / 2.0
    });
    wins.sum()
}
