//! Memorization metrics of generated images: neighbours, bands, ROC and intervals.

mod duplicates;
mod error;
mod images;
mod neighbours;
mod sketch;

pub use duplicates::{Groups, duplicate_groups};
pub use error::Error;
pub use images::{Images, l2, squared_distance};
pub use neighbours::{Neighbours, nearest, nearest_excluding, nearest_others};
