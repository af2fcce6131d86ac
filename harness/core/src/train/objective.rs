//! A mitigation's training stage as the objective of the loop.

use eidetic_nn::{Denoisers, Examples, Graded, Objective, Plan, Which, names};
use eidetic_sdk::batch::{condition, condition_values};
use eidetic_sdk::{
    Batch, Decision, Mitigation, Trainer, TrainingBatch, TrainingGroup, TrainingPlan,
};
use ndarray::{ArrayView1, ArrayViewMut4, Ix1};

/// A mitigation in training.
pub(super) struct Mitigated {
    /// Its id, for errors.
    pub(super) id: String,
    pub(super) mitigation: Box<dyn Mitigation>,
    /// What it asked for.
    pub(super) plan: Plan,
    /// Classes of the denoiser; the label that equals it is the null class.
    pub(super) classes: usize,
}

/// The loop's words for what a mitigation plans.
pub(super) fn plan_of(plan: &TrainingPlan) -> Plan {
    Plan {
        extra_channels: plan.extra_channels as usize,
        masked: plan.masked,
        clip_per_example: plan.clip_per_example.into_option(),
        noise_multiplier: plan.noise_multiplier,
        poisson: plan.poisson,
        draws_per_example: plan.draws_per_example as usize,
    }
}

impl Mitigated {
    fn failed(&self, error: eidetic_sdk::Error) -> eidetic_nn::Error {
        let help = match error.help.as_str() {
            "" => String::new(),
            help => format!("; {help}"),
        };
        eidetic_nn::Error::Task(format!("mitigation `{}`: {error}{help}", self.id))
    }

    fn groups(
        &self,
        examples: &Examples<'_>,
        denoisers: &dyn Denoisers,
    ) -> eidetic_sdk::Result<Vec<TrainingGroup>> {
        let null: Vec<u8> = match examples.labels {
            Some(labels) => {
                let is_null = |&label: &i64| u8::from(label == self.classes as i64);
                labels.iter().map(is_null).collect()
            }
            None => Vec::new(),
        };
        let labels = examples.labels.map(|labels| {
            condition::<i64, Ix1>(names::CLASS_LABELS, ArrayView1::from(labels), &null)
        });
        let conditions = Vec::from_iter(labels.transpose()?);
        let batch = TrainingBatch {
            step: examples.step,
            index: examples.index,
            x0: examples.x0,
            sigma: examples.sigma,
            noise: examples.noise,
            conditions: &conditions,
        };
        let trainer = InLoop {
            seed: examples.seed,
            denoisers,
            classes: self.classes,
        };
        self.mitigation.batch(batch, &trainer)
    }
}

impl Objective for Mitigated {
    fn plan(&self) -> Plan {
        self.plan
    }

    fn batch(
        &self,
        examples: &Examples<'_>,
        denoisers: &dyn Denoisers,
    ) -> Result<Vec<Graded>, eidetic_nn::Error> {
        let groups = self
            .groups(examples, denoisers)
            .map_err(|error| self.failed(error))?;
        let graded = |group: TrainingGroup| Graded {
            row: group.row.into_iter().map(|row| row as usize).collect(),
            x: group.x,
            extra: group.extra,
            sigma: group.sigma,
            target: group.target,
            weight: group.weight,
        };
        Ok(groups.into_iter().map(graded).collect())
    }

    fn after_step(
        &self,
        step: u64,
        index: &[u64],
        sigma: &[f32],
        loss: &[f32],
    ) -> Result<eidetic_nn::Decision, eidetic_nn::Error> {
        match self.mitigation.after_step(step, index, sigma, loss) {
            Ok(Decision::Continue) => Ok(eidetic_nn::Decision::Continue),
            Ok(Decision::Stop) => Ok(eidetic_nn::Decision::Stop),
            Err(error) => Err(self.failed(error)),
        }
    }

    fn state(&self) -> Result<Vec<u8>, eidetic_nn::Error> {
        self.mitigation.state().map_err(|error| self.failed(error))
    }

    fn restore(&self, state: &[u8]) -> Result<(), eidetic_nn::Error> {
        let restored = self.mitigation.restore(state);
        restored.map_err(|error| self.failed(error))
    }
}

/// What the mitigation may ask of the network.
struct InLoop<'a> {
    seed: u64,
    denoisers: &'a dyn Denoisers,
    classes: usize,
}

impl InLoop<'_> {
    fn ask(
        &self,
        which: Which,
        batch: Batch<'_>,
        mut out: ArrayViewMut4<'_, f32>,
    ) -> eidetic_sdk::Result<()> {
        let labels = labels(&batch, self.classes)?;
        let denoised = self
            .denoisers
            .denoise(which, batch.x, batch.sigma, labels.as_deref())
            .map_err(|error| eidetic_sdk::Error::from(error.to_string()))?;
        if denoised.shape() != out.shape() {
            return Err(eidetic_sdk::Error::bad_input(format!(
                "out: expected shape {:?}, got {:?}",
                denoised.shape(),
                out.shape()
            )));
        }
        out.assign(&denoised);
        Ok(())
    }
}

impl Trainer for InLoop<'_> {
    fn seed(&self) -> u64 {
        self.seed
    }

    fn denoise(&self, batch: Batch<'_>, out: ArrayViewMut4<'_, f32>) -> eidetic_sdk::Result<()> {
        self.ask(Which::Present, batch, out)
    }

    fn denoise_ema(
        &self,
        batch: Batch<'_>,
        out: ArrayViewMut4<'_, f32>,
    ) -> eidetic_sdk::Result<()> {
        self.ask(Which::Average, batch, out)
    }
}

/// The classes of a batch, the null class where there is none; `None` for a network without.
pub(super) fn labels(batch: &Batch<'_>, classes: usize) -> eidetic_sdk::Result<Option<Vec<i64>>> {
    if classes == 0 {
        return Ok(None);
    }
    let null_class = classes as i64;
    let Some(condition) = batch.condition(names::CLASS_LABELS) else {
        return Ok(Some(vec![null_class; batch.rows()]));
    };
    let values = condition_values::<i64>(condition)?;
    let label = |(&label, &null): (&i64, &u8)| match (null, label) {
        (0, label) if (0..null_class).contains(&label) => Ok(label),
        (0, label) => Err(eidetic_sdk::Error::bad_input(format!(
            "{}: expected 0 to {}, got {label}",
            names::CLASS_LABELS,
            null_class - 1
        ))),
        _ => Ok(null_class),
    };
    let rows = values.iter().zip(condition.null.as_slice());
    rows.map(label)
        .collect::<eidetic_sdk::Result<_>>()
        .map(Some)
}
