//! Runs cells: the child that works on one, and the parent that starts children, keeps what they
//! found, and scores it.

mod ask;
mod assess;
mod context;
mod engine;
mod error;
mod guarded;
mod job;
mod lock;
mod process;
mod serve;
mod sink;
mod stop;

mod training;
mod worker;

pub use engine::{Engine, Event, Summary};
pub use error::Error;
pub use job::{Environment, Job, Outcome};
pub use lock::lock;
pub(crate) use training::TrainingData;
pub use worker::work;
