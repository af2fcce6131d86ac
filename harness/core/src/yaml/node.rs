//! YAML values as a plain tree, each node with a number by which its position can be found.

use serde_json::Number;

/// Which value of its file a node is: what to keep of a node whose value may turn out wrong later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeId(pub(super) usize);

/// One value of the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The place of the node in reading order, keys counted.
    pub(super) id: usize,
    /// What the file says.
    pub value: Value,
}

/// What a YAML node can be here: JSON's types, and the floats that JSON lacks.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An integer or a finite float.
    Number(Number),
    /// `.nan`, `.inf` or `-.inf`.
    NotFinite(f64),
    /// Text.
    String(String),
    /// `[ ... ]` or a list of dashes.
    Sequence(Vec<Node>),
    /// Keys and values in the file's order, each key once.
    Mapping(Vec<Entry>),
}

/// One key and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub(super) key_id: usize,
    /// The key; other types than text are refused when the file is read.
    pub key: String,
    /// Its value.
    pub value: Node,
}

impl Node {
    /// What [`super::Document::problem_under`] finds this node by.
    pub fn id(&self) -> NodeId {
        NodeId(self.id)
    }

    /// The value under `key`, if this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The entry of `key`, if this is a mapping that has it.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.value {
            Value::Mapping(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    /// What the node is, for an error: `text "ten"`, `the integer 3`, `a list`.
    pub fn describe(&self) -> String {
        match &self.value {
            Value::Null => "nothing".to_owned(),
            Value::Bool(value) => format!("the boolean {value}"),
            Value::Number(number) if number.is_f64() => format!("the number {number}"),
            Value::Number(number) => format!("the integer {number}"),
            Value::NotFinite(value) => format!("the number {value}"),
            Value::String(text) => format!("the text {}", quoted(text)),
            Value::Sequence(_) => "a list".to_owned(),
            Value::Mapping(_) => "a mapping".to_owned(),
        }
    }

    /// The same value as JSON, keys sorted at every level so that equal values print alike.
    ///
    /// # Errors
    /// The first node that JSON cannot hold: NaN or an infinity.
    pub fn to_json(&self) -> Result<serde_json::Value, &Node> {
        Ok(match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => (*value).into(),
            Value::Number(number) => number.clone().into(),
            Value::NotFinite(_) => return Err(self),
            Value::String(text) => text.clone().into(),
            Value::Sequence(items) => items
                .iter()
                .map(Node::to_json)
                .collect::<Result<Vec<_>, _>>()?
                .into(),
            Value::Mapping(entries) => {
                let mut sorted: Vec<&Entry> = entries.iter().collect();
                sorted.sort_by(|a, b| a.key.cmp(&b.key));
                let mut object = serde_json::Map::new();
                for entry in sorted {
                    object.insert(entry.key.clone(), entry.value.to_json()?);
                }
                object.into()
            }
        })
    }

    /// The node `id` at or below this one.
    pub(super) fn find(&self, id: usize) -> Option<&Node> {
        if self.id == id {
            return Some(self);
        }
        match &self.value {
            Value::Sequence(items) => items.iter().rev().find(|item| item.id <= id)?.find(id),
            Value::Mapping(entries) => {
                let entry = entries.iter().rev().find(|entry| entry.value.id <= id)?;
                entry.value.find(id)
            }
            _ => None,
        }
    }

    /// The key path of node (or key) `id` below this one, if it is here.
    pub(super) fn path_to(&self, id: usize) -> Option<String> {
        if self.id == id {
            return Some(String::new());
        }
        match &self.value {
            Value::Sequence(items) => {
                // Numbers grow in reading order: the last child that does not start after `id` holds it.
                let index = items.partition_point(|item| item.id <= id).checked_sub(1)?;
                Some(join(&format!("[{index}]"), &items[index].path_to(id)?))
            }
            Value::Mapping(entries) => {
                let index = entries.partition_point(|e| e.key_id <= id).checked_sub(1)?;
                let entry = &entries[index];
                let key = key_in_path(&entry.key);
                if entry.key_id == id {
                    return Some(key);
                }
                Some(join(&key, &entry.value.path_to(id)?))
            }
            _ => None,
        }
    }
}

/// Two parts of a key path as one.
pub(super) fn join(head: &str, tail: &str) -> String {
    let dot = if head.is_empty() || tail.is_empty() || tail.starts_with('[') {
        ""
    } else {
        "."
    };
    format!("{head}{dot}{tail}")
}

/// A key as it stands in a path: bare where that is unambiguous, else `["as text"]`.
pub(super) fn key_in_path(key: &str) -> String {
    let bare = !key.is_empty()
        && key
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
    if bare {
        key.to_owned()
    } else {
        format!("[{}]", quoted(key))
    }
}

/// Text for an error: quoted, escaped, and cut where it is long.
pub(crate) fn quoted(text: &str) -> String {
    const SHOWN: usize = 120;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{:?}...", &text[..end]),
        None => format!("{text:?}"),
    }
}
