//! Work at a price that is known beforehand, batch after batch, as far as the budget pays.

use std::ops::Range;

use crate::error::{Error, ErrorCode, Result};
use crate::host::{Context, LogLevel, Target};

/// Units of equal cost, such as candidates.
///
/// ```
/// use eidetic_sdk::work::Work;
/// # use eidetic_sdk::{Context, Result, Target};
/// # fn run(target: &dyn Target, context: &dyn Context) -> Result<()> {
/// let work = Work {
///     units: "candidates",
///     total: 128,
///     batch: 64,
///     calls_each: 18,
///     help: "raise the limit of model calls, or lower `steps`",
/// };
/// work.for_each_batch(target, context, |ids| {
///     // Candidates `ids.start..ids.end`, and their findings to the sink.
///     # drop(ids);
///     Ok(())
/// })
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Work<'a> {
    /// What they are, in the plural.
    pub units: &'a str,
    /// How many there are, with the indices `0..total`.
    pub total: u64,
    /// How many are worked on together at most; 0 is taken as 1.
    pub batch: u64,
    /// Model calls that each costs.
    pub calls_each: u64,
    /// What to do where the budget does not pay for all.
    pub help: &'a str,
}

impl Work<'_> {
    /// Does a batch after another, in order, until all are done or no further unit is paid for: so
    /// that a budget buys whole units, as many at any batch. Logs a warning beforehand where the
    /// budget does not pay for all, and tells the progress after each batch.
    ///
    /// # Errors
    /// `Budget` where the calls end before the units do, `Cancelled` where the run is cancelled
    /// between batches, and whatever `batch` returns. What was done by then stands.
    pub fn for_each_batch(
        &self,
        target: &dyn Target,
        context: &dyn Context,
        mut batch: impl FnMut(Range<u64>) -> Result<()>,
    ) -> Result<()> {
        let Self { units, total, .. } = *self;
        let affordable = self.affordable(target);
        if affordable < total {
            context.log(
                LogLevel::Warn,
                &format!("the budget of model calls pays for {affordable} of {total} {units}"),
            );
        }
        let mut done = 0;
        while done < total {
            if context.cancelled() {
                return Err(Error::new(
                    ErrorCode::Cancelled,
                    format!("cancelled after {done} of {total} {units}"),
                ));
            }
            let count = self.batch.max(1).min(total - done);
            let count = count.min(self.affordable(target));
            if count == 0 {
                let each = self.calls_each;
                return Err(Error::new(
                    ErrorCode::Budget,
                    format!(
                        "the budget of model calls ended after {done} of {total} {units}, at \
                         {each} calls each"
                    ),
                )
                .with_help(self.help));
            }
            batch(done..done + count)?;
            done += count;
            context.progress(done, total);
        }
        Ok(())
    }

    /// Units that the calls left pay for; any number of what costs nothing.
    fn affordable(&self, target: &dyn Target) -> u64 {
        let paid = target.calls_left().checked_div(self.calls_each);
        paid.unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Mutex;

    use ndarray::{ArrayView4, ArrayViewMut2, ArrayViewMut4};

    use super::*;
    use crate::batch::Batch;
    use crate::host::{Access, Candidates, SampleRequest};
    use crate::info::ModelInfo;

    /// A purse as the target, and what is said of it as the context.
    struct Run {
        calls_left: Mutex<u64>,
        cancel_after: u64,
        progress: Mutex<Vec<(u64, u64)>>,
        said: Mutex<Vec<String>>,
    }

    impl Run {
        fn new(calls: u64) -> Self {
            Self {
                calls_left: Mutex::new(calls),
                cancel_after: u64::MAX,
                progress: Mutex::default(),
                said: Mutex::default(),
            }
        }

        /// Does the work, paying for it; gives the batches.
        fn attempt(&self, work: Work<'_>) -> (Vec<Range<u64>>, Result<()>) {
            let mut batches = Vec::new();
            let ended = work.for_each_batch(self, self, |ids| {
                let cost = work.calls_each * (ids.end - ids.start);
                let mut left = self.calls_left.lock().unwrap();
                *left = left.checked_sub(cost).expect("a batch was not paid for");
                batches.push(ids);
                Ok(())
            });
            (batches, ended)
        }
    }

    impl Context for Run {
        fn seed(&self) -> u64 {
            0
        }
        fn cancelled(&self) -> bool {
            let progress = self.progress.lock().unwrap();
            progress.last().map_or(0, |&(done, _)| done) >= self.cancel_after
        }
        fn progress(&self, done: u64, total: u64) {
            self.progress.lock().unwrap().push((done, total));
        }
        fn log(&self, level: LogLevel, message: &str) {
            assert_eq!(level, LogLevel::Warn);
            self.said.lock().unwrap().push(message.to_owned());
        }
    }

    impl Target for Run {
        fn info(&self) -> Result<ModelInfo> {
            Err(Error::unsupported("info"))
        }
        fn access(&self) -> Access {
            Access::Denoiser
        }
        fn calls_left(&self) -> u64 {
            *self.calls_left.lock().unwrap()
        }
        fn sample(&self, _: SampleRequest<'_>, _: ArrayViewMut4<'_, u8>) -> Result<()> {
            Err(Error::unsupported("sample"))
        }
        fn denoise(&self, _: Batch<'_>, _: ArrayViewMut4<'_, f32>) -> Result<()> {
            Err(Error::unsupported("denoise"))
        }
        fn denoise_vjp(
            &self,
            _: Batch<'_>,
            _: ArrayView4<'_, f32>,
            _: ArrayViewMut4<'_, f32>,
        ) -> Result<()> {
            Err(Error::unsupported("denoise_vjp"))
        }
        fn encode(&self, _: ArrayView4<'_, f32>, _: ArrayViewMut4<'_, f32>) -> Result<()> {
            Err(Error::unsupported("encode"))
        }
        fn decode(&self, _: ArrayView4<'_, f32>, _: ArrayViewMut4<'_, f32>) -> Result<()> {
            Err(Error::unsupported("decode"))
        }
        fn embed(&self, _: ArrayView4<'_, f32>, _: ArrayViewMut2<'_, f32>) -> Result<()> {
            Err(Error::unsupported("embed"))
        }
        fn candidates(&self, _: u32) -> Result<Candidates<'_>> {
            Err(Error::unsupported("candidates"))
        }
    }

    fn work(total: u64, batch: u64, calls_each: u64) -> Work<'static> {
        Work {
            units: "images",
            total,
            batch,
            calls_each,
            help: "ask for fewer",
        }
    }

    #[test]
    fn what_is_paid_for_is_done_and_told() {
        let run = Run::new(30);
        let (batches, ended) = run.attempt(work(5, 2, 6));
        ended.unwrap();
        assert_eq!(batches, [0..2, 2..4, 4..5]);
        assert_eq!(*run.progress.lock().unwrap(), [(2, 5), (4, 5), (5, 5)]);
        assert_eq!(run.calls_left(), 0);
        assert!(run.said.lock().unwrap().is_empty());
    }

    #[test]
    fn a_budget_that_is_too_small_is_told_of_and_spent() {
        let run = Run::new(23);
        let (batches, ended) = run.attempt(work(5, 2, 6));
        assert_eq!(batches, [0..2, 2..3]);
        let error = ended.unwrap_err();
        assert_eq!(error.code, ErrorCode::Budget);
        assert_eq!(
            error.message,
            "the budget of model calls ended after 3 of 5 images, at 6 calls each"
        );
        assert_eq!(error.help, "ask for fewer");
        assert_eq!(
            *run.said.lock().unwrap(),
            ["the budget of model calls pays for 3 of 5 images"]
        );
    }

    #[test]
    fn nothing_to_do_costs_nothing_and_is_no_error() {
        let run = Run::new(0);
        let (batches, ended) = run.attempt(work(0, 4, 6));
        ended.unwrap();
        assert!(batches.is_empty() && run.said.lock().unwrap().is_empty());
    }

    #[test]
    fn what_costs_nothing_needs_no_budget() {
        let (batches, ended) = Run::new(0).attempt(work(3, 0, 0));
        ended.unwrap();
        assert_eq!(batches, [0..1, 1..2, 2..3]);
    }

    #[test]
    fn a_cancelled_run_ends_between_batches() {
        for (cancel_after, expected) in [(0, 0), (1, 2), (2, 2), (3, 4)] {
            let run = Run {
                cancel_after,
                ..Run::new(100)
            };
            let error = run.attempt(work(5, 2, 6)).1.unwrap_err();
            assert_eq!(error.code, ErrorCode::Cancelled);
            assert_eq!(
                error.message,
                format!("cancelled after {expected} of 5 images")
            );
        }
    }

    #[test]
    fn a_batch_that_fails_ends_the_work() {
        let run = Run::new(100);
        let mut tried = 0;
        let ended = work(5, 2, 6).for_each_batch(&run, &run, |ids| {
            tried += 1;
            match ids.start {
                0 => Ok(()),
                _ => Err("the model is down".into()),
            }
        });
        assert_eq!(ended.unwrap_err().message, "the model is down");
        assert_eq!(tried, 2);
        assert_eq!(*run.progress.lock().unwrap(), [(2, 5)]);
    }

    #[test]
    fn a_budget_buys_as_much_at_any_batch() {
        for (total, each, calls) in [(17, 3, 30), (17, 3, 51), (17, 3, 2), (9, 0, 0), (1, 8, 8)] {
            let bought = u64::checked_div(calls, each).unwrap_or(u64::MAX).min(total);
            for batch in 0..20 {
                let (batches, ended) = Run::new(calls).attempt(work(total, batch, each));
                assert_eq!(ended.is_ok(), bought == total);
                assert!(
                    batches
                        .iter()
                        .all(|ids| ids.end - ids.start <= batch.max(1))
                );
                assert!(batches.into_iter().flatten().eq(0..bought));
            }
        }
    }
}
