//! Adam and AdamW, as PyTorch computes them.

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::parameters::{Parameter, Parameters};

/// What an update does with the gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OptimiserKind {
    /// Weight decay is added to the gradient (Kingma and Ba 2015; L2).
    #[default]
    Adam,
    /// Weights shrink apart from the gradient (Loshchilov and Hutter 2019).
    Adamw,
}

/// The optimiser of a recipe; every default is PyTorch's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Optimiser {
    /// `adam` unless given.
    pub kind: OptimiserKind,
    /// Step size before warm-up and decay: 1e-3.
    pub learning_rate: f64,
    /// Decay of the first and second moments: 0.9 and 0.999.
    pub betas: [f64; 2],
    /// Added to the root of the second moment: 1e-8.
    pub epsilon: f64,
    /// Absent: 0 for `adam`, 0.01 for `adamw`.
    pub weight_decay: Option<f64>,
}

impl Default for Optimiser {
    fn default() -> Self {
        Self {
            kind: OptimiserKind::Adam,
            learning_rate: 1e-3,
            betas: [0.9, 0.999],
            epsilon: 1e-8,
            weight_decay: None,
        }
    }
}

/// Running means of the gradient and of its square.
#[derive(Debug, Clone, PartialEq)]
pub struct Moments {
    /// Of the gradient.
    pub first: Parameters,
    /// Of its square.
    pub second: Parameters,
}

impl Moments {
    /// Before the first step: zero.
    pub fn new(weights: &Parameters) -> Self {
        Self {
            first: weights.zeros(),
            second: weights.zeros(),
        }
    }
}

impl Optimiser {
    /// Refuses values without sense.
    ///
    /// # Errors
    /// [`Error::Configuration`].
    pub fn check(&self) -> Result<(), Error> {
        let not_negative = |key, value: f64| match value.is_finite() && value >= 0.0 {
            true => Ok(()),
            false => Err(Error::Configuration {
                key,
                expected: "0 or more".to_owned(),
                got: value.to_string(),
            }),
        };
        not_negative("learning_rate", self.learning_rate)?;
        not_negative("epsilon", self.epsilon)?;
        not_negative("weight_decay", self.decay())?;
        match self.betas.iter().find(|beta| !(0.0..1.0).contains(*beta)) {
            None => Ok(()),
            Some(beta) => Err(Error::Configuration {
                key: "betas",
                expected: "two numbers from 0 up to 1".to_owned(),
                got: beta.to_string(),
            }),
        }
    }

    /// Moves the weights. `step` counts from 0; `factor` multiplies the learning rate.
    ///
    /// Weights, moments and gradient hold the same tensors in the same order.
    pub fn update(
        &self,
        step: u64,
        factor: f64,
        weights: &mut Parameters,
        moments: &mut Moments,
        gradient: &Parameters,
    ) {
        let update = self.constants(step, factor);
        let first = moments.first.list.iter_mut();
        let moments = first.zip(&mut moments.second.list);
        let tensors = weights.list.iter_mut().zip(moments).zip(&gradient.list);
        for ((weights, (first, second)), gradient) in tensors {
            update.tensor(weights, first, second, gradient);
        }
    }

    fn decay(&self) -> f64 {
        self.weight_decay.unwrap_or(match self.kind {
            OptimiserKind::Adam => 0.0,
            OptimiserKind::Adamw => 0.01,
        })
    }

    /// What is the same for every weight, computed in f64 and rounded once, as PyTorch does.
    fn constants(&self, step: u64, factor: f64) -> Update {
        let [beta1, beta2] = self.betas;
        let rate = self.learning_rate * factor;
        let power = (step + 1) as f64;
        let (l2, kept) = match self.kind {
            OptimiserKind::Adam => (self.decay(), 1.0),
            OptimiserKind::Adamw => (0.0, 1.0 - rate * self.decay()),
        };
        Update {
            l2: l2 as f32,
            kept: kept as f32,
            new_first: (1.0 - beta1) as f32,
            old_second: beta2 as f32,
            new_second: (1.0 - beta2) as f32,
            root_correction: (1.0 - beta2.powf(power)).sqrt() as f32,
            epsilon: self.epsilon as f32,
            step_size: (rate / (1.0 - beta1.powf(power))) as f32,
        }
    }
}

struct Update {
    l2: f32,
    kept: f32,
    new_first: f32,
    old_second: f32,
    new_second: f32,
    root_correction: f32,
    epsilon: f32,
    step_size: f32,
}

impl Update {
    fn tensor(
        &self,
        weights: &mut Parameter,
        first: &mut Parameter,
        second: &mut Parameter,
        gradient: &Parameter,
    ) {
        let moments = first.values.iter_mut().zip(&mut second.values);
        let weights = weights.values.iter_mut().zip(moments);
        for ((weight, (first, second)), gradient) in weights.zip(&gradient.values) {
            let gradient = gradient + self.l2 * *weight;
            *first += self.new_first * (gradient - *first);
            *second = self.old_second * *second + self.new_second * gradient * gradient;
            let root = second.sqrt() / self.root_correction + self.epsilon;
            *weight = self.kept * *weight - self.step_size * (*first / root);
        }
    }
}
