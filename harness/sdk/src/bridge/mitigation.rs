//! Mitigations across the boundary.

use std::sync::OnceLock;

use eidetic_abi::abi_stable::erased_types::TD_Opaque;
use eidetic_abi::abi_stable::std_types::{RSlice, RSliceMut, RVec};
use eidetic_abi::error::AbiResult;
use eidetic_abi::host::DenoiserRef;
use eidetic_abi::info as abi_info;
use eidetic_abi::mitigation::{self as abi, Mitigation_TO, MitigationBox};
use eidetic_abi::model::Batch as AbiBatch;
use eidetic_abi::tensor::{TensorMut, TensorRef};
use eidetic_abi::training as abi_training;
use ndarray::{ArrayView4, ArrayViewMut4};

use super::guard::{call, guard, open};
use super::host::{LocalDenoiser, RemoteDenoiser};
use super::training::{LocalTrainer, RemoteTrainer, group_from_abi};
use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::host::Denoiser;
use crate::info::ModelInfo;
use crate::mitigation::Mitigation;
use crate::training::{Curation, Decision, Trainer, TrainingBatch, TrainingGroup};
use crate::training::{TrainingPlan, TrainingRun, TrainingSet};
use crate::view::{read4, tensor, tensor_mut};

struct LocalMitigation<M>(M);

/// A mitigation of this side, for the other.
pub(crate) fn mitigation_to_abi<M: Mitigation + 'static>(mitigation: M) -> MitigationBox {
    Mitigation_TO::from_value(LocalMitigation(mitigation), TD_Opaque)
}

impl<M: Mitigation> abi::Mitigation for LocalMitigation<M> {
    fn curate(
        &self,
        data: abi_training::TrainingSet<'_>,
        seed: u64,
    ) -> AbiResult<abi_training::Curation> {
        guard(|| {
            let curation = self.0.curate(TrainingSet::from_abi(&data)?, seed)?;
            Ok(abi_training::Curation {
                keep: curation.keep.into(),
                labels: curation.labels.map(Into::into).into(),
                classes: curation.classes,
            })
        })
    }

    fn plan(&self, run: TrainingRun) -> AbiResult<TrainingPlan> {
        guard(|| self.0.plan(run))
    }

    fn batch(
        &self,
        batch: abi_training::TrainingBatch<'_>,
        trainer: abi_training::TrainerRef<'_>,
    ) -> AbiResult<RVec<abi_training::TrainingGroup>> {
        guard(|| {
            let batch = TrainingBatch::from_abi(&batch)?;
            let groups = self.0.batch(batch, &RemoteTrainer(trainer))?;
            Ok(groups.into_iter().map(Into::into).collect())
        })
    }

    fn after_step(
        &self,
        step: u64,
        index: RSlice<'_, u64>,
        sigma: RSlice<'_, f32>,
        loss: RSlice<'_, f32>,
    ) -> AbiResult<Decision> {
        guard(|| {
            self.0
                .after_step(step, index.as_slice(), sigma.as_slice(), loss.as_slice())
        })
    }

    fn state(&self) -> AbiResult<RVec<u8>> {
        guard(|| Ok(self.0.state()?.into()))
    }

    fn restore(&self, state: RSlice<'_, u8>) -> AbiResult<()> {
        guard(|| self.0.restore(state.as_slice()))
    }

    fn wrapped_info(&self, inner: abi_info::ModelInfo) -> AbiResult<abi_info::ModelInfo> {
        guard(|| Ok(self.0.wrapped_info(inner.into()).into()))
    }

    fn denoise(
        &self,
        inner: DenoiserRef<'_>,
        batch: AbiBatch<'_>,
        out: TensorMut<'_>,
    ) -> AbiResult<()> {
        guard(|| {
            let (batch, out) = call(&batch, out)?;
            self.0.denoise(&RemoteDenoiser(inner), batch, out)
        })
    }

    fn denoise_vjp(
        &self,
        inner: DenoiserRef<'_>,
        batch: AbiBatch<'_>,
        cotangent: TensorRef<'_>,
        out: TensorMut<'_>,
    ) -> AbiResult<()> {
        guard(|| {
            let cotangent = read4(&cotangent, "cotangent")?;
            let (batch, out) = call(&batch, out)?;
            self.0
                .denoise_vjp(&RemoteDenoiser(inner), batch, cotangent, out)
        })
    }

