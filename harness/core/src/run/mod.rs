//! Runs cells: the child that works on one, and the parent that starts children, keeps what they
//! found, and scores it.

mod ask;
mod assess;
mod context;
mod engine;
mod error;
mod guarded;
mod images;
mod job;
mod lock;
mod process;
mod quality;
mod serve;
mod sink;
mod stop;
mod training;
mod worker;

pub use engine::{Engine, Event, Summary};
pub use error::Error;
pub use images::score_images;
pub use job::{Environment, Job, Outcome};
pub use lock::lock;
pub(crate) use training::TrainingData;
pub use worker::work;
