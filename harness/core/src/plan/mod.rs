//! From a suite to its cells.

mod cells;

pub use cells::{Plan, PlannedCell};
