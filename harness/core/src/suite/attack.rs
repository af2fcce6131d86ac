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
    /// Members, and as many holdout images, that it is asked about at most; `None` for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub candidates: Option<u64>,
    /// The model that serves its samples, where that is not the one under attack.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub samples_from: Option<SamplesFrom>,
    /// Its name in leaderboards: the id, with options where the suite has the attack twice.
    #[serde(skip)]
    pub label: String,
    /// Where the file has it.
    #[serde(skip)]
    pub at: NodeId,
}

/// Another model that serves samples, so that what an attack learns from them and what it asks of
/// the model under attack are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SamplesFrom {
    /// The clean twin of a model, and the model of a clean twin.
    Counterpart,
}

impl SamplesFrom {
    const COUNTERPART: &str = "counterpart";

    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        match &node.value {
            Value::String(text) if text == Self::COUNTERPART => Some(Self::Counterpart),
            _ => {
                reader.wrong_type(node, "`counterpart`");
                None
            }
        }
    }
}

impl AttackEntry {
    /// The entry, or one for each value of its sweep.
    pub(super) fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Vec<Self>> {
        let more = ["candidates", "samples_from", "sweep"];
        let expected = "an attack's id or a mapping with id";
        let (id, options) = read_plugin(reader, node, expected, &more)?;
        // The one option that every sampling attack shares; others are for the plugin's schema.
        if let Some(samples) = node
            .get("options")
            .and_then(|options| options.get("samples"))
        {
            reader.integer(samples, 1)?;
        }
        let candidates = match node.get("candidates") {
            Some(node) => Some(reader.integer(node, 1)?),
            None => None,
        };
        let samples_from = match node.get("samples_from") {
            Some(node) => Some(SamplesFrom::read(reader, node)?),
            None => None,
        };
        let swept = match node.get("sweep") {
            Some(node) => sweep(reader, node, &options)?,
            None => vec![options],
        };
        let entry = |options| Self {
            id: id.clone(),
            options,
            candidates,
            samples_from,
            label: String::new(),
            at: node.id(),
        };
        Some(swept.into_iter().map(entry).collect())
    }
}

/// The options with each value of a sweep, `{ OPTION: [VALUE, ..], .. }`: every combination, the last
/// option by name changing first.
fn sweep(reader: &mut Reader<'_>, node: &Node, base: &Options) -> Option<Vec<Options>> {
    let lists = Options::read(reader, node)?;
    if lists.is_empty() {
        reader.problem(
            node,
            "expected an option with its values, got none; remove it",
        );
        return None;
    }
    let mut swept = vec![base.clone()];
    for (key, values) in lists.as_map() {
        let at = node.get(key).unwrap_or(node);
        let values = match values.as_array() {
            Some(values) if !values.is_empty() => values,
            _ => {
                reader.wrong_type(at, "a list of the values that the option takes in turn");
                return None;
            }
        };
        if base.as_map().contains_key(key) {
            reader.problem(at, format!("`{key}` stands in options as well; remove one"));
            return None;
        }
        let with_each = |options: &Options| -> Vec<Options> {
            let with = |value: &_| options.with(key, value);
            values.iter().map(with).collect()
        };
        swept = swept.iter().flat_map(with_each).collect();
    }
    Some(swept)
}

/// `ID` or `{ id: ID, options: {...} }`, with `more` keys where the list has them.
pub(super) fn read_plugin(
    reader: &mut Reader<'_>,
    node: &Node,
    expected: &str,
    more: &[&str],
) -> Option<(String, Options)> {
    if matches!(node.value, Value::String(_)) {
        return Some((reader.name(node)?, Options::default()));
    }
    let keys = [&["id", "options"], more].concat();
    reader.mapping(node, expected, &keys)?;
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
        let mut details = vec![self.options.short()];
        details.extend(self.candidates.map(|most| format!("candidates={most}")));
        let from = |_| format!("samples_from={}", SamplesFrom::COUNTERPART);
        details.extend(self.samples_from.map(from));
        details.retain(|detail| !detail.is_empty());
        with_details(&self.id, &details.join(","))
    }

    fn set_label(&mut self, label: String) {
        self.label = label;
    }
}
