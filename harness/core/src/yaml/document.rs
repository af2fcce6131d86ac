//! A parsed file: its tree, the complaints about its form, and positions on request.

use std::cell::Cell;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::{DeserializeSeed, EnumAccess, Error, MapAccess, SeqAccess, Visitor};

use super::error::LocatedError;
use super::node::{Entry, Node, NodeId, Value, join, key_in_path, quoted};

/// A configuration file is written by hand; more than this is a mistake, or an attack by aliases.
const MOST_BYTES: u64 = 1 << 20;
const MOST_NODES: usize = 100_000;

/// A YAML file that parsed.
#[derive(Debug)]
pub struct Document {
    file: PathBuf,
    text: String,
    root: Node,
    form: Vec<FormProblem>,
}

/// A duplicate key or a key that is not text: the parser lets them by, this module does not.
#[derive(Debug)]
struct FormProblem {
    id: usize,
    parent_id: usize,
    key: String,
    message: String,
}

impl Document {
    /// Reads a file of at most 1 MiB.
    ///
    /// # Errors
    /// As [`Document::parse`], and where the file cannot be read, is too large or is not UTF-8.
    pub fn read(path: &Path) -> Result<Self, LocatedError> {
        let fail = |message: String| LocatedError {
            file: path.to_owned(),
            place: None,
            key: String::new(),
            message,
        };
        let cannot = |error: std::io::Error| fail(format!("cannot read the file: {error}"));
        let size = std::fs::metadata(path).map_err(cannot)?.len();
        if size > MOST_BYTES {
            return Err(fail(format!(
                "expected a YAML file of at most {MOST_BYTES} bytes, got {size}"
            )));
        }
        let bytes = std::fs::read(path).map_err(cannot)?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            fail(format!(
                "expected UTF-8 text, got another byte at offset {at}"
            ))
        })?;
        Self::parse(path, text)
    }

    /// Parses `text`; `file` is only what errors call it.
    ///
    /// # Errors
    /// Where the text is not YAML, is empty, holds several documents, uses `!tags`, integers beyond
    /// 64 bits, or grows past 100,000 values (aliases can make a small file that large). Duplicate
    /// keys and keys that are not text do not fail here; [`Document::form_problems`] has them.
    pub fn parse(file: &Path, text: String) -> Result<Self, LocatedError> {
        let walk = Walk::new(None);
        match walk.run(&text) {
            Ok(root) => Ok(Self {
                file: file.to_owned(),
                text,
                root,
                form: walk.form.into_inner(),
            }),
            Err(error) => {
                let place = error.location().map(|at| (at.line(), at.column()));
                Err(LocatedError {
                    file: file.to_owned(),
                    place,
                    key: String::new(),
                    message: plain_message(&error.to_string(), place),
                })
            }
        }
    }

    /// The top of the tree.
    pub fn root(&self) -> &Node {
        &self.root
    }

    /// The name that errors give the file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Every duplicate key and every key that is not text, in the file's order; lazy, since each
    /// costs a parse to find its line.
    pub fn form_problems(&self) -> impl ExactSizeIterator<Item = LocatedError> {
        self.form.iter().map(|problem| {
            let parent = self.root.path_to(problem.parent_id).unwrap_or_default();
            LocatedError {
                file: self.file.clone(),
                place: self.place(problem.id),
                key: join(&parent, &problem.key),
                message: problem.message.clone(),
            }
        })
    }

    /// A complaint about a value.
    pub fn problem(&self, node: &Node, message: impl Into<String>) -> LocatedError {
        self.problem_at(node.id, message.into())
    }

    /// A complaint about a key.
    pub fn key_problem(&self, entry: &Entry, message: impl Into<String>) -> LocatedError {
        self.problem_at(entry.key_id, message.into())
    }

    /// A complaint about the value that `keys` lead to from node `from`, or about as much of that way
    /// as there is: for what comes to light only after the file was read.
    pub fn problem_under(
        &self,
        from: NodeId,
        keys: &[&str],
        message: impl Into<String>,
    ) -> LocatedError {
        let Some(mut node) = self.root.find(from.0) else {
            return self.problem_at(0, message.into());
        };
        for key in keys {
            match node.get(key) {
                Some(below) => node = below,
                None => break,
            }
        }
        self.problem_at(node.id, message.into())
    }

    pub(super) fn problem_at(&self, id: usize, message: String) -> LocatedError {
        LocatedError {
            file: self.file.clone(),
            place: self.place(id),
            key: self.root.path_to(id).unwrap_or_default(),
            message,
        }
    }

    /// Line and column of node `id`: parses again and fails there, since the parser tells positions
    /// with errors only.
    fn place(&self, id: usize) -> Option<(usize, usize)> {
        let error = Walk::new(Some(id)).run(&self.text).err()?;
        error.location().map(|at| (at.line(), at.column()))
    }
}

