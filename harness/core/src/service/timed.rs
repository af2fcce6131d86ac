//! How long a model takes, apart from all that is done with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use eidetic_sdk::{Batch, Model, ModelInfo, Result};
use ndarray::{ArrayView4, ArrayViewMut2, ArrayViewMut4};

/// Time that adds up over the calls of a model and over threads.
#[derive(Debug, Clone, Default)]
pub struct Stopwatch(Arc<AtomicU64>);

impl Stopwatch {
    /// All of it so far.
    pub fn total(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }

    fn around<T>(&self, call: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        let result = call();
        let nanos = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.0.fetch_add(nanos, Ordering::Relaxed);
        result
    }
}

/// A model under a stopwatch; otherwise the same.
pub struct Timed {
    /// The model.
    pub model: Box<dyn Model>,
    /// Where its time goes.
    pub stopwatch: Stopwatch,
}

impl Model for Timed {
    fn info(&self) -> ModelInfo {
        self.model.info()
    }

    fn denoise(&self, batch: Batch<'_>, out: ArrayViewMut4<'_, f32>) -> Result<()> {
        self.stopwatch.around(|| self.model.denoise(batch, out))
    }

    fn denoise_vjp(
        &self,
        batch: Batch<'_>,
        cotangent: ArrayView4<'_, f32>,
        out: ArrayViewMut4<'_, f32>,
    ) -> Result<()> {
        self.stopwatch
            .around(|| self.model.denoise_vjp(batch, cotangent, out))
    }

    fn sample(&self, batch: Batch<'_>, out: ArrayViewMut4<'_, f32>) -> Result<()> {
        self.stopwatch.around(|| self.model.sample(batch, out))
    }

    fn encode(&self, pixels: ArrayView4<'_, f32>, out: ArrayViewMut4<'_, f32>) -> Result<()> {
        self.stopwatch.around(|| self.model.encode(pixels, out))
    }

    fn decode(&self, latents: ArrayView4<'_, f32>, out: ArrayViewMut4<'_, f32>) -> Result<()> {
        self.stopwatch.around(|| self.model.decode(latents, out))
    }

    fn embed(&self, pixels: ArrayView4<'_, f32>, out: ArrayViewMut2<'_, f32>) -> Result<()> {
        self.stopwatch.around(|| self.model.embed(pixels, out))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn calls_add_up_over_copies() {
        let watch = Stopwatch::default();
        assert_eq!(watch.total(), Duration::ZERO);
        let pause = Duration::from_millis(2);
        assert_eq!(watch.around(|| 7), 7);
        watch.clone().around(|| std::thread::sleep(pause));
        let once = watch.total();
        assert!(once >= pause);
        watch.around(|| std::thread::sleep(pause));
        assert!(watch.total() >= once + pause);
    }
}
