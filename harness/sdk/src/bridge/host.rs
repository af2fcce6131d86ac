//! Target, context, sink and denoiser across the boundary.

use eidetic_abi::abi_stable::erased_types::TD_Opaque;
use eidetic_abi::abi_stable::sabi_types::RRef;
use eidetic_abi::abi_stable::std_types::{RNone, RSlice, RSome, RStr};
use eidetic_abi::error::AbiResult;
use eidetic_abi::host::{self as abi, Access, LogLevel};
use eidetic_abi::info as abi_info;
use eidetic_abi::model::Batch as AbiBatch;
use eidetic_abi::tensor::{TensorMut, TensorRef};
use ndarray::{ArrayView4, ArrayViewMut2, ArrayViewMut4, Dim};

use super::guard::{call, guard, guard_or, open};
use super::model::write_features;
use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::host::{Candidates, Context, Denoiser, SampleRequest, Sink, Target};
use crate::info::ModelInfo;
use crate::view::{read, read4, tensor, tensor_mut, write4};

/// This side's target, for the other.
pub(crate) struct LocalTarget<'a>(pub(crate) &'a dyn Target);
/// This side's context, for the other.
pub(crate) struct LocalContext<'a>(pub(crate) &'a dyn Context);
/// This side's sink, for the other.
pub(crate) struct LocalSink<'a>(pub(crate) &'a dyn Sink);
/// This side's denoiser, for the other.
pub(crate) struct LocalDenoiser<'a>(pub(crate) &'a dyn Denoiser);

impl LocalTarget<'_> {
    pub(crate) fn lend(&self) -> abi::TargetRef<'_> {
        abi::Target_TO::from_ptr(RRef::new(self), TD_Opaque)
    }
}

impl LocalContext<'_> {
    pub(crate) fn lend(&self) -> abi::ContextRef<'_> {
        abi::Context_TO::from_ptr(RRef::new(self), TD_Opaque)
    }
}

impl LocalSink<'_> {
    pub(crate) fn lend(&self) -> abi::SinkRef<'_> {
        abi::Sink_TO::from_ptr(RRef::new(self), TD_Opaque)
    }
}

impl LocalDenoiser<'_> {
    pub(crate) fn lend(&self) -> abi::DenoiserRef<'_> {
        abi::Denoiser_TO::from_ptr(RRef::new(self), TD_Opaque)
    }
}

impl abi::Target for LocalTarget<'_> {
    fn info(&self) -> AbiResult<abi_info::ModelInfo> {
        guard(|| Ok(self.0.info()?.into()))
    }

    fn access(&self) -> Access {
        guard_or(Access::Samples, || self.0.access())
    }

    fn calls_left(&self) -> u64 {
        guard_or(0, || self.0.calls_left())
    }

    fn sample(&self, request: abi::SampleRequest<'_>, out: TensorMut<'_>) -> AbiResult<()> {
        guard(|| {
            let request = SampleRequest {
                first_index: request.first_index,
                conditions: request.conditions.as_slice(),
                guidance_scale: request.guidance_scale,
            };
            self.0.sample(request, write4(out, "out")?)
        })
    }

    fn denoise(&self, batch: AbiBatch<'_>, out: TensorMut<'_>) -> AbiResult<()> {
        guard(|| {
            let (batch, out) = call(&batch, out)?;
            self.0.denoise(batch, out)
        })
    }

    fn denoise_vjp(
        &self,
        batch: AbiBatch<'_>,
        cotangent: TensorRef<'_>,
        out: TensorMut<'_>,
    ) -> AbiResult<()> {
        guard(|| {
            let cotangent = read4(&cotangent, "cotangent")?;
            let (batch, out) = call(&batch, out)?;
            self.0.denoise_vjp(batch, cotangent, out)
        })
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

    fn candidates(&self, probe: u32) -> AbiResult<abi::Candidates<'_>> {
        guard(|| {
            Ok(match self.0.candidates(probe)? {
                Candidates::Membership { images } => abi::Candidates {
                    images: tensor(images, "images")?,
                    known: RNone,
                    sigma: 0.0,
                    probe,
                },
                Candidates::Reconstruction {
                    images,
                    known,
                    sigma,
                } => abi::Candidates {
                    images: tensor(images, "images")?,
                    known: RSome(tensor(known, "known")?),
                    sigma,
                    probe,
                },
            })
        })
    }
}

