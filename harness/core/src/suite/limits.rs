//! What one cell may cost.

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::duration::{format_duration, parse_duration};
use super::reader::Reader;
use crate::yaml::Node;

/// The limits of each cell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// Wall-clock time after which a cell's process is ended; 10 minutes unless given, at least 1 ms.
    #[serde(serialize_with = "as_text")]
    pub cell_timeout: Duration,
    /// Model calls (one image through one forward pass) that an attack may make; 2,000,000 unless given.
    pub model_calls: u64,
    /// Times that the service draws again for one sample that an output stage rejected, before it
    /// returns a flat grey image instead; 4 unless given.
    pub redraws: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            cell_timeout: Duration::from_secs(600),
            model_calls: 2_000_000,
            redraws: 4,
        }
    }
}

impl Limits {
    pub(super) fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        reader.mapping(
            node,
            "a mapping of limits",
            &["cell_timeout", "model_calls", "redraws"],
        )?;
        let mut limits = Self::default();
        if let Some(node) = node.get("cell_timeout") {
            limits.cell_timeout = read_timeout(reader, node)?;
        }
        if let Some(node) = node.get("model_calls") {
            limits.model_calls = reader.integer(node, 1)?;
        }
        if let Some(node) = node.get("redraws") {
            let redraws = reader.integer(node, 0)?;
            limits.redraws = u32::try_from(redraws).unwrap_or(u32::MAX);
        }
        Some(limits)
    }
}

fn read_timeout(reader: &mut Reader<'_>, node: &Node) -> Option<Duration> {
    let duration = match &node.value {
        crate::yaml::Value::String(text) => parse_duration(text),
        _ => None,
    };
    let duration = duration.filter(|duration| !duration.is_zero());
    if duration.is_none() {
        reader.wrong_type(node, "a duration above zero such as 90s, 10m or 1h30m");
    }
    duration
}

fn as_text<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format_duration(*duration))
}
