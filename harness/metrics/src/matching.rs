//! Which training images some generated ones match in bands, pair by pair.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use rayon::prelude::*;

use crate::images::{l2, squared_within};
use crate::search::Keep;
use crate::sketch;
use crate::{Band, Images, Index, Scales};

/// All pairs of a generated and a training image.
#[derive(Clone, Copy)]
pub(crate) struct Pairs<'a> {
    pub(crate) generated: Images<'a>,
    pub(crate) training: Images<'a>,
    pub(crate) scales: Scales<'a>,
    /// The largest squared distance of interest of each scale; none below 0.
    pub(crate) limits: &'a [Option<u64>],
}

impl Pairs<'_> {
    /// The training images that were matched in each of at most 64 bands.
    pub(crate) fn matched(&self, bands: &[Band]) -> Vec<u64> {
        let flags: Vec<AtomicU64> = (0..self.training.len())
            .map(|_| AtomicU64::new(0))
            .collect();
        let matching = Matching {
            bands,
            flags: &flags,
            dim: self.training.dim(),
        };
        // One limit a query: the side that has the scales asks.
        let (queries, reference, by_training) = match self.scales {
            Scales::Generated(_) => (self.generated, self.training, false),
            Scales::Training(_) => (self.training, self.generated, true),
        };
        let keep = |query: u32| Matcher {
            matching,
            limit: self.limits[query as usize],
            scale: self.scales.as_slice()[query as usize],
            training: by_training.then_some(query),
        };
        let brute = |ids: &[u32]| self.brute(ids, matching, keep);
        // About what a pair costs that its sums rule out.
        let brute_ns = 3.0 + self.training.dim() as f64 / 400.0;
        Index::for_queries(reference, queries.len())
            .search_or(queries, &keep, brute_ns, brute, drop);
        let of = |band: usize| {
            flags
                .iter()
                .filter(|of| of.load(Relaxed) >> band & 1 == 1)
                .count()
        };
        (0..bands.len()).map(|band| of(band) as u64).collect()
    }

    /// Every pair of some queries, a training image only until it is matched in all bands: what
    /// ends early where bands are wide.
    fn brute<'m>(
        &self,
        ids: &[u32],
        matching: Matching<'m>,
        keep: impl Fn(u32) -> Matcher<'m> + Sync,
    ) -> Vec<Matcher<'m>> {
        let (by_training, range) = match self.scales {
            Scales::Generated(_) => (false, 0..self.training.len() as u32),
            Scales::Training(_) => (true, 0..self.generated.len() as u32),
        };
        let (generated, training): (Vec<u32>, Vec<u32>) = if by_training {
            (range.collect(), ids.to_vec())
        } else {
            (ids.to_vec(), range.collect())
        };
        let sums: Vec<_> = generated
            .par_iter()
            .map(|&i| sketch::sums(self.generated.row(i as usize)))
            .collect();
        training.par_iter().for_each(|&j| {
            let row = self.training.row(j as usize);
            let own = sketch::sums(row);
            for (&i, sums) in generated.iter().zip(&sums) {
                if matching.is_full(j) {
                    break;
                }
                let mut matcher = keep(if by_training { j } else { i });
                let Some(limit) = matcher.limit else { continue };
                if sketch::rules_out(&own, sums, limit) {
                    continue;
                }
                if let Some(squared) = squared_within(row, self.generated.row(i as usize), limit) {
                    matcher.offer(j, squared);
                }
            }
        });
        ids.iter().map(|&query| keep(query)).collect()
    }
}

/// Bits of bands a training image. What is set does not depend on the order of pairs.
#[derive(Clone, Copy)]
struct Matching<'a> {
    bands: &'a [Band],
    flags: &'a [AtomicU64],
    dim: usize,
}

impl Matching<'_> {
    fn is_full(&self, training: u32) -> bool {
        let all = u64::MAX >> (64 - self.bands.len());
        self.flags[training as usize].load(Relaxed) == all
    }
}

/// What one query matches.
struct Matcher<'a> {
    matching: Matching<'a>,
    limit: Option<u64>,
    scale: f64,
    /// The query's own training image where it is one, and the references are generated.
    training: Option<u32>,
}

impl Keep for Matcher<'_> {
    fn limit(&self) -> u64 {
        self.limit.unwrap_or(0)
    }

    fn wants(&self, reference: u32) -> bool {
        self.limit.is_some() && !self.matching.is_full(self.training.unwrap_or(reference))
    }

    fn offer(&mut self, reference: u32, squared: u64) {
        let value = l2(squared, self.matching.dim) / self.scale;
        let bits = self.matching.bands.iter().enumerate();
        let bits = bits.fold(0, |bits, (place, band)| {
            bits | u64::from(band.contains(value)) << place
        });
        let training = self.training.unwrap_or(reference) as usize;
        self.matching.flags[training].fetch_or(bits, Relaxed);
    }
}
