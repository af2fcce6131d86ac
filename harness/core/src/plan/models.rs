//! The models of a suite: built-ins, folders and plugins, each with its clean twin.

use std::path::Path;

use eidetic_sdk::registration::Kind;
use serde_json::{Value, json};

use super::model::Model;
use super::recipes::{RecipeModel, recipe_path};
use super::sources::{Sources, plugin_spec};
use crate::cell::{ModelOrigin, RuntimeSpec};
use crate::dataset::Part;
use crate::model::{Manifest, ModelFolder, TrainedOn};
use crate::plugin::KindName;
use crate::suggest::allowed_and_nearest;
use crate::suite::{Glob, ModelEntry, ModelSource, Suite};
use crate::yaml::LocatedError;

/// Built-in names: the plugin `memorizer` over members or aux, natively or as ONNX.
pub const BUILT_IN_MODELS: [&str; 4] = ["memorizer", "clean", "memorizer-onnx", "clean-onnx"];

/// Plugin behind the built-ins.
const MEMORIZER: &str = "memorizer";

/// An entry of a suite, resolved.
pub(super) struct Listed<'a> {
    pub(super) entry: &'a ModelEntry,
    pub(super) sampler: Option<Value>,
    pub(super) subject: Subject,
}

/// What an entry stands for.
pub(super) enum Subject {
    /// A model, on every dataset of the suite.
    Model(Box<Model>),
    /// A recipe: a model under each mitigation, on a dataset of its own.
    Recipe(Box<RecipeModel>),
}

impl Listed<'_> {
    /// Whether it is combined with the mitigation of this label.
    pub(super) fn meets(&self, mitigation: &str) -> bool {
        fits(self.entry.mitigations.as_deref(), mitigation)
    }
}

/// Whether a label is among those that a model's patterns ask for; all are without patterns.
pub(super) fn fits(patterns: Option<&[Glob]>, label: &str) -> bool {
    patterns.is_none_or(|patterns| patterns.iter().any(|pattern| pattern.matches(label)))
}

/// The models of a suite, as they are resolved.
pub(super) struct Models<'a> {
    suite: &'a Suite,
    sources: &'a Sources<'a>,
    runtime: Option<Result<RuntimeSpec, String>>,
    pub(super) listed: Vec<Listed<'a>>,
}

