//! How many others of the samples lie near each one, counted while they come.

use eidetic_metrics::{l2, squared_distance};
use eidetic_sdk::ndarray::Array4;
use eidetic_sdk::{Result, Sink};

/// Holds the first samples and nothing else: those after them are compared as they come and let
/// go.
pub(crate) struct Density {
    near_l2: f64,
    capacity: usize,
    dim: usize,
    /// Pixels of the first samples, row after row.
    held: Vec<u8>,
    /// Near duplicates of each held sample among the held.
    near: Vec<u32>,
    /// Index of the first held sample in the sink.
    first: u64,
}

impl Density {
    pub(crate) fn new(near_l2: f64, capacity: u64) -> Self {
        Self {
            near_l2,
            capacity: usize::try_from(capacity).unwrap_or(usize::MAX),
            dim: 0,
            held: Vec::new(),
            near: Vec::new(),
            first: 0,
        }
    }

    /// Takes samples that the sink holds from `first` on; those beyond the capacity get their
    /// confidence at once.
    pub(crate) fn add(&mut self, first: u64, images: &Array4<u8>, sink: &dyn Sink) -> Result<()> {
        if self.near.is_empty() {
            self.first = first;
            self.dim = images.len() / images.dim().0.max(1);
        }
        let pixels = images.as_standard_layout();
        let mut late = Vec::new();
        for row in pixels.outer_iter() {
            let row: Vec<u8> = row.iter().copied().collect();
            if self.near.len() < self.capacity {
                self.hold(&row);
            } else {
                let near = self.rows().filter(|held| self.is_near(held, &row)).count();
                late.push(near as f64 / self.near.len() as f64);
            }
        }
        let skipped = (images.dim().0 - late.len()) as u64;
        if late.is_empty() {
            return Ok(());
        }
        sink.confidence(first + skipped, &late)
    }

    /// Gives the held samples their confidence: the share of the others that are near.
    pub(crate) fn finish(&self, sink: &dyn Sink) -> Result<()> {
        if self.near.is_empty() {
            return Ok(());
        }
        // A single sample has no others, and no near ones either.
        let others = (self.near.len() - 1).max(1) as f64;
        let shares: Vec<f64> = self.near.iter().map(|&n| f64::from(n) / others).collect();
        sink.confidence(self.first, &shares)
    }

    fn hold(&mut self, row: &[u8]) {
        let mut own = 0;
        for i in 0..self.near.len() {
            if self.is_near(&self.held[i * self.dim..(i + 1) * self.dim], row) {
                self.near[i] += 1;
                own += 1;
            }
        }
        self.near.push(own);
        self.held.extend_from_slice(row);
    }

    fn rows(&self) -> std::slice::ChunksExact<'_, u8> {
        self.held.chunks_exact(self.dim)
    }

    fn is_near(&self, a: &[u8], b: &[u8]) -> bool {
        l2(squared_distance(a, b), self.dim) <= self.near_l2
    }
}
