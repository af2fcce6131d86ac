//! Ridge regression of a flag on pixels, in closed form and the same on every machine: sums of
//! pixels are integers, and all else is in a fixed order.

use rayon::prelude::*;

use crate::Images;
use crate::correlation::product;

/// A linear score; higher for images that look like those whose flag was set.
pub(super) struct Ridge {
    weights: Vec<f64>,
}

impl Ridge {
    /// Fits the flags of `rows` of `images`, in the smaller of the two forms: a system of as many
    /// equations as there are pixels that vary, or as rows.
    pub(super) fn fit(images: Images<'_>, rows: &[usize], flag: impl Fn(usize) -> bool) -> Self {
        let columns = columns(images, rows);
        let scales: Vec<Scale> = columns.iter().map(|column| Scale::of(column)).collect();
        let varying: Vec<usize> = (0..columns.len())
            .filter(|&pixel| scales[pixel].deviation > 0.0)
            .collect();
        let flagged = rows.iter().filter(|&&row| flag(row)).count() as f64;
        let target: Vec<f64> = rows
            .iter()
            .map(|&row| f64::from(u8::from(flag(row))) - flagged / rows.len() as f64)
            .collect();
        let centred = |pixel: usize| -> Vec<f64> {
            let Scale { mean, deviation } = scales[pixel];
            let column = columns[pixel].iter();
            column
                .map(|&value| (f64::from(value) - mean) / deviation)
                .collect()
        };
        let penalty = varying.len() as f64;
        let of_pixels = if varying.len() <= rows.len() {
            let moment = |j: usize, k: usize| {
                let (j, k) = (varying[j], varying[k]);
                let n = rows.len() as f64;
                let raw = product(&columns[j], &columns[k]) as f64 / n;
                let (a, b) = (&scales[j], &scales[k]);
                n * (raw - a.mean * b.mean) / (a.deviation * b.deviation)
            };
            let right = varying
                .par_iter()
                .map(|&pixel| dot(&centred(pixel), &target))
                .collect();
            solve(triangle(varying.len(), moment), penalty, right)
        } else {
            let by_pixel: Vec<Vec<f64>> = varying.par_iter().map(|&pixel| centred(pixel)).collect();
            let by_row: Vec<Vec<f64>> = (0..rows.len())
                .into_par_iter()
                .map(|row| by_pixel.iter().map(|column| column[row]).collect())
                .collect();
            let gram = triangle(rows.len(), |i, j| dot(&by_row[i], &by_row[j]));
            let of_rows = solve(gram, penalty, target);
            by_pixel
                .par_iter()
                .map(|column| dot(column, &of_rows))
                .collect()
        };
        let mut weights = vec![0.0; columns.len()];
        for (&pixel, of) in varying.iter().zip(of_pixels) {
            weights[pixel] = of / scales[pixel].deviation;
        }
        Self { weights }
    }

    /// The score of an image, but for a constant.
    pub(super) fn predict(&self, image: &[u8]) -> f64 {
        let terms = self.weights.iter().zip(image);
        terms
            .map(|(weight, &pixel)| weight * f64::from(pixel))
            .sum()
    }
}

/// The values of each pixel over the rows.
fn columns(images: Images<'_>, rows: &[usize]) -> Vec<Vec<u8>> {
    (0..images.dim())
        .into_par_iter()
        .map(|pixel| rows.iter().map(|&row| images.row(row)[pixel]).collect())
        .collect()
}

struct Scale {
    mean: f64,
    deviation: f64,
}

impl Scale {
    fn of(column: &[u8]) -> Self {
        let n = column.len() as i64;
        let sum: i64 = column.iter().map(|&value| i64::from(value)).sum();
        // n^2 times the variance: exactly 0 of a constant.
        let scatter = n * product(column, column) - sum * sum;
        Self {
            mean: sum as f64 / n as f64,
            deviation: (scatter as f64).sqrt() / n as f64,
        }
    }
}

/// The lower triangle of a symmetric matrix, row after row.
fn triangle(size: usize, of: impl Fn(usize, usize) -> f64 + Sync) -> Vec<Vec<f64>> {
    (0..size)
        .into_par_iter()
        .map(|i| (0..=i).map(|j| of(i, j)).collect())
        .collect()
}

