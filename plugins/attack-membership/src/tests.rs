#![allow(clippy::unwrap_used)]

mod agreement;
mod by_hand;
mod limits;
mod rates;
mod refusals;
mod support;
