//! The child's work: one cell, from data to findings on disk. No scoring: third-party code has
//! run in this process.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64};

use eidetic_sdk::registration::{Kind, make_attack, make_mitigation};
use eidetic_sdk::{Access, ErrorCode, Goal};

use super::ask::ask;
use super::candidates::Candidate;
use super::context::{HostContext, run_seed};
use super::job::{Job, Outcome};
use super::serve::{sampler, serve};
use super::sink::HostSink;
use super::stop::{Stop, failed, plugin, same};
use super::training::TrainingData;
use crate::cell::{PluginSpec, Status};
use crate::dataset::{self, Dataset, Part, Split};
use crate::plugin::{KindName, Registry};
use crate::service::{Budget, HostTarget, Link, Service, ServiceOptions};

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
    outcome.stages_applied.extend(served.trained_under);
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
    applicable(access, &service)?;
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
        // It looked at what it was given, and asked nothing of the model.
        Err(error) if error.code == ErrorCode::Unsupported && budget.model_calls() == 0 => {
            Err(Stop::NotApplicable(error.to_string()))
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

/// Whether what is served offers what the attack needs.
fn applicable(access: Access, service: &Service<'_>) -> Result<(), Stop> {
    let info = service.info();
    let missing = match access {
        Access::Samples if info.denoises || info.samples => return Ok(()),
        Access::Denoiser if info.denoises => return Ok(()),
        Access::Samples => "the model neither samples nor denoises".into(),
        Access::Gradient if info.denoises => {
            match (service.chain().without_gradient(), info.differentiates) {
                (Some(refusal), _) => format!("the attack needs gradients; {refusal}"),
                (None, true) => return Ok(()),
                (None, false) => "the attack needs gradients, the model offers none".into(),
            }
        }
        Access::Denoiser | Access::Gradient => {
            "the attack needs a denoiser, the model only samples".into()
        }
    };
    Err(Stop::NotApplicable(missing))
}
