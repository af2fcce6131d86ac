//! Models that are recipes: what a suite's mitigations make of them, and where their weights are.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use eidetic_sdk::Stages;

use super::model::Model;
use super::sources::{Data, Sources};
use super::trainings::PlannedTraining;
use crate::cell::{DatasetSpec, ModelOrigin, PluginSpec, RuntimeSpec};
use crate::dataset::Part;
use crate::files::cache_dir;
use crate::model::ModelFolder;
use crate::suite::{Suite, dataset_label};
use crate::train::{self, Prepared, Recipe, RecipeFile, RecipeMitigation, TrainedPart};

/// A recipe of a suite, with the dataset that it names.
pub(super) struct RecipeModel {
    file: RecipeFile,
    runtime: RuntimeSpec,
    pub(super) data: Data,
    data_licence: String,
}

/// A recipe under one chain of mitigations.
pub(super) struct Variant {
    /// The model under attack, with its clean twin.
    pub(super) model: Model,
    /// The label of everything that mitigates.
    pub(super) label: String,
    /// What is left of the chain when what acts on the data or in training is in the recipe.
    pub(super) links: Vec<PluginSpec>,
    /// Why the combination cannot be.
    pub(super) not_applicable: Option<String>,
}

/// Where the models of recipes are.
pub(super) struct Trainings {
    /// Folders by recipe id, of those that are in the zoo.
    zoo: HashMap<String, PathBuf>,
    cache: PathBuf,
    pub(super) list: Vec<PlannedTraining>,
}

impl RecipeModel {
    /// Reads a recipe and loads its dataset.
    pub(super) fn new(
        path: &Path,
        runtime: RuntimeSpec,
        sources: &Sources<'_>,
    ) -> Result<Self, String> {
        let file = RecipeFile::load(path).map_err(|error| error.to_string())?;
        let (dataset, split, data_licence) =
            train::data(&file, sources.benchmarks, sources.data_dir)
                .map_err(|error| error.to_string())?;
        let wanted = &file.recipe.dataset;
        let spec = DatasetSpec {
            label: dataset_label(&wanted.id, &wanted.split),
            id: wanted.id.clone(),
            sha256: dataset.digest.clone(),
            split: split.config,
            groups_sha256: dataset.duplicates.digest(),
        };
        Ok(Self {
            file,
            runtime,
            data: Data {
                spec,
                dataset,
                split,
            },
            data_licence,
        })
    }

    /// The recipe under a chain: its links with their stages, and its label.
    pub(super) fn under(
        &self,
        label: &str,
        links: &[PluginSpec],
        stages: &[(String, Stages)],
        model_label: &str,
        sources: &Sources<'_>,
        trainings: &mut Trainings,
    ) -> Result<Variant, String> {
        let acts = |(link, (_, stages)): (&PluginSpec, &(String, Stages))| {
            (stages.data || stages.training).then(|| link.clone())
        };
        let before: Vec<PluginSpec> = links.iter().zip(stages).filter_map(acts).collect();
        let base = &self.file.recipe;
        let own = base.mitigation.as_ref();
        let names: Vec<&str> = own
            .map(|own| own.id.as_str())
            .into_iter()
            .chain(before.iter().map(|link| link.id.as_str()))
            .collect();
        let not_applicable = (names.len() > 1).then(|| {
            let names = names.join("` and `");
            format!("`{names}` act on the data or in training, one alone can")
        });
        let rest = links.iter().zip(stages);
        let rest = rest.filter(|(_, (_, stages))| !stages.data && !stages.training);
        let mut recipe = base.clone();
        if let (None, [link]) = (own, before.as_slice()) {
            let alone = links.len() == 1;
            let what = if alone { slug(label) } else { link.id.clone() };
            recipe.name = format!("{}-{what}", base.name);
            recipe.title = format!("{}, under {what}", base.title);
            recipe.mitigation = Some(RecipeMitigation {
                id: link.id.clone(),
                options: link.options.as_object().cloned().unwrap_or_default(),
            });
        }
        let aux = !self.data.split.aux.is_empty() && base.part == TrainedPart::Members;
        let twin = match aux && not_applicable.is_none() {
            // A twin has not seen the members, and needs no mitigation to forget them.
            true => {
                let twin = Recipe {
                    name: format!("{}-clean", base.name),
                    title: format!("{}, clean twin", base.title),
                    part: TrainedPart::Aux,
                    clean_twin: None,
                    mitigation: None,
                    ..base.clone()
                };
                let label = format!("{model_label}, clean twin");
                Some(Box::new(self.model(twin, label, sources, trainings)?))
            }
            false => None,
        };
        let model = match not_applicable {
            None => self.model(recipe, model_label.to_owned(), sources, trainings)?,
            Some(_) => {
                let recipe_id = String::new();
                self.trained(model_label.to_owned(), base.part, recipe_id, String::new())
            }
        };
        let own = own.map(|own| crate::suite::plugin_label(&own.id, &own.options));
        Ok(Variant {
            model: Model { twin, ..model },
            label: match own {
                None => label.to_owned(),
                Some(own) if links.is_empty() => own,
                Some(own) => format!("{own}+{label}"),
            },
            links: rest.map(|(link, _)| link.clone()).collect(),
            not_applicable,
        })
    }

