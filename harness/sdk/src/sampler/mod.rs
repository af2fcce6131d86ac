//! Samplers, written once over D(x; sigma), for the harness and for attacks with access to the
//! denoiser.

mod config;
mod draw;
mod levels;
mod noise;

pub use config::{Sampler, SamplerKind};
pub use draw::draw;
pub use levels::sigmas;
pub use noise::RowNoise;
