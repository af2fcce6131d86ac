//! From a suite to its cells.

mod attacks;
mod build;
mod cells;
mod images;
mod model;
mod models;
mod recipes;
mod sources;
mod trainings;

pub use build::plan;
pub use cells::{Embedder, Plan, PlannedCell};
pub use images::images_plan;
pub use models::{BUILT_IN_MODELS, zoo};
pub use sources::Sources;
pub use trainings::PlannedTraining;
