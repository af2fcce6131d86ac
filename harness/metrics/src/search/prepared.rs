//! Images in their principal coordinates, packed for searches by any distance that these bound.

use rayon::prelude::*;

use super::best::Keep;
use super::cloud::Cloud;
use super::directions::Directions;
use super::kernel::squared_within;
use super::leaves::BOX_COLUMNS;
use super::metric::Metric;
use super::pack::Packed;
use super::projection::Projection;
use super::scan::{Search, Work};
use crate::Images;

/// Share of the variance along all directions below which they bound nothing, as in white noise.
const MIN_HELD: f64 = 0.5;
/// Rows that one task takes the coordinates of.
const PIECE: usize = 64;
/// Queries of which the coordinates are held at a time.
const BATCH: usize = 1024;
/// Queries that are tried first, to see whether the bound prunes.
const TRIAL: usize = 32;

#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    projection: Projection,
    packed: Packed,
}

impl Prepared {
    /// `None` where principal directions would bound nothing.
    pub(crate) fn if_useful(images: Images<'_>) -> Option<Self> {
        let directions = Directions::new(images);
        (directions.held >= MIN_HELD).then(|| Self::new(images, directions))
    }

    pub(crate) fn new(images: Images<'_>, directions: Directions) -> Self {
        let projection = Projection::new(directions);
        let mut lead = vec![0.0; images.len() * BOX_COLUMNS];
        lead.par_chunks_mut(PIECE * BOX_COLUMNS)
            .enumerate()
            .for_each(|(piece, lead)| {
                let first = piece * PIECE;
                let rows: Vec<u32> = (first..first + lead.len() / BOX_COLUMNS)
                    .map(|row| row as u32)
                    .collect();
                lead.copy_from_slice(&projection.lead(images, &rows));
            });
        let packed = Packed::new(lead, BOX_COLUMNS, |rows| projection.project(images, rows));
        Self { projection, packed }
    }

    /// Bytes that it holds.
    pub(crate) fn bytes(&self) -> usize {
        self.packed.bytes() + self.projection.bytes()
    }

    /// The keepers of the queries at `ids`, made by `keep`, in that order.
    pub(crate) fn search<K: Keep + Send>(
        &self,
        queries: Images<'_>,
        ids: &[u32],
        metric: &impl Metric,
        keep: impl Fn(u32) -> K + Sync,
    ) -> (Vec<K>, Work) {
        let pieces: Vec<Cloud> = ids
            .par_chunks(PIECE)
            .map(|rows| self.projection.project(queries, rows))
            .collect();
        let search = Search {
            packed: &self.packed,
            cloud: &Cloud::joined(pieces),
            queries: ids,
            metric,
        };
        search.run(keep)
    }
}

/// A search that may be done by bounds or by brute force, with what a pair costs in nanoseconds of
/// one core with AVX-512: measured, and of much the same proportions elsewhere.
pub(crate) struct Plan<'a, B> {
    pub(crate) prepared: Option<&'a Prepared>,
    pub(crate) brute_ns: f64,
    pub(crate) measure_ns: f64,
    /// The keepers of some queries by brute force.
    pub(crate) brute: B,
}

impl<B> Plan<'_, B> {
    /// Runs every query's keeper, and hands them over in order.
    pub(crate) fn search<K: Keep + Send>(
        &self,
        queries: Images<'_>,
        metric: &impl Metric,
        keep: &(impl Fn(u32) -> K + Sync),
        mut take: impl FnMut(K),
    ) where
        B: Fn(&[u32]) -> Vec<K>,
    {
        let prepared = self
            .prepared
            .filter(|prepared| self.prunes(prepared, queries, metric, keep));
        let all: Vec<u32> = (0..queries.len() as u32).collect();
        for ids in all.chunks(BATCH) {
            let kept = match prepared {
                Some(prepared) => prepared.search(queries, ids, metric, keep).0,
                None => (self.brute)(ids),
            };
            kept.into_iter().for_each(&mut take);
        }
    }

    /// Tries some queries, to see whether brute force would have been cheaper.
    fn prunes<K: Keep + Send>(
        &self,
        prepared: &Prepared,
        queries: Images<'_>,
        metric: &impl Metric,
        keep: impl Fn(u32) -> K + Sync,
    ) -> bool {
        let count = (queries.len() / TRIAL).clamp(1, TRIAL).min(queries.len());
        let trial: Vec<u32> = (0..count)
            .map(|i| (i * queries.len() / count) as u32)
            .collect();
        let (_, work) = prepared.search(queries, &trial, metric, keep);
        let bounds_ns = 0.6 * work.bounded as f64 + 30.0 * work.passed as f64;
        let all = (count * prepared.packed.order.len()) as f64;
        bounds_ns + self.measure_ns * work.measured as f64 <= self.brute_ns * all
    }
}

/// The sum of squared differences of pixels.
pub(crate) struct SquaredL2<'a> {
    pub(crate) queries: Images<'a>,
    pub(crate) reference: Images<'a>,
}

impl Metric for SquaredL2<'_> {
    fn exact(&self, query: usize, reference: u32, limit: u64) -> Option<u64> {
        let (query, reference) = (
            self.queries.row(query),
            self.reference.row(reference as usize),
        );
        squared_within(query, reference, limit)
    }

    fn reach(&self, key: u64) -> f64 {
        (key as f64).sqrt()
    }
}
