//! Model entries.

use std::path::PathBuf;

use serde::Serialize;

use super::label::{Labelled, with_details};
use super::options::{Options, short};
use super::reader::{Reader, is_name};
use super::sampler::Sampler;
use crate::yaml::{Node, NodeId, Value};

/// One model under attack.
#[derive(Clone, Debug, Serialize)]
pub struct ModelEntry {
    /// Where the model comes from.
    #[serde(flatten)]
    pub source: ModelSource,
    /// What a built-in or a plugin is configured with.
    #[serde(skip_serializing_if = "Options::is_empty")]
    pub options: Options,
    /// The name given in the file, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The entry's own sampler; see [`super::Suite::sampler_of`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampler: Option<Sampler>,
    /// Its name in leaderboards: the given name, else the id or the folder's name, with options where
    /// the suite has the model twice.
    #[serde(skip)]
    pub label: String,
    /// Where the file has it.
    #[serde(skip)]
    pub at: NodeId,
}

/// Where a model comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum ModelSource {
    /// A built-in (`memorizer`, `clean`) or a folder of the zoo under `benchmarks/models`.
    #[serde(rename = "id")]
    Named(String),
    /// A model plugin's id.
    #[serde(rename = "plugin")]
    Plugin(String),
    /// A folder, as written; [`super::Suite::path`] makes it absolute.
    #[serde(rename = "folder")]
    Folder(PathBuf),
}

impl ModelEntry {
    pub(super) fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let mut entry = Self {
            source: ModelSource::Named(String::new()),
            options: Options::default(),
            name: None,
            sampler: None,
            label: String::new(),
            at: node.id(),
        };
        if matches!(node.value, Value::String(_)) {
            entry.source = ModelSource::Named(reader.name(node)?);
            return Some(entry);
        }
        const KEYS: [&str; 6] = ["id", "plugin", "folder", "options", "name", "sampler"];
        let expected = "a model's name or a mapping with id, plugin or folder";
        reader.mapping(node, expected, &KEYS)?;
        if let Some(name) = node.get("name") {
            entry.name = reader.name(name);
        }
        if let Some(sampler) = node.get("sampler") {
            entry.sampler = Sampler::read(reader, sampler);
        }
        if let Some(options) = node.get("options") {
            entry.options = Options::read(reader, options)?;
        }
        entry.source = read_source(reader, node)?;
        if let ModelSource::Folder(folder) = &entry.source {
            if let Some(options) = node.get("options") {
                reader.problem(
                    options,
                    "a folder takes no options: its model.yaml says it all",
                );
            }
            if entry.name.is_none() && !is_name(&folder_name(folder)) {
                reader.problem(
                    node,
                    format!(
                        "the folder {folder:?} does not end in a usable name; add the key \"name\""
                    ),
                );
            }
        }
        Some(entry)
    }
}

fn read_source(reader: &mut Reader<'_>, node: &Node) -> Option<ModelSource> {
    let given: Vec<&str> = ["id", "plugin", "folder"]
        .into_iter()
        .filter(|key| node.get(key).is_some())
        .collect();
    let &[key] = given.as_slice() else {
        let got = match given.as_slice() {
            [] => "none".to_owned(),
            several => several.join(" and "),
        };
        reader.problem(
            node,
            format!("expected exactly one of id, plugin, folder, got {got}"),
        );
        return None;
    };
    let value = node.get(key)?;
    Some(match key {
        "id" => ModelSource::Named(reader.name(value)?),
        "plugin" => ModelSource::Plugin(reader.name(value)?),
        _ => ModelSource::Folder(PathBuf::from(reader.text(value)?)),
    })
}

fn folder_name(folder: &std::path::Path) -> String {
    folder
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

impl Labelled for ModelEntry {
    fn base(&self) -> String {
        if let Some(name) = &self.name {
            return name.clone();
        }
        match &self.source {
            ModelSource::Named(id) | ModelSource::Plugin(id) => id.clone(),
            ModelSource::Folder(folder) => folder_name(folder),
        }
    }

    fn detailed(&self) -> String {
        let mut details = Vec::new();
        if !self.options.is_empty() {
            details.push(self.options.short());
        }
        if let Some(Ok(serde_json::Value::Object(sampler))) =
            self.sampler.as_ref().map(serde_json::to_value)
        {
            details.push(short(&sampler).replacen("kind=", "sampler=", 1));
        }
        with_details(&self.base(), &details.join(","))
    }

    fn set_label(&mut self, label: String) {
        self.label = label;
    }
}
