//! ONNX graphs as values: messages, a builder, reading, writing and a summary.
//!
//! It runs nothing: that is `eidetic-runtime`. The messages are the subset of `onnx.proto3` that
//! models use; what it leaves out is kept as bytes where it stands in a model or a graph.

mod attribute;
mod builder;
mod check;
mod error;
mod file;
mod memorizer;
pub mod proto;
mod shape;
mod summary;
mod tensor;

pub use builder::{GraphBuilder, Value};
pub use check::check;
pub use error::Error;
pub use file::{decode, encode, read, write};
pub use memorizer::memorizer;
pub use shape::{Dim, Element, TensorType};
pub use summary::Summary;
