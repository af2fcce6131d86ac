//! Standard normal noise, a stream a row.

use rand_distr::{Distribution, StandardNormal};

use crate::random::{Rng, rng};

/// Noise of some rows; each row's stream depends on seed, purpose and its own id alone.
pub struct RowNoise {
    streams: Vec<Rng>,
}

impl RowNoise {
    /// Streams for rows of these ids.
    pub fn new(seed: u64, purpose: &str, row_ids: &[u64]) -> Self {
        Self {
            streams: row_ids.iter().map(|&id| rng(seed, purpose, id)).collect(),
        }
    }

    /// The next values of a row.
    pub fn fill(&mut self, row: usize, out: &mut [f64]) {
        let stream = &mut self.streams[row];
        for value in out {
            *value = StandardNormal.sample(stream);
        }
    }
}
