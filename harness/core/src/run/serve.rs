//! The model of a cell: a folder that is opened, or a plugin that makes it.

use std::path::Path;

use eidetic_runtime::{Runtime, SessionOptions};
use eidetic_sdk::registration::{Kind, make_model};
use eidetic_sdk::sampler::Sampler;
use eidetic_sdk::{Model, ModelInfo};
use serde_json::Value;

use super::job::Job;
use super::stop::{Stop, failed, plugin, same};
use super::training::TrainingData;
use crate::cell::{ModelOrigin, ModelSpec, PluginSpec};
use crate::dataset::Part;
use crate::model::{
    MemorizerFolder, ModelFolder, OnnxModel, TrainedOn, TrainingStatement, write_memorizer_folder,
};
use crate::plugin::{KindName, Registry};
use crate::train;

/// A model ready to be attacked.
pub(super) struct Served {
    pub(super) model: Box<dyn Model>,
    pub(super) sha256: String,
    pub(super) n_trained: Option<u64>,
    /// How it wants to be sampled, from its manifest.
    pub(super) sampler: Option<Value>,
    /// The training mitigation that it was made under and that supplies its extra channels.
    pub(super) mitigation: Option<PluginSpec>,
    /// Of data and training, the stages at which a mitigation acted when it was trained here.
    pub(super) trained_under: Vec<String>,
}

/// A model of a cell, opened or made; one that has to be written lies in `folder` of the job's.
pub(super) fn serve(
    job: &Job,
    model: &ModelSpec,
    registry: &Registry,
    train: &TrainingData,
    folder: &str,
) -> Result<Served, Stop> {
    match &model.origin {
        ModelOrigin::Plugin(spec) => {
            let plugin = plugin(registry, KindName::Model, spec)?;
            let Kind::Model { trains, .. } = plugin.registration.kind else {
                return Err(failed(
                    "the registry gave another kind of plugin than was asked for",
                ));
            };
            let view = if trains { Some(train.view()?) } else { None };
            let model = make_model(&plugin.registration, &spec.options.to_string(), view)
                .map_err(|error| failed(format!("model `{}`: {error}", spec.id)))?;
            Ok(Served {
                model,
                sha256: plugin.sha256.clone(),
                n_trained: trains.then_some(train.len() as u64),
                sampler: None,
                mitigation: None,
                trained_under: Vec::new(),
            })
        }
        ModelOrigin::Images { .. } => Err(failed("images come without a model")),
        ModelOrigin::MemorizerOnnx => {
            let part = match model.trained_on {
                Some(Part::Aux) => TrainedOn::Aux,
                _ => TrainedOn::Members,
            };
            let training = TrainingStatement {
                part,
                dataset: Some(job.spec.dataset.id.clone()),
                n: Some(train.len() as u64),
                digest: Some(train.digest().to_owned()),
            };
            let content = MemorizerFolder {
                name: "memorizer-onnx",
                title: "The perfect memorizer of its training images",
                licence: "that of its training images",
                images: train.images(),
                shape: train.shape(),
                training,
                clean_twin: None,
            };
            let folder = write_memorizer_folder(&job.folder.join(folder), &content)?;
            open(job, registry, folder)
        }
        ModelOrigin::Folder { path, sha256 } => {
            let folder = ModelFolder::open(Path::new(path))?;
            same("model", &folder.manifest().name, folder.digest(), sha256)?;
            open(job, registry, folder)
        }
        ModelOrigin::Recipe { recipe_id, path } => {
            let path = Path::new(path);
            let folder = ModelFolder::open(path)?;
            let found = train::recipe_id_of(path).unwrap_or_default();
            same("recipe of", &folder.manifest().name, &found, recipe_id)?;
            open(job, registry, folder)
        }
    }
}

fn open(job: &Job, registry: &Registry, folder: ModelFolder) -> Result<Served, Stop> {
    let spec = job
        .spec
        .runtime
        .as_ref()
        .ok_or_else(|| failed("no runtime in the cell's spec"))?;
    let library = job.environment.library.as_ref();
    let library = library.ok_or_else(|| failed("no ONNX Runtime for an ONNX model"))?;
    let options = SessionOptions {
        device: spec.device.parse()?,
        sessions: job.threads.max(1),
        microbatch: spec.microbatch,
    };
    let manifest = folder.manifest();
    let mitigation = match &manifest.mitigation {
        Some(id) => {
            let plugin = registry.get(KindName::Mitigation, id)?;
            Some(PluginSpec {
                id: id.clone(),
                version: plugin.registration.version.to_string(),
                sha256: plugin.sha256.clone(),
                options: plugin.resolve(&serde_json::Value::Object(
                    manifest.mitigation_options.clone().unwrap_or_default(),
                ))?,
                stages: None,
            })
        }
        None => None,
    };
    let sha256 = folder.digest().to_owned();
    let trained_under = train::stages_of(folder.path());
    let n_trained = manifest.training.n;
    let sampler = manifest
        .sampler
        .map(|kind| serde_json::json!({ "kind": kind }));
    let model = Box::new(OnnxModel::open(folder, &Runtime::load(library)?, &options)?);
    Ok(Served {
        model,
        sha256,
        n_trained,
        sampler,
        mitigation,
        trained_under,
    })
}

/// The model's default sampler, under its manifest's wishes, under the suite's.
pub(super) fn sampler(
    info: &ModelInfo,
    manifest: Option<&Value>,
    suite: Option<&Value>,
) -> Result<Option<Sampler>, Stop> {
    if !info.denoises {
        return Ok(None);
    }
    let wishes = [manifest, suite].into_iter().flatten();
    let kind = wishes.clone().rev().find_map(|wish| wish.get("kind"));
    let kind = kind.map_or(Ok(eidetic_sdk::sampler::SamplerKind::Heun), |kind| {
        serde_json::from_value(kind.clone())
    })?;
    let mut settled = serde_json::to_value(Sampler::for_model(kind, info))?;
    for wish in wishes {
        // What a manifest says of one kind of sampler does not hold for another.
        if wish
            .get("kind")
            .is_some_and(|named| *named != settled["kind"])
        {
            continue;
        }
        for (key, value) in wish.as_object().into_iter().flatten() {
            settled[key] = value.clone();
        }
    }
    let sampler: Sampler = serde_json::from_value(settled)?;
    sampler.check()?;
    Ok(Some(sampler))
}
