//! Attack entries.

use serde::Serialize;

use super::label::{Labelled, with_details};
use super::options::Options;
use super::reader::Reader;
use crate::yaml::{Node, NodeId, Value};

/// One attack with its options.
#[derive(Clone, Debug, Serialize)]
pub struct AttackEntry {
    /// The attack plugin's id, such as `random`.
    pub id: String,
    /// What the plugin is configured with.
    #[serde(skip_serializing_if = "Options::is_empty")]
    pub options: Options,
    /// Its name in leaderboards: the id, with options where the suite has the attack twice.
    #[serde(skip)]
    pub label: String,
    /// Where the file has it.
    #[serde(skip)]
    pub at: NodeId,
}

impl AttackEntry {
    pub(super) fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let (id, options) = read_plugin(reader, node, "an attack's id or a mapping with id")?;
        // The one option that every sampling attack shares; others are for the plugin's schema.
        if let Some(samples) = node
            .get("options")
            .and_then(|options| options.get("samples"))
        {
            reader.integer(samples, 1)?;
        }
        Some(Self {
            id,
            options,
            label: String::new(),
            at: node.id(),
        })
    }
}

/// `ID` or `{ id: ID, options: {...} }`.
pub(super) fn read_plugin(
    reader: &mut Reader<'_>,
    node: &Node,
    expected: &str,
) -> Option<(String, Options)> {
    if matches!(node.value, Value::String(_)) {
        return Some((reader.name(node)?, Options::default()));
    }
    reader.mapping(node, expected, &["id", "options"])?;
    let options = match node.get("options") {
        Some(options) => Options::read(reader, options),
        None => Some(Options::default()),
    };
    let id = reader.required(node, "id");
    let id = id.and_then(|id| reader.name(id));
    Some((id?, options?))
}

impl Labelled for AttackEntry {
    fn base(&self) -> String {
        self.id.clone()
    }

    fn detailed(&self) -> String {
        with_details(&self.id, &self.options.short())
    }

    fn set_label(&mut self, label: String) {
        self.label = label;
    }
}
