//! From a suite to its cells.

mod build;
mod cells;
mod model;
mod models;
mod recipes;
mod sources;
mod trainings;

pub use build::plan;
pub use cells::{Plan, PlannedCell};
pub use models::{BUILT_IN_MODELS, zoo};
pub use sources::Sources;
pub use trainings::PlannedTraining;