/// A target of the other side.
pub(crate) struct RemoteTarget<'a>(pub(crate) abi::TargetRef<'a>);
/// A context of the other side.
pub(crate) struct RemoteContext<'a>(pub(crate) abi::ContextRef<'a>);
/// A sink of the other side.
pub(crate) struct RemoteSink<'a>(pub(crate) abi::SinkRef<'a>);
/// A denoiser of the other side.
pub(crate) struct RemoteDenoiser<'a>(pub(crate) abi::DenoiserRef<'a>);

impl Target for RemoteTarget<'_> {
    fn info(&self) -> Result<ModelInfo> {
        open(self.0.info()).map(Into::into)
    }

    fn access(&self) -> Access {
        self.0.access()
    }

    fn calls_left(&self) -> u64 {
        self.0.calls_left()
    }

    fn sample(&self, request: SampleRequest<'_>, out: ArrayViewMut4<'_, u8>) -> Result<()> {
        let request = abi::SampleRequest {
            first_index: request.first_index,
            conditions: request.conditions.into(),
            guidance_scale: request.guidance_scale,
        };
        open(self.0.sample(request, tensor_mut(out, "out")?))
    }

    fn denoise(&self, batch: Batch<'_>, out: ArrayViewMut4<'_, f32>) -> Result<()> {
        open(self.0.denoise(batch.to_abi()?, tensor_mut(out, "out")?))
    }

    fn denoise_vjp(
        &self,
        batch: Batch<'_>,
        cotangent: ArrayView4<'_, f32>,
        out: ArrayViewMut4<'_, f32>,
    ) -> Result<()> {
        let cotangent = tensor(cotangent, "cotangent")?;
        open(
            self.0
                .denoise_vjp(batch.to_abi()?, cotangent, tensor_mut(out, "out")?),
        )
    }

    fn encode(&self, pixels: ArrayView4<'_, f32>, out: ArrayViewMut4<'_, f32>) -> Result<()> {
        open(
            self.0
                .encode(tensor(pixels, "pixels")?, tensor_mut(out, "out")?),
        )
    }

    fn decode(&self, latents: ArrayView4<'_, f32>, out: ArrayViewMut4<'_, f32>) -> Result<()> {
        open(
            self.0
                .decode(tensor(latents, "latents")?, tensor_mut(out, "out")?),
        )
    }

    fn embed(&self, pixels: ArrayView4<'_, f32>, out: ArrayViewMut2<'_, f32>) -> Result<()> {
        open(
            self.0
                .embed(tensor(pixels, "pixels")?, tensor_mut(out, "out")?),
        )
    }

    fn candidates(&self, probe: u32) -> Result<Candidates<'_>> {
        let found = open(self.0.candidates(probe))?;
        let RSome(known) = found.known else {
            return Ok(Candidates::Membership {
                images: read4(&found.images, "images")?,
            });
        };
        let dims: Vec<usize> = known.shape().dims().collect();
        let [n, h, w] = dims[..] else {
            return Err(Error::bad_input(format!(
                "known: expected [N, H, W], got {dims:?}"
            )));
        };
        Ok(Candidates::Reconstruction {
            images: read4(&found.images, "images")?,
            known: read(&known, Dim([n, h, w]), "known")?,
            sigma: found.sigma,
        })
    }
}

impl abi::Context for LocalContext<'_> {
    fn seed(&self) -> u64 {
        guard_or(0, || self.0.seed())
    }

    fn cancelled(&self) -> bool {
        guard_or(true, || self.0.cancelled())
    }

    fn progress(&self, done: u64, total: u64) {
        guard_or((), || self.0.progress(done, total));
    }

    fn log(&self, level: LogLevel, message: RStr<'_>) {
        guard_or((), || self.0.log(level, message.as_str()));
    }
}

