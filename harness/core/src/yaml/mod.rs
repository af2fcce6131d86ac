//! Reading YAML so that every complaint names its file, line, column and key.
//!
//! `serde_yaml` does the parsing. It marks each error with a position but hands out none for values
//! that are fine in themselves, so [`Document`] keeps a plain tree of numbered nodes; the position of
//! a node is found, when an error needs it, by parsing again and failing on purpose at that number.
//! One parser, no second opinion on what a file says, and no cost where there is no error.

mod checked;
mod decode;
mod document;
mod error;
mod node;
#[cfg(test)]
mod tests;

pub(crate) use checked::{Misfit, expect, expect_name_of, from_checked_file};
pub use decode::{from_file, from_str};
pub use document::Document;
pub use error::LocatedError;
pub(crate) use node::quoted;
pub use node::{Entry, Node, NodeId, Value};
