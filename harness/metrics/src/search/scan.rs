//! The search itself: queries in blocks against leaves of references.

use rayon::prelude::*;

use super::best::Keep;
use super::cloud::{Cloud, UNIT_ROUNDOFF};
use super::kernel::{GROUP, Hit, PANEL, Scan, squared_f32};
use super::leaves::BOX_COLUMNS;
use super::metric::Metric;
use super::pack::Packed;

/// Queries that pass over a leaf together at most.
const BLOCK: usize = 16 * GROUP;

/// What a search did: pairs of which the first bound was computed, that it let through, and that
/// were measured exactly.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Work {
    pub(crate) bounded: u64,
    pub(crate) passed: u64,
    pub(crate) measured: u64,
}

impl Work {
    fn add(&mut self, other: Self) {
        self.bounded += other.bounded;
        self.passed += other.passed;
        self.measured += other.measured;
    }
}

/// Queries, as points of the embedding that the references are packed in.
pub(crate) struct Search<'a, M> {
    pub(crate) packed: &'a Packed,
    pub(crate) cloud: &'a Cloud,
    /// What [`Metric`] calls the query of each row of the cloud.
    pub(crate) queries: &'a [u32],
    pub(crate) metric: &'a M,
}

impl<M: Metric> Search<'_, M> {
    /// Offers each query's keeper, made by `keep`, every reference that it can not do without, in
    /// the order of the queries.
    pub(crate) fn run<K: Keep + Send>(&self, keep: impl Fn(u32) -> K + Sync) -> (Vec<K>, Work) {
        let mut kept: Vec<Option<K>> = (0..self.cloud.len()).map(|_| None).collect();
        let order = self.order();
        // Fewer together where there are few, so that no thread waits.
        let share = order.len().div_ceil(rayon::current_num_threads());
        let block = share.next_multiple_of(GROUP).clamp(GROUP, BLOCK);
        let done: Vec<_> = order
            .par_chunks(block)
            .map_init(Buffers::default, |buffers, rows| {
                Block::new(self, rows, &keep).run(buffers)
            })
            .collect();
        let mut work = Work::default();
        for (rows, (keepers, of)) in order.chunks(block).zip(done) {
            work.add(of);
            for (&row, keeper) in rows.iter().zip(keepers) {
                kept[row] = Some(keeper);
            }
        }
        (kept.into_iter().flatten().collect(), work)
    }

    /// Rows of queries, those with the same nearest leaf together: they find the same
    /// references, and rule out the same.
    fn order(&self) -> Vec<usize> {
        let leaves = self.packed.leaves.len();
        let mut nearest: Vec<(usize, f32, usize)> = (0..self.cloud.len())
            .into_par_iter()
            .map_init(
                || vec![0.0; leaves],
                |distances, row| {
                    self.box_distances(row, distances);
                    let all = distances.iter().copied().enumerate();
                    let (leaf, distance) =
                        all.min_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((0, 0.0));
                    (leaf, distance, row)
                },
            )
            .collect();
        nearest.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.cmp(&b.2)));
        nearest.into_iter().map(|(_, _, row)| row).collect()
    }

    fn box_distances(&self, row: usize, out: &mut [f32]) {
        let head = self.cloud.head(row);
        self.packed
            .boxes
            .squared_distances(&head[..head.len().min(BOX_COLUMNS)], out);
    }
}

/// Reused from block to block.
#[derive(Default)]
struct Buffers {
    boxes: Vec<f32>,
    groups: Vec<f32>,
    hits: Vec<Hit>,
    candidates: [Vec<(f64, u32)>; GROUP],
}

/// A query on its way.
struct Query<K> {
    row: usize,
    keeper: K,
    squared_norm: f64,
    /// What an element of a product may be off by.
    slack: f64,
    /// Two points whose rows are further apart than this, squared, are of no use.
    square: f64,
    /// Elements of a product below this are of no use.
    cut: f32,
}

struct Block<'a, M, K> {
    search: &'a Search<'a, M>,
    queries: Vec<Query<K>>,
    work: Work,
}

impl<'a, M: Metric, K: Keep> Block<'a, M, K> {
    fn new(search: &'a Search<'a, M>, rows: &[usize], keep: impl Fn(u32) -> K) -> Self {
        let norm = search.packed.norm;
        // n roundings in a chain: n u / (1 - n u) of the sum of magnitudes, which Cauchy-Schwarz
        // bounds. Two a product where it is not fused, and one of the value it starts from.
        let roundings = (2 * search.packed.columns + 2) as f64;
        let relative = 1.01 * roundings * UNIT_ROUNDOFF;
        let query = |&row: &usize| {
            let squared_norm = search.cloud.squared_norm(row);
            let mut query = Query {
                row,
                keeper: keep(search.queries[row]),
                squared_norm,
                slack: relative * (squared_norm.sqrt() * norm + norm * norm / 2.0),
                square: f64::INFINITY,
                cut: f32::MIN,
            };
            query.tighten(search);
            query
        };
        let queries = rows.iter().map(query).collect();
        Self {
            search,
            queries,
            work: Work::default(),
        }
    }

