//! A plugin in words and for programs.

use eidetic_harness::cell::{access_name, goal_name, stage_names};
use eidetic_sdk::registration::{Kind, Registration, resolve_options};
use serde_json::{Value, json};

use crate::table::aligned;

/// What it is, and its options in a table.
pub(super) fn plugin_text(plugin: &Registration) -> String {
    format!(
        "{} {} {} ({}): {}\n{}\n{}",
        kind_name(&plugin.kind),
        plugin.id,
        plugin.version,
        plugin.licence,
        kind_details(&plugin.kind),
        plugin.summary,
        options(plugin)
    )
}

/// The same with the schema of its options.
pub(super) fn plugin_json(plugin: &Registration) -> Value {
    let schema: Value = serde_json::from_str(&plugin.options_schema).unwrap_or_default();
    json!({
        "kind": kind_name(&plugin.kind),
        "id": plugin.id.as_str(),
        "version": plugin.version.as_str(),
        "licence": plugin.licence.as_str(),
        "details": kind_details(&plugin.kind),
        "summary": plugin.summary.as_str(),
        "options": schema,
    })
}

/// The options of a plugin in a table: name, type, default, the first sentence of what they say.
fn options(plugin: &Registration) -> String {
    let schema: Value = serde_json::from_str(&plugin.options_schema).unwrap_or_default();
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return "no options\n".to_owned();
    };
    let defaults: Value = resolve_options(plugin, "{}")
        .ok()
        .and_then(|json| serde_json::from_str(&json).ok())
        .unwrap_or_default();
    let rows: Vec<[String; 4]> = properties
        .iter()
        .map(|(name, property)| {
            let default = defaults.get(name).filter(|value| !value.is_null());
            let meaning = property.get("description").and_then(Value::as_str);
            let meaning = meaning.unwrap_or_default().replace('\n', " ");
            let sentence = meaning.split(". ").next().unwrap_or_default();
            [
                format!("  {name}"),
                type_name(property, &schema),
                default.map_or_else(|| "none".to_owned(), Value::to_string),
                sentence.trim_end_matches('.').to_owned(),
            ]
        })
        .collect();
    aligned(["  option", "type", "default", "meaning"], &rows)
}

/// A type in a few words: its name, or the words that may stand.
fn type_name(property: &Value, schema: &Value) -> String {
    if let Some(words) = words(property, schema) {
        return words.join(" | ");
    }
    match property.get("type") {
        Some(Value::String(name)) => name.clone(),
        Some(Value::Array(names)) => {
            let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
            names.join(" or ")
        }
        _ => "see --json".to_owned(),
    }
}

/// The words of an enumeration, here or where the property refers to.
fn words(property: &Value, schema: &Value) -> Option<Vec<String>> {
    let referred = property.get("$ref").and_then(Value::as_str);
    let defined = referred.and_then(|path| schema.pointer(path.trim_start_matches('#')));
    let property = defined.unwrap_or(property);
    let text = |word: &Value| word.as_str().map(str::to_owned);
    match (property.get("enum"), property.get("oneOf")) {
        (Some(Value::Array(words)), _) => words.iter().map(text).collect(),
        (_, Some(Value::Array(ways))) => {
            let ways = ways.iter();
            let words = ways.map(|way| match way.get("enum") {
                Some(Value::Array(words)) => words.iter().map(text).collect(),
                _ => Some(vec![text(way.get("const")?)?]),
            });
            words
                .collect::<Option<Vec<_>>>()
                .map(|words| words.concat())
        }
        _ => None,
    }
}

fn kind_name(kind: &Kind) -> &'static str {
    match kind {
        Kind::Model { .. } => "model",
        Kind::Attack { .. } => "attack",
        Kind::Mitigation { .. } => "mitigation",
    }
}

/// What a plugin of its kind does and needs, in a few words.
pub(super) fn kind_details(kind: &Kind) -> String {
    match kind {
        Kind::Model { trains: true, .. } => "trains itself".to_owned(),
        Kind::Model { trains: false, .. } => "arrives trained".to_owned(),
        Kind::Attack { goal, access, .. } => {
            format!("{} from {}", goal_name(*goal), access_name(*access))
        }
        Kind::Mitigation { stages, .. } => format!("at {}", stage_names(*stages).join(", ")),
    }
}
