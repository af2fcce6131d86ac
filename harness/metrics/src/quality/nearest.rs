//! Exact distances of features in float64: products of blocks tell most of them apart, what they
//! leave open is measured term by term.

use rayon::prelude::*;

use super::Features;
use super::block::{Block, starts};
use super::factor::dot;

/// The squared distance, as eight sums in turn; the same in both orders.
pub(super) fn squared(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    for (a, b) in a.chunks(8).zip(b.chunks(8)) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += (a - b) * (a - b);
        }
    }
    sums.iter().sum()
}

/// A block with the squared norms of its rows.
pub(super) struct Normed {
    pub(super) block: Block,
    squares: Vec<f64>,
}

impl Normed {
    pub(super) fn new(features: Features<'_>, first: usize) -> Self {
        let block = Block::new(features, first);
        let squares = (0..block.rows)
            .map(|i| dot(block.row(i), block.row(i)))
            .collect();
        Self { block, squares }
    }

    /// Calls `visit` with every pair of a row here and a row of `other`, both counted within their
    /// blocks, and what is known of their distance.
    pub(super) fn pairs(&self, other: &Self, mut visit: impl FnMut(usize, usize, Apart<'_>)) {
        let products = self.block.products(&other.block);
        // Twice the terms of three sums, each a chain of at most dim + 2 roundings.
        let roundings = 4.0 * (self.block.row(0).len() + 4) as f64 * f64::EPSILON;
        for ((i, j), product) in products.indexed_iter() {
            let squares = self.squares[i] + other.squares[j];
            let apart = Apart {
                about: squares - 2.0 * product,
                error: roundings * squares,
                rows: (self.block.row(i), other.block.row(j)),
            };
            visit(i, j, apart);
        }
    }
}

/// A squared distance, known up to an error until it is measured.
#[derive(Clone, Copy)]
pub(super) struct Apart<'a> {
    about: f64,
    error: f64,
    rows: (&'a [f64], &'a [f64]),
}

impl Apart<'_> {
    /// Whether the squared distance is below `limit`.
    pub(super) fn is_below(self, limit: f64) -> bool {
        self.about + self.error < limit
            || (self.about - self.error < limit && self.measured() < limit)
    }

    /// The squared distance where it is at most `limit`.
    fn within(self, limit: f64) -> Option<f64> {
        (self.about - self.error <= limit)
            .then(|| self.measured())
            .filter(|&squared| squared <= limit)
    }

    fn measured(self) -> f64 {
        squared(self.rows.0, self.rows.1)
    }
}

/// The nearest of a set to a row: the squared distance, and which.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Found {
    pub(super) squared: f64,
    pub(super) index: usize,
}

/// The `k` nearest references of each query, nearest first, equal distances by the lower index;
/// `k` is at most their number.
pub(super) fn nearest(
    queries: Features<'_>,
    references: Features<'_>,
    k: usize,
) -> Vec<Vec<Found>> {
    search(queries, references, k, |_, _| true)
}

/// The `k` nearest other rows of each row; `k` is below their number.
pub(super) fn nearest_others(rows: Features<'_>, k: usize) -> Vec<Vec<Found>> {
    search(rows, rows, k, |query, reference| query != reference)
}

fn search(
    queries: Features<'_>,
    references: Features<'_>,
    k: usize,
    wanted: impl Fn(usize, usize) -> bool + Sync,
) -> Vec<Vec<Found>> {
    let firsts: Vec<usize> = starts(queries.len()).collect();
    let of_block = |first: usize| {
        let queries = Normed::new(queries, first);
        let farthest = Found {
            squared: f64::INFINITY,
            index: usize::MAX,
        };
        let mut best = vec![vec![farthest; k]; queries.block.rows];
        for second in starts(references.len()) {
            let references = Normed::new(references, second);
            queries.pairs(&references, |i, j, apart| {
                let best = &mut best[i];
                if !wanted(first + i, second + j) {
                    return;
                }
                // References come by index: an equal distance is behind those before it.
                if let Some(squared) = apart.within(best[k - 1].squared) {
                    let place = best.partition_point(|found| found.squared <= squared);
                    if place < k {
                        best[place..].rotate_right(1);
                        best[place] = Found {
                            squared,
                            index: second + j,
                        };
                    }
                }
            });
        }
        best
    };
    firsts.into_par_iter().flat_map_iter(of_block).collect()
}
