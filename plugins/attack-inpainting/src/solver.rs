//! What a solver has to say.

use eidetic_sdk::{Error, Result};

use crate::mask::Mask;
use crate::walk::Walk;

/// What the options of every solver say.
pub(crate) struct Course<'a> {
    pub(crate) masks: &'a [Mask],
    /// Images worked on together.
    pub(crate) batch: u64,
    pub(crate) steps: u64,
    /// Levels that one of RePaint's jumps goes back up.
    pub(crate) jump_length: u64,
    /// Passes over each stretch, 1 for no jumps.
    pub(crate) resampling: u64,
}

/// A way to fill what is hidden; its options are itself.
pub(crate) trait Solver: Send + Sync {
    fn course(&self) -> Course<'_>;

    /// Model calls that a step of an image costs.
    fn calls_per_step(&self) -> u64 {
        1
    }

    /// From the noise level `from` down to `to`; to 0 in the end.
    fn step(&self, walk: &mut Walk<'_>, from: f64, to: f64) -> Result<()>;
}

/// Refuses a count that is not in `low..=high`.
fn check_count(key: &str, got: u64, low: u64, high: u64) -> Result<()> {
    if (low..=high).contains(&got) {
        return Ok(());
    }
    let expected = match high {
        u64::MAX => format!("at least {low}"),
        _ => format!("{low} to {high}"),
    };
    Err(Error::bad_options(format!(
        "{key}: expected {expected}, got {got}"
    )))
}

/// Refuses what makes no sense for any solver.
pub(crate) fn check(solver: &dyn Solver) -> Result<()> {
    let Course {
        masks,
        batch,
        steps,
        jump_length,
        resampling,
    } = solver.course();
    if masks.is_empty() {
        return Err(Error::bad_options("masks: expected at least one, got none"));
    }
    for (at, mask) in masks.iter().enumerate() {
        mask.check()?;
        if masks[..at].contains(mask) {
            let name = mask.name();
            return Err(Error::bad_options(format!("masks: {name} is there twice")));
        }
    }
    check_count("batch", batch, 1, u64::MAX)?;
    check_count("steps", steps, 1, 10_000)?;
    check_count("jump_length", jump_length, 1, 10_000)?;
    check_count("resampling", resampling, 1, 1_000)?;
    if resampling > 1 && jump_length >= steps {
        return Err(Error::bad_options(format!(
            "jump_length: expected fewer than the {steps} steps, got {jump_length}"
        ))
        .with_help("shorten the jumps, or set `resampling` to 1 for none"));
    }
    Ok(())
}
