//! How sure it is of a sample that it is remembered, by its likeness to others.

use eidetic_sdk::ndarray::Array4;
use eidetic_sdk::{Context, Result, Sink};

/// Takes the samples as they come, and gives each its confidence once.
pub(crate) trait Likeness {
    /// Samples that the sink holds from `first` on.
    fn add(&mut self, first: u64, images: &Array4<u8>, sink: &dyn Sink) -> Result<()>;

    /// Gives what was not given yet.
    fn finish(&mut self, context: &dyn Context, sink: &dyn Sink) -> Result<()>;
}
