//! A plugin's options as a suite gives them: JSON in one canonical form.

use std::fmt::Write;

use serde::Serialize;
use serde_json::{Map, Number, Value};

use super::reader::Reader;
use crate::yaml::{self, Node};

/// A JSON object in canonical form: keys sorted at every level, whole numbers as integers (`1.0` is
/// `1`), so that equal options have equal bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Options(Map<String, Value>);

impl Options {
    /// The options as an object.
    pub fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }

    /// The options as a JSON value: always an object.
    pub fn to_value(&self) -> Value {
        Value::Object(self.0.clone())
    }

    /// The options as the one JSON string that crosses to a plugin.
    pub fn to_json(&self) -> String {
        self.to_value().to_string()
    }

    /// The options with one more.
    pub(crate) fn with(&self, key: &str, value: &Value) -> Self {
        let mut map = self.0.clone();
        map.insert(key.to_owned(), value.clone());
        map.sort_keys();
        Self(map)
    }

    /// Whether none were given; serde's `skip_serializing_if` asks.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `nn_ratio=0.4,tries=8`: the form that a label shows.
    pub(super) fn short(&self) -> String {
        short(&self.0)
    }

    pub(super) fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        if !matches!(node.value, yaml::Value::Mapping(_)) {
            reader.wrong_type(node, "a mapping of options");
            return None;
        }
        match node.to_json() {
            Ok(Value::Object(mut map)) => {
                map.values_mut().for_each(canonical);
                Some(Self(map))
            }
            Ok(_) => None,
            Err(odd) => {
                reader.wrong_type(odd, "a finite number");
                None
            }
        }
    }
}

/// `key=value` of each entry, joined by commas; text is bare where it is a plain word.
pub(super) fn short(map: &Map<String, Value>) -> String {
    let mut shown = String::new();
    for (key, value) in map {
        let comma = if shown.is_empty() { "" } else { "," };
        // Writing to a String cannot fail.
        let _ = match value {
            Value::String(text) if text.chars().all(is_plain) && !text.is_empty() => {
                write!(shown, "{comma}{key}={text}")
            }
            _ => write!(shown, "{comma}{key}={value}"),
        };
    }
    shown
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/')
}

fn canonical(value: &mut Value) {
    // Beyond 2^53 a float no longer names one integer.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value {
        Value::Number(number) if number.is_f64() => {
            let float = number.as_f64().unwrap_or(f64::NAN);
            if float.fract() == 0.0 && float.abs() < EXACT {
                *number = Number::from(float as i64);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(canonical),
        Value::Object(map) => map.values_mut().for_each(canonical),
        _ => {}
    }
}
