//! The mitigation trait: four stages, each the identity unless declared.
#![allow(
    non_local_definitions,
    unsafe_code,
    reason = "abi_stable's macros put their impls, some of them unsafe, inside constants"
)]

use abi_stable::StableAbi;
use abi_stable::sabi_trait;
use abi_stable::std_types::{RBox, RSlice, RSliceMut, RVec};

use crate::error::AbiResult;
use crate::host::DenoiserRef;
use crate::info::ModelInfo;
use crate::model::Batch;
use crate::tensor::{TensorMut, TensorRef};
use crate::training::{Curation, Decision, TrainerRef, TrainingBatch, TrainingGroup};
use crate::training::{TrainingPlan, TrainingRun, TrainingSet};

/// Where a mitigation acts.
#[repr(C)]
#[derive(StableAbi, Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Stages {
    /// Curates the training set.
    pub data: bool,
    /// Shapes the training loss.
    pub training: bool,
    /// Wraps the denoiser.
    pub sampling: bool,
    /// Accepts or rejects what the service returns.
    pub output: bool,
}

/// A mitigation. The host calls only the stages that its registration declares.
#[sabi_trait]
pub trait Mitigation: Send + Sync {
    /// Data stage: what to train on.
    fn curate(&self, data: TrainingSet<'_>, seed: u64) -> AbiResult<Curation>;
    /// Training stage, once: what the loop has to arrange.
    fn plan(&self, run: TrainingRun) -> AbiResult<TrainingPlan>;
    /// Training stage, each step: what the network sees and what it is graded on.
    fn batch(
        &self,
        batch: TrainingBatch<'_>,
        trainer: TrainerRef<'_>,
    ) -> AbiResult<RVec<TrainingGroup>>;
    /// Training stage, after each step, with the loss of each example.
    fn after_step(
        &self,
        step: u64,
        index: RSlice<'_, u64>,
        sigma: RSlice<'_, f32>,
        loss: RSlice<'_, f32>,
    ) -> AbiResult<Decision>;
    /// Training stage: what it remembers from step to step, kept in checkpoints.
    fn state(&self) -> AbiResult<RVec<u8>>;
    /// Training stage: takes back what `state` gave, before the first step after a checkpoint.
    fn restore(&self, state: RSlice<'_, u8>) -> AbiResult<()>;
    /// Sampling stage: what a model that has this mitigation around it says of itself.
    fn wrapped_info(&self, inner: ModelInfo) -> AbiResult<ModelInfo>;
    /// Sampling stage: D(x; sigma) of the wrapped model.
    fn denoise(
        &self,
        inner: DenoiserRef<'_>,
        batch: Batch<'_>,
        out: TensorMut<'_>,
    ) -> AbiResult<()>;
    /// Sampling stage: the product of a cotangent with the wrapped dD/dx.
    fn denoise_vjp(
        &self,
        inner: DenoiserRef<'_>,
        batch: Batch<'_>,
        cotangent: TensorRef<'_>,
        out: TensorMut<'_>,
    ) -> AbiResult<()>;
    /// Output stage: 1 into `keep` for each image u8 `[N, C, H, W]` that may leave the service.
    #[sabi(last_prefix_field)]
    fn accept(&self, images: TensorRef<'_>, keep: RSliceMut<'_, u8>) -> AbiResult<()>;
}

/// An owned mitigation.
pub type MitigationBox = Mitigation_TO<'static, RBox<()>>;
