//! Scores by hand, and of real images.
#![allow(clippy::unwrap_used)]

mod candidates;
mod extraction;
mod fashion;
mod pictures;

use eidetic_harness::cell::{Extracted, Findings, Metric, Scores};
use eidetic_harness::dataset::{Dataset, Split, SplitConfig};
use eidetic_harness::score;

/// Images of `shape`, and a split of `parts` images each into the first and those behind them.
pub(crate) fn tiny(shape: [usize; 3], images: Vec<u8>, parts: u32) -> (Dataset, Split) {
    let dataset = Dataset::new("tiny", shape, images, None, vec![], 0.0).unwrap();
    let config = SplitConfig {
        members: 1,
        holdout: 1,
        aux: 0,
        seed: 0,
        plant_duplicates: 0,
    };
    let mut split = Split::new(&dataset, &config).unwrap();
    split.members = (0..parts).collect();
    split.holdout = (parts..2 * parts).collect();
    (dataset, split)
}

/// Findings whose images [`score_images`] counts.
pub(crate) fn extracted(images: &[u8]) -> Extracted {
    Extracted {
        images: images.to_vec(),
        count: 0,
        confidence: None,
    }
}

pub(crate) fn score_images(found: &Extracted, dataset: &Dataset, split: &Split) -> Scores {
    let mut found = found.clone();
    found.count = found.images.len() / dataset.dim();
    let findings = Findings::Extraction(found);
    score::score(&findings, "cell", "digest", dataset, split, None).unwrap()
}

pub(crate) fn metric<'a>(scores: &'a Scores, name: &str) -> &'a Metric {
    let of = scores.metrics.iter().find(|metric| metric.name == name);
    of.unwrap_or_else(|| panic!("no metric {name}"))
}

/// A figure and its control.
pub(crate) fn pair(scores: &Scores, name: &str) -> (f64, f64) {
    let metric = metric(scores, name);
    (metric.value.unwrap(), metric.control.unwrap())
}

pub(crate) fn close(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-12
}
