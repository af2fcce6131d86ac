//! Models across the boundary.

use eidetic_abi::abi_stable::erased_types::TD_Opaque;
use eidetic_abi::error::AbiResult;
use eidetic_abi::info as abi_info;
use eidetic_abi::model::{self as abi, Model_TO, ModelBox};
use eidetic_abi::tensor::{TensorMut, TensorRef};
use ndarray::{ArrayView4, ArrayViewMut2, ArrayViewMut4, Dim};

use super::guard::{call, guard, open};
use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::info::ModelInfo;
use crate::model::Model;
use crate::view::{read4, tensor, tensor_mut, write, write4};

struct LocalModel<M>(M);

/// A model of this side, for the other.
pub(crate) fn model_to_abi<M: Model + 'static>(model: M) -> ModelBox {
    Model_TO::from_value(LocalModel(model), TD_Opaque)
}

impl<M: Model> abi::Model for LocalModel<M> {
    fn info(&self) -> AbiResult<abi_info::ModelInfo> {
        guard(|| Ok(self.0.info().into()))
    }

    fn denoise(&self, batch: abi::Batch<'_>, out: TensorMut<'_>) -> AbiResult<()> {
        guard(|| {
            let (batch, out) = call(&batch, out)?;
            self.0.denoise(batch, out)
        })
    }

    fn denoise_vjp(
        &self,
        batch: abi::Batch<'_>,
        cotangent: TensorRef<'_>,
        out: TensorMut<'_>,
    ) -> AbiResult<()> {
        guard(|| {
            let cotangent = read4(&cotangent, "cotangent")?;
            let (batch, out) = call(&batch, out)?;
            self.0.denoise_vjp(batch, cotangent, out)
        })
    }

    fn sample(&self, batch: abi::Batch<'_>, out: TensorMut<'_>) -> AbiResult<()> {
        // Starts in the model's space and ends in pixels: only the rows are the same.
        guard(|| self.0.sample(Batch::from_abi(&batch)?, write4(out, "out")?))
    }

    fn encode(&self, pixels: TensorRef<'_>, out: TensorMut<'_>) -> AbiResult<()> {
        guard(|| {
            self.0
                .encode(read4(&pixels, "pixels")?, write4(out, "out")?)
        })
    }

    fn decode(&self, latents: TensorRef<'_>, out: TensorMut<'_>) -> AbiResult<()> {
        guard(|| {
            self.0
                .decode(read4(&latents, "latents")?, write4(out, "out")?)
        })
    }

    fn embed(&self, pixels: TensorRef<'_>, out: TensorMut<'_>) -> AbiResult<()> {
        guard(|| {
            self.0
                .embed(read4(&pixels, "pixels")?, write_features(out)?)
        })
    }
}

/// A writable view `[B, E]`.
pub(crate) fn write_features(out: TensorMut<'_>) -> Result<ArrayViewMut2<'_, f32>> {
    let dims: Vec<usize> = out.shape().dims().collect();
    let [rows, features] = dims[..] else {
        return Err(Error::bad_input(format!(
            "out: expected [B, E], got shape {dims:?}"
        )));
    };
    write(out, Dim([rows, features]), "out")
}

/// A model of the other side.
pub(crate) struct RemoteModel {
    inner: ModelBox,
    info: ModelInfo,
}

impl RemoteModel {
    /// Asks once what the model is, and refuses one that makes no sense.
    pub(crate) fn new(inner: ModelBox) -> Result<Self> {
        let info = ModelInfo::from(open(inner.info())?);
        match info.fault() {
            Some(fault) => Err(Error::bad_input(format!("model info: {fault}"))),
            None => Ok(Self { inner, info }),
        }
    }
}

impl Model for RemoteModel {
    fn info(&self) -> ModelInfo {
        self.info.clone()
    }

    fn denoise(&self, batch: Batch<'_>, out: ArrayViewMut4<'_, f32>) -> Result<()> {
        open(self.inner.denoise(batch.to_abi()?, tensor_mut(out, "out")?))
    }

    fn denoise_vjp(
        &self,
        batch: Batch<'_>,
        cotangent: ArrayView4<'_, f32>,
        out: ArrayViewMut4<'_, f32>,
    ) -> Result<()> {
        let cotangent = tensor(cotangent, "cotangent")?;
        open(
            self.inner
                .denoise_vjp(batch.to_abi()?, cotangent, tensor_mut(out, "out")?),
        )
    }

    fn sample(&self, batch: Batch<'_>, out: ArrayViewMut4<'_, f32>) -> Result<()> {
        open(self.inner.sample(batch.to_abi()?, tensor_mut(out, "out")?))
    }

    fn encode(&self, pixels: ArrayView4<'_, f32>, out: ArrayViewMut4<'_, f32>) -> Result<()> {
        open(
            self.inner
                .encode(tensor(pixels, "pixels")?, tensor_mut(out, "out")?),
        )
    }

    fn decode(&self, latents: ArrayView4<'_, f32>, out: ArrayViewMut4<'_, f32>) -> Result<()> {
        open(
            self.inner
                .decode(tensor(latents, "latents")?, tensor_mut(out, "out")?),
        )
    }

    fn embed(&self, pixels: ArrayView4<'_, f32>, out: ArrayViewMut2<'_, f32>) -> Result<()> {
        open(
            self.inner
                .embed(tensor(pixels, "pixels")?, tensor_mut(out, "out")?),
        )
    }
}
