//! The Frechet distance of two sets of features.

use nalgebra::DMatrix;
use ndarray::{Array2, s};
use rayon::prelude::*;

use super::factor::{dot, factor};
use super::{Features, Moments};
use crate::{Error, Measured};

/// The squared Frechet distance of the normal distributions with these moments, at least 0
/// (Dowson and Landau 1982; Heusel et al. 2017 for images):
///
/// |mu_a - mu_b|^2 + tr(S_a + S_b - 2 (S_a S_b)^(1/2))
///
/// It is FID only for the pool3 features of Inception-v3. It is biased upwards by about 1 / count:
/// only distances at equal counts compare. Exactly 0 for equal moments. Missing for fewer than two
/// rows on either side.
///
/// The trace of the root is the sum of the singular values of L_b^T L_a, where S = L L^T is
/// factored with pivots down to its rank: fewer rows than features, or features that repeat, cost
/// neither digits nor time. The last digits may differ between processors.
///
/// ```
/// use eidetic_metrics::{Features, Moments, frechet};
///
/// let a = Moments::of(Features::new(&[0.0, 2.0], 1)?);
/// let b = Moments::of(Features::new(&[1.0, 7.0], 1)?);
/// // Means 1 and 4, standard deviations sqrt(2) and 3 sqrt(2).
/// let distance = frechet(&a, &b)?.value().unwrap();
/// assert!((distance - (9.0 + 8.0)).abs() < 1e-12);
/// # Ok::<(), eidetic_metrics::Error>(())
/// ```
///
/// # Errors
/// The two differ in dimension.
pub fn frechet(a: &Moments, b: &Moments) -> Result<Measured<f64>, Error> {
    Features::new(&[], b.dim())?.check_dim(a.dim())?;
    Ok(a.covariance().and_then(|of_a| {
        b.covariance().and_then(|of_b| {
            a.mean().and_then(|mean_a| {
                b.mean()
                    .map(|mean_b| distance((&mean_a, &of_a), (&mean_b, &of_b)))
            })
        })
    }))
}

fn distance(a: (&[f64], &[f64]), b: (&[f64], &[f64])) -> f64 {
    if a == b {
        return 0.0;
    }
    let dim = a.0.len();
    let apart: Vec<f64> = a.0.iter().zip(b.0).map(|(a, b)| a - b).collect();
    let traces: f64 = (0..dim).map(|i| a.1[i * dim + i] + b.1[i * dim + i]).sum();
    let (of_a, of_b) = rayon::join(|| factor(a.1, dim), || factor(b.1, dim));
    (dot(&apart, &apart) + traces - 2.0 * nuclear(product(&of_a, &of_b))).max(0.0)
}

/// a^T b, in columns of a fixed number, so that threads do not change how it is rounded.
fn product(a: &Array2<f64>, b: &Array2<f64>) -> DMatrix<f64> {
    const COLUMNS: usize = 128;
    let starts: Vec<usize> = (0..b.ncols()).step_by(COLUMNS).collect();
    let parts: Vec<Array2<f64>> = starts
        .into_par_iter()
        .map(|start| {
            let end = b.ncols().min(start + COLUMNS);
            b.slice(s![.., start..end]).t().dot(a)
        })
        .collect();
    DMatrix::from_iterator(a.ncols(), b.ncols(), parts.into_iter().flatten())
}

/// The sum of the singular values. Not by the square of the matrix, in which those below 1e-8 of
/// the largest are lost.
fn nuclear(matrix: DMatrix<f64>) -> f64 {
    if matrix.is_empty() {
        return 0.0;
    }
    matrix.singular_values().sum()
}
