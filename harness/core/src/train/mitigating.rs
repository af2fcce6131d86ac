//! A recipe's mitigation: made for the training set, asked what it leaves of it and how it trains.

use std::sync::Arc;

use eidetic_nn::{Objective, Plain};
use eidetic_sdk::registration::{Kind, make_mitigation};
use eidetic_sdk::{ImageShape, Mitigation, Stages, TrainingRun};
use serde_json::Value;

use super::error::Error;
use super::objective::{Mitigated, plan_of};
use super::recipe::{Recipe, RecipeFile, RecipeMitigation};
use crate::cell::{PluginSpec, stage_names};
use crate::plugin::{KindName, Plugin, Registry};
use crate::run::TrainingData;
use crate::service::Link;

/// A mitigation that was made for the training set.
pub(super) struct Mitigating {
    pub(super) spec: PluginSpec,
    stages: Stages,
    /// For data and training.
    mitigation: Box<dyn Mitigation>,
    /// For sampling.
    link: Link,
}

/// What is trained under a mitigation, or without one.
pub(super) struct Planned {
    pub(super) objective: Arc<dyn Objective>,
    pub(super) links: Vec<Link>,
    pub(super) note: String,
}

impl Default for Planned {
    fn default() -> Self {
        Self {
            objective: Arc::new(Plain),
            links: Vec::new(),
            note: String::new(),
        }
    }
}

impl Mitigating {
    /// The mitigation that the recipe names, whose options it fills in; none where it names none.
    pub(super) fn new(
        file: &RecipeFile,
        recipe: &mut Recipe,
        whole: &TrainingData,
        registry: &Registry,
    ) -> Result<Option<Self>, Error> {
        let Some(wanted) = &mut recipe.mitigation else {
            return Ok(None);
        };
        let id = wanted.id.clone();
        let problem = |keys: &[&str], message: String| {
            let path = [&["mitigation"], keys].concat();
            file.problem(&path, message)
        };
        let plugin = registry.get(KindName::Mitigation, &id);
        let plugin = plugin.map_err(|error| problem(&["id"], error.to_string()))?;
        let Kind::Mitigation { stages, .. } = plugin.registration.kind else {
            return Err(problem(&["id"], format!("`{id}` is no mitigation")).into());
        };
        if !stages.data && !stages.training {
            let names = stage_names(stages).join(" and ");
            let message = format!(
                "expected a mitigation that acts on the data or in training, got `{id}` (stages: \
                 {names}); such a one stands among the mitigations of a suite"
            );
            return Err(problem(&["id"], message).into());
        }
        let spec = spec(plugin, stages, wanted);
        let spec = spec.map_err(|error| problem(&["options"], error.to_string()))?;
        wanted.options = spec.options.as_object().cloned().unwrap_or_default();
        let failed = |source| Error::Mitigation {
            id: id.clone(),
            source,
        };
        let make = || {
            let options = spec.options.to_string();
            make_mitigation(&plugin.registration, &options, whole.view()?)
        };
        let link = Link {
            id: id.clone(),
            mitigation: make().map_err(failed)?,
            sampling: stages.sampling,
            output: false,
        };
        Ok(Some(Self {
            mitigation: make().map_err(failed)?,
            spec,
            stages,
            link,
        }))
    }

    fn failed(&self, source: eidetic_sdk::Error) -> Error {
        Error::Mitigation {
            id: self.spec.id.clone(),
            source,
        }
    }

    /// What the data stage leaves, where there is one.
    pub(super) fn curated(
        &self,
        whole: &TrainingData,
        seed: u64,
    ) -> Result<Option<TrainingData>, Error> {
        let curate = || whole.curated(self.mitigation.curate(whole.view()?, seed)?);
        let curated = self.stages.data.then(curate).transpose();
        curated.map_err(|error| self.failed(error))
    }

    /// The objective of the training stage, or the plain one.
    pub(super) fn plan(
        self,
        recipe: &Recipe,
        data: &TrainingData,
        classes: usize,
    ) -> Result<Planned, Error> {
        let links = match self.stages.sampling {
            true => vec![self.link],
            false => Vec::new(),
        };
        if !self.stages.training {
            return Ok(Planned {
                links,
                ..Planned::default()
            });
        }
        let [channels, height, width] = data.shape().map(|size| size as u32);
        let run = TrainingRun {
            shape: ImageShape {
                channels,
                height,
                width,
            },
            steps: recipe.training.steps,
            batch: recipe.training.batch as u64,
            examples: data.len() as u64,
        };
        let id = self.spec.id;
        let plan = self.mitigation.plan(run).map_err(|source| {
            let id = id.clone();
            Error::Mitigation { id, source }
        })?;
        Ok(Planned {
            links,
            note: plan.note.to_string(),
            objective: Arc::new(Mitigated {
                id,
                mitigation: self.mitigation,
                plan: plan_of(&plan),
                classes,
            }),
        })
    }
}

fn spec(
    plugin: &Plugin,
    stages: Stages,
    wanted: &RecipeMitigation,
) -> Result<PluginSpec, crate::plugin::Error> {
    Ok(PluginSpec {
        id: plugin.id().to_owned(),
        version: plugin.registration.version.to_string(),
        sha256: plugin.sha256.clone(),
        options: plugin.resolve(&Value::Object(wanted.options.clone()))?,
        stages: Some(stage_names(stages)),
    })
}
