//! Neighbouring rows of features in float64, and products with them.

use ndarray::{Array2, ArrayView2};

use super::Features;

/// Rows of a block whose products with another block are wanted.
pub(super) const ROWS: usize = 256;

/// Some neighbouring rows in float64.
pub(super) struct Block {
    pub(super) rows: usize,
    dim: usize,
    values: Vec<f64>,
}

impl Block {
    /// Up to [`ROWS`] rows from `first` on.
    pub(super) fn new(features: Features<'_>, first: usize) -> Self {
        let dim = features.dim();
        let rows = ROWS.min(features.len() - first);
        let of = &features.values()[first * dim..(first + rows) * dim];
        Self {
            rows,
            dim,
            values: of.iter().map(|&value| f64::from(value)).collect(),
        }
    }

    /// Row `i` of the block.
    pub(super) fn row(&self, i: usize) -> &[f64] {
        &self.values[i * self.dim..(i + 1) * self.dim]
    }

    /// The inner products of every row with every row of `other`, as [rows][other.rows].
    pub(super) fn products(&self, other: &Self) -> Array2<f64> {
        self.matrix().dot(&other.matrix().t())
    }

    fn matrix(&self) -> ArrayView2<'_, f64> {
        ArrayView2::from_shape((self.rows, self.dim), &self.values).expect("whole rows")
    }
}

/// Where blocks of `rows` rows begin.
pub(super) fn starts(rows: usize) -> impl Iterator<Item = usize> + Clone {
    (0..rows).step_by(ROWS)
}
