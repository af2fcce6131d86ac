//! Kernel distance with its standard error.

use rayon::prelude::*;

use super::Features;
use super::block::{Block, ROWS, starts};
use crate::interval::{Z, mean};
use crate::{Error, Estimate, Measured, Reason};

/// A kernel distance and how sure it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Kid {
    /// The distance, below 0 by chance where the sets are alike, with its 95 % interval.
    pub estimate: Estimate,
    /// The standard error that the interval is made of.
    pub standard_error: f64,
}

/// The kernel distance (Binkowski et al. 2018): the unbiased squared MMD (Gretton et al. 2012,
/// equation 3) with the kernel (x . y / dim + 1)^3, over all rows rather than random subsets, and
/// so the same each time. It is KID only for the pool3 features of Inception-v3. Missing for fewer
/// than three rows on either side.
///
/// The standard error is the delete-one jackknife's over both samples (Arvesen 1969, Annals of
/// Mathematical Statistics 40:2076, section 3), which takes only the sums of kernels a row; the
/// interval is normal. In simulations of 60 rows of 2 to 64 features it held the truth in 92 to
/// 96 % of 1,500 sets, and in 97 to 99 % where both distributions are the same: the statistic is
/// degenerate there, and the error about 1.5 times too large. Fewer features, less: in two, near
/// each other, a run of 400 sets had 90 %.
///
/// Time grows with the square of the rows, memory only with the rows.
///
/// ```
/// use eidetic_metrics::{Features, kid};
///
/// let a = Features::new(&[0.0, 1.0, 2.0], 1)?;
/// let b = Features::new(&[1.0, 2.0, 3.0], 1)?;
/// let distance = kid(a, b)?.value().unwrap();
/// // 1, 1 and 27 among a, 27, 64 and 343 among b, 1 + 1 + 1, 8 + 27 + 64, 27 + 125 + 343 across.
/// let by_hand = 29.0 / 3.0 + 434.0 / 3.0 - 2.0 * 597.0 / 9.0;
/// assert!((distance.estimate.value - by_hand).abs() < 1e-12);
/// # Ok::<(), eidetic_metrics::Error>(())
/// ```
///
/// # Errors
/// The two differ in dimension.
pub fn kid(generated: Features<'_>, reference: Features<'_>) -> Result<Measured<Kid>, Error> {
    generated.check_dim(reference.dim())?;
    let enough = |rows| Reason::unless_enough("rows of features", 3, rows);
    let enough = enough(generated.len()).and_then(|()| enough(reference.len()));
    Ok(enough.map(|()| {
        let (in_x, in_y) = (within(generated), within(reference));
        let (x_across, y_across) = across(generated, reference);
        let all = Sums {
            n: generated.len() as f64,
            m: reference.len() as f64,
            xx: in_x.iter().sum(),
            yy: in_y.iter().sum(),
            xy: x_across.iter().sum(),
        };
        let value = all.mmd();
        let without_x = in_x.iter().zip(&x_across).map(|(within, across)| Sums {
            n: all.n - 1.0,
            xx: all.xx - 2.0 * within,
            xy: all.xy - across,
            ..all
        });
        let without_y = in_y.iter().zip(&y_across).map(|(within, across)| Sums {
            m: all.m - 1.0,
            yy: all.yy - 2.0 * within,
            xy: all.xy - across,
            ..all
        });
        let standard_error = (jackknife(without_x) + jackknife(without_y)).sqrt();
        Kid {
            estimate: Estimate {
                value,
                low: value - Z * standard_error,
                high: value + Z * standard_error,
            },
            standard_error,
        }
    }))
}

/// Sums of kernels: over the pairs of different rows of x (`n` of them) and of y (`m`), each in
/// both orders, and over those across.
#[derive(Clone, Copy)]
struct Sums {
    n: f64,
    m: f64,
    xx: f64,
    yy: f64,
    xy: f64,
}

impl Sums {
    fn mmd(self) -> f64 {
        let Self { n, m, xx, yy, xy } = self;
        xx / (n * (n - 1.0)) + yy / (m * (m - 1.0)) - 2.0 * xy / (n * m)
    }
}

/// The variance that leaving out one row at a time tells of.
fn jackknife(without_one: impl Iterator<Item = Sums>) -> f64 {
    let values: Vec<f64> = without_one.map(Sums::mmd).collect();
    let (n, mean) = (values.len() as f64, mean(&values));
    (n - 1.0) / n * values.iter().map(|x| (x - mean).powi(2)).sum::<f64>()
}

/// The sum of kernels of each row with all others.
fn within(x: Features<'_>) -> Vec<f64> {
    let (mut by_row, by_column) = kernel_sums(x, x, |row, column| row < column);
    for (row, column) in by_row.iter_mut().zip(by_column) {
        *row += column;
    }
    by_row
}

/// The sum of kernels of each row of `x` with all of `y`, and of each of `y` with all of `x`.
fn across(x: Features<'_>, y: Features<'_>) -> (Vec<f64>, Vec<f64>) {
    kernel_sums(x, y, |_, _| true)
}

/// The sums over rows and over columns of the kernels of `x` (rows) and `y` (columns), of those
/// that are wanted; where the first row of a block and the last column of another are not, none of
/// these two blocks are.
fn kernel_sums(
    x: Features<'_>,
    y: Features<'_>,
    wanted: impl Fn(usize, usize) -> bool + Sync,
) -> (Vec<f64>, Vec<f64>) {
    /// Blocks of x at a time: each holds sums of its own over all of y.
    const WAVE: usize = 32;
    let scale = 1.0 / x.dim() as f64;
    let mut by_row = Vec::with_capacity(x.len());
    let mut by_column = vec![0.0; y.len()];
    let of_block = |first: usize| {
        let a = Block::new(x, first);
        let (mut by_row, mut by_column) = (vec![0.0; a.rows], vec![0.0; y.len()]);
        for second in starts(y.len()) {
            let rows = (y.len() - second).min(ROWS);
            if !wanted(first, second + rows - 1) {
                continue;
            }
            let products = a.products(&Block::new(y, second));
            for ((i, j), product) in products.indexed_iter() {
                if wanted(first + i, second + j) {
                    let kernel = (product * scale + 1.0).powi(3);
                    by_row[i] += kernel;
                    by_column[second + j] += kernel;
                }
            }
        }
        (by_row, by_column)
    };
    let firsts: Vec<usize> = starts(x.len()).collect();
    for wave in firsts.chunks(WAVE) {
        let parts: Vec<_> = wave.par_iter().map(|&first| of_block(first)).collect();
        for (rows, columns) in parts {
            by_row.extend(rows);
            for (sum, part) in by_column.iter_mut().zip(columns) {
                *sum += part;
            }
        }
    }
    (by_row, by_column)
}
