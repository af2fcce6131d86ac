//! Decoding any `Deserialize` type from a [`Document`], every error with its place.

use std::fmt::{self, Display};
use std::path::Path;

use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, Unexpected, Visitor};
use serde::forward_to_deserialize_any;

use super::document::Document;
use super::error::LocatedError;
use super::node::{Entry, Node, Value, quoted};
use crate::suggest::allowed_and_nearest;

/// Reads a YAML file (1 MiB at most) into `T`; give `T` `#[serde(deny_unknown_fields)]`.
///
/// # Errors
/// The first problem, with line, column and key path: unreadable, not YAML, a duplicate key, an
/// unknown key or variant (with the allowed ones and the nearest), a missing key, a wrong type.
/// Inside `#[serde(flatten)]` and untagged enums serde loses the place: there it is the container's.
pub fn from_file<T: DeserializeOwned>(path: &Path) -> Result<T, LocatedError> {
    decode(&Document::read(path)?)
}

/// As [`from_file`], from text; `file` is only what errors call it.
///
/// # Errors
/// As [`from_file`].
pub fn from_str<T: DeserializeOwned>(file: &Path, text: &str) -> Result<T, LocatedError> {
    decode(&Document::parse(file, text.to_owned())?)
}

fn decode<T: DeserializeOwned>(document: &Document) -> Result<T, LocatedError> {
    if let Some(problem) = document.form_problems().next() {
        return Err(problem);
    }
    T::deserialize(Decoder(document.root()))
        .map_err(|error| document.problem_at(error.id.unwrap_or(0), error.message))
}

/// A decoding error and the innermost node that it is about.
#[derive(Debug)]
struct NodeError {
    id: Option<usize>,
    message: String,
}

impl NodeError {
    fn at(mut self, id: usize) -> Self {
        self.id.get_or_insert(id);
        self
    }
}

impl Display for NodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for NodeError {}

impl de::Error for NodeError {
    fn custom<T: Display>(message: T) -> Self {
        Self {
            id: None,
            message: message.to_string(),
        }
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::custom(format!(
            "expected {}, got {}",
            wanted(expected),
            plain(found)
        ))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::custom(format!(
            "expected {}, got {}",
            wanted(expected),
            plain(found)
        ))
    }

    fn invalid_length(length: usize, expected: &dyn de::Expected) -> Self {
        Self::custom(format!("expected {expected}, got {length} values"))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let tail = allowed_and_nearest(field, expected.iter().copied());
        Self::custom(format!("unknown key {}{tail}", quoted(field)))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let tail = allowed_and_nearest(variant, expected.iter().copied());
        Self::custom(format!("unknown value {}{tail}", quoted(variant)))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::custom(format!("missing key {field:?}"))
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::custom(format!("duplicate key {field:?}; each key may stand once"))
    }
}

/// Rust's names of what was wanted, in words.
fn wanted(expected: &dyn de::Expected) -> String {
    match expected.to_string().as_str() {
        "u8" => "an integer from 0 to 255".to_owned(),
        "u16" => format!("an integer from 0 to {}", u16::MAX),
        "u32" => format!("an integer from 0 to {}", u32::MAX),
        "u64" | "usize" => "an integer from 0".to_owned(),
        "i8" | "i16" | "i32" | "i64" | "isize" => "an integer".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        other => other.to_owned(),
    }
}

/// serde's names of what was found, in YAML's words.
fn plain(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Unit | Unexpected::Option => "nothing".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a mapping".to_owned(),
        Unexpected::Str(text) => format!("the text {}", quoted(text)),
        Unexpected::Bool(value) => format!("the boolean {value}"),
        Unexpected::Unsigned(value) => format!("the integer {value}"),
        Unexpected::Signed(value) => format!("the integer {value}"),
        Unexpected::Float(value) => format!("the number {value}"),
        other => other.to_string(),
    }
}

/// Private so that the error type can be, too.
#[derive(Clone, Copy)]
struct Decoder<'de>(&'de Node);

impl<'de> de::Deserializer<'de> for Decoder<'de> {
    type Error = NodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NodeError> {
        match &self.0.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Number(number) => {
                if let Some(value) = number.as_u64() {
                    visitor.visit_u64(value)
                } else if let Some(value) = number.as_i64() {
                    visitor.visit_i64(value)
                } else {
                    visitor.visit_f64(number.as_f64().unwrap_or(f64::NAN))
                }
            }
            Value::NotFinite(value) => visitor.visit_f64(*value),
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Sequence(items) => {
                let mut seq = Items(items.iter());
                visitor
                    .visit_seq(&mut seq)
                    .and_then(|value| match seq.0.len() {
                        0 => Ok(value),
                        left => Err(de::Error::custom(format!(
                            "expected {} values, got {}",
                            items.len() - left,
                            items.len()
                        ))),
                    })
            }
            Value::Mapping(entries) => visitor.visit_map(Entries::new(entries)),
        }
        .map_err(|error| error.at(self.0.id))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NodeError> {
        match &self.0.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
        .map_err(|error| error.at(self.0.id))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, NodeError> {
        visitor
            .visit_newtype_struct(self)
            .map_err(|error| error.at(self.0.id))
    }

    // serde would take a list as a struct's fields in order; nobody means that in YAML.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, NodeError> {
        match &self.0.value {
            Value::Mapping(entries) => visitor.visit_map(Entries::new(entries)),
            _ => Err(de::Error::custom(format!(
                "expected a mapping, got {}",
                self.0.describe()
            ))),
        }
        .map_err(|error| error.at(self.0.id))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, NodeError> {
        match &self.0.value {
            Value::String(text) => {
                let text: StrDeserializer<'_, NodeError> = text.as_str().into_deserializer();
                de::Deserializer::deserialize_enum(text, name, variants, visitor)
            }
            Value::Mapping(entries) if entries.len() == 1 => {
                visitor.visit_enum(MapAccessDeserializer::new(Entries::new(entries)))
            }
            _ => Err(de::Error::custom(format!(
                "expected one of {}, got {}",
                variants.join(", "),
                self.0.describe()
            ))),
        }
        .map_err(|error| error.at(self.0.id))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}

/// Decodes a value; what is refused only after it was read, as inside a tagged enum, is its own.
fn placed<'de, T: DeserializeSeed<'de>>(seed: T, node: &'de Node) -> Result<T::Value, NodeError> {
    let decoded = seed.deserialize(Decoder(node));
    decoded.map_err(|error| error.at(node.id))
}

struct Items<'de>(std::slice::Iter<'de, Node>);

impl<'de> de::SeqAccess<'de> for &mut Items<'de> {
    type Error = NodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, NodeError> {
        self.0.next().map(|node| placed(seed, node)).transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

struct Entries<'de> {
    rest: std::slice::Iter<'de, Entry>,
    value: Option<&'de Node>,
}

impl<'de> Entries<'de> {
    fn new(entries: &'de [Entry]) -> Self {
        Self {
            rest: entries.iter(),
            value: None,
        }
    }
}

impl<'de> de::MapAccess<'de> for Entries<'de> {
    type Error = NodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, NodeError> {
        let Some(entry) = self.rest.next() else {
            return Ok(None);
        };
        self.value = Some(&entry.value);
        let key: de::value::BorrowedStrDeserializer<'de, NodeError> =
            de::value::BorrowedStrDeserializer::new(&entry.key);
        seed.deserialize(key)
            .map(Some)
            .map_err(|error| error.at(entry.key_id))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, NodeError> {
        match self.value.take() {
            Some(node) => placed(seed, node),
            None => Err(de::Error::custom("a value was asked for before its key")),
        }
    }
}
