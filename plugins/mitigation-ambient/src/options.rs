//! What to hide of each image.

use eidetic_sdk::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Each pixel by itself, in all channels at once.
    Pixel,
    /// The pixels of a box.
    Box,
    /// Frequencies, as where an MRI scan is cut short; the lowest are always seen.
    Fourier,
}

/// What to hide, how much of it, and how to train on the rest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// What is hidden.
    pub corruption: Kind,
    /// Share that A hides, 0 or more and below 1. Pixels and frequencies (but for the lowest): each
    /// with this probability. Box: its share of the image, before sides are rounded to pixels.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub p: f64,
    /// Share of what A shows that B hides as well, 0 or more and below 1; at 0, what A hides is
    /// never graded under the mask that the network sees. Box: above 0 B hides a second box of the
    /// size of the first, whatever the value.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub delta: f64,
    /// Whether B is drawn once an image, as in the published code, instead of in every step.
    pub frozen_b: bool,
    /// What A, a frozen B and the masks of samples are drawn from.
    pub seed: u64,
    /// Whether hidden pixels are preconditioned as shown ones: EDM's form, under which the network
    /// has to give x0 / c_out where it sees nothing, which has no bound as sigma falls. Frequencies
    /// are always trained so.
    pub plain_preconditioning: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            corruption: Kind::Pixel,
            p: 0.2,
            delta: 0.1,
            frozen_b: false,
            seed: 0,
            plain_preconditioning: false,
        }
    }
}

impl Options {
    /// Refuses shares that leave nothing to see.
    pub(crate) fn check(&self) -> Result<()> {
        for (key, share) in [("p", self.p), ("delta", self.delta)] {
            if !(0.0..1.0).contains(&share) {
                return Err(Error::bad_options(format!(
                    "{key}: expected a share of 0 or more and below 1, got {share}"
                )));
            }
        }
        Ok(())
    }
}
