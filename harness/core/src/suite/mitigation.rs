//! Mitigation entries: chains of mitigations, of which `none` is the empty one.

use serde::{Serialize, Serializer};

use super::attack::read_plugin;
use super::label::{Labelled, with_details};
use super::options::Options;
use super::reader::Reader;
use crate::yaml::{Node, NodeId, Value};

/// Mitigations that are applied together, in this order.
#[derive(Clone, Debug)]
pub struct MitigationChain {
    /// The links; empty is `none`.
    pub links: Vec<MitigationUse>,
    /// Its name in leaderboards: `none`, `ambient+filter`, `filter{nn_ratio=0.4}`.
    pub label: String,
    /// Where the file has it (the top where the suite leaves mitigations out).
    pub at: NodeId,
}

/// One link of a chain.
#[derive(Clone, Debug, Serialize)]
pub struct MitigationUse {
    /// The mitigation plugin's id, such as `filter`.
    pub id: String,
    /// What the plugin is configured with.
    #[serde(skip_serializing_if = "Options::is_empty")]
    pub options: Options,
    /// Where the file has it.
    #[serde(skip)]
    pub at: NodeId,
}

const NONE: &str = "none";

impl MitigationChain {
    /// The chain without links.
    pub fn none() -> Self {
        Self {
            links: Vec::new(),
            label: NONE.to_owned(),
            at: NodeId::default(),
        }
    }

    /// Whether this is `none`.
    pub fn is_none(&self) -> bool {
        self.links.is_empty()
    }

    pub(super) fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let links = match &node.value {
            Value::String(text) if text == NONE => Vec::new(),
            Value::Sequence(items) => read_links(reader, node, items)?,
            _ => vec![MitigationUse::read(reader, node)?],
        };
        Some(Self {
            links,
            label: String::new(),
            at: node.id(),
        })
    }

    fn joined(&self, name: impl Fn(&MitigationUse) -> String) -> String {
        if self.links.is_empty() {
            return NONE.to_owned();
        }
        let names: Vec<String> = self.links.iter().map(name).collect();
        names.join("+")
    }
}

fn read_links(reader: &mut Reader<'_>, node: &Node, items: &[Node]) -> Option<Vec<MitigationUse>> {
    if items.is_empty() {
        reader.problem(
            node,
            "expected a chain of mitigations, got an empty list; write none",
        );
        return None;
    }
    // Every link is read before giving up, so that each one's problems are told.
    let links: Vec<Option<MitigationUse>> = items
        .iter()
        .map(|item| MitigationUse::read(reader, item))
        .collect();
    let links: Vec<MitigationUse> = links.into_iter().collect::<Option<_>>()?;
    for (index, link) in links.iter().enumerate() {
        let same = |other: &MitigationUse| other.id == link.id && other.options == link.options;
        if links[..index].iter().any(same) {
            reader.problem(
                &items[index],
                format!("{:?} stands twice in this chain", link.id),
            );
            return None;
        }
    }
    Some(links)
}

impl MitigationUse {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let expected = "a mitigation's id, a mapping with id, or a list of these";
        let (id, options) = read_plugin(reader, node, expected, &[])?;
        if id == NONE {
            reader.problem(
                node,
                "none is the empty chain: it stands alone and takes no options",
            );
            return None;
        }
        Some(Self {
            id,
            options,
            at: node.id(),
        })
    }
}

/// `"none"` or the list of links, which is what a suite file may say.
impl Serialize for MitigationChain {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.is_none() {
            return serializer.serialize_str(NONE);
        }
        self.links.serialize(serializer)
    }
}

impl Labelled for MitigationChain {
    fn base(&self) -> String {
        self.joined(|link| link.id.clone())
    }

    fn detailed(&self) -> String {
        self.joined(|link| with_details(&link.id, &link.options.short()))
    }

    fn set_label(&mut self, label: String) {
        self.label = label;
    }
}
