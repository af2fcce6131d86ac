//! DP-SGD: training whose result hardly depends on any one image.
//!
//! Abadi et al. 2016, "Deep Learning with Differential Privacy" (arXiv 1607.00133): each example's
//! gradient is clipped to an l2 norm, normal noise of the clip times `noise_multiplier` is added to
//! their sum, and each image is drawn into a batch on its own (Poisson sampling). Dockhorn et al.
//! 2023, "Differentially Private Diffusion Models" (arXiv 2210.09929): with `draws`
//! noise draws an example averaged before the clip (noise multiplicity), the gradient of an example
//! varies less at the same privacy. The loop does all of it; this plugin decides how much noise,
//! and says what it buys.
//!
//! What epsilon covers: the weights of all steps, and whatever is computed from them, for training
//! sets of which one has an image more. An image that is there k times is k images: its epsilon is
//! about k times as much, so deduplicate first.
//!
//! What it does not cover: the logged losses; figures that are computed from the training images,
//! such as the memorized fraction, and any choice of recipe or moment to stop by them; sigma_data,
//! taken from the training pixels; the number of images. Sampling and noise follow from the run's
//! seed, so that a run can be repeated: whoever knows the seed has no noise before them. A model
//! meant to be released needs a secret seed.
//!
//! The accountant is RDP of the Poisson-sampled Gaussian, as in Opacus and dp-accounting. Batches
//! of shuffled epochs are not what it is about: without `poisson` no epsilon is named.

mod accountant;
mod note;

use eidetic_sdk::{
    Error, Mitigation, MitigationPlugin, Result, Stages, TrainingPlan, TrainingRun, TrainingSet,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How private.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "Given")]
#[schemars(!from, default, deny_unknown_fields)]
pub struct Options {
    /// Largest l2 norm of an example's gradient.
    #[schemars(range(min = 0.0))]
    pub clip: f64,
    /// Epsilon that the whole run may spend; the noise is found for it. 10 where neither it nor
    /// `noise_multiplier` is given.
    #[schemars(range(min = 0.0))]
    pub epsilon: Option<f64>,
    /// Standard deviation of the gradient noise as a multiple of the clip, instead of `epsilon`; 0
    /// clips alone.
    #[schemars(range(min = 0.0))]
    pub noise_multiplier: Option<f64>,
    /// Delta that epsilon is named at; below 1 / the number of images.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub delta: f64,
    /// Noise draws averaged an example before the clip.
    #[schemars(range(min = 1))]
    pub draws: u32,
    /// Draws each image on its own, which epsilon rests on; false for shuffled epochs.
    pub poisson: bool,
}

/// As written: a target only stands in where no noise is given.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Given {
    clip: f64,
    epsilon: Option<f64>,
    noise_multiplier: Option<f64>,
    delta: f64,
    draws: u32,
    poisson: bool,
}

impl Default for Given {
    fn default() -> Self {
        Self {
            clip: 1.0,
            epsilon: None,
            noise_multiplier: None,
            delta: 1e-5,
            draws: 1,
            poisson: true,
        }
    }
}

impl From<Given> for Options {
    fn from(given: Given) -> Self {
        let epsilon = match (given.epsilon, given.noise_multiplier) {
            (None, None) => Some(10.0),
            (epsilon, _) => epsilon,
        };
        Self {
            clip: given.clip,
            epsilon,
            noise_multiplier: given.noise_multiplier,
            delta: given.delta,
            draws: given.draws,
            poisson: given.poisson,
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Given::default().into()
    }
}

/// The training stage.
pub struct Dp(Options);

eidetic_sdk::export_plugins!(mitigation Dp);

impl MitigationPlugin for Dp {
    const ID: &'static str = "dp";
    const SUMMARY: &'static str =
        "DP-SGD: clipped gradients and noise, with the epsilon that they spend";
    const STAGES: Stages = Stages {
        data: false,
        training: true,
        sampling: false,
        output: false,
    };
    type Options = Options;

    fn check(options: &Options) -> Result<()> {
        let wrong = |what: String| Err(Error::bad_options(what));
        let clip = options.clip;
        if !(clip > 0.0 && clip.is_finite()) {
            return wrong(format!("clip: expected a norm above 0, got {clip}"));
        }
        match (options.epsilon, options.noise_multiplier) {
            (Some(_), Some(_)) => {
                return wrong("expected one of `epsilon` and `noise_multiplier`, got both".into());
            }
            (Some(got), None) if !(got > 0.0 && got.is_finite()) => {
                return wrong(format!("epsilon: expected a target above 0, got {got}"));
            }
            (None, Some(got)) if !(got >= 0.0 && got.is_finite()) => {
                return wrong(format!("noise_multiplier: expected 0 or more, got {got}"));
            }
            (Some(_), None) if !options.poisson => {
                return wrong(
                    "poisson: expected true with `epsilon`, which is known of Poisson sampling \
                     alone, got false"
                        .into(),
                );
            }
            _ => {}
        }
        let delta = options.delta;
        if !(delta > 0.0 && delta < 1.0) {
            return wrong(format!(
                "delta: expected a probability above 0 and below 1, got {delta}"
            ));
        }
        match options.draws {
            0 => wrong("draws: expected at least 1, got 0".into()),
            _ => Ok(()),
        }
    }

    fn make(options: Options, _train: TrainingSet<'_>) -> Result<Self> {
        Self::check(&options)?;
        Ok(Self(options))
    }
}

impl Mitigation for Dp {
    fn plan(&self, run: TrainingRun) -> Result<TrainingPlan> {
        let options = &self.0;
        if run.examples == 0 || run.batch == 0 {
            return Err(Error::bad_input(format!(
                "dp needs images and a batch, got {} images and a batch of {}",
                run.examples, run.batch
            )));
        }
        if options.delta * run.examples as f64 >= 1.0 {
            return Err(Error::bad_options(format!(
                "delta: expected less than 1 / {} images, got {:e}",
                run.examples, options.delta
            ))
            .with_help("at such a delta, an image may be given away whole"));
        }
        // The probability that the loop draws an image with.
        let rate = (run.batch as f64 / run.examples as f64).min(1.0);
        let noise_multiplier = match (options.epsilon, options.noise_multiplier) {
            (Some(target), _) => {
                accountant::noise_multiplier(rate, run.steps, options.delta, target).ok_or_else(
                    || {
                        Error::bad_options(format!(
                            "epsilon: no noise multiplier up to a million keeps {} steps below \
                             {target}",
                            run.steps
                        ))
                    },
                )?
            }
            (None, given) => given.unwrap_or(0.0),
        };
        let note = match options.poisson {
            true => {
                let epsilon = accountant::epsilon(rate, noise_multiplier, run.steps, options.delta);
                note::spent(epsilon, options.delta, run.steps, rate, noise_multiplier)
            }
            false => note::none(noise_multiplier),
        };
        Ok(TrainingPlan {
            extra_channels: 0,
            masked: false,
            clip_per_example: Some(options.clip).into(),
            noise_multiplier,
            poisson: options.poisson,
            draws_per_example: options.draws,
            note: note.into(),
        })
    }
}

#[cfg(test)]
mod tests;
