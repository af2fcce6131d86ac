//! The boundary between Eidetic and its plugins: types and traits that keep their layout, and
//! nothing else.
//!
//! A plugin author uses `eidetic-sdk` instead, which wraps every trait here in a safe one. Tensors
//! cross as borrowed views, options as one JSON string, errors as code, message and help. A panic
//! must never reach this boundary: abi_stable ends the process there.
//!
//! A released trait never grows: the next version is a second set of traits beside the first.

pub mod attack;
pub mod error;
pub mod host;
pub mod info;
pub mod mitigation;
pub mod model;
pub mod module;
pub mod tensor;
pub mod training;

pub use abi_stable;
