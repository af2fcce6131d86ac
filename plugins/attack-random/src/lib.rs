//! Random sampling: draw N images and say of each how often its like came up.
//!
//! The generate-and-filter attack of Carlini et al. 2023, "Extracting Training Data from Diffusion
//! Models" (USENIX Security; arXiv 2301.13188, sections 4.1 and 5.1): a model that has memorized an
//! image gives it again and again, while two samples that it made up are hardly ever alike. The
//! paper joins samples within a distance into a graph and keeps large cliques. A sample's confidence
//! is by choice
//!
//! - `density`: its degree in that graph, as a share; no clique has to be searched;
//! - `clique`: the size of the largest clique that it lies in, among samples of the same class. The
//!   paper draws 500 images a prompt, takes the largest distance over 4 x 4 tiles and looks at
//!   cliques of at least 10.
//!
//! What a threshold on the confidence keeps is left to whoever reads the findings.
//!
//! Largest cliques take exponential time in the worst case. A sample's is searched exactly, by
//! branch and bound, where it has at most 256 near duplicates and 500 branches suffice; elsewhere it
//! is the largest that a greedy search and its neighbours' searches found, a lower bound, and how
//! many samples that holds for is logged. Sizes that are exact depend neither on the batch nor on
//! the order of the samples, others on their order alone.
//!
//! Of each condition `density_over` samples are held, at a byte a pixel, and `clique` takes
//! `density_over / 8` bytes a sample more: 65 MB for 50,000 samples of 28 x 28 at the default.

mod classes;
mod cliques;
mod density;
mod graph;
mod likeness;
mod near;

use classes::Asked;
pub use classes::Classes;
use cliques::Cliques;
use density::Density;
use eidetic_sdk::ndarray::Array4;
use eidetic_sdk::{
    Access, Attack, AttackPlugin, Context, Error, ErrorCode, Goal, LogLevel, ModelInfo, Result,
    Sink, Target,
};
use likeness::Likeness;
use near::Near;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What makes a sample suspect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// The share of other samples that are near duplicates.
    Density,
    /// The size of the largest clique of near duplicates that it lies in, among samples of the same
    /// class.
    Clique,
}

/// How many samples, and which of them are alike.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Samples to draw, with the indices 0..samples.
    #[schemars(range(min = 1))]
    pub samples: u64,
    /// Samples asked for in one call; changes memory and speed, never the result.
    #[schemars(range(min = 1))]
    pub batch: u64,
    /// Two samples at most this far apart are near duplicates: the root mean square difference of
    /// their pixels in [0, 1].
    #[schemars(range(min = 0.0, max = 1.0))]
    pub near_l2: f64,
    /// The distance is the largest over so many times so many tiles of the two; 1 is that of the
    /// whole images, 4 the paper's.
    #[schemars(range(min = 1))]
    pub tiles: u64,
    /// What makes a sample suspect.
    pub confidence: Confidence,
    /// The density is counted over the first so many samples, and cliques are searched among the
    /// first so many of a class, which bounds memory and time where there are more.
    #[schemars(range(min = 2))]
    pub density_over: u64,
    /// How many samples lie in cliques of at least this size is logged (clique); the confidence is
    /// the size itself.
    #[schemars(range(min = 1))]
    pub clique_at_least: u64,
    /// Of a model that is told the class of an image, which classes are asked for.
    pub classes: Classes,
    /// Guidance towards the class without a classifier, D_null + scale (D_c - D_null); 1 is none,
    /// and any other value doubles the calls.
    #[schemars(range(min = 0.0))]
    pub guidance_scale: f32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            samples: 256,
            batch: 64,
            near_l2: 0.05,
            tiles: 1,
            confidence: Confidence::Density,
            density_over: 4096,
            clique_at_least: 10,
            classes: Classes::Each,
            guidance_scale: 1.0,
        }
    }
}

/// The attack.
pub struct Random(Options);

eidetic_sdk::export_plugins!(attack Random);

impl AttackPlugin for Random {
    const ID: &'static str = "random";
    const SUMMARY: &'static str =
        "draws samples; confidence is the share of others, or a clique, that are near duplicates";
    const GOAL: Goal = Goal::Extraction;
    const ACCESS: Access = Access::Samples;
    type Options = Options;

