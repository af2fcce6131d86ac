//! What the host hands to plugins: the target under attack, the context of a run, the sink.
#![allow(
    non_local_definitions,
    unsafe_code,
    reason = "abi_stable's macros put their impls, some of them unsafe, inside constants"
)]

use abi_stable::StableAbi;
use abi_stable::sabi_trait;
use abi_stable::sabi_types::RRef;
use abi_stable::std_types::{ROption, RSlice, RStr};

use crate::error::AbiResult;
use crate::info::ModelInfo;
use crate::model::{Batch, Condition};
use crate::tensor::{TensorMut, TensorRef};

/// What an attack may ask of its target; each level includes those before it.
#[repr(u8)]
#[derive(StableAbi, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// Images from the service, behind every stage of the mitigation.
    Samples,
    /// The denoiser itself; what filters the service's output does not apply.
    Denoiser,
    /// Its products with a cotangent as well.
    Gradient,
}

/// A request for images.
#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct SampleRequest<'a> {
    /// Index of the first sample. The same index gives the same start noise in every cell of a
    /// seed, whatever the batch; use each index once.
    pub first_index: u64,
    /// Named conditions, a row a sample; empty means unconditional.
    pub conditions: RSlice<'a, Condition<'a>>,
    /// Guidance without a classifier, D_null + scale (D_c - D_null); 1 is none.
    pub guidance_scale: f32,
}

/// Images whose origin the attack has to tell, or to make whole.
#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct Candidates<'a> {
    /// u8 `[N, C, H, W]` for membership; for reconstruction f32 in [-1, 1], destroyed.
    pub images: TensorRef<'a>,
    /// u8 `[N, H, W]`, 1 where a pixel is known; present for reconstruction.
    pub known: ROption<TensorRef<'a>>,
    /// Sigma of the noise that was added; 0 for none.
    pub sigma: f32,
    /// Which of the attack's probes made these; 0 for membership.
    pub probe: u32,
}

/// The only thing an attack sees of the model. Every call is counted and capped.
#[sabi_trait]
pub trait Target: Send + Sync {
    /// What the model says of itself.
    fn info(&self) -> AbiResult<ModelInfo>;
    /// What this attack was granted.
    fn access(&self) -> Access;
    /// Model calls left; one call is one image through one forward pass.
    fn calls_left(&self) -> u64;
    /// Images of the service into `out`, u8 `[N, C, H, W]`.
    fn sample(&self, request: SampleRequest<'_>, out: TensorMut<'_>) -> AbiResult<()>;
    /// D(x; sigma) into `out`.
    fn denoise(&self, batch: Batch<'_>, out: TensorMut<'_>) -> AbiResult<()>;
    /// The cotangent's product with dD/dx into `out`.
    fn denoise_vjp(
        &self,
        batch: Batch<'_>,
        cotangent: TensorRef<'_>,
        out: TensorMut<'_>,
    ) -> AbiResult<()>;
    /// Pixels to the space of `denoise`.
    fn encode(&self, pixels: TensorRef<'_>, out: TensorMut<'_>) -> AbiResult<()>;
    /// The space of `denoise` to pixels.
    fn decode(&self, latents: TensorRef<'_>, out: TensorMut<'_>) -> AbiResult<()>;
    /// Features of pixels.
    fn embed(&self, pixels: TensorRef<'_>, out: TensorMut<'_>) -> AbiResult<()>;
    /// The candidates of a reconstruction or membership attack, a set a probe.
    #[sabi(last_prefix_field)]
    fn candidates(&self, probe: u32) -> AbiResult<Candidates<'_>>;
}

/// How loud a message is.
#[repr(u8)]
#[derive(StableAbi, Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Something the reader of a result should know.
    Warn,
    /// What is being done.
    Info,
    /// Detail for the plugin's author.
    Debug,
}

/// The run around a plugin: its seed, whether to stop, where to say how far it is.
#[sabi_trait]
pub trait Context: Send + Sync {
    /// Seed of everything random in the plugin.
    fn seed(&self) -> u64;
    /// True once the plugin should return at its next convenience.
    fn cancelled(&self) -> bool;
    /// `done` of `total` units.
    fn progress(&self, done: u64, total: u64);
    /// A line for the log.
    #[sabi(last_prefix_field)]
    fn log(&self, level: LogLevel, message: RStr<'_>);
}

/// Takes findings as they come: what was emitted before a failure still counts.
#[sabi_trait]
pub trait Sink: Send + Sync {
    /// Extraction: images u8 `[N, C, H, W]`; gives the index of the first.
    fn images(&self, images: TensorRef<'_>) -> AbiResult<u64>;
    /// Extraction: confidence of images from `first` on; higher is surer. May be given again.
    fn confidence(&self, first: u64, values: RSlice<'_, f64>) -> AbiResult<()>;
    /// Reconstruction: whole images u8 `[N, C, H, W]` for the candidates `candidate` of `probe`.
    fn reconstructions(
        &self,
        probe: u32,
        candidate: RSlice<'_, u64>,
        images: TensorRef<'_>,
    ) -> AbiResult<()>;
    /// Membership: scores of candidates; higher is more likely a member.
    #[sabi(last_prefix_field)]
    fn scores(&self, candidate: RSlice<'_, u64>, values: RSlice<'_, f64>) -> AbiResult<()>;
}

/// A denoiser that a sampling-stage mitigation wraps.
#[sabi_trait]
pub trait Denoiser: Send + Sync {
    /// What the wrapped model says of itself.
    fn info(&self) -> AbiResult<ModelInfo>;
    /// D(x; sigma) of what is wrapped.
    fn denoise(&self, batch: Batch<'_>, out: TensorMut<'_>) -> AbiResult<()>;
    /// Its product with a cotangent.
    #[sabi(last_prefix_field)]
    fn denoise_vjp(
        &self,
        batch: Batch<'_>,
        cotangent: TensorRef<'_>,
        out: TensorMut<'_>,
    ) -> AbiResult<()>;
}

/// A borrowed target.
pub type TargetRef<'a> = Target_TO<'a, RRef<'a, ()>>;
/// A borrowed context.
pub type ContextRef<'a> = Context_TO<'a, RRef<'a, ()>>;
/// A borrowed sink.
pub type SinkRef<'a> = Sink_TO<'a, RRef<'a, ()>>;
/// A borrowed denoiser.
pub type DenoiserRef<'a> = Denoiser_TO<'a, RRef<'a, ()>>;
