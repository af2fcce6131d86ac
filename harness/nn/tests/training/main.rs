//! The training loop on small perceptrons, by ONNX Runtime.
#![allow(clippy::unwrap_used)]

mod checkpoints;
mod denoising;
mod failures;
mod privacy;
mod resume;
mod setup;
