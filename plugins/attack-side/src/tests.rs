#![allow(clippy::unwrap_used)]

mod attack;
mod clusters;
mod guidance;
mod refusals;
mod support;
