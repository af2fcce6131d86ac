//! Networks as ONNX graphs, optimisers and the training loop.
//!
//! A [`Denoiser`] builds its graph with `eidetic-graph`, which differentiates it; ONNX Runtime runs
//! the training step ([`Step`]) as it runs the exported model, so what is trained is what is
//! served. It knows nothing of datasets, plugins or suites: batches come from the caller.

mod checkpoint;
mod classifier;
mod classifying;
mod clip;
mod denoiser;
mod denoising;
mod ema;
mod embedding;
mod error;
mod forward;
mod gradients;
mod layers;
mod log;
mod mlp;
mod objective;
mod optimiser;
mod order;
mod parameters;
mod preconditioning;
mod random;
mod rate;
mod resnet;
mod rows;
mod step;
mod task;
mod train;
mod training;
mod unet;

pub use checkpoint::Checkpoint;
pub use classifier::Classifier;
pub use classifying::{Classifying, LabelledImages};
pub use clip::{clip, norm};
pub use denoiser::{Denoiser, Network, names};
pub use denoising::{Denoising, Drawing, TrainingImages};
pub use ema::average;
pub use embedding::Embedding;
pub use error::Error;
pub use layers::{Conv, Layers, Weights};
pub use log::Figure;
pub use mlp::Mlp;
pub use objective::{Denoisers, Examples, Graded, Objective, Plain, Plan};
pub use optimiser::{Moments, Optimiser, OptimiserKind};
pub use parameters::{Initial, Parameter, Parameters, Wanted};
pub use random::{Rng, rng};
pub use rate::{Decay, Rate};
pub use resnet::ResNet;
pub use step::{Group, Step};
pub use task::{Batch, Decision, Draw, Networks, Privacy, Rows, Task, Which};
pub use train::{CHECKPOINT, End, Machine, Progress, Run, Trained, Watch, train};
pub use training::Training;
pub use unet::UNet;
