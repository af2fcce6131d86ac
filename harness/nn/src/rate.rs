//! How the learning rate changes over training.

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// The way down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decay {
    /// In equal steps to 0.
    #[default]
    Linear,
    /// Along half a cosine to 0 (Loshchilov and Hutter 2017).
    Cosine,
}

/// Linear warm-up, constant, then decay; constant throughout unless given.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rate {
    /// Steps of the way up: step s has the factor (s + 1) / warmup.
    pub warmup: u64,
    /// Share of all steps on the way down, 0 to 1: the last.
    pub decay: f64,
    /// Its shape.
    pub shape: Decay,
}

impl Rate {
    /// Refuses values without sense.
    ///
    /// # Errors
    /// [`Error::Configuration`].
    pub fn check(&self) -> Result<(), Error> {
        match (0.0..=1.0).contains(&self.decay) {
            true => Ok(()),
            false => Err(Error::Configuration {
                key: "decay",
                expected: "a share of the steps, 0 to 1".to_owned(),
                got: self.decay.to_string(),
            }),
        }
    }

    /// What the learning rate is multiplied by at `step`, from 0, of `steps`: above 0 to 1.
    pub fn factor(&self, step: u64, steps: u64) -> f64 {
        let up = match step < self.warmup {
            true => (step + 1) as f64 / self.warmup as f64,
            false => 1.0,
        };
        let down = (steps as f64 * self.decay).round();
        let start = steps as f64 - down;
        let place = (step as f64 - start) / down;
        let down = match place > 0.0 {
            false => 1.0,
            true => match self.shape {
                Decay::Linear => 1.0 - place,
                Decay::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * place).cos()),
            },
        };
        up * down
    }
}
