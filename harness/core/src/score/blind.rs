//! `blind_auc`: what a classifier of pixels alone, that never saw the model, tells of members. Its
//! control is chance, 0.5; above that the split is broken. Over all members and holdout images of
//! the split, whichever of them an attack was asked about, so that it is the same for every
//! attack and seed.

use eidetic_metrics::{Images, blind_auc};

use super::Error;
use super::figure::{metric, with_interval};
use super::halves::{groups, halves};
use super::membership::CHANCE;
use crate::cell::{BLIND_AUC, Metric};
use crate::dataset::{Dataset, Split};

pub(super) fn blind(dataset: &Dataset, split: &Split) -> Result<Metric, Error> {
    let index = [&split.members[..], &split.holdout[..]].concat();
    let member: Vec<bool> = (0..index.len()).map(|i| i < split.members.len()).collect();
    let pixels = dataset.select(&index);
    let images = Images::new(&pixels, dataset.dim())?;
    let half = halves(&index, dataset, split);
    let auc = blind_auc(images, &member, &half, &groups(&index, split))?;
    let auc = with_interval(auc, "delong");
    Ok(metric(BLIND_AUC, index.len(), auc, CHANCE))
}
