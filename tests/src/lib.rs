//! What the end-to-end tests share: plugins and the host as Cargo builds them, a folder to run
//! suites in, and results to compare.
#![allow(clippy::unwrap_used)]

mod built;
mod place;
mod results;
mod said;

pub use built::{Profile, built_outside, cdylib, host, workspace};
pub use place::{MISBEHAVING, Place};
pub use results::{Files, Results};
pub use said::{Said, run, wait_for};
