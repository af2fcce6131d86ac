//! A model as cells have it.

use serde_json::Value;

use super::sources::Data;
use crate::cell::{ModelOrigin, RuntimeSpec};
use crate::dataset::{Part, TrainingSet};
use crate::model::{TrainedOn, TrainingStatement};

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
            statement: None,
        }
    }

    /// The same with a sampler of the suite's, its clean twin too.
    pub(super) fn sampled_by(mut self, sampler: Option<&Value>) -> Self {
        if let Some(twin) = &mut self.twin {
            twin.sampler = sampler.cloned();
        }
        self.sampler = sampler.cloned();
        self
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
