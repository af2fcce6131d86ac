//! Principal directions of a set of images, in integers.

use rayon::prelude::*;

use super::eigen;
use super::kernel::{DOT_ELEMENTS, DOT_ROWS, GROUP, PANEL, dots, product};
use crate::Images;

/// Directions in all; with a norm of what each half leaves over, 64 coordinates and 64 again.
pub(crate) const DIRECTIONS: usize = 126;
/// Columns that the iteration keeps, more than directions so that the last ones converge.
const BASIS: usize = 3 * PANEL;
const ITERATIONS: usize = 3;
const SAMPLE: usize = 2048;
/// The norm of a direction: elements of at most this fit i16.
const UNIT: f64 = (1 << 14) as f64;

/// Rows of integers that, times [`Directions::scale`], lengthen no vector: for any difference x of
/// images |A x| <= |x|, exactly, whatever rounding and sampling made of them. That they are
/// nearly orthonormal and hold most of the variance makes the bound tight, not right.
#[derive(Debug, Clone)]
pub(crate) struct Directions {
    /// [DIRECTIONS, padded][padded_dim], zeros where there are fewer.
    pub(crate) rows: Vec<i16>,
    /// The product of each row with the centre.
    pub(crate) offsets: Vec<i64>,
    /// Roughly the mean image. Any would be right.
    pub(crate) centre: Vec<u8>,
    pub(crate) padded_dim: usize,
    pub(crate) scale: f64,
    /// The share of the sample's variance that lies along them.
    pub(crate) held: f64,
}

impl Directions {
    /// Those of at least one image by orthogonal iteration on an evenly spaced sample.
    pub(crate) fn new(images: Images<'_>) -> Self {
        let sample = Sample::new(images);
        let (basis, held) = sample.basis();
        Self::from_basis(&basis, sample.centre, held)
    }

    /// Rounds an orthonormal basis of rows and finds a scale that makes it a contraction:
    /// |A|^2 = |A A^T| <= 1 + |A A^T - I|, in the norm of Frobenius from exact products.
    fn from_basis(basis: &[f32], centre: Vec<u8>, held: f64) -> Self {
        let dim = centre.len();
        let padded_dim = dim.next_multiple_of(DOT_ELEMENTS);
        let count = DIRECTIONS.next_multiple_of(DOT_ROWS);
        let mut rows = vec![0_i16; count * padded_dim];
        for (row, from) in rows
            .chunks_exact_mut(padded_dim)
            .zip(basis.chunks_exact(dim))
        {
            for (to, &x) in row.iter_mut().zip(from) {
                *to = (f64::from(x) * UNIT).round() as i16;
            }
        }
        let mut gram = vec![0_i64; count * count];
        dots(&rows, &rows, padded_dim, &mut gram);
        // Rows of zeros, where a small space has no more directions, lengthen nothing.
        let used: Vec<usize> = (0..count).filter(|&i| gram[i * count + i] > 0).collect();
        let excess: f64 = used
            .iter()
            .flat_map(|&i| used.iter().map(move |&j| (i, j)))
            .map(|(i, j)| {
                let unit = f64::from(u8::from(i == j));
                (gram[i * count + j] as f64 / (UNIT * UNIT) - unit).powi(2)
            })
            .sum();
        // The hair below covers the rounding of these lines in f64.
        let scale = (1.0 - 1e-9) / (UNIT * (1.0 + excess.sqrt()).sqrt());
        let offsets = rows
            .chunks_exact(padded_dim)
            .map(|row| {
                let products = row.iter().zip(&centre);
                products.map(|(&w, &x)| i64::from(w) * i64::from(x)).sum()
            })
            .collect();
        Self {
            rows,
            offsets,
            centre,
            padded_dim,
            scale,
            held,
        }
    }
}

struct Sample<'a> {
    rows: Vec<&'a [u8]>,
    centre: Vec<u8>,
}

