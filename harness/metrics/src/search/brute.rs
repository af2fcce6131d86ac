//! Every distance, by products of integers: for what no bound prunes.

use rayon::prelude::*;

use super::best::Keep;
use super::kernel::{DOT_ELEMENTS, DOT_ROWS, dots, widen};
use super::metric::Metric;
use crate::Images;

/// Bytes of a block of rows in i16: one of queries and one of references share the second-level
/// cache.
const BLOCK_BYTES: usize = 256 * 1024;
const MAX_ROWS: usize = 64;

/// |x - y|^2 = |x|^2 + |y|^2 - 2 x.y in integers.
pub(crate) struct Integers<'a> {
    pub(crate) queries: Images<'a>,
    pub(crate) reference: Images<'a>,
}

/// Some rows, widened and padded, and their squared norms.
struct Wide {
    values: Vec<i16>,
    norms: Vec<u64>,
}

impl Wide {
    fn new() -> Self {
        Self {
            values: Vec::new(),
            norms: Vec::new(),
        }
    }

    fn fill<'a>(&mut self, dim: usize, rows: impl ExactSizeIterator<Item = &'a [u8]>) {
        let padded_dim = dim.next_multiple_of(DOT_ELEMENTS);
        let length = rows.len().next_multiple_of(DOT_ROWS) * padded_dim;
        if self.values.len() != length {
            self.values.clear();
            self.values.resize(length, 0);
        }
        // What pads rows stays 0; a row too many has products that nobody reads.
        self.norms.clear();
        let wide = self.values.chunks_exact_mut(padded_dim);
        self.norms
            .extend(rows.zip(wide).map(|(row, wide)| widen(row, wide)));
    }
}

impl Integers<'_> {
    /// Offers the keeper of each of `queries`, made by `keep`, every reference within its limit,
    /// in the order of `queries`.
    pub(crate) fn run<K: Keep + Send>(
        &self,
        queries: &[u32],
        keep: impl Fn(u32) -> K + Sync,
    ) -> Vec<K> {
        let dim = self.reference.dim();
        let padded_dim = dim.next_multiple_of(DOT_ELEMENTS);
        let rows = (BLOCK_BYTES / (2 * padded_dim)).clamp(DOT_ROWS, MAX_ROWS) / DOT_ROWS * DOT_ROWS;
        let share = queries.len().div_ceil(rayon::current_num_threads());
        let block = share.clamp(1, rows);
        let done: Vec<Vec<K>> = queries
            .par_chunks(block)
            .map_init(
                || (Wide::new(), Wide::new(), Vec::new()),
                |(wide, others, products), queries| {
                    let mut keepers: Vec<K> = queries.iter().map(|&query| keep(query)).collect();
                    wide.fill(
                        dim,
                        queries
                            .iter()
                            .map(|&query| self.queries.row(query as usize)),
                    );
                    for start in (0..self.reference.len()).step_by(rows) {
                        let end = (start + rows).min(self.reference.len());
                        others.fill(dim, (start..end).map(|row| self.reference.row(row)));
                        let columns = others.values.len() / padded_dim;
                        products.clear();
                        products.resize(wide.values.len() / padded_dim * columns, 0);
                        dots(&wide.values, &others.values, padded_dim, products);
                        let products = products.chunks_exact(columns);
                        for ((keeper, &norm), products) in
                            keepers.iter_mut().zip(&wide.norms).zip(products)
                        {
                            offer(keeper, start as u32, norm, &others.norms, products);
                        }
                    }
                    keepers
                },
            )
            .collect();
        done.into_iter().flatten().collect()
    }
}

fn offer(keeper: &mut impl Keep, start: u32, norm: u64, norms: &[u64], products: &[i64]) {
    for ((reference, &other), &product) in (start..).zip(norms).zip(products) {
        // Neither negative nor wrapped: it is a sum of squares.
        let squared = norm + other - 2 * product as u64;
        if squared <= keeper.limit() && keeper.wants(reference) {
            keeper.offer(reference, squared);
        }
    }
}

/// Offers the keeper of each of `queries`, made by `keep`, each of `references` within its limit by a
/// metric that has no products, in the order of `queries`.
pub(crate) fn exhaust<K: Keep + Send>(
    metric: &impl Metric,
    queries: &[u32],
    references: u32,
    keep: impl Fn(u32) -> K + Sync,
) -> Vec<K> {
    const QUERIES: usize = 16;
    const REFERENCES: usize = 64;
    let done: Vec<Vec<K>> = queries
        .par_chunks(QUERIES)
        .map(|queries| {
            let mut keepers: Vec<K> = queries.iter().map(|&query| keep(query)).collect();
            for start in (0..references).step_by(REFERENCES) {
                let end = start.saturating_add(REFERENCES as u32).min(references);
                for (&query, keeper) in queries.iter().zip(&mut keepers) {
                    for reference in start..end {
                        if keeper.wants(reference)
                            && let Some(key) =
                                metric.exact(query as usize, reference, keeper.limit())
                        {
                            keeper.offer(reference, key);
                        }
                    }
                }
            }
            keepers
        })
        .collect();
    done.into_iter().flatten().collect()
}
