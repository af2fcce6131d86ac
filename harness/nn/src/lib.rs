//! Networks as ONNX graphs, optimisers and the training loop.
//!
//! A [`Denoiser`] builds its graph with `eidetic-graph`, which differentiates it; ONNX Runtime runs
//! the training step ([`Step`]) as it runs the exported model, so what is trained is what is
//! served. It knows nothing of datasets, plugins or suites: batches come from the caller.

mod denoiser;
mod embedding;
mod error;
mod layers;
mod mlp;
mod parameters;
mod random;
mod step;
mod unet;

pub use denoiser::{Denoiser, Network, names};
pub use embedding::Embedding;
pub use error::Error;
pub use layers::{Conv, Layers, Weights};
pub use mlp::Mlp;
pub use parameters::{Initial, Parameter, Parameters, Wanted};
pub use random::{Rng, rng};
pub use step::{Group, Step};
pub use unet::UNet;
