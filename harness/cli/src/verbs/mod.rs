//! The verbs, a file each.

mod cell;
mod check;
mod completions;
mod dispatch;
mod doctor;
mod inspect;
mod leaderboard;
mod list;
mod man;
mod plan;
mod plugin;
mod run;
mod score;
mod train;

pub(crate) use cell::{CELL, work_on_cell};
pub(crate) use dispatch::dispatch;
