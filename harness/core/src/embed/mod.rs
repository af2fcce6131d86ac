//! Embedders: networks that give the features of an image. The manifest, PIL's resizing, features
//! in the same bits whatever the batch and the number of sessions, and their cache. It knows
//! nothing of models, plugins or suites.

mod cache;
mod embedder;
#[cfg(test)]
mod embedder_tests;
mod error;
mod features;
mod manifest;
#[cfg(test)]
mod manifest_tests;
mod network;
mod preprocess;
mod registry;
mod resize;
#[cfg(test)]
mod resize_tests;

pub use embedder::Embedder;
pub use error::Error;
pub use features::FeatureTable;
pub(crate) use manifest::INCEPTION;
pub use manifest::{Channels, Manifest, Network, Normalisation, Preprocessing};
pub use network::CheckedNetwork;
pub use registry::{Entry, Readiness, embedders_in, find};
pub use resize::{Filter, Resizer};
