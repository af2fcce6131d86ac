//! How the quality of what a model makes is measured.

use serde::Serialize;

use super::reader::Reader;
use crate::yaml::{Node, NodeId};

/// The quality of every model under every mitigation: of plain samples, by the features of one
/// embedder, against the holdout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Quality {
    /// The embedder's folder under `benchmarks/embedders`; `squeezenet11` unless given.
    pub embedder: String,
    /// Plain samples a seed; 256 unless given, at least 2.
    pub samples: u64,
    /// Where the file has it.
    #[serde(skip)]
    pub at: NodeId,
}

impl Quality {
    const EMBEDDER: &str = "squeezenet11";
    const SAMPLES: u64 = 256;

    pub(super) fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        reader.mapping(node, "a mapping of quality", &["embedder", "samples"])?;
        let embedder = match node.get("embedder") {
            Some(node) => reader.name(node)?,
            None => Self::EMBEDDER.into(),
        };
        let samples = match node.get("samples") {
            Some(node) => reader.integer(node, 2)?,
            None => Self::SAMPLES,
        };
        Some(Self {
            embedder,
            samples,
            at: node.id(),
        })
    }
}