impl Context for RemoteContext<'_> {
    fn seed(&self) -> u64 {
        self.0.seed()
    }

    fn cancelled(&self) -> bool {
        self.0.cancelled()
    }

    fn progress(&self, done: u64, total: u64) {
        self.0.progress(done, total);
    }

    fn log(&self, level: LogLevel, message: &str) {
        self.0.log(level, message.into());
    }
}

impl abi::Sink for LocalSink<'_> {
    fn images(&self, images: TensorRef<'_>) -> AbiResult<u64> {
        guard(|| self.0.images(read4(&images, "images")?))
    }

    fn confidence(&self, first: u64, values: RSlice<'_, f64>) -> AbiResult<()> {
        guard(|| self.0.confidence(first, values.as_slice()))
    }

    fn reconstructions(
        &self,
        probe: u32,
        candidate: RSlice<'_, u64>,
        images: TensorRef<'_>,
    ) -> AbiResult<()> {
        guard(|| {
            self.0
                .reconstructions(probe, candidate.as_slice(), read4(&images, "images")?)
        })
    }

    fn scores(&self, candidate: RSlice<'_, u64>, values: RSlice<'_, f64>) -> AbiResult<()> {
        guard(|| self.0.scores(candidate.as_slice(), values.as_slice()))
    }
}

impl Sink for RemoteSink<'_> {
    fn images(&self, images: ArrayView4<'_, u8>) -> Result<u64> {
        open(self.0.images(tensor(images, "images")?))
    }

    fn confidence(&self, first: u64, values: &[f64]) -> Result<()> {
        open(self.0.confidence(first, values.into()))
    }

    fn reconstructions(
        &self,
        probe: u32,
        candidate: &[u64],
        images: ArrayView4<'_, u8>,
    ) -> Result<()> {
        open(
            self.0
                .reconstructions(probe, candidate.into(), tensor(images, "images")?),
        )
    }

    fn scores(&self, candidate: &[u64], values: &[f64]) -> Result<()> {
        open(self.0.scores(candidate.into(), values.into()))
    }
}

impl abi::Denoiser for LocalDenoiser<'_> {
    fn info(&self) -> AbiResult<abi_info::ModelInfo> {
        guard(|| Ok(self.0.info()?.into()))
    }

    fn denoise(&self, batch: AbiBatch<'_>, out: TensorMut<'_>) -> AbiResult<()> {
        guard(|| {
            let (batch, out) = call(&batch, out)?;
            self.0.denoise(batch, out)
        })
    }

    fn denoise_vjp(
        &self,
        batch: AbiBatch<'_>,
        cotangent: TensorRef<'_>,
        out: TensorMut<'_>,
    ) -> AbiResult<()> {
        guard(|| {
            let cotangent = read4(&cotangent, "cotangent")?;
            let (batch, out) = call(&batch, out)?;
            self.0.denoise_vjp(batch, cotangent, out)
        })
    }
}

impl Denoiser for RemoteDenoiser<'_> {
    fn info(&self) -> Result<ModelInfo> {
        open(self.0.info()).map(Into::into)
    }

    fn denoise(&self, batch: Batch<'_>, out: ArrayViewMut4<'_, f32>) -> Result<()> {
        open(self.0.denoise(batch.to_abi()?, tensor_mut(out, "out")?))
    }

    fn denoise_vjp(
        &self,
        batch: Batch<'_>,
        cotangent: ArrayView4<'_, f32>,
        out: ArrayViewMut4<'_, f32>,
    ) -> Result<()> {
        let cotangent = tensor(cotangent, "cotangent")?;
        open(
            self.0
                .denoise_vjp(batch.to_abi()?, cotangent, tensor_mut(out, "out")?),
        )
    }
}
