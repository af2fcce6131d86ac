//! The child's work: one cell, from data to findings on disk. No scoring: third-party code has
//! run in this process.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Instant;

use eidetic_sdk::registration::{Kind, make_attack};
use eidetic_sdk::{Access, ErrorCode};

use super::ask::ask;
use super::context::{HostContext, run_seed};
use super::guarded::Guarded;
use super::job::{Job, Outcome};
use super::sink::HostSink;
use super::stop::{Stop, failed, plugin, same};
use crate::cell::{Spent, Status};
use crate::dataset::{self, Candidate, Dataset, Split};
use crate::plugin::{KindName, Registry};
use crate::service::{Budget, HostTarget, Service, Stopwatch};

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
    let stopwatch = Stopwatch::default();
    let data = (&dataset, &split);
    let around = |model, folder| Guarded::new(job, registry, data, model, folder, seed, &stopwatch);
    let guarded = around(&spec.model, "model")?;
    outcome.model_sha256.clone_from(&guarded.served.sha256);
    outcome.n_trained = guarded.served.n_trained;
    outcome.stages_applied.clone_from(&guarded.stages);
    let counterpart = spec.samples_from.as_ref();
    let counterpart = counterpart
        .map(|model| around(model, "counterpart"))
        .transpose()?;

    let plugin = plugin(registry, KindName::Attack, &spec.attack.plugin)?;
    let Kind::Attack { goal, access, .. } = plugin.registration.kind else {
        return Err(failed(
            "the registry gave another kind of plugin than was asked for",
        ));
    };
    let service = guarded.service(&spec.model, spec.redraws, seed, budget, stop)?;
    let samples_from = match (&counterpart, &spec.samples_from) {
        (Some(other), Some(model)) => {
            Some(other.service(model, spec.redraws, seed, budget, stop)?)
        }
        _ => None,
    };
    applicable(access, &service)?;
    let attack = make_attack(
        &plugin.registration,
        &spec.attack.plugin.options.to_string(),
    )?;

    let candidates = Candidate::mixed(&split, goal, spec.attack.candidates, seed);
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
        service.info(),
        seed,
        &mut sink,
    )?;
    let target = HostTarget {
        service: &service,
        samples_from: samples_from.as_ref().unwrap_or(&service),
        model: guarded.served.model.as_ref(),
        access,
        budget,
        ask: &ask,
    };
    let context = HostContext {
        seed,
        stop,
        last_permille: AtomicU64::new(u64::MAX),
    };
    let pool = pool(job.threads)?;
    let (started, before) = (Instant::now(), stopwatch.total());
    let result = pool.install(|| attack.run(&target, &context, &sink));
    outcome.spent = Some(Spent {
        attack_seconds: started.elapsed().as_secs_f64(),
        model_seconds: (stopwatch.total() - before).as_secs_f64(),
    });
    let applied = samples_from.as_ref().is_some_and(Service::output_applied);
    if service.output_applied() || applied {
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