    /// A recipe of this dataset as a model, and the training that it asks for.
    fn model(
        &self,
        recipe: Recipe,
        label: String,
        sources: &Sources<'_>,
        trainings: &mut Trainings,
    ) -> Result<Model, String> {
        let part = recipe.part;
        let sources = train::Sources {
            registry: sources.registry,
            benchmarks: sources.benchmarks,
            data_dir: sources.data_dir,
            runtime: &self.runtime,
            seed: None,
        };
        let (file, licence) = (self.file.with(recipe), self.data_licence.clone());
        let Data { dataset, split, .. } = &self.data;
        let prepared = train::prepare_on(dataset, split, licence, &file, &sources);
        let prepared = prepared.map_err(|error| error.to_string())?;
        let recipe_id = prepared.identity.recipe_id();
        let folder = trainings.folder(&recipe_id, &prepared);
        let path = folder.to_string_lossy().into_owned();
        Ok(self.trained(label, part, recipe_id, path))
    }

    fn trained(&self, label: String, part: TrainedPart, recipe_id: String, path: String) -> Model {
        let part = match part {
            TrainedPart::Members => Part::Members,
            TrainedPart::Aux => Part::Aux,
        };
        let origin = ModelOrigin::Recipe { recipe_id, path };
        Model::trained(label, origin, part, self.runtime.clone())
    }
}

impl Trainings {
    /// Knows the models under `benchmarks/models`; others go into the cache.
    pub(super) fn new(benchmarks: &Path) -> Self {
        let folders = std::fs::read_dir(benchmarks.join("models"));
        let folders = folders.into_iter().flatten().flatten();
        let mut folders: Vec<PathBuf> = folders.map(|entry| entry.path()).collect();
        folders.sort();
        let known = |folder: PathBuf| Some((train::recipe_id_of(&folder)?, folder));
        Self {
            zoo: folders.into_iter().filter_map(known).collect(),
            cache: cache_dir().unwrap_or_else(|_| std::env::temp_dir().join("eidetic")),
            list: Vec::new(),
        }
    }

    fn folder(&mut self, recipe_id: &str, prepared: &Prepared) -> PathBuf {
        if let Some(known) = self.list.iter().find(|known| known.recipe_id == recipe_id) {
            return known.folder.clone();
        }
        let cached = || self.cache.join("models").join(&recipe_id[..32]);
        let folder = self.zoo.get(recipe_id).cloned().unwrap_or_else(cached);
        let there = train::recipe_id_of(&folder).is_some_and(|found| found == recipe_id)
            && ModelFolder::open(&folder).is_ok();
        self.list.push(PlannedTraining {
            recipe_id: recipe_id.to_owned(),
            name: prepared.recipe.name.clone(),
            recipe: prepared.recipe.to_yaml(),
            folder: folder.clone(),
            steps: prepared.recipe.training.steps,
            there,
        });
        folder
    }
}

/// A label as a part of a model's name: `ambient{p=0.2}` is `ambient-p-0-2`.
fn slug(label: &str) -> String {
    let words = label.split(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    words.join("-")
}

/// The file of a recipe: one under `benchmarks/recipes` by its name, or a path as the suite has it.
pub(super) fn recipe_path(suite: &Suite, sources: &Sources<'_>, written: &Path) -> PathBuf {
    let named = sources.benchmarks.join("recipes").join(written);
    let named = named.with_extension("yaml");
    let is_name = written.components().count() == 1 && written.extension().is_none();
    match is_name && named.is_file() {
        true => named,
        false => suite.path(written),
    }
}
