//! Model entries.

use std::path::PathBuf;

use serde::Serialize;

use super::expect::Glob;
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
    /// Which of the suite's mitigations it is combined with: patterns of their labels, absent for
    /// all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mitigations: Option<Vec<Glob>>,
    /// Which of the suite's attacks are made on it, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attacks: Option<Vec<Glob>>,
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
    /// A recipe that is trained when it is needed, with the dataset that it names: the name of one
    /// under `benchmarks/recipes`, or a file as written.
    #[serde(rename = "recipe")]
    Recipe(PathBuf),
}

impl ModelEntry {
    pub(super) fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let mut entry = Self {
            source: ModelSource::Named(String::new()),
            options: Options::default(),
            name: None,
            mitigations: None,
            attacks: None,
            sampler: None,
            label: String::new(),
            at: node.id(),
        };
        if matches!(node.value, Value::String(_)) {
            entry.source = ModelSource::Named(reader.name(node)?);
            return Some(entry);
        }
        const KEYS: [&str; 9] = [
            "id",
            "plugin",
            "folder",
            "recipe",
            "options",
            "name",
            "mitigations",
            "attacks",
            "sampler",
        ];
        let expected = "a model's name or a mapping with id, plugin, folder or recipe";
        reader.mapping(node, expected, &KEYS)?;
        if let Some(name) = node.get("name") {
            entry.name = reader.name(name);
        }
        if let Some(sampler) = node.get("sampler") {
            entry.sampler = Sampler::read(reader, sampler);
        }
        let mut patterns = |key| match node.get(key) {
            Some(patterns) => {
                let patterns = reader.list(patterns)?.iter();
                let patterns = patterns.map(|item| reader.text(item).map(Glob::new));
                Some(Some(patterns.collect::<Option<_>>()?))
            }
            None => Some(None),
        };
        entry.mitigations = patterns("mitigations")?;
        entry.attacks = patterns("attacks")?;
        if let Some(options) = node.get("options") {
            entry.options = Options::read(reader, options)?;
        }
        entry.source = read_source(reader, node)?;
        let without_options = match &entry.source {
            ModelSource::Folder(_) => Some("a folder takes no options: its model.yaml says it all"),
            ModelSource::Recipe(_) => Some("a recipe takes no options: its file says it all"),
            ModelSource::Named(_) | ModelSource::Plugin(_) => None,
        };
        if let (Some(message), Some(options)) = (without_options, node.get("options")) {
            reader.problem(options, message);
        }
        if let ModelSource::Folder(folder) = &entry.source
            && entry.name.is_none()
            && !is_name(&folder_name(folder))
        {
            let message = format!(
                "the folder {folder:?} does not end in a usable name; add the key \"name\""
            );
            reader.problem(node, message);
        }
        Some(entry)
    }
}

fn read_source(reader: &mut Reader<'_>, node: &Node) -> Option<ModelSource> {
    let given: Vec<&str> = ["id", "plugin", "folder", "recipe"]
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
            format!("expected exactly one of id, plugin, folder, recipe, got {got}"),
        );
        return None;
    };
    let value = node.get(key)?;
    Some(match key {
        "id" => ModelSource::Named(reader.name(value)?),
        "plugin" => ModelSource::Plugin(reader.name(value)?),
        "recipe" => ModelSource::Recipe(PathBuf::from(reader.text(value)?)),
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
            ModelSource::Recipe(file) => file
                .file_stem()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default(),
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