impl<'a> Models<'a> {
    pub(super) fn new(suite: &'a Suite, sources: &'a Sources<'a>) -> Self {
        Self {
            suite,
            sources,
            runtime: None,
            listed: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, entry: &'a ModelEntry) -> Result<(), LocatedError> {
        let sampler = self.suite.sampler_of(entry).map(|sampler| json!(sampler));
        let subject = match &entry.source {
            ModelSource::Recipe(path) => Subject::Recipe(Box::new(self.recipe(entry, path)?)),
            _ => Subject::Model(Box::new(self.model(entry)?.sampled_by(sampler.as_ref()))),
        };
        self.listed.push(Listed {
            entry,
            sampler,
            subject,
        });
        Ok(())
    }

    fn model(&mut self, entry: &ModelEntry) -> Result<Model, LocatedError> {
        match &entry.source {
            ModelSource::Named(name) if BUILT_IN_MODELS.contains(&name.as_str()) => {
                self.built_in(entry, name)
            }
            ModelSource::Named(name) => {
                let folder = self.sources.benchmarks.join("models").join(name);
                match folder.join(Manifest::FILE).is_file() {
                    true => self.folder(entry, &folder),
                    false => self.plugin(entry, name),
                }
            }
            ModelSource::Plugin(id) => self.plugin(entry, id),
            ModelSource::Folder(path) | ModelSource::Recipe(path) => {
                self.folder(entry, &self.suite.path(path))
            }
        }
    }

    fn problem(&self, entry: &ModelEntry, message: impl Into<String>) -> LocatedError {
        self.suite.problem(entry.at, &[], message)
    }

    fn runtime(&mut self, entry: &ModelEntry) -> Result<RuntimeSpec, LocatedError> {
        if let Some(asked) = &self.runtime {
            // The reasons are long, and the same for every model.
            let again = |_: &String| self.problem(entry, "it needs ONNX Runtime, as said above");
            return asked.as_ref().cloned().map_err(again);
        }
        let asked = self.runtime.insert((self.sources.runtime)());
        asked
            .clone()
            .map_err(|message| self.problem(entry, message))
    }

    fn built_in(&mut self, entry: &ModelEntry, name: &str) -> Result<Model, LocatedError> {
        let clean = name.starts_with("clean");
        let runtime = if name.ends_with("-onnx") {
            Some(self.runtime(entry)?)
        } else {
            None
        };
        let origin = if runtime.is_some() {
            if !entry.options.is_empty() {
                return Err(self.problem(entry, format!("{name} takes no options")));
            }
            ModelOrigin::MemorizerOnnx
        } else {
            let plugin = self.sources.registry.get(KindName::Model, MEMORIZER);
            let plugin = plugin.map_err(|e| self.problem(entry, e.to_string()))?;
            ModelOrigin::Plugin(plugin_spec(self.suite, entry.at, plugin, &entry.options)?)
        };
        let over = |part, label: String, twin| Model {
            label,
            origin: origin.clone(),
            trained_on: Some(part),
            sampler: None,
            runtime: runtime.clone(),
            twin,
            arrives_trained: false,
            statement: None,
        };
        let label = entry.label.clone();
        Ok(match clean {
            true => over(Part::Aux, label, None),
            false => {
                let twin = over(Part::Aux, format!("{label}, clean twin"), None);
                over(Part::Members, label, Some(Box::new(twin)))
            }
        })
    }

    fn plugin(&mut self, entry: &ModelEntry, id: &str) -> Result<Model, LocatedError> {
        let registry = self.sources.registry;
        let Ok(plugin) = registry.get(KindName::Model, id) else {
            let folders = zoo(self.sources.benchmarks);
            let plugins = registry.iter().filter(|p| p.kind() == KindName::Model);
            let plugins: Vec<&str> = plugins.map(crate::plugin::Plugin::id).collect();
            let mut known: Vec<&str> = BUILT_IN_MODELS.to_vec();
            known.extend(folders.iter().map(String::as_str));
            known.extend(plugins.iter().filter(|id| !BUILT_IN_MODELS.contains(id)));
            let tail = allowed_and_nearest(id, known.iter().copied());
            return Err(self.problem(entry, format!("unknown model \"{id}\"{tail}")));
        };
        let spec = plugin_spec(self.suite, entry.at, plugin, &entry.options)?;
        let trains = matches!(plugin.registration.kind, Kind::Model { trains: true, .. });
        let over = |part, label: String, twin| Model {
            label,
            origin: ModelOrigin::Plugin(spec.clone()),
            trained_on: part,
            sampler: None,
            runtime: None,
            twin,
            arrives_trained: !trains,
            statement: None,
        };
        let label = entry.label.clone();
        let twin = trains
            .then(|| over(Some(Part::Aux), format!("{label}, clean twin"), None))
            .map(Box::new);
        Ok(over(trains.then_some(Part::Members), label, twin))
    }

    fn folder(&mut self, entry: &ModelEntry, path: &Path) -> Result<Model, LocatedError> {
        if !entry.options.is_empty() {
            return Err(self.problem(entry, "a model folder takes no options"));
        }
        let model = self.open(entry, path, entry.label.clone())?;
        let twin = match &model.1 {
            Some(name) => {
                let folder = path.parent().unwrap_or(Path::new("")).join(name);
                let label = format!("{}, clean twin", entry.label);
                Some(Box::new(self.open(entry, &folder, label)?.0))
            }
            None => None,
        };
        Ok(Model { twin, ..model.0 })
    }

    fn recipe(&mut self, entry: &ModelEntry, path: &Path) -> Result<RecipeModel, LocatedError> {
        let runtime = self.runtime(entry)?;
        let path = recipe_path(self.suite, self.sources, path);
        let recipe = RecipeModel::new(&path, runtime, self.sources);
        recipe.map_err(|message| self.problem(entry, message))
    }

    /// A folder, and the name of its clean twin.
    fn open(
        &mut self,
        entry: &ModelEntry,
        path: &Path,
        label: String,
    ) -> Result<(Model, Option<String>), LocatedError> {
        let folder = ModelFolder::open(path).map_err(|e| self.problem(entry, e.to_string()))?;
        let manifest = folder.manifest();
        let absolute = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let model = Model {
            label,
            origin: ModelOrigin::Folder {
                path: absolute.to_string_lossy().into_owned(),
                sha256: folder.digest().to_owned(),
            },
            trained_on: match manifest.training.part {
                TrainedOn::Members => Some(Part::Members),
                TrainedOn::Aux => Some(Part::Aux),
                TrainedOn::None | TrainedOn::Unknown => None,
            },
            sampler: None,
            runtime: Some(self.runtime(entry)?),
            twin: None,
            arrives_trained: true,
            statement: Some(manifest.training.clone()),
        };
        Ok((model, manifest.clean_twin.clone()))
    }
}

/// Names of the model folders in the zoo, sorted.
pub fn zoo(benchmarks: &Path) -> Vec<String> {
    let folders = std::fs::read_dir(benchmarks.join("models"))
        .into_iter()
        .flatten()
        .flatten();
    let mut names: Vec<String> = folders
        .filter(|folder| folder.path().join(Manifest::FILE).is_file())
        .map(|folder| folder.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}
