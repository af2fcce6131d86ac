//! Resolves a recipe against what is there: data, plugins and network, all checked before anything
//! is trained.

use std::path::Path;

use eidetic_nn::{Denoiser, Denoising, Drawing, TrainingImages};
use eidetic_sdk::{ConditionSpec, ElementType, ImageShape, ModelInfo, pixels};
use ndarray::Array4;
use serde_json::{Value, json};

use super::error::Error;
use super::identity::{
    Identity, IdentityDataset, IdentityRuntime, IdentityTrainingSet, NN_REVISION,
};
use super::mitigating::{Mitigating, Planned};
use super::recipe::{Recipe, RecipeDataset, RecipeFile, TrainedPart};
use crate::cell::RuntimeSpec;
use crate::dataset::{self, Dataset, Part, Split, SplitConfig};
use crate::plugin::Registry;
use crate::run::TrainingData;
use crate::service::Link;
use crate::suite::SplitOverride;
use crate::yaml::LocatedError;

/// What a recipe is resolved against.
pub struct Sources<'a> {
    /// Plugins.
    pub registry: &'a Registry,
    /// The folder with `datasets`.
    pub benchmarks: &'a Path,
    /// Where the user keeps data that are not distributed.
    pub data_dir: Option<&'a Path>,
    /// ONNX Runtime, the device, and the rows of a pass in sampling.
    pub runtime: &'a RuntimeSpec,
    /// Takes the place of the recipe's seed.
    pub seed: Option<u64>,
}

/// A recipe ready to be trained.
pub struct Prepared {
    /// The recipe, every default filled in.
    pub recipe: Recipe,
    /// Everything that can change what comes of it.
    pub identity: Identity,
    /// What is trained.
    pub(super) denoiser: Denoiser,
    pub(super) task: Denoising,
    /// What it is trained on.
    pub(super) data: TrainingData,
    /// One image a group of duplicates of the part, u8 pixels: what is memorized is sought there.
    pub(super) reference: Vec<u8>,
    /// The mitigation's sampling stage, where it has one.
    pub(super) links: Vec<Link>,
    /// What the mitigation says of the run; may be empty.
    pub(super) note: String,
    /// Licence of the data.
    pub(super) data_licence: String,
    /// Rows of a pass in sampling.
    pub(super) microbatch: usize,
    parameters: usize,
}

/// Resolves a recipe.
///
/// # Errors
/// [`Error::Recipe`] for what does not fit together, with line and key; [`Error::Mitigation`];
/// [`Error::Network`].
pub fn prepare(file: &RecipeFile, sources: &Sources<'_>) -> Result<Prepared, Error> {
    let (dataset, split, licence) = data(file, sources.benchmarks, sources.data_dir)?;
    prepare_on(&dataset, &split, licence, file, sources)
}

/// As [`prepare`], on what [`data`] gave for the recipe.
pub(crate) fn prepare_on(
    dataset: &Dataset,
    split: &Split,
    data_licence: String,
    file: &RecipeFile,
    sources: &Sources<'_>,
) -> Result<Prepared, Error> {
    let mut recipe = file.recipe.clone();
    recipe.training.seed = sources.seed.unwrap_or(recipe.training.seed);
    recipe.label_dropout = recipe.conditional.then(|| recipe.dropped_labels());
    recipe.dataset = resolved(&recipe.dataset.id, &split.config);
    let part = match recipe.part {
        TrainedPart::Members => Part::Members,
        TrainedPart::Aux => Part::Aux,
    };
    let indices = split.part(part);
    if indices.is_empty() {
        let message = format!("expected a part with images, got the empty {part} of this split");
        return Err(file.problem(&["part"], message).into());
    }
    let reference = dataset.select(&split.representatives(indices));
    let whole = TrainingData::new(dataset, split, part);
    let part_sha256 = whole.digest().to_owned();
    let mitigation = Mitigating::new(file, &mut recipe, &whole, sources.registry)?;
    let data = match &mitigation {
        Some(mitigation) => mitigation.curated(&whole, recipe.training.seed)?,
        None => None,
    }
    .unwrap_or(whole);
    let classes = classes(file, &recipe, &data)?;
    let sigma_data = pixels::standard_deviation(data.images());
    if sigma_data == 0.0 {
        let message = "expected training images that vary, got pixels of one level";
        return Err(file.problem(&["dataset"], message).into());
    }

    let spec = mitigation
        .as_ref()
        .map(|mitigation| mitigation.spec.clone());
    let planned = match mitigation {
        Some(mitigation) => mitigation.plan(&recipe, &data, classes)?,
        None => Planned::default(),
    };
    let plan = planned.objective.plan();
    let denoiser = Denoiser {
        network: recipe.network.clone(),
        shape: dataset.shape,
        extra_channels: plan.extra_channels,
        masked: plan.masked,
        classes,
        sigma_data: sigma_data as f32,
    };
    let wanted = denoiser.wanted();
    let wanted = wanted.map_err(|error| file.refused("network", error))?;
    let parameters = wanted
        .iter()
        .map(|each| each.shape.iter().product::<usize>());
    let task = Denoising::new(
        denoiser.clone(),
        Drawing {
            ln_sigma_mean: recipe.sigma.log_mean,
            ln_sigma_std: recipe.sigma.log_std,
            label_dropout: recipe.dropped_labels(),
            flip: recipe.flip,
        },
        training_images(&data, classes)?,
        planned.objective,
    )?;
    let identity = Identity {
        nn_revision: NN_REVISION,
        dataset: IdentityDataset {
            id: dataset.id.clone(),
            sha256: dataset.digest.clone(),
            groups_sha256: dataset.duplicates.digest(),
            split: split.config,
        },
        training_set: IdentityTrainingSet {
            part: recipe.part,
            sha256: part_sha256,
            n: data.len() as u64,
            curated_sha256: data.digest().to_owned(),
        },
        network: json!(recipe.network),
        classes: classes as u64,
        label_dropout: recipe.dropped_labels(),
        flip: recipe.flip,
        log_mean: recipe.sigma.log_mean,
        log_std: recipe.sigma.log_std,
        training: loop_of(&recipe),
        memorized: recipe.memorized,
        mitigation: spec,
        runtime: IdentityRuntime {
            version: sources.runtime.version.clone(),
            sha256: sources.runtime.sha256.clone(),
            device: sources.runtime.device.clone(),
        },
    };
    Ok(Prepared {
        recipe,
        identity,
        denoiser,
        task,
        data,
        reference,
        links: planned.links,
        note: planned.note,
        data_licence,
        microbatch: sources.runtime.microbatch,
        parameters: parameters.sum(),
    })
}

