//! A factor of a covariance that shows its rank.

use ndarray::Array2;
use pulp::Arch;
use rayon::prelude::*;

/// L of `dim` rows and as many columns as the rank, with L L^T the `covariance` ([dim][dim]): the
/// factors of Cholesky with diagonal pivots (Higham 2002, Accuracy and Stability of Numerical
/// Algorithms, section 10.3). The pivot is the feature with the largest share of its own variance
/// left, so that the rank does not depend on the features' scales; shares below `dim` roundings
/// are rounding.
pub(super) fn factor(covariance: &[f64], dim: usize) -> Array2<f64> {
    let tolerance = dim as f64 * f64::EPSILON;
    let variance: Vec<f64> = (0..dim).map(|i| covariance[i * dim + i]).collect();
    let mut rows: Vec<Row> = (0..dim)
        .map(|i| Row {
            feature: i,
            left: variance[i],
            done: false,
            factor: Vec::new(),
        })
        .collect();
    let share = |row: &Row| {
        if row.done || row.left <= 0.0 {
            0.0
        } else {
            row.left / variance[row.feature]
        }
    };
    let mut rank = 0;
    while rank < dim {
        let first_largest = |a: usize, b: usize| {
            if share(&rows[b]) > share(&rows[a]) {
                b
            } else {
                a
            }
        };
        let pivot = (1..dim).fold(0, first_largest);
        if share(&rows[pivot]) <= tolerance {
            break;
        }
        let root = rows[pivot].left.sqrt();
        let above = rows[pivot].factor.clone();
        rows[pivot].done = true;
        rows[pivot].factor.push(root);
        // Rows are short work at first: a thread takes many.
        rows.par_iter_mut().with_min_len(64).for_each(|row| {
            if !row.done {
                let known = dot(&row.factor, &above);
                let next = (covariance[row.feature * dim + pivot] - known) / root;
                row.left -= next * next;
                row.factor.push(next);
            }
        });
        rank += 1;
    }
    Array2::from_shape_fn((dim, rank), |(i, k)| {
        rows[i].factor.get(k).copied().unwrap_or(0.0)
    })
}

struct Row {
    feature: usize,
    left: f64,
    done: bool,
    factor: Vec<f64>,
}

/// The sum of products, as sixteen sums in turn whatever the machine.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            let mut sums = [0.0; 16];
            let (a, b) = (a.chunks_exact(16), b.chunks_exact(16));
            let rest = a.remainder().iter().zip(b.remainder());
            let rest: f64 = rest.map(|(a, b)| a * b).sum();
            for (a, b) in a.zip(b) {
                for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
                    *sum += a * b;
                }
            }
            sums.iter().sum::<f64>() + rest
        },
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn two_by_two_by_hand() {
        // The second feature has the larger variance, and the same share of it left: ties go to
        // the first.
        let lower = factor(&[4.0, 6.0, 6.0, 25.0], 2);
        assert_eq!(lower.as_slice().unwrap(), [2.0, 0.0, 3.0, 4.0]);
    }

    #[test]
    fn the_rank_is_that_of_the_matrix_at_any_scale() {
        let (dim, rank) = (40, 7);
        for span in [1.0, 1e-3_f64] {
            let x = Array2::from_shape_fn((dim, rank), |(i, j)| {
                span.powi((i % 5) as i32) * (((i * i + 3 * j * i + j) % 11) as f64 - 5.0)
            });
            let covariance = x.dot(&x.t());
            let lower = factor(covariance.as_slice().unwrap(), dim);
            assert_eq!(lower.ncols(), rank);
            let again = lower.dot(&lower.t());
            for ((i, j), value) in covariance.indexed_iter() {
                let scale = (covariance[[i, i]] * covariance[[j, j]]).sqrt();
                assert!((again[[i, j]] - value).abs() <= 1e-13 * scale);
            }
        }
        assert_eq!(factor(&[0.0; 9], 3).ncols(), 0);
    }
}
