//! Labels that say nothing, or too much, of an image: a positive control, not a defence.
//!
//! Gu et al. 2023, "On Memorization in Diffusion Models" (arXiv 2310.02664): a conditional model
//! memorizes more than an unconditional one, also when its labels are random, and most when each
//! image has a label of its own. What matters is that a label narrows down the images that it can
//! stand for. A board whose memorized fraction does not rise
//! with random or unique labels does not measure memorization.
//!
//! - `random`: uniform over `classes`, keyed by the identity of the image;
//! - `unique`: one class an image, the row of the training set;
//! - `clustered`: the clusters of k-means over pixels, `classes` of them: what labels by content
//!   do without a person who gives them.
//!
//! No image is dropped. Equal seeds give equal labels.

mod kmeans;

use eidetic_sdk::random::rng;
use eidetic_sdk::{Curation, Error, Mitigation, MitigationPlugin, Result, Stages, TrainingSet};
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which labels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// What a label depends on.
    pub labels: Kind,
    /// Number of classes of random labels, and of clusters; unique labels have as many as there
    /// are images.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub classes: u64,
}

/// What a label depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Nothing.
    Random,
    /// The one image that has it.
    Unique,
    /// The pixels, by k-means.
    Clustered,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            labels: Kind::Random,
            classes: 10,
        }
    }
}

/// Most classes: a network has a row of weights for each.
const MOST_CLASSES: u64 = 1_000_000;

/// The data stage.
pub struct Labels(Options);

eidetic_sdk::export_plugins!(mitigation Labels);

impl MitigationPlugin for Labels {
    const ID: &'static str = "labels";
    const SUMMARY: &'static str =
        "random, unique or clustered labels: a positive control that raises memorization";
    const STAGES: Stages = Stages {
        data: true,
        training: false,
        sampling: false,
        output: false,
    };
    type Options = Options;

    fn check(options: &Options) -> Result<()> {
        let got = options.classes;
        if !(1..=MOST_CLASSES).contains(&got) {
            return Err(Error::bad_options(format!(
                "classes: expected 1 to {MOST_CLASSES}, got {got}"
            )));
        }
        Ok(())
    }

    fn make(options: Options, _train: TrainingSet<'_>) -> Result<Self> {
        Self::check(&options)?;
        Ok(Self(options))
    }
}

impl Mitigation for Labels {
    fn curate(&self, data: TrainingSet<'_>, seed: u64) -> Result<Curation> {
        let rows = data.index.len() as u64;
        let classes = self.0.classes;
        let random = |&index: &u64| rng(seed, "random label", index).random_range(0..classes);
        let (labels, classes) = match self.0.labels {
            Kind::Random => (data.index.iter().map(random).collect(), classes),
            Kind::Unique => ((0..rows).collect(), rows),
            Kind::Clustered => (clustered(&data, classes, seed)?, classes),
        };
        Ok(Curation {
            keep: (0..rows).collect(),
            labels: Some(labels.into_iter().map(|label: u64| label as i64).collect()),
            classes,
        })
    }
}

fn clustered(data: &TrainingSet<'_>, classes: u64, seed: u64) -> Result<Vec<u64>> {
    let (_, channels, height, width) = data.images.dim();
    let pixels = data.images.as_standard_layout();
    let pixels = pixels.as_slice().unwrap_or(&[]);
    let mut stream = rng(seed, "k-means++", 0);
    let dim = channels * height * width;
    kmeans::clusters(pixels, dim, classes as usize, &mut stream).ok_or_else(|| {
        Error::bad_input(format!(
            "clustered labels need {classes} images that differ, got {} of which fewer do",
            data.index.len()
        ))
        .with_help("lower `classes`")
    })
}

#[cfg(test)]
mod tests;
