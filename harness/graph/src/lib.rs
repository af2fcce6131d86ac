//! ONNX graphs as values: build, read, differentiate, write.
//!
//! [`Graph`] has sizes and element types on every value, checked as it is built; [`gradient`] gives
//! the graph of a vector-Jacobian product, [`Graph::backward`] adds one to a graph; [`evaluate`] is
//! the slow float64 reference of every operator. [`GraphBuilder`] builds files with sizes that are
//! known only when they are run, unchecked.
//!
//! It runs nothing fast: that is `eidetic-runtime`. The messages are the subset of `onnx.proto3`
//! that models use; what it leaves out is kept as bytes where it stands in a model or a graph.

mod algebra;
mod attribute;
mod builder;
mod check;
mod error;
mod evaluate;
mod export;
mod file;
mod gradient;
mod graph;
mod import;
mod memorizer;
mod node;
mod obstacle;
mod ops;
pub mod proto;
mod shape;
mod summary;
mod tensor;
mod value;

pub use builder::GraphBuilder;
pub use check::check;
pub use error::Error;
pub use evaluate::evaluate;
pub use file::{decode, encode, read, write};
pub use gradient::gradient;
pub use graph::Graph;
pub use memorizer::memorizer;
pub use obstacle::{Obstacle, differentiable};
pub use shape::{Dim, Element, TensorType};
pub use summary::Summary;
pub use value::{Type, Value};
