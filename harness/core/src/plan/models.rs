//! The models of a suite: built-ins, folders and plugins, each with its clean twin.

use std::path::Path;

use eidetic_sdk::registration::Kind;
use serde_json::{Value, json};

use super::recipes::{RecipeModel, recipe_path};
use super::sources::{Data, Sources, plugin_spec};
use crate::cell::{ModelOrigin, RuntimeSpec};
use crate::dataset::{Part, TrainingSet};
use crate::model::{Manifest, ModelFolder, TrainedOn, TrainingStatement};
use crate::plugin::KindName;
use crate::suggest::allowed_and_nearest;
use crate::suite::{Glob, ModelEntry, ModelSource, Suite};
use crate::yaml::LocatedError;

/// Built-in names: the plugin `memorizer` over members or aux, natively or as ONNX.
pub const BUILT_IN_MODELS: [&str; 4] = ["memorizer", "clean", "memorizer-onnx", "clean-onnx"];

/// Plugin behind the built-ins.
const MEMORIZER: &str = "memorizer";

/// A model as resolved.
pub(super) struct Model {
    pub(super) label: String,
    pub(super) origin: ModelOrigin,
    pub(super) trained_on: Option<Part>,
    pub(super) sampler: Option<Value>,
    pub(super) runtime: Option<RuntimeSpec>,
    pub(super) twin: Option<Box<Model>>,
    /// Whether the harness has no part in its training.
    pub(super) arrives_trained: bool,
    /// Which mitigations it is combined with, where not all.
    pub(super) mitigations: Option<Vec<Glob>>,
    /// What it is trained from when it is needed.
    pub(super) recipe: Option<RecipeModel>,
    pub(super) statement: Option<TrainingStatement>,
}

impl Model {
    /// The model of a recipe.
    pub(super) fn trained(
        label: String,
        origin: ModelOrigin,
        part: Part,
        runtime: RuntimeSpec,
    ) -> Self {
        Self {
            label,
            origin,
            trained_on: Some(part),
            sampler: None,
            runtime: Some(runtime),
            twin: None,
            arrives_trained: true,
            mitigations: None,
            recipe: None,
            statement: None,
        }
    }

    /// Whether it is combined with the mitigation of this label.
    pub(super) fn meets(&self, mitigation: &str) -> bool {
        let patterns = self.mitigations.as_ref();
        patterns.is_none_or(|patterns| patterns.iter().any(|p| p.matches(mitigation)))
    }

    /// Why a model cannot stand against this data: it says that it was trained on others.
    pub(super) fn mismatch(&self, data: &Data) -> Option<String> {
        let statement = self.statement.as_ref()?;
        let set = match statement.part {
            TrainedOn::Members => TrainingSet::members(&data.dataset, &data.split),
            TrainedOn::Aux => TrainingSet::aux(&data.dataset, &data.split),
            TrainedOn::None | TrainedOn::Unknown => return None,
        };
        let named = statement.dataset.as_ref()?;
        if *named != data.spec.id {
            return Some(format!("the model was trained on {named}"));
        }
        let digest = statement.digest.as_ref()?;
        (*digest != set.digest).then(|| {
            let (part, n) = (&statement.part, statement.n.unwrap_or(0));
            format!("the model was trained on {n} images of another split ({part:?})")
                .to_lowercase()
        })
    }
}

/// The models of a suite, as they are resolved.
pub(super) struct Models<'a> {
    suite: &'a Suite,
    sources: &'a Sources<'a>,
    runtime: Option<Result<RuntimeSpec, String>>,
    pub(super) listed: Vec<Model>,
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

    pub(super) fn add(&mut self, entry: &ModelEntry) -> Result<(), LocatedError> {
        let mut model = match &entry.source {
            ModelSource::Named(name) if BUILT_IN_MODELS.contains(&name.as_str()) => {
                self.built_in(entry, name)?
            }
            ModelSource::Named(name) => {
                let folder = self.sources.benchmarks.join("models").join(name);
                match folder.join(Manifest::FILE).is_file() {
                    true => self.folder(entry, &folder)?,
                    false => self.plugin(entry, name)?,
                }
            }
            ModelSource::Folder(path) => self.folder(entry, &self.suite.path(path))?,
            ModelSource::Plugin(id) => self.plugin(entry, id)?,
            ModelSource::Recipe(path) => self.recipe(entry, path)?,
        };
        model.mitigations.clone_from(&entry.mitigations);
        let sampler = self.suite.sampler_of(entry).map(|sampler| json!(sampler));
        if let Some(twin) = &mut model.twin {
            twin.sampler = sampler.clone();
        }
        self.listed.push(Model { sampler, ..model });
        Ok(())
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
            mitigations: None,
            recipe: None,
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
            mitigations: None,
            recipe: None,
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

    /// A recipe; what is trained shows with each mitigation.
    fn recipe(&mut self, entry: &ModelEntry, path: &Path) -> Result<Model, LocatedError> {
        let runtime = self.runtime(entry)?;
        let path = recipe_path(self.suite, self.sources, path);
        let recipe = RecipeModel::new(&path, runtime.clone(), self.sources);
        let recipe = recipe.map_err(|message| self.problem(entry, message))?;
        let origin = ModelOrigin::Recipe {
            recipe_id: String::new(),
            path: String::new(),
        };
        Ok(Model {
            recipe: Some(recipe),
            ..Model::trained(entry.label.clone(), origin, Part::Members, runtime)
        })
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
            mitigations: None,
            recipe: None,
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