/// The parser's message without the position and path that [`LocatedError`] shows itself.
fn plain_message(message: &str, place: Option<(usize, usize)>) -> String {
    let message = match place {
        Some((line, column)) => {
            message.replacen(&format!(" at line {line} column {column}"), "", 1)
        }
        None => message.to_owned(),
    };
    match message.as_str() {
        "repetition limit exceeded" => {
            "aliases repeat too much of the file; write it out".to_owned()
        }
        "recursion limit exceeded" => "nested more than 128 deep".to_owned(),
        "deserializing from YAML containing more than one document is not supported" => {
            "expected one YAML document, got several (separated by ---)".to_owned()
        }
        _ => message,
    }
}

/// One pass over the text, numbering nodes in reading order; fails at node `stop_at`.
struct Walk {
    next_id: Cell<usize>,
    stop_at: Option<usize>,
    form: Cell<Vec<FormProblem>>,
}

impl Walk {
    fn new(stop_at: Option<usize>) -> Self {
        Self {
            next_id: Cell::new(0),
            stop_at,
            form: Cell::default(),
        }
    }

    fn run(&self, text: &str) -> Result<Node, serde_yaml::Error> {
        self.deserialize(serde_yaml::Deserializer::from_str(text))
    }

    fn node<E: Error>(&self, value: Value) -> Result<Node, E> {
        let id = self.enter()?;
        Ok(Node { id, value })
    }

    fn enter<E: Error>(&self) -> Result<usize, E> {
        let id = self.next_id.get();
        self.next_id.set(id + 1);
        if self.stop_at == Some(id) {
            return Err(E::custom("the node that was looked for"));
        }
        if id >= MOST_NODES {
            return Err(E::custom(format!(
                "more than {MOST_NODES} values, aliases written out"
            )));
        }
        Ok(id)
    }

    fn complain(&self, problem: FormProblem) {
        let mut form = self.form.take();
        form.push(problem);
        self.form.set(form);
    }
}

impl<'de> DeserializeSeed<'de> for &Walk {
    type Value = Node;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &Walk {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E: Error>(self) -> Result<Node, E> {
        self.node(Value::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Node, E> {
        self.node(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Node, E> {
        self.node(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Node, E> {
        self.node(Value::Number(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Node, E> {
        self.node(Value::Number(value.into()))
    }

    fn visit_i128<E: Error>(self, value: i128) -> Result<Node, E> {
        Err(E::custom(format!(
            "expected an integer of 64 bits, got {value}"
        )))
    }

    fn visit_u128<E: Error>(self, value: u128) -> Result<Node, E> {
        Err(E::custom(format!(
            "expected an integer of 64 bits, got {value}"
        )))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Node, E> {
        match serde_json::Number::from_f64(value) {
            Some(number) => self.node(Value::Number(number)),
            None => self.node(Value::NotFinite(value)),
        }
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Node, E> {
        self.node(Value::String(value.to_owned()))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<Node, A::Error> {
        let (tag, _) = data.variant::<String>()?;
        Err(A::Error::custom(format!(
            "YAML tags are not used here: remove !{tag}"
        )))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let id = self.enter()?;
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(self)? {
            items.push(item);
        }
        let value = Value::Sequence(items);
        Ok(Node { id, value })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let id = self.enter()?;
        let mut entries: Vec<Entry> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        while let Some(key) = map.next_key_seed(self)? {
            let value = map.next_value_seed(self)?;
            let complain = |key_in_path: String, message: String| {
                self.complain(FormProblem {
                    id: key.id,
                    parent_id: id,
                    key: key_in_path,
                    message,
                });
            };
            match &key.value {
                Value::String(text) if seen.insert(text.clone()) => entries.push(Entry {
                    key_id: key.id,
                    key: text.clone(),
                    value,
                }),
                Value::String(text) => complain(
                    key_in_path(text),
                    format!("duplicate key {}; each key may stand once", quoted(text)),
                ),
                _ => complain(
                    String::new(),
                    format!(
                        "expected a key that is text, got {}; quote it",
                        key.describe()
                    ),
                ),
            }
        }
        let value = Value::Mapping(entries);
        Ok(Node { id, value })
    }
}
