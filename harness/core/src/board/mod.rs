//! The board: what a suite's cells add up to. Made from the plan and the records on disk and
//! from nothing else, so that it can be made again, byte for byte.

mod broken;
mod cells;
mod comparisons;
#[cfg(test)]
mod comparisons_tests;
mod csv_text;
mod figure;
mod files;
mod leaderboard;
#[cfg(test)]
mod leaderboard_tests;
mod merge;
#[cfg(test)]
mod merge_tests;
mod metrics;
mod mitigations;
mod row;
#[cfg(test)]
mod samples;
mod sides;
mod terminal;
#[cfg(test)]
mod terminal_tests;
mod trends;
#[cfg(test)]
mod trends_tests;
mod utility;
#[cfg(test)]
mod utility_tests;

pub use broken::broken;
pub use cells::{CellProblem, Cells};
pub use comparisons::{Against, ComparisonRow};
pub use figure::Figure;
pub use leaderboard::Board;
pub use merge::{MergeReport, merge};
pub use metrics::MetricRow;
pub use mitigations::MitigationRow;
pub use row::{Row, RowStatus};
pub use terminal::render;
pub use trends::TrendRow;
pub use utility::Utility;
