//! The model trait, and the batch that every denoiser call carries.
#![allow(
    non_local_definitions,
    unsafe_code,
    reason = "abi_stable's macros put their impls, some of them unsafe, inside constants"
)]

use abi_stable::StableAbi;
use abi_stable::sabi_trait;
use abi_stable::std_types::{RSlice, RStr};

use crate::error::AbiResult;
use crate::info::ModelInfo;
use crate::tensor::{TensorMut, TensorRef};

/// One condition of a batch.
#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct Condition<'a> {
    /// Its name in [`ModelInfo::conditions`].
    pub name: RStr<'a>,
    /// `[B, dims...]`.
    pub value: TensorRef<'a>,
    /// One flag a row: 1 where this row is unconditional and its value is to be ignored.
    pub null: RSlice<'a, u8>,
}

/// What `denoise` works on; B rows that do not know of each other.
#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct Batch<'a> {
    /// `[B, C (+ extra), H, W]`, f32, variance exploding: x0 + sigma n, x0 in [-1, 1].
    pub x: TensorRef<'a>,
    /// Noise level of each row, `[B]`.
    pub sigma: RSlice<'a, f32>,
    /// Identity of each row, `[B]`: what lets a wrapper keep one mask a sample in any batch.
    pub row_id: RSlice<'a, u64>,
    /// Named conditions; absent means unconditional.
    pub conditions: RSlice<'a, Condition<'a>>,
}

/// A diffusion model behind the boundary. All results are for each row alone.
#[sabi_trait]
pub trait Model: Send + Sync {
    /// What it is; constant.
    fn info(&self) -> AbiResult<ModelInfo>;
    /// D(x; sigma), f32 `[B, C, H, W]`, into `out`.
    fn denoise(&self, batch: Batch<'_>, out: TensorMut<'_>) -> AbiResult<()>;
    /// The cotangent's product with dD/dx, f32 `[B, C (+ extra), H, W]`, into `out`.
    fn denoise_vjp(
        &self,
        batch: Batch<'_>,
        cotangent: TensorRef<'_>,
        out: TensorMut<'_>,
    ) -> AbiResult<()>;
    /// Whole images from the model's own sampler, f32 in [-1, 1] pixels. `batch.x` is the standard
    /// normal start, `batch.sigma` is ignored.
    fn sample(&self, batch: Batch<'_>, out: TensorMut<'_>) -> AbiResult<()>;
    /// Pixels `[B, C, H, W]` in [-1, 1] to the space of `denoise`.
    fn encode(&self, pixels: TensorRef<'_>, out: TensorMut<'_>) -> AbiResult<()>;
    /// The space of `denoise` to pixels.
    fn decode(&self, latents: TensorRef<'_>, out: TensorMut<'_>) -> AbiResult<()>;
    /// Features `[B, E]` of pixels `[B, C, H, W]`.
    #[sabi(last_prefix_field)]
    fn embed(&self, pixels: TensorRef<'_>, out: TensorMut<'_>) -> AbiResult<()>;
}

/// An owned model.
pub type ModelBox = Model_TO<'static, abi_stable::std_types::RBox<()>>;
