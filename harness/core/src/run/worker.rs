//! The child's work: one cell, from data to findings on disk. No scoring: third-party code has
//! run in this process.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64};

use eidetic_runtime::{Runtime, SessionOptions};
use eidetic_sdk::ndarray::{Array3, Array4};
use eidetic_sdk::registration::{Kind, make_attack, make_mitigation, make_model};
use eidetic_sdk::sampler::Sampler;
use eidetic_sdk::{Access, Attack, ErrorCode, Goal, Model, ModelInfo, Probe};
use serde_json::Value;

use super::candidates::Candidate;
use super::context::{HostContext, run_seed};
use super::job::{Job, Outcome};
use super::sink::HostSink;
use super::training::TrainingData;
use crate::cell::{ModelOrigin, PluginSpec, Status};
use crate::dataset::{self, Dataset, Part, Split};
use crate::model::{
    MemorizerFolder, ModelFolder, OnnxModel, TrainedOn, TrainingStatement, write_memorizer_folder,
};
use crate::plugin::{KindName, Plugin, Registry};
use crate::service::{Ask, Budget, HostTarget, Link, Service, ServiceOptions};

/// Why a cell did not come to its end.
enum Stop {
    /// The combination cannot run.
    NotApplicable(String),
    /// Something failed.
    Failed(String),
}

impl<E: std::error::Error> From<E> for Stop {
    fn from(error: E) -> Self {
        let mut reason = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let cause_text = cause.to_string();
            if !reason.contains(&cause_text) {
                reason = format!("{reason}: {cause_text}");
            }
            source = cause.source();
        }
        Self::Failed(reason)
    }
}

fn failed(reason: impl Into<String>) -> Stop {
    Stop::Failed(reason.into())
}

/// Works on a job. Whatever goes wrong is in the outcome; findings lie in the job's folder.
pub fn work(job: &Job, registry: &Registry, stop: &AtomicBool) -> Outcome {
    let budget = Budget::new(job.spec.model_calls);
    let mut outcome = Outcome::early(Status::Ok, String::new());
    match attempt(job, registry, &budget, stop, &mut outcome) {
        Ok(()) => {}
        Err(Stop::NotApplicable(reason)) => {
            (outcome.status, outcome.reason) = (Status::NotApplicable, reason);
        }
        Err(Stop::Failed(reason)) => (outcome.status, outcome.reason) = (Status::Failed, reason),
    }
    outcome.model_calls = budget.model_calls();
    outcome.defence_calls = budget.defence_calls();
    outcome
}

fn attempt(
    job: &Job,
    registry: &Registry,
    budget: &Budget,
    stop: &AtomicBool,
    outcome: &mut Outcome,
) -> Result<(), Stop> {
    let spec = &job.spec;
    let (dataset, split) = data(job)?;
    let seed = run_seed(spec.suite_seed, spec.seed);
    let mut train = TrainingData::new(
        &dataset,
        &split,
        spec.model.trained_on.unwrap_or(Part::Members),
    );
    let mut links = Vec::new();
    for mitigation in &spec.mitigation {
        let (link, curated) = mitigate(mitigation, registry, &train, seed)?;
        if let Some(curated) = curated {
            train = curated;
            outcome.stages_applied.push("data".into());
        }
        links.push(link);
    }

    let served = serve(job, registry, &train)?;
    outcome.model_sha256 = served.sha256;
    outcome.n_trained = served.n_trained;
    if let Some(mitigation) = &served.mitigation {
        links.insert(0, mitigate(mitigation, registry, &train, seed)?.0);
    }
    let model = served.model.as_ref();
    let info = model.info();
    let image = [info.image.channels, info.image.height, info.image.width].map(|n| n as usize);
    if image != dataset.shape {
        let (want, id) = (dataset.shape, &dataset.id);
        return Err(Stop::NotApplicable(format!(
            "the model makes images of shape {image:?}, {id} has {want:?}"
        )));
    }
    if links.iter().any(|link| link.sampling) {
        outcome.stages_applied.push("sampling".into());
    }

    let plugin = plugin(registry, KindName::Attack, &spec.attack.plugin)?;
    let Kind::Attack { goal, access, .. } = plugin.registration.kind else {
        return Err(failed(
            "the registry gave another kind of plugin than was asked for",
        ));
    };
    let sampler = sampler(&info, served.sampler.as_ref(), spec.model.sampler.as_ref())?;
    let options = ServiceOptions {
        sampler,
        seed,
        redraws: spec.redraws,
    };
    let service = Service::new(model, &links, options, budget, stop)?;
    applicable(access, service.info())?;
    let attack = make_attack(
        &plugin.registration,
        &spec.attack.plugin.options.to_string(),
    )?;

    let candidates = match goal {
        Goal::Extraction => Vec::new(),
        Goal::Reconstruction => Candidate::mixed(&split, false, seed),
        Goal::Membership => Candidate::mixed(&split, true, seed),
    };
    let mut sink = HostSink::new(
        &job.folder,
        goal,
        dataset.shape,
        candidates.len() as u64,
        budget,
    )?;
    let ask = ask(
        goal,
        &*attack,
        &dataset,
        &candidates,
        &info,
        seed,
        &mut sink,
    )?;
    let target = HostTarget {
        service: &service,
        model,
        access,
        budget,
        ask: &ask,
    };
    let context = HostContext {
        seed,
        stop,
        last_permille: AtomicU64::new(u64::MAX),
    };
    let result = pool(job.threads)?.install(|| attack.run(&target, &context, &sink));
    if service.output_applied() {
        outcome.stages_applied.push("output".into());
    }
    deduplicate(&mut outcome.stages_applied);
    match result {
        Ok(()) => Ok(()),
        // Running out of calls is a way to end, and the rows of a board share one budget.
        Err(error) if error.code == ErrorCode::Budget => {
            outcome.reason = format!("ended at its budget: {error}");
            Ok(())
        }
        Err(error) => Err(failed(format!(
            "attack `{}`: {error}",
            spec.attack.plugin.id
        ))),
    }
}

