//! Training sets, batches, groups and the trainer across the boundary.

use eidetic_abi::abi_stable::erased_types::TD_Opaque;
use eidetic_abi::abi_stable::sabi_types::RRef;
use eidetic_abi::abi_stable::std_types::{RNone, RSome};
use eidetic_abi::error::AbiResult;
use eidetic_abi::model::Batch as AbiBatch;
use eidetic_abi::tensor::TensorMut;
use eidetic_abi::training as abi;
use ndarray::{Array4, ArrayViewMut4, Dim, Ix1};

use super::guard::{call, guard, guard_or, open};
use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::training::{Trainer, TrainingBatch, TrainingGroup, TrainingSet};
use crate::view::{read, read4, tensor, tensor_mut};

impl<'a> TrainingSet<'a> {
    pub(crate) fn from_abi(set: &abi::TrainingSet<'a>) -> Result<Self> {
        let images = read4(&set.images, "images")?;
        let labels = match set.labels {
            RSome(labels) => {
                let view = read::<i64, Ix1>(&labels, Dim(images.shape()[0]), "labels")?;
                view.to_slice()
            }
            RNone => None,
        };
        Ok(Self {
            images,
            labels,
            index: set.index.as_slice(),
            classes: set.classes,
        })
    }

    pub(crate) fn to_abi(self) -> Result<abi::TrainingSet<'a>> {
        let labels = match self.labels {
            Some(labels) => RSome(tensor::<i64, Ix1>(
                ndarray::ArrayView1::from(labels),
                "labels",
            )?),
            None => RNone,
        };
        Ok(abi::TrainingSet {
            images: tensor(self.images, "images")?,
            labels,
            index: self.index.into(),
            classes: self.classes,
        })
    }
}

impl<'a> TrainingBatch<'a> {
    pub(crate) fn from_abi(batch: &abi::TrainingBatch<'a>) -> Result<Self> {
        Ok(Self {
            step: batch.step,
            index: batch.index.as_slice(),
            x0: read4(&batch.x0, "x0")?,
            sigma: batch.sigma.as_slice(),
            noise: read4(&batch.noise, "noise")?,
            conditions: batch.conditions.as_slice(),
        })
    }

    pub(crate) fn to_abi(self) -> Result<abi::TrainingBatch<'a>> {
        Ok(abi::TrainingBatch {
            step: self.step,
            index: self.index.into(),
            x0: tensor(self.x0, "x0")?,
            sigma: self.sigma.into(),
            noise: tensor(self.noise, "noise")?,
            conditions: self.conditions.into(),
        })
    }
}

impl From<TrainingGroup> for abi::TrainingGroup {
    fn from(group: TrainingGroup) -> Self {
        let flat = |array: Array4<f32>| array.into_iter().collect();
        Self {
            row: group.row.into(),
            x: flat(group.x),
            extra: flat(group.extra),
            sigma: group.sigma.into(),
            target: flat(group.target),
            weight: flat(group.weight),
        }
    }
}

/// A group of the other side, for a batch of shape `[B, C, H, W]` with `extra` further channels.
pub(crate) fn group_from_abi(
    group: abi::TrainingGroup,
    batch: (usize, usize, usize, usize),
    extra: usize,
) -> Result<TrainingGroup> {
    let (rows, c, h, w) = batch;
    let n = group.row.len();
    if let Some(row) = group.row.iter().find(|&&row| row >= rows as u64) {
        return Err(Error::bad_input(format!(
            "training group: row {row} of a batch of {rows}"
        )));
    }
    if group.sigma.len() != n {
        let got = group.sigma.len();
        return Err(Error::bad_input(format!(
            "training group: expected {n} sigmas, got {got}"
        )));
    }
    let shaped = |values: Vec<f32>, channels: usize, name: &str| {
        if values.iter().any(|value| !value.is_finite()) {
            return Err(Error::bad_input(format!(
                "training group: {name} is not finite"
            )));
        }
        let got = values.len();
        Array4::from_shape_vec((n, channels, h, w), values).map_err(|_| {
            let want = n * channels * h * w;
            Error::bad_input(format!(
                "training group: {name}: expected {want} values, got {got}"
            ))
        })
    };
    Ok(TrainingGroup {
        row: group.row.into(),
        x: shaped(group.x.into(), c, "x")?,
        extra: shaped(group.extra.into(), extra, "extra")?,
        sigma: group.sigma.into(),
        target: shaped(group.target.into(), c, "target")?,
        weight: shaped(group.weight.into(), c, "weight")?,
    })
}

/// This side's trainer, for the other.
pub(crate) struct LocalTrainer<'a>(pub(crate) &'a dyn Trainer);

impl LocalTrainer<'_> {
    pub(crate) fn lend(&self) -> abi::TrainerRef<'_> {
        abi::Trainer_TO::from_ptr(RRef::new(self), TD_Opaque)
    }
}

impl abi::Trainer for LocalTrainer<'_> {
    fn seed(&self) -> u64 {
        guard_or(0, || self.0.seed())
    }

    fn denoise(&self, batch: AbiBatch<'_>, out: TensorMut<'_>) -> AbiResult<()> {
        guard(|| {
            let (batch, out) = call(&batch, out)?;
            self.0.denoise(batch, out)
        })
    }

    fn denoise_ema(&self, batch: AbiBatch<'_>, out: TensorMut<'_>) -> AbiResult<()> {
        guard(|| {
            let (batch, out) = call(&batch, out)?;
            self.0.denoise_ema(batch, out)
        })
    }
}

/// A trainer of the other side.
pub(crate) struct RemoteTrainer<'a>(pub(crate) abi::TrainerRef<'a>);

impl Trainer for RemoteTrainer<'_> {
    fn seed(&self) -> u64 {
        self.0.seed()
    }

    fn denoise(&self, batch: Batch<'_>, out: ArrayViewMut4<'_, f32>) -> Result<()> {
        open(self.0.denoise(batch.to_abi()?, tensor_mut(out, "out")?))
    }

    fn denoise_ema(&self, batch: Batch<'_>, out: ArrayViewMut4<'_, f32>) -> Result<()> {
        open(self.0.denoise_ema(batch.to_abi()?, tensor_mut(out, "out")?))
    }
}