impl<'a> Sample<'a> {
    fn new(images: Images<'a>) -> Self {
        let count = images.len().min(SAMPLE);
        let rows: Vec<_> = (0..count)
            .map(|i| images.row(i * images.len() / count))
            .collect();
        let centre = (0..images.dim())
            .map(|pixel| {
                let sum: usize = rows.iter().map(|row| usize::from(row[pixel])).sum();
                ((sum + count / 2) / count) as u8
            })
            .collect();
        Self { rows, centre }
    }

    fn dim(&self) -> usize {
        self.centre.len()
    }

    fn centred(&self, row: usize, pixel: usize) -> f32 {
        f32::from(i16::from(self.rows[row][pixel]) - i16::from(self.centre[pixel]))
    }

    /// Orthonormal rows of `dim`, of falling variance, and the share of it that they hold.
    fn basis(&self) -> (Vec<f32>, f64) {
        // Any start will do that is no accident of the data; the same one each time.
        let sign =
            |i: usize| 1.0 - 2.0 * ((i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 63) as f32;
        let mut basis: Vec<f32> = (0..BASIS * self.dim()).map(sign).collect();
        for _ in 0..ITERATIONS {
            let scores = self.scores(&mut basis);
            let turned = multiply(&scores, self.dim(), |pixel, row| self.centred(row, pixel));
            basis = transposed(&turned, BASIS);
        }
        let scores = self.scores(&mut basis);
        self.ritz(&basis, &scores)
    }

    /// Makes a basis orthonormal. The sample in it, [rows][BASIS].
    fn scores(&self, basis: &mut [f32]) -> Vec<f32> {
        orthonormalize(basis, self.dim());
        let columns = transposed(basis, self.dim());
        multiply(&columns, self.rows.len(), |row, pixel| {
            self.centred(row, pixel)
        })
    }

    /// Turns a basis to the principal directions of what the sample has in it (Rayleigh-Ritz).
    fn ritz(&self, basis: &[f32], scores: &[f32]) -> (Vec<f32>, f64) {
        let (dim, count) = (self.dim(), self.rows.len());
        let covariance: Vec<f64> = (0..BASIS * BASIS)
            .into_par_iter()
            .map(|of| {
                let rows = scores.chunks_exact(BASIS);
                rows.map(|row| f64::from(row[of / BASIS]) * f64::from(row[of % BASIS]))
                    .sum()
            })
            .collect();
        let (variances, vectors) = eigen::symmetric(covariance, BASIS);
        let held: f64 = variances[..DIRECTIONS].iter().sum();
        let total: f64 = (0..count)
            .map(|row| {
                (0..dim)
                    .map(|pixel| f64::from(self.centred(row, pixel)).powi(2))
                    .sum::<f64>()
            })
            .sum();
        let mut turned = vec![0.0; DIRECTIONS * dim];
        turned
            .par_chunks_exact_mut(dim)
            .zip(vectors.par_chunks_exact(BASIS))
            .for_each(|(row, weights)| {
                for (from, &weight) in basis.chunks_exact(dim).zip(weights) {
                    for (sum, x) in row.iter_mut().zip(from) {
                        *sum += weight as f32 * x;
                    }
                }
            });
        orthonormalize(&mut turned, dim);
        // Images that are all alike have no variance to miss.
        let share = if total > 0.0 { held / total } else { 1.0 };
        (turned, share)
    }
}

/// The products of `count` rows, read element by element, with a matrix of BASIS columns.
fn multiply(
    matrix: &[f32],
    count: usize,
    element: impl Fn(usize, usize) -> f32 + Sync,
) -> Vec<f32> {
    let mut products = vec![0.0; count.next_multiple_of(GROUP) * BASIS];
    products
        .par_chunks_exact_mut(GROUP * BASIS)
        .enumerate()
        .for_each_init(
            || vec![0.0; matrix.len() / BASIS * GROUP],
            |group, (tile, out)| {
                for (k, values) in group.chunks_exact_mut(GROUP).enumerate() {
                    for (row, value) in (tile * GROUP..count).zip(values) {
                        *value = element(row, k);
                    }
                }
                product(matrix, group, out);
            },
        );
    products.truncate(count * BASIS);
    products
}

fn transposed(matrix: &[f32], columns: usize) -> Vec<f32> {
    let rows = matrix.len() / columns;
    (0..matrix.len())
        .map(|of| matrix[of % rows * columns + of / rows])
        .collect()
}

/// Gram-Schmidt, twice; a row that hangs on those before becomes zeros.
fn orthonormalize(rows: &mut [f32], dim: usize) {
    for i in 0..rows.len() / dim {
        let (before, row) = rows.split_at_mut(i * dim);
        let row = &mut row[..dim];
        let original = dot(row, row);
        for _ in 0..2 {
            for other in before.chunks_exact(dim) {
                let share = dot(row, other);
                for (x, y) in row.iter_mut().zip(other) {
                    *x -= share as f32 * y;
                }
            }
        }
        let left = dot(row, row);
        let factor = if left > 1e-10 * original {
            left.sqrt().recip() as f32
        } else {
            0.0
        };
        row.iter_mut().for_each(|x| *x *= factor);
    }
}

/// Eight sums in turn, which is the same on every machine and fits its vectors.
fn dot(a: &[f32], b: &[f32]) -> f64 {
    let mut sums = [0.0; 8];
    for (a, b) in a.chunks(8).zip(b.chunks(8)) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += f64::from(*a) * f64::from(*b);
        }
    }
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(length: usize) -> Vec<u8> {
        let hash = |i: usize| (i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (0..length)
            .map(|i| ((hash(i) ^ hash(i) >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 56) as u8)
            .collect()
    }

    #[test]
    fn white_noise_lies_along_none() {
        let pixels = noise(1000 * 700);
        let images = Images::new(&pixels, 700).expect("whole rows");
        let held = Directions::new(images).held;
        assert!(held > 126.0 / 700.0 && held < 0.5, "{held}");
    }

    #[test]
    fn scaled_rows_lengthen_nothing_and_keep_a_small_space() {
        // 40 images mixed from 5: their differences lie in a space of 5 dimensions, but for rounding.
        let (from, dim) = (noise(5 * 500), 500);
        let weights = noise(40 * 5);
        let pixels: Vec<u8> = (0..40 * dim)
            .map(|of| {
                let (i, pixel) = (of / dim, of % dim);
                let mixed = (0..5)
                    .map(|k| u32::from(weights[i * 5 + k]) * u32::from(from[k * dim + pixel]));
                (mixed.sum::<u32>() / (5 * 255)) as u8
            })
            .collect();
        let images = Images::new(&pixels, dim).expect("whole rows");
        let directions = Directions::new(images);
        assert!(directions.held > 0.99);
        let lengths = |x: &[i16]| {
            let along = directions
                .rows
                .chunks_exact(directions.padded_dim)
                .map(|row| {
                    let products = row
                        .iter()
                        .zip(x)
                        .map(|(&w, &x)| i64::from(w) * i64::from(x));
                    (products.sum::<i64>() as f64 * directions.scale).powi(2)
                });
            let whole: i64 = x.iter().map(|&x| i64::from(x).pow(2)).sum();
            (along.sum::<f64>(), whole as f64)
        };
        for i in 0..39 {
            let difference: Vec<i16> = images
                .row(i)
                .iter()
                .zip(images.row(i + 1))
                .map(|(&a, &b)| i16::from(a) - i16::from(b))
                .collect();
            let (along, whole) = lengths(&difference);
            assert!(along <= whole && along > 0.9 * whole, "{along} of {whole}");
        }
        for row in directions.rows.chunks_exact(directions.padded_dim) {
            let (along, whole) = lengths(row);
            assert!(along <= whole);
        }
    }
}
