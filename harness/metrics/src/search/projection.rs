//! Images in the coordinates of their principal directions.

use super::cloud::Cloud;
use super::directions::{DIRECTIONS, Directions};
use super::kernel::{DOT_ROWS, dots, squared_within, widen};
use super::leaves::BOX_COLUMNS;
use crate::Images;

/// Directions of the first bound; the norm of what they leave over is its last coordinate.
const HEAD_DIRECTIONS: usize = DIRECTIONS / 2;
pub(crate) const HEAD_COLUMNS: usize = HEAD_DIRECTIONS + 1;
/// The other directions, and the norm of what all of them leave over.
pub(crate) const TAIL_COLUMNS: usize = DIRECTIONS - HEAD_DIRECTIONS + 1;
/// Images that pass over the directions together.
const ROWS: usize = 32;

/// For z = x - centre and a contraction A there is an R with |z|^2 = |A z|^2 + |R z|^2 for every z
/// (R^T R = I - A^T A), so (A z, |R z|) are coordinates whose distances exceed none of the images':
/// |x - y|^2 = |A x - A y|^2 + |R x - R y|^2 >= |A x - A y|^2 + (|R x| - |R y|)^2.
///
/// A z comes from exact integers and |R z|^2 = |z|^2 - |A z|^2 in f64: relative to |z|, rounding to
/// f32 moves a point by at most 2^-24 and the root of that difference by at most 2^-21.
#[derive(Debug, Clone)]
pub(crate) struct Projection {
    directions: Directions,
}

/// What the rounding of coordinates moves a point by, relative to its norm.
const ERROR: f64 = 1.0 / (1_u64 << 20) as f64;

impl Projection {
    pub(crate) fn new(directions: Directions) -> Self {
        Self { directions }
    }

    /// Bytes that it holds.
    pub(crate) fn bytes(&self) -> usize {
        2 * self.directions.rows.len()
            + 8 * self.directions.offsets.len()
            + self.directions.centre.len()
    }

    /// The coordinates of `rows` of `images`.
    pub(crate) fn project(&self, images: Images<'_>, rows: &[u32]) -> Cloud {
        let mut cloud = Cloud {
            columns: HEAD_COLUMNS,
            tail_columns: TAIL_COLUMNS,
            head: Vec::with_capacity(rows.len() * HEAD_COLUMNS),
            tail: Vec::with_capacity(rows.len() * TAIL_COLUMNS),
            errors: Vec::with_capacity(rows.len()),
        };
        let count = DIRECTIONS.next_multiple_of(DOT_ROWS);
        for rows in rows.chunks(ROWS) {
            let products = self.products(images, rows, count);
            for (&row, products) in rows.iter().zip(products.chunks_exact(count)) {
                let centre = &self.directions.centre;
                // No distance exceeds the limit, so there is one.
                let squared =
                    squared_within(images.row(row as usize), centre, u64::MAX).unwrap_or(0) as f64;
                let mut left = squared;
                for k in 0..DIRECTIONS {
                    let x = self.coordinate(products, k);
                    if k == HEAD_DIRECTIONS {
                        cloud.head.push(left.max(0.0).sqrt() as f32);
                    }
                    left -= x * x;
                    if k < HEAD_DIRECTIONS {
                        cloud.head.push(x as f32);
                    } else {
                        cloud.tail.push(x as f32);
                    }
                }
                cloud.tail.push(left.max(0.0).sqrt() as f32);
                cloud.errors.push(ERROR * squared.sqrt());
            }
        }
        cloud
    }

    /// The first [`BOX_COLUMNS`] coordinates of `rows` alone.
    pub(crate) fn lead(&self, images: Images<'_>, rows: &[u32]) -> Vec<f32> {
        let mut lead = Vec::with_capacity(rows.len() * BOX_COLUMNS);
        for rows in rows.chunks(ROWS) {
            let products = self.products(images, rows, BOX_COLUMNS);
            for products in products.chunks_exact(BOX_COLUMNS).take(rows.len()) {
                lead.extend((0..BOX_COLUMNS).map(|k| self.coordinate(products, k) as f32));
            }
        }
        lead
    }

    fn coordinate(&self, products: &[i64], k: usize) -> f64 {
        (products[k] - self.directions.offsets[k]) as f64 * self.directions.scale
    }

    /// The products of up to [`ROWS`] images with the first `count` directions.
    fn products(&self, images: Images<'_>, rows: &[u32], count: usize) -> Vec<i64> {
        let dim = self.directions.padded_dim;
        let padded = rows.len().next_multiple_of(DOT_ROWS);
        let mut wide = vec![0_i16; padded * dim];
        for (wide, &row) in wide.chunks_exact_mut(dim).zip(rows) {
            widen(images.row(row as usize), wide);
        }
        let mut out = vec![0; padded * count];
        dots(&wide, &self.directions.rows[..count * dim], dim, &mut out);
        out
    }
}