/// x with (matrix + penalty) x = right, by Cholesky's factors; the matrix is positive
/// semidefinite and the penalty positive.
fn solve(mut lower: Vec<Vec<f64>>, penalty: f64, mut right: Vec<f64>) -> Vec<f64> {
    for i in 0..lower.len() {
        let (above, row) = lower.split_at_mut(i);
        let row = &mut row[0];
        row[i] += penalty;
        for (j, other) in above.iter().enumerate() {
            row[j] = (row[j] - dot(&row[..j], &other[..j])) / other[j];
        }
        row[i] = (row[i] - dot(&row[..i], &row[..i])).sqrt();
        right[i] = (right[i] - dot(&row[..i], &right[..i])) / row[i];
    }
    for i in (0..lower.len()).rev() {
        right[i] /= lower[i][i];
        let of = right[i];
        for (left, factor) in right[..i].iter_mut().zip(&lower[i]) {
            *left -= factor * of;
        }
    }
    right
}

/// In eight sums, always the same way, so that SIMD may take part.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (a_blocks, a_rest) = a.as_chunks::<8>();
    let (b_blocks, b_rest) = b.as_chunks::<8>();
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * b;
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_system_by_hand() {
        // (4 + 1, 2; 2, 3 + 1) x = (9, 10): x = (1, 2).
        let x = solve(vec![vec![4.0], vec![2.0, 3.0]], 1.0, vec![9.0, 10.0]);
        assert!((x[0] - 1.0).abs() < 1e-14 && (x[1] - 2.0).abs() < 1e-14);
    }

    #[test]
    fn the_system_is_solved() {
        let size = 37;
        let at = |i: usize, j: usize| ((i * 31 + j * 17) % 23) as f64 - 11.0;
        let rows: Vec<Vec<f64>> = (0..size)
            .map(|i| (0..size).map(|k| at(i, k)).collect())
            .collect();
        let entry = |i: usize, j: usize| dot(&rows[i], &rows[j]);
        let right: Vec<f64> = (0..size).map(|i| i as f64 - 5.0).collect();
        let x = solve(triangle(size, entry), 2.0, right.clone());
        for i in 0..size {
            let row: Vec<f64> = (0..size).map(|j| entry(i, j)).collect();
            let got = dot(&row, &x) + 2.0 * x[i];
            assert!((got - right[i]).abs() < 1e-8, "{got} {}", right[i]);
        }
    }

    #[test]
    fn one_pixel_by_hand() {
        // Pixel 0 is constant. Pixel 1: mean 2, deviation 1; flags less their mean -1/2, 1/2,
        // -1/2, 1/2: weight (1/2 * 4) / (4 + 1), over a deviation of 1.
        let images = Images::new(&[7, 1, 7, 3, 7, 1, 7, 3], 2).unwrap();
        let ridge = Ridge::fit(images, &[0, 1, 2, 3], |i| i % 2 == 1);
        assert_eq!(ridge.weights[0], 0.0);
        assert!((ridge.weights[1] - 0.4).abs() < 1e-15);
        assert!((ridge.predict(&[9, 5]) - 2.0).abs() < 1e-15);
    }

    #[test]
    fn both_forms_agree() {
        let pixel = |i: usize, j: usize| ((i * 53 + j * 97 + i * j * 31) % 200) as u8;
        let narrow: Vec<u8> = (0..6)
            .flat_map(|i| (0..6).map(move |j| pixel(i, j)))
            .collect();
        let images = Images::new(&narrow, 6).unwrap();
        let rows = [0, 1, 2, 3, 4, 5];
        let primal = Ridge::fit(images, &rows, |i| i < 2);
        // Six equations either way: those of rows, solved here, against those of pixels.
        let columns = columns(images, &rows);
        let scales: Vec<Scale> = columns.iter().map(|of| Scale::of(of)).collect();
        let z = |i: usize, j: usize| {
            let Scale { mean, deviation } = scales[j];
            (f64::from(pixel(i, j)) - mean) / deviation
        };
        let gram = triangle(6, |a, b| (0..6).map(|j| z(a, j) * z(b, j)).sum());
        let target = (0..6)
            .map(|i| f64::from(u8::from(i < 2)) - 1.0 / 3.0)
            .collect();
        let of_rows = solve(gram, 6.0, target);
        for (j, weight) in primal.weights.iter().enumerate() {
            let of: f64 = (0..6).map(|i| z(i, j) * of_rows[i]).sum();
            assert!((of / scales[j].deviation - weight).abs() < 1e-12);
        }
    }
}
