//! Mean and covariance in one pass.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayView2, s};
use rayon::prelude::*;

use super::Features;
use crate::{Error, Measured, Reason};

/// Rows whose outer products are added at a time, counted from the first row of all.
const ROWS: usize = 512;
/// Rows and columns of a tile of the covariance.
const TILE: usize = 128;

/// Number, mean and covariance of rows of features that come in batches, in float64: one pass,
/// and `dim`^2 / 2 floats however many rows there are. The same bits for any batches that the
/// rows are cut into and any number of threads: sums are over 512 rows at a time, from the first
/// row of all.
///
/// ```
/// use eidetic_metrics::{Features, Moments};
///
/// let mut moments = Moments::new(2)?;
/// moments.push(Features::new(&[1.0, 0.0, 3.0, 4.0], 2)?)?;
/// moments.push(Features::new(&[5.0, 2.0], 2)?)?;
/// assert_eq!(moments.count(), 3);
/// assert_eq!(moments.mean().value().unwrap(), [3.0, 2.0]);
/// assert_eq!(moments.covariance().value().unwrap(), [4.0, 2.0, 2.0, 4.0]);
/// # Ok::<(), eidetic_metrics::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Moments {
    dim: usize,
    count: usize,
    sums: Sums,
    /// Rows that do not fill a block yet.
    pending: Vec<f32>,
}

/// Sums over rows relative to the shift.
#[derive(Debug, Clone)]
struct Sums {
    /// The mean of the first block, empty before it: what is the same in all rows is then exactly
    /// 0, and a mean that is large beside the spread costs no digits.
    shift: Vec<f64>,
    of_rows: Vec<f64>,
    /// Of outer products: the tiles on and below the diagonal, row after row of tiles.
    tiles: Vec<Array2<f64>>,
}

impl Moments {
    /// Those of no rows of `dim` features.
    ///
    /// # Errors
    /// `dim` is 0.
    pub fn new(dim: usize) -> Result<Self, Error> {
        if dim == 0 {
            return Err(Error::ZeroDim);
        }
        let tiles = corners(dim).map(|(i, j)| Array2::zeros((side(dim, i), side(dim, j))));
        Ok(Self {
            dim,
            count: 0,
            sums: Sums {
                shift: Vec::new(),
                of_rows: vec![0.0; dim],
                tiles: tiles.collect(),
            },
            pending: Vec::new(),
        })
    }

    /// Those of one set.
    pub fn of(features: Features<'_>) -> Self {
        let mut moments = Self::new(features.dim()).expect("features have a dimension");
        moments.push(features).expect("of the same dimension");
        moments
    }

    /// Adds rows behind those before them.
    ///
    /// # Errors
    /// The rows have another dimension.
    pub fn push(&mut self, features: Features<'_>) -> Result<(), Error> {
        features.check_dim(self.dim)?;
        let mut rows = features.values();
        self.count += features.len();
        let block = ROWS * self.dim;
        if !self.pending.is_empty() {
            let (head, rest) = rows.split_at(rows.len().min(block - self.pending.len()));
            self.pending.extend_from_slice(head);
            rows = rest;
            if self.pending.len() == block {
                self.sums.add(&self.pending, self.dim);
                self.pending.clear();
            }
        }
        let mut blocks = rows.chunks_exact(block);
        for rows in &mut blocks {
            self.sums.add(rows, self.dim);
        }
        self.pending.extend_from_slice(blocks.remainder());
        Ok(())
    }

    /// Features a row.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The number of rows.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The mean of each feature; missing without rows.
    pub fn mean(&self) -> Measured<Vec<f64>> {
        Reason::unless_enough("rows of features", 1, self.count).map(|()| {
            let Sums { shift, of_rows, .. } = self.total();
            let n = self.count as f64;
            let means = shift.iter().zip(of_rows);
            means.map(|(shift, sum)| shift + sum / n).collect()
        })
    }

    /// The covariance (divided by n - 1) as [dim][dim]; missing for fewer than two rows.
    pub fn covariance(&self) -> Measured<Vec<f64>> {
        Reason::unless_enough("rows of features", 2, self.count).map(|()| {
            let Sums { of_rows, tiles, .. } = self.total();
            let (dim, n) = (self.dim, self.count as f64);
            let mut covariance = vec![0.0; dim * dim];
            for ((i, j), tile) in corners(dim).zip(&tiles) {
                for ((row, column), product) in tile.indexed_iter() {
                    let (a, b) = (i + row, j + column);
                    if b <= a {
                        let product = product - of_rows[a] * of_rows[b] / n;
                        covariance[a * dim + b] = product / (n - 1.0);
                        covariance[b * dim + a] = covariance[a * dim + b];
                    }
                }
            }
            covariance
        })
    }

    fn total(&self) -> Sums {
        let mut total = self.sums.clone();
        if !self.pending.is_empty() {
            total.add(&self.pending, self.dim);
        }
        total
    }
}

impl Sums {
    /// Adds a block of rows of `dim`.
    fn add(&mut self, rows: &[f32], dim: usize) {
        if self.shift.is_empty() {
            self.shift = mean(rows, dim);
        }
        let shift = &self.shift;
        let mut relative = vec![0.0; rows.len()];
        relative
            .par_chunks_mut(dim)
            .zip(rows.par_chunks(dim))
            .for_each(|(relative, row)| {
                for ((to, &x), shift) in relative.iter_mut().zip(row).zip(shift) {
                    *to = f64::from(x) - shift;
                }
            });
        for row in relative.chunks_exact(dim) {
            for (sum, x) in self.of_rows.iter_mut().zip(row) {
                *sum += x;
            }
        }
        let count = rows.len() / dim;
        let relative = ArrayView2::from_shape((count, dim), &relative).expect("whole rows");
        let places: Vec<(usize, usize)> = corners(dim).collect();
        let tiles = self.tiles.par_iter_mut().zip(places);
        tiles.for_each(|(tile, (i, j))| {
            let a = relative.slice(s![.., i..i + tile.nrows()]);
            let b = relative.slice(s![.., j..j + tile.ncols()]);
            general_mat_mul(1.0, &a.t(), &b, 1.0, tile);
        });
    }
}

fn mean(rows: &[f32], dim: usize) -> Vec<f64> {
    let mut sums = vec![0.0; dim];
    for row in rows.chunks_exact(dim) {
        for (sum, &x) in sums.iter_mut().zip(row) {
            *sum += f64::from(x);
        }
    }
    let count = (rows.len() / dim) as f64;
    sums.into_iter().map(|sum| sum / count).collect()
}

/// First row and column of each tile on and below the diagonal.
fn corners(dim: usize) -> impl Iterator<Item = (usize, usize)> {
    let starts = move || (0..dim).step_by(TILE);
    starts().flat_map(move |i| starts().take_while(move |&j| j <= i).map(move |j| (i, j)))
}

fn side(dim: usize, start: usize) -> usize {
    TILE.min(dim - start)
}
