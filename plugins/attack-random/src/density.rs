//! How many others of the samples lie near each one, counted while they come.

use eidetic_sdk::ndarray::Array4;
use eidetic_sdk::{Context, Result, Sink};

use crate::likeness::Likeness;
use crate::near::Near;

/// Holds the first samples and nothing else: those after them are compared as they come and let
/// go.
pub(crate) struct Density {
    near: Near,
    capacity: usize,
    /// Pixels of the first samples, row after row.
    held: Vec<u8>,
    /// Near duplicates of each held sample among the held.
    counts: Vec<u32>,
    /// Index of the first held sample in the sink.
    first: u64,
}

impl Density {
    pub(crate) fn new(near: Near, capacity: u64) -> Self {
        Self {
            near,
            capacity: usize::try_from(capacity).unwrap_or(usize::MAX),
            held: Vec::new(),
            counts: Vec::new(),
            first: 0,
        }
    }

    fn hold(&mut self, row: &[u8]) {
        let (near, held) = (&self.near, self.held.chunks_exact(self.near.dim()));
        let mut own = 0;
        for (count, held) in self.counts.iter_mut().zip(held) {
            if near.joins(held, row) {
                *count += 1;
                own += 1;
            }
        }
        self.counts.push(own);
        self.held.extend_from_slice(row);
    }
}

impl Likeness for Density {
    /// Those beyond the capacity get their confidence at once.
    fn add(&mut self, first: u64, images: &Array4<u8>, sink: &dyn Sink) -> Result<()> {
        if self.counts.is_empty() {
            self.first = first;
        }
        let (mut row, mut late) = (Vec::new(), Vec::new());
        for image in images.outer_iter() {
            row.clear();
            self.near.arrange(image, &mut row);
            if self.counts.len() < self.capacity {
                self.hold(&row);
            } else {
                let held = self.held.chunks_exact(self.near.dim());
                let near = held.filter(|held| self.near.joins(held, &row)).count();
                late.push(near as f64 / self.counts.len() as f64);
            }
        }
        let skipped = (images.dim().0 - late.len()) as u64;
        if late.is_empty() {
            return Ok(());
        }
        sink.confidence(first + skipped, &late)
    }

    /// Gives the held samples the share of the others that are near.
    fn finish(&mut self, _: &dyn Context, sink: &dyn Sink) -> Result<()> {
        if self.counts.is_empty() {
            return Ok(());
        }
        // A single sample has no others, and no near ones either.
        let others = (self.counts.len() - 1).max(1) as f64;
        let shares = self.counts.iter().map(|&near| f64::from(near) / others);
        sink.confidence(self.first, &shares.collect::<Vec<f64>>())
    }
}
