//! Models that come as a folder: the manifest, the noise schedule, the network, and the change of
//! variables that makes each of them D(x; sigma). It knows nothing of suites, attacks or plugins.

mod convention;
#[cfg(test)]
mod convention_tests;
mod error;
mod folder;
#[cfg(test)]
mod folder_tests;
mod manifest;
mod memorizer;
#[cfg(test)]
mod memorizer_tests;
mod network;
mod onnx;
#[cfg(test)]
mod onnx_tests;
mod pass;
mod places;
mod schedule;
#[cfg(test)]
mod schedule_tests;
#[cfg(test)]
mod testing;
mod vjp;
#[cfg(test)]
mod vjp_limits_tests;
#[cfg(test)]
mod vjp_tests;
mod write;

pub use convention::Prediction;
pub use error::Error;
pub use folder::ModelFolder;
pub use manifest::{ListedFile, Manifest, TrainedOn, TrainingStatement};
pub use memorizer::{MemorizerFolder, write_memorizer_folder};
pub use onnx::OnnxModel;
pub use schedule::{Schedule, ZERO_SNR_ALPHA_BAR};
pub use write::{FolderContent, check_model_place, write_model_folder};
