//! The model as an attack meets it: behind its mitigations, counted and capped.

mod budget;
mod chain;
mod guided;
mod sampling;
mod target;
#[cfg(test)]
mod tests;
mod timed;

pub use budget::Budget;
pub use chain::{Chain, Link};
pub use sampling::{Service, ServiceOptions};
pub use target::{Ask, HostTarget};
pub use timed::{Stopwatch, Timed};
