//! The attack trait.
#![allow(
    non_local_definitions,
    unsafe_code,
    reason = "abi_stable's macros put their impls, some of them unsafe, inside constants"
)]

use abi_stable::StableAbi;
use abi_stable::sabi_trait;
use abi_stable::std_types::{RBox, ROption, RResult, RString, RVec};

use crate::error::AbiResult;
use crate::host::{ContextRef, SinkRef, TargetRef};
use crate::info::{ImageShape, ModelInfo};

/// What an attack is after.
#[repr(u8)]
#[derive(StableAbi, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Goal {
    /// Emits images that should be training images.
    Extraction,
    /// Makes partly destroyed images whole.
    Reconstruction,
    /// Tells members from non-members.
    Membership,
}

/// One way to destroy a candidate before a reconstruction attack sees it.
#[repr(C)]
#[derive(StableAbi, Clone, Debug, PartialEq)]
pub struct Probe {
    /// Its name on the board, such as `left-half`.
    pub name: RString,
    /// 1 where a pixel stays known: `H * W` flags for every candidate alike, `N * H * W` for one
    /// mask each, or empty where all are. Other pixels become 0 (mid-grey).
    pub known: RVec<u8>,
    /// Sigma of the noise added to all pixels in [-1, 1]; 0 for none.
    pub sigma: f32,
}

/// An attack.
#[sabi_trait]
pub trait Attack: Send + Sync {
    /// Reconstruction: how `candidates` images of `shape` are to be destroyed. Others: empty.
    fn probes(&self, candidates: u64, shape: ImageShape, seed: u64) -> AbiResult<RVec<Probe>>;
    /// Attacks `target` and gives what it finds to `sink`.
    #[sabi(last_prefix_field)]
    fn run(
        &self,
        target: TargetRef<'_>,
        context: ContextRef<'_>,
        sink: SinkRef<'_>,
    ) -> AbiResult<()>;
    /// Model calls of a run that nothing ends early, at `calls_per_sample` for a sample of the
    /// service; none where it cannot be told before.
    fn model_calls(
        &self,
        _info: ModelInfo,
        _calls_per_sample: u64,
        _candidates: u64,
    ) -> AbiResult<ROption<u64>> {
        RResult::ROk(ROption::RNone)
    }
}

/// An owned attack.
pub type AttackBox = Attack_TO<'static, RBox<()>>;