fn deduplicate(names: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
}

fn pool(threads: usize) -> Result<rayon::ThreadPool, Stop> {
    Ok(rayon::ThreadPoolBuilder::new()
        .num_threads(threads.max(1))
        .build()?)
}

/// The dataset and its split, which must be those that the cell's id was made of.
fn data(job: &Job) -> Result<(Dataset, Split), Stop> {
    let spec = &job.spec.dataset;
    let environment = &job.environment;
    let data_dir = environment.data_dir.as_deref();
    let entry = dataset::find(&environment.benchmarks.join("datasets"), &spec.id, data_dir)?;
    let dataset = Dataset::load(&entry.folder, data_dir)?;
    same("dataset", &spec.id, &dataset.digest, &spec.sha256)?;
    same(
        "duplicate groups of",
        &spec.id,
        &dataset.duplicates.digest(),
        &spec.groups_sha256,
    )?;
    let split = Split::new(&dataset, &spec.split)?;
    Ok((dataset, split))
}

fn same(what: &str, id: &str, got: &str, want: &str) -> Result<(), Stop> {
    if got == want {
        return Ok(());
    }
    Err(failed(format!(
        "{what} `{id}` changed while the suite ran: expected {want}, got {got}"
    )))
}

fn plugin<'a>(
    registry: &'a Registry,
    kind: KindName,
    spec: &PluginSpec,
) -> Result<&'a Plugin, Stop> {
    let plugin = registry.get(kind, &spec.id)?;
    same("plugin", &spec.id, &plugin.sha256, &spec.sha256)?;
    Ok(plugin)
}

/// A mitigation as a link of the chain, and what its data stage leaves of the training set.
fn mitigate(
    spec: &PluginSpec,
    registry: &Registry,
    train: &TrainingData,
    seed: u64,
) -> Result<(Link, Option<TrainingData>), Stop> {
    let whose = |error| failed(format!("mitigation `{}`: {error}", spec.id));
    let plugin = plugin(registry, KindName::Mitigation, spec)?;
    let Kind::Mitigation { stages, .. } = plugin.registration.kind else {
        return Err(failed(
            "the registry gave another kind of plugin than was asked for",
        ));
    };
    let options = spec.options.to_string();
    let view = train.view()?;
    let mitigation = make_mitigation(&plugin.registration, &options, view).map_err(whose)?;
    let curated = match stages.data {
        true => {
            let curation = mitigation.curate(train.view()?, seed).map_err(whose)?;
            Some(train.curated(curation).map_err(whose)?)
        }
        false => None,
    };
    let (sampling, output) = (stages.sampling, stages.output);
    Ok((
        Link {
            id: spec.id.clone(),
            mitigation,
            sampling,
            output,
        },
        curated,
    ))
}

/// A model ready to be attacked.
struct Served {
    model: Box<dyn Model>,
    sha256: String,
    n_trained: Option<u64>,
    /// How it wants to be sampled, from its manifest.
    sampler: Option<Value>,
    /// The training mitigation that it was made under and that supplies its extra channels.
    mitigation: Option<PluginSpec>,
}

