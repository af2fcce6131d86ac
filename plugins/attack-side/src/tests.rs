#![allow(clippy::unwrap_used)]

mod attack;
mod clusters;
mod distilling;
mod embedder;
mod guidance;
mod network;
mod patches;
mod refusals;
mod support;