    fn run(mut self, buffers: &mut Buffers) -> (Vec<K>, Work) {
        let packed = self.search.packed;
        let leaves = packed.leaves.len();
        buffers.boxes.resize(self.queries.len() * leaves, 0.0);
        let boxes = buffers.boxes.chunks_exact_mut(leaves.max(1));
        for (query, boxes) in self.queries.iter().zip(boxes) {
            self.search.box_distances(query.row, boxes);
        }
        let group_length = packed.columns * GROUP;
        let groups = self.queries.len().div_ceil(GROUP);
        buffers.groups.resize(groups * group_length, 0.0);
        for (queries, group) in self
            .queries
            .chunks(GROUP)
            .zip(buffers.groups.chunks_exact_mut(group_length.max(1)))
        {
            let rows: Vec<usize> = queries.iter().map(|query| query.row).collect();
            self.search.cloud.write_group(&rows, group);
        }
        for leaf in nearest_first(&buffers.boxes, leaves) {
            for group in 0..groups {
                self.visit(leaf, group, buffers);
            }
        }
        let keepers = self.queries.into_iter().map(|query| query.keeper).collect();
        (keepers, self.work)
    }

    /// Takes a group of queries past a leaf of references.
    fn visit(&mut self, leaf: usize, group: usize, buffers: &mut Buffers) {
        let (search, packed) = (self.search, self.search.packed);
        let first = group * GROUP;
        let queries = &mut self.queries[first..];
        let count = queries.len().min(GROUP);
        let queries = &mut queries[..count];
        let leaves = packed.leaves.len();
        let mut cuts = [f32::INFINITY; GROUP];
        for (place, query) in queries.iter().enumerate() {
            // A box's distance is rounded, if far less than this.
            let outside = f64::from(buffers.boxes[(first + place) * leaves + leaf]) * (1.0 - 1e-5);
            if outside <= query.square {
                cuts[place] = query.cut;
            }
        }
        if cuts.iter().all(|cut| cut.is_infinite()) {
            return;
        }
        let rows = &packed.leaves[leaf];
        let padded = rows.len().next_multiple_of(PANEL);
        let group_length = packed.columns * GROUP;
        buffers.hits.clear();
        Scan {
            columns: packed.columns,
            panels: &packed.panels[rows.start * packed.columns..][..padded * packed.columns],
            init: &packed.init[rows.start..rows.start + padded],
            group: &buffers.groups[group * group_length..][..group_length],
            cuts: &cuts,
            hits: &mut buffers.hits,
        }
        .run();
        self.work.bounded += (padded * count) as u64;
        self.work.passed += buffers.hits.len() as u64;
        for hit in &buffers.hits {
            let (place, row) = (hit.query as usize, rows.start + hit.row as usize);
            let bound = queries[place].bound(search, hit.score, row);
            if bound <= queries[place].square {
                buffers.candidates[place].push((bound, row as u32));
            }
        }
        for (query, candidates) in queries.iter_mut().zip(&mut buffers.candidates) {
            // The nearest first: they tighten the limit for the others.
            candidates.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            self.work.measured += query.measure(search, candidates);
            candidates.clear();
        }
    }
}

impl<K: Keep> Query<K> {
    /// What the keeper's limit says about rows and products.
    fn tighten<M: Metric>(&mut self, search: &Search<'_, M>) {
        let limit = self.keeper.limit();
        if limit == u64::MAX {
            return;
        }
        let error = search.cloud.errors[self.row] + search.packed.error;
        let radius = search.metric.reach(limit) + error;
        self.square = radius * radius * (1.0 + 1e-9);
        // |x - y|^2 <= square where x.y - |y|^2 / 2 >= (|x|^2 - square) / 2.
        let cut = (self.squared_norm - self.square) / 2.0 - self.slack;
        self.cut = ((cut - 1e-9 * self.squared_norm) as f32).next_down();
    }

    /// At most the squared distance of the rows, given the first bound's product.
    fn bound<M>(&self, search: &Search<'_, M>, score: f32, row: usize) -> f64 {
        let (packed, cloud) = (search.packed, search.cloud);
        let head = self.squared_norm * (1.0 - 1e-12) - 2.0 * (f64::from(score) + self.slack);
        if packed.tail_columns == 0 {
            return head;
        }
        let tail = f64::from(squared_f32(cloud.tail(self.row), packed.tail(row)));
        let rounded = 1.0 - 1.01 * (packed.tail_columns + 2) as f64 * UNIT_ROUNDOFF;
        let last =
            f64::from(cloud.head(self.row)[packed.columns - 1]) - f64::from(packed.last(row));
        head - last * last * (1.0 + 1e-12) + tail * rounded
    }

    /// Measures candidates, by ascending bound, as long as they may matter. Their number.
    fn measure<M: Metric>(&mut self, search: &Search<'_, M>, candidates: &[(f64, u32)]) -> u64 {
        let mut measured = 0;
        for &(bound, row) in candidates {
            if bound > self.square {
                break;
            }
            let reference = search.packed.order[row as usize];
            if !self.keeper.wants(reference) {
                continue;
            }
            measured += 1;
            let (query, limit) = (search.queries[self.row] as usize, self.keeper.limit());
            if let Some(key) = search.metric.exact(query, reference, limit) {
                self.keeper.offer(reference, key);
                if self.keeper.limit() < limit {
                    self.tighten(search);
                }
            }
        }
        measured
    }
}

/// Leaves by the sum of their distances to the queries of a block ([queries][leaves]).
fn nearest_first(boxes: &[f32], leaves: usize) -> Vec<usize> {
    let mut sums: Vec<(f64, usize)> = (0..leaves).map(|leaf| (0.0, leaf)).collect();
    for boxes in boxes.chunks_exact(leaves.max(1)) {
        for (sum, &squared) in sums.iter_mut().zip(boxes) {
            sum.0 += f64::from(squared);
        }
    }
    sums.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    sums.into_iter().map(|(_, leaf)| leaf).collect()
}