    fn accept(&self, images: TensorRef<'_>, mut keep: RSliceMut<'_, u8>) -> AbiResult<()> {
        guard(|| {
            let mut flags = vec![false; keep.len()];
            self.0.accept(read4(&images, "images")?, &mut flags)?;
            for (byte, flag) in keep.as_mut_slice().iter_mut().zip(flags) {
                *byte = u8::from(flag);
            }
            Ok(())
        })
    }
}

/// A mitigation of the other side.
pub(crate) struct RemoteMitigation {
    inner: MitigationBox,
    extra_channels: OnceLock<usize>,
}

impl RemoteMitigation {
    pub(crate) fn new(inner: MitigationBox) -> Self {
        Self {
            inner,
            extra_channels: OnceLock::new(),
        }
    }
}

impl Mitigation for RemoteMitigation {
    fn curate(&self, data: TrainingSet<'_>, seed: u64) -> Result<Curation> {
        let rows = data.index.len() as u64;
        let curation = open(self.inner.curate(data.to_abi()?, seed))?;
        let keep: Vec<u64> = curation.keep.into();
        let ascending = keep.windows(2).all(|pair| pair[0] < pair[1]);
        if !ascending || keep.last().is_some_and(|&last| last >= rows) {
            return Err(Error::bad_input(format!(
                "curate: expected ascending, distinct rows below {rows}"
            )));
        }
        let labels: Option<Vec<i64>> = curation.labels.into_option().map(Into::into);
        if let Some(labels) = labels.as_ref().filter(|labels| labels.len() != keep.len()) {
            let (want, got) = (keep.len(), labels.len());
            return Err(Error::bad_input(format!(
                "curate: expected {want} labels, got {got}"
            )));
        }
        Ok(Curation {
            keep,
            labels,
            classes: curation.classes,
        })
    }

    fn plan(&self, run: TrainingRun) -> Result<TrainingPlan> {
        let plan = open(self.inner.plan(run))?;
        // The number is constant for a run, and `batch` needs it to check what comes back.
        let _ = self.extra_channels.set(plan.extra_channels as usize);
        Ok(plan)
    }

    fn batch(&self, batch: TrainingBatch<'_>, trainer: &dyn Trainer) -> Result<Vec<TrainingGroup>> {
        let extra = self.extra_channels.get().copied().unwrap_or(0);
        let dim = batch.x0.dim();
        let trainer = LocalTrainer(trainer);
        open(self.inner.batch(batch.to_abi()?, trainer.lend()))?
            .into_iter()
            .map(|group| group_from_abi(group, dim, extra))
            .collect()
    }

    fn after_step(
        &self,
        step: u64,
        index: &[u64],
        sigma: &[f32],
        loss: &[f32],
    ) -> Result<Decision> {
        open(
            self.inner
                .after_step(step, index.into(), sigma.into(), loss.into()),
        )
    }

    fn state(&self) -> Result<Vec<u8>> {
        Ok(open(self.inner.state())?.into())
    }

    fn restore(&self, state: &[u8]) -> Result<()> {
        open(self.inner.restore(state.into()))
    }

    fn wrapped_info(&self, inner: ModelInfo) -> ModelInfo {
        // A wrapper that cannot say keeps what it wraps; its denoise will say what is wrong.
        open(self.inner.wrapped_info(inner.clone().into())).map_or(inner, Into::into)
    }

    fn denoise(
        &self,
        inner: &dyn Denoiser,
        batch: Batch<'_>,
        out: ArrayViewMut4<'_, f32>,
    ) -> Result<()> {
        let inner = LocalDenoiser(inner);
        open(
            self.inner
                .denoise(inner.lend(), batch.to_abi()?, tensor_mut(out, "out")?),
        )
    }

    fn denoise_vjp(
        &self,
        inner: &dyn Denoiser,
        batch: Batch<'_>,
        cotangent: ArrayView4<'_, f32>,
        out: ArrayViewMut4<'_, f32>,
    ) -> Result<()> {
        let inner = LocalDenoiser(inner);
        let cotangent = tensor(cotangent, "cotangent")?;
        let out = tensor_mut(out, "out")?;
        open(
            self.inner
                .denoise_vjp(inner.lend(), batch.to_abi()?, cotangent, out),
        )
    }

    fn accept(&self, images: ArrayView4<'_, u8>, keep: &mut [bool]) -> Result<()> {
        let mut flags = vec![0u8; keep.len()];
        open(
            self.inner
                .accept(tensor(images, "images")?, flags.as_mut_slice().into()),
        )?;
        for (flag, byte) in keep.iter_mut().zip(flags) {
            *flag = byte != 0;
        }
        Ok(())
    }
}