    fn check(options: &Options) -> Result<()> {
        for (key, got, least) in [
            ("samples", options.samples, 1),
            ("batch", options.batch, 1),
            ("tiles", options.tiles, 1),
            ("density_over", options.density_over, 2),
            ("clique_at_least", options.clique_at_least, 1),
        ] {
            if got < least {
                return Err(Error::bad_options(format!(
                    "{key}: expected at least {least}, got {got}"
                )));
            }
        }
        let scale = options.guidance_scale;
        if !(0.0..=1e3).contains(&scale) {
            return Err(Error::bad_options(format!(
                "guidance_scale: expected 0 to 1000, got {scale}"
            )));
        }
        let near = options.near_l2;
        if !(0.0..=1.0).contains(&near) {
            return Err(Error::bad_options(format!(
                "near_l2: expected a distance in 0..=1, got {near}"
            )));
        }
        Ok(())
    }

    fn make(options: Options) -> Result<Self> {
        Self::check(&options)?;
        Ok(Self(options))
    }
}

impl Attack for Random {
    fn model_calls(&self, info: &ModelInfo, calls_per_sample: u64, _: u64) -> Result<Option<u64>> {
        let asked = Asked::new(info, self.0.classes, self.0.guidance_scale)?;
        let each = calls_per_sample.saturating_mul(asked.calls_per_denoise());
        Ok(Some(self.0.samples.saturating_mul(each)))
    }

    /// Gives every batch to the sink as it comes. Where the calls end, the run is cancelled or the
    /// service fails, the samples had so far get their confidence, and then the error is returned.
    fn run(&self, target: &dyn Target, context: &dyn Context, sink: &dyn Sink) -> Result<()> {
        let (info, options) = (target.info()?, &self.0);
        let asked = Asked::new(&info, options.classes, options.guidance_scale)?;
        let near = Near::new(options.near_l2, options.tiles, info.image)?;
        let (over, least) = (options.density_over, options.clique_at_least);
        let mut likeness: Box<dyn Likeness> = match options.confidence {
            Confidence::Density => Box::new(Density::new(near, over)),
            Confidence::Clique => Box::new(Cliques::new(near, over, least, asked.conditions())),
        };
        let drawn = self.draw(&asked, target, context, sink, &mut *likeness);
        likeness.finish(context, sink)?;
        drawn
    }
}

impl Random {
    fn draw(
        &self,
        asked: &Asked,
        target: &dyn Target,
        context: &dyn Context,
        sink: &dyn Sink,
        likeness: &mut dyn Likeness,
    ) -> Result<()> {
        let total = self.0.samples;
        let mut done = 0;
        while done < total {
            if context.cancelled() {
                return Err(Error::new(
                    ErrorCode::Cancelled,
                    format!("cancelled after {done} of {total} samples"),
                ));
            }
            let count = self.0.batch.min(total - done);
            let Some(images) = sample_affordable(asked, target, done, count)? else {
                context.log(LogLevel::Warn, "the budget of model calls ended early");
                return Err(Error::new(
                    ErrorCode::Budget,
                    format!("the budget of model calls ended after {done} of {total} samples"),
                )
                .with_help("raise the limit of model calls, or lower `samples`"));
            };
            let first = sink.images(images.view())?;
            likeness.add(first, &images, sink)?;
            done += images.dim().0 as u64;
            context.progress(done, total);
        }
        Ok(())
    }
}

/// At most `count` samples from `first` on: as many as the calls that are left pay for, or none.
/// Halves what is refused, so that how many samples a budget buys does not depend on the batch.
fn sample_affordable(
    asked: &Asked,
    target: &dyn Target,
    first: u64,
    mut count: u64,
) -> Result<Option<Array4<u8>>> {
    loop {
        match asked.sample(target, first, count as usize) {
            Ok(images) => return Ok(Some(images)),
            Err(error) if error.code != ErrorCode::Budget => return Err(error),
            Err(_) if count == 1 => return Ok(None),
            Err(_) => count /= 2,
        }
    }
}

#[cfg(test)]
mod tests;
