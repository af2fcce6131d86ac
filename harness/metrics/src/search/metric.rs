//! What a search measures exactly.

/// A distance in exact arithmetic, as a key that ascends with it, and what the embedding that
/// bounds it says about keys.
pub(crate) trait Metric: Sync {
    /// The key of a pair if it is at most `limit`.
    fn exact(&self, query: usize, reference: u32, limit: u64) -> Option<u64>;

    /// No pair of a key of at most `key` is further apart in the embedding than this.
    fn reach(&self, key: u64) -> f64;
}