impl Prepared {
    /// Weights of the network.
    pub fn parameters(&self) -> usize {
        self.parameters
    }

    /// What the finished model says of itself.
    pub(super) fn info(&self) -> ModelInfo {
        let [channels, height, width] = self.denoiser.shape.map(|size| size as u32);
        let image = ImageShape {
            channels,
            height,
            width,
        };
        let classes = self.denoiser.classes as u64;
        let conditions = (classes > 0).then(|| ConditionSpec {
            name: eidetic_nn::names::CLASS_LABELS.to_owned(),
            element: ElementType::I64,
            dims: Vec::new(),
            classes: Some(classes),
            nullable: self.null_class().is_some(),
        });
        ModelInfo {
            sigma_min: self.recipe.sigma.min,
            sigma_max: self.recipe.sigma.max,
            extra_channels: self.denoiser.extra_channels as u32,
            conditions: Vec::from_iter(conditions),
            ..ModelInfo::pixel_denoiser(image, self.denoiser.sigma_data.into())
        }
    }

    /// The label of no class, where the network has learnt one.
    pub(super) fn null_class(&self) -> Option<i64> {
        let learnt = self.recipe.dropped_labels() > 0.0;
        learnt.then_some(self.denoiser.classes as i64)
    }
}

/// The loop's part of a recipe, without what changes nothing that is kept.
fn loop_of(recipe: &Recipe) -> Value {
    let mut training = json!(recipe.training);
    if let Some(entries) = training.as_object_mut() {
        entries.shift_remove("checkpoint_every");
        entries.shift_remove("watch_every");
    }
    training
}

/// The dataset of a recipe, its split, and the licence of the data.
///
/// # Errors
/// A dataset that is not there or damaged, a split that cannot be, with line and key.
pub(crate) fn data(
    file: &RecipeFile,
    benchmarks: &Path,
    data_dir: Option<&Path>,
) -> Result<(Dataset, Split, String), LocatedError> {
    let wanted = &file.recipe.dataset;
    let wrong = |keys: &[&str], error: dataset::Error| file.problem(keys, error.to_string());
    let folder = benchmarks.join("datasets");
    let named = ["dataset", "id"];
    let found = dataset::find(&folder, &wanted.id, data_dir);
    let found = found.map_err(|error| wrong(&named, error))?;
    let dataset = Dataset::load(&found.folder, data_dir);
    let dataset = dataset.map_err(|error| wrong(&named, error))?;
    let config = wanted.split.over(&found.manifest.split);
    let split = Split::new(&dataset, &config);
    let split = split.map_err(|error| wrong(&["dataset", "split"], error))?;
    Ok((dataset, split, found.manifest.licence))
}

fn resolved(id: &str, split: &SplitConfig) -> RecipeDataset {
    RecipeDataset {
        id: id.to_owned(),
        split: SplitOverride {
            members: Some(split.members),
            holdout: Some(split.holdout),
            aux: Some(split.aux),
            seed: Some(split.seed),
            plant_duplicates: Some(split.plant_duplicates),
        },
    }
}

fn classes(file: &RecipeFile, recipe: &Recipe, data: &TrainingData) -> Result<usize, LocatedError> {
    match (recipe.conditional, data.labels(), data.classes()) {
        (false, _, _) => Ok(0),
        (true, Some(_), classes @ 1..) => Ok(classes as usize),
        (true, _, _) => {
            let id = &recipe.dataset.id;
            let message = format!("expected false: the dataset {id:?} has no labels");
            Err(file.problem(&["conditional"], message))
        }
    }
}

fn training_images(data: &TrainingData, classes: usize) -> Result<TrainingImages, Error> {
    let [channels, height, width] = data.shape();
    let units = data.images().iter().map(|&level| pixels::to_unit(level));
    let dim = (data.len(), channels, height, width);
    let images =
        Array4::from_shape_vec(dim, units.collect()).map_err(|error| eidetic_nn::Error::Shape {
            what: "training images".to_owned(),
            expected: format!("{dim:?}"),
            got: error.to_string(),
        })?;
    let labels = data.labels().filter(|_| classes > 0);
    Ok(TrainingImages {
        images,
        labels: labels.map(<[i64]>::to_vec),
        index: data.index().to_vec(),
    })
}
