//! Exact search by a lower bound: coordinates that shorten no distance bound it from below, a
//! small product of matrices compares the bounds, and only what survives is measured exactly.

mod best;
mod brute;
mod cloud;
mod directions;
mod eigen;
mod kernel;
mod leaves;
mod metric;
mod pack;
mod prepared;
mod projection;
mod scan;
#[cfg(test)]
mod tests;

pub(crate) use best::{Best, Keep, Within};
pub(crate) use brute::{Integers, exhaust};
pub(crate) use cloud::Cloud;
pub(crate) use kernel::max_tile_within;
pub(crate) use leaves::BOX_COLUMNS;
pub(crate) use metric::Metric;
pub(crate) use pack::Packed;
pub(crate) use prepared::{Plan, Prepared, SquaredL2};
pub(crate) use scan::Search;
