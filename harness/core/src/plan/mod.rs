//! From a suite to its cells.

mod build;
mod cells;
mod models;

pub use build::{Sources, plan};
pub use cells::{Plan, PlannedCell};
pub use models::{BUILT_IN_MODELS, zoo};
