//! A model with the mitigations around it: trained on what they leave, served through them.

use std::sync::atomic::AtomicBool;

use eidetic_sdk::registration::{Kind, make_mitigation};

use super::job::Job;
use super::serve::{Served, sampler, serve};
use super::stop::{Stop, failed, plugin};
use super::training::TrainingData;
use crate::cell::{ModelSpec, PluginSpec};
use crate::dataset::{Dataset, Part, Split};
use crate::plugin::{KindName, Registry};
use crate::service::{Budget, Link, Service, ServiceOptions, Stopwatch, Timed};

/// A model under the mitigations of a cell.
pub(super) struct Guarded {
    pub(super) served: Served,
    links: Vec<Link>,
    /// Stages at which mitigations act, as far as it is known before a sample is drawn.
    pub(super) stages: Vec<String>,
}

impl Guarded {
    /// Makes `model`; what has to be written lies in `folder` of the job's. The model's time goes to
    /// `stopwatch`.
    pub(super) fn new(
        job: &Job,
        registry: &Registry,
        (dataset, split): (&Dataset, &Split),
        model: &ModelSpec,
        folder: &str,
        seed: u64,
        stopwatch: &Stopwatch,
    ) -> Result<Self, Stop> {
        let part = model.trained_on.unwrap_or(Part::Members);
        let mut train = TrainingData::new(dataset, split, part);
        let (mut links, mut stages) = (Vec::new(), Vec::new());
        for mitigation in &job.spec.mitigation {
            let (link, curated) = mitigate(mitigation, registry, &train, seed)?;
            if let Some(curated) = curated {
                train = curated;
                stages.push("data".into());
            }
            links.push(link);
        }
        let mut served = serve(job, model, registry, &train, folder)?;
        stages.extend(served.trained_under.iter().cloned());
        if let Some(mitigation) = &served.mitigation {
            links.insert(0, mitigate(mitigation, registry, &train, seed)?.0);
        }
        let info = served.model.info();
        let image = [info.image.channels, info.image.height, info.image.width].map(|n| n as usize);
        if image != dataset.shape {
            let (want, id) = (dataset.shape, &dataset.id);
            return Err(Stop::NotApplicable(format!(
                "the model makes images of shape {image:?}, {id} has {want:?}"
            )));
        }
        if links.iter().any(|link| link.sampling) {
            stages.push("sampling".into());
        }
        served.model = Box::new(Timed {
            model: served.model,
            stopwatch: stopwatch.clone(),
        });
        Ok(Self {
            served,
            links,
            stages,
        })
    }

    /// The service of it.
    pub(super) fn service<'a>(
        &'a self,
        spec: &ModelSpec,
        redraws: u32,
        seed: u64,
        budget: &'a Budget,
        stop: &'a AtomicBool,
    ) -> Result<Service<'a>, Stop> {
        let (model, manifest) = (self.served.model.as_ref(), self.served.sampler.as_ref());
        let options = ServiceOptions {
            sampler: sampler(&model.info(), manifest, spec.sampler.as_ref())?,
            seed,
            redraws,
        };
        Ok(Service::new(model, &self.links, options, budget, stop)?)
    }
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
