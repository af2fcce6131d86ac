//! The attack trait as an author writes it.

pub use eidetic_abi::attack::Goal;

use crate::error::Result;
use crate::host::{Access, Context, Sink, Target};
use crate::info::{ImageShape, ModelInfo};
use crate::options::Options;

/// One way to destroy a candidate before a reconstruction attack sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Probe {
    /// Its name on the board, such as `left-half`.
    pub name: String,
    /// 1 where a pixel stays known: `H * W` flags for all candidates alike, `N * H * W` for one
    /// mask each, or none where all are known. Other pixels become 0 (mid-grey).
    pub known: Vec<u8>,
    /// Sigma of the noise added to all pixels in [-1, 1].
    pub sigma: f32,
}

/// An attack.
pub trait Attack: Send + Sync {
    /// Reconstruction attacks say how `candidates` images of `shape` are to be destroyed.
    ///
    /// # Errors
    /// Shapes that the attack cannot work on.
    fn probes(&self, _candidates: u64, _shape: ImageShape, _seed: u64) -> Result<Vec<Probe>> {
        Ok(Vec::new())
    }

    /// Model calls of a run that nothing ends early: on a model of this `info`, whose service takes
    /// `calls_per_sample` a sample, about `candidates` images. A plan shows it; the budget is the
    /// harness's own count. `None` where it cannot be told before.
    ///
    /// # Errors
    /// A model that the attack cannot work on.
    fn model_calls(
        &self,
        _info: &ModelInfo,
        _calls_per_sample: u64,
        _candidates: u64,
    ) -> Result<Option<u64>> {
        Ok(None)
    }

    /// Attacks `target` and gives what it finds to `sink`, as it comes.
    ///
    /// # Errors
    /// Whatever stops it; what was given to the sink before still counts.
    fn run(&self, target: &dyn Target, context: &dyn Context, sink: &dyn Sink) -> Result<()>;
}

/// How an attack presents itself to the harness.
pub trait AttackPlugin: Attack + Sized + 'static {
    /// The crate's name without `eidetic-attack-`.
    const ID: &'static str;
    /// One line for `eidetic list`.
    const SUMMARY: &'static str;
    /// What it is after.
    const GOAL: Goal;
    /// What it needs of the target.
    const ACCESS: Access;
    /// Its options, with their defaults.
    type Options: Options;

    /// Refuses options that make no sense, before anything runs.
    ///
    /// # Errors
    /// `BadOptions`, naming the key, what was expected and what was got.
    fn check(_options: &Self::Options) -> Result<()> {
        Ok(())
    }

    /// Makes one.
    ///
    /// # Errors
    /// Whatever stops it from being made.
    fn make(options: Self::Options) -> Result<Self>;
}