fn serve(job: &Job, registry: &Registry, train: &TrainingData) -> Result<Served, Stop> {
    match &job.spec.model.origin {
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
            })
        }
        ModelOrigin::MemorizerOnnx => {
            let part = match job.spec.model.trained_on {
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
            let folder = write_memorizer_folder(&job.folder.join("model"), &content)?;
            open(job, registry, folder)
        }
        ModelOrigin::Folder { path, sha256 } => {
            let folder = ModelFolder::open(Path::new(path))?;
            same("model", &folder.manifest().name, folder.digest(), sha256)?;
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
                options: plugin.resolve(&serde_json::json!({}))?,
                stages: None,
            })
        }
        None => None,
    };
    let sha256 = folder.digest().to_owned();
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
    })
}

/// The model's default sampler, under its manifest's wishes, under the suite's.
fn sampler(
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

fn applicable(access: Access, info: &ModelInfo) -> Result<(), Stop> {
    let missing = match access {
        Access::Samples if info.denoises || info.samples => return Ok(()),
        Access::Denoiser if info.denoises => return Ok(()),
        Access::Gradient if info.denoises && info.differentiates => return Ok(()),
        Access::Samples => "the model neither samples nor denoises",
        Access::Denoiser => "the attack needs a denoiser, the model only samples",
        Access::Gradient => "the attack needs gradients, the model offers none",
    };
    Err(Stop::NotApplicable(missing.into()))
}

/// What the attack is asked; probes are checked, applied and told to the sink.
fn ask(
    goal: Goal,
    attack: &dyn Attack,
    dataset: &Dataset,
    candidates: &[Candidate],
    info: &ModelInfo,
    seed: u64,
    sink: &mut HostSink<'_>,
) -> Result<Ask, Stop> {
    let [c, h, w] = dataset.shape;
    let indices: Vec<u32> = candidates.iter().map(|candidate| candidate.index).collect();
    let shape = (indices.len(), c, h, w);
    let images = Array4::from_shape_vec(shape, dataset.select(&indices))?;
    match goal {
        Goal::Extraction => Ok(Ask::Nothing),
        Goal::Membership => Ok(Ask::Membership(images)),
        Goal::Reconstruction => {
            let probes = attack.probes(indices.len() as u64, info.image, seed)?;
            if probes.is_empty() {
                return Err(failed(
                    "expected at least one probe of a reconstruction attack",
                ));
            }
            sink.probes(&probes)?;
            let destroyed = probes
                .iter()
                .enumerate()
                .map(|(at, probe)| destroy(&images, probe, seed, at))
                .collect::<Result<Vec<_>, Stop>>()?;
            Ok(Ask::Reconstruction(destroyed))
        }
    }
}

/// Candidates as a probe leaves them: unknown pixels mid-grey, noise on all of them.
fn destroy(
    images: &Array4<u8>,
    probe: &Probe,
    seed: u64,
    at: usize,
) -> Result<(Array4<f32>, Array3<u8>, f32), Stop> {
    use eidetic_sdk::sampler::RowNoise;
    let (n, c, h, w) = images.dim();
    let name = &probe.name;
    if !(probe.sigma.is_finite() && probe.sigma >= 0.0) {
        let sigma = probe.sigma;
        return Err(failed(format!(
            "probe `{name}`: expected sigma >= 0, got {sigma}"
        )));
    }
    let known = match probe.known.len() {
        0 => Array3::ones((n, h, w)),
        len if len == h * w => {
            let one = Array3::from_shape_vec((1, h, w), probe.known.clone())?;
            one.broadcast((n, h, w))
                .ok_or_else(|| failed("a mask that fits no image"))?
                .to_owned()
        }
        len if len == n * h * w => Array3::from_shape_vec((n, h, w), probe.known.clone())?,
        len => {
            let (one, all) = (h * w, n * h * w);
            return Err(failed(format!(
                "probe `{name}`: expected a mask of 0, {one} or {all} flags, got {len}"
            )));
        }
    };
    let ids: Vec<u64> = (0..n as u64).collect();
    let mut noise = RowNoise::new(seed, &format!("probe {at}"), &ids);
    let mut values = vec![0.0; c * h * w];
    let mut destroyed = Array4::zeros((n, c, h, w));
    for row in 0..n {
        noise.fill(row, &mut values);
        let mut values = values.iter();
        for ((channel, y, x), pixel) in destroyed
            .index_axis_mut(eidetic_sdk::ndarray::Axis(0), row)
            .indexed_iter_mut()
        {
            let clean = match known[[row, y, x]] {
                0 => 0.0,
                _ => eidetic_sdk::pixels::to_unit(images[[row, channel, y, x]]),
            };
            let noise = values.next().copied().unwrap_or(0.0) as f32;
            *pixel = clean + probe.sigma * noise;
        }
    }
    Ok((destroyed, known, probe.sigma))
}
