//! Between the safe traits and the boundary, one file a trait family, both directions in it.
//!
//! `Local*` wraps what lives on this side so that the other side can call it, and catches panics;
//! `Remote*` wraps what lives on the other side as one of the safe traits.

pub(crate) mod attack;
pub(crate) mod guard;
pub(crate) mod host;
pub(crate) mod info;
pub(crate) mod mitigation;
pub(crate) mod model;
pub(crate) mod training;
