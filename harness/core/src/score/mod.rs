//! What findings are worth: against the members, and against as many holdout images.
//!
//! No attack runs here and no file is written. Formulas are [`eidetic_metrics`]' alone; this
//! module says which of them are quoted, against what, and under which names.

mod blind;
mod error;
mod extraction;
mod figure;
mod glyphs;
mod grid;
mod halves;
mod membership;
mod quality;
mod rebuilt;
mod reconstruction;
mod revision;
mod scoring;
mod similarity;
mod truth;

pub use error::Error;
pub use grid::grid_png;
pub use quality::{QualityOf, quality_id, quality_metrics, quality_protocol};
pub use revision::{revision, scores_id};
pub use scoring::score;
pub use similarity::similarity_csv;
pub use truth::Truth;
