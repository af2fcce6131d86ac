//! How much noise an image has for good.

use eidetic_sdk::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How much noise an image has for good, and what else is asked of the network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Standard deviation of the fixed noise, for pixels in [-1, 1]; 0 is ordinary training. The
    /// default is this project's: the paper tunes it to the data.
    #[schemars(range(min = 0.0))]
    pub sigma_n: f64,
    /// Weight of the consistency term; 0 leaves it out, and its three forward passes.
    #[schemars(range(min = 0.0))]
    pub consistency: f64,
    /// What the fixed noise is drawn from.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            sigma_n: 0.5,
            consistency: 0.0,
            seed: 0,
        }
    }
}

impl Options {
    /// Refuses a negative level or weight, and what float32 does not hold.
    pub(crate) fn check(&self) -> Result<()> {
        for (key, value) in [("sigma_n", self.sigma_n), ("consistency", self.consistency)] {
            if !(0.0..=1e6).contains(&value) {
                return Err(Error::bad_options(format!(
                    "{key}: expected 0 to 1e6, got {value}"
                )));
            }
        }
        Ok(())
    }
}
