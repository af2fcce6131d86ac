//! The model folder of a trained network: what is in it, and what was there before.

use std::fs;
use std::path::Path;

use eidetic_nn::{Parameters, Trained};
use serde_json::json;

use super::card::card;
use super::error::Error;
use super::identity::{RECORD, Record};
use super::memorized::FIGURE;
use super::prepare::Prepared;
use super::recipe::TrainedPart;
use super::report::{Figures, Share};
use crate::model::{FolderContent, Manifest, ModelFolder, TrainedOn, TrainingStatement};

/// The recipe, every default filled in.
pub(super) const RECIPE: &str = "recipe.yaml";
const LOSS: &str = "training/loss.csv";
const MEMORIZED: &str = "training/memorized.csv";
/// Seconds; no part of the digest, as the card.
const TIME: &str = "training/time.json";
const CARD: &str = "README.md";

/// Rows of the loss that are kept.
const LOSS_ROWS: usize = 1000;

/// A model folder that is there and is what the recipe would give.
pub(super) fn standing(prepared: &Prepared, path: &Path) -> Option<(ModelFolder, Figures)> {
    let folder = ModelFolder::open(path).ok()?;
    let record: Record = serde_json::from_slice(&fs::read(path.join(RECORD)).ok()?).ok()?;
    let recipe = fs::read_to_string(path.join(RECIPE)).ok()?;
    let same = record.id == prepared.identity.id() && recipe == prepared.recipe.to_yaml();
    let figures = serde_json::from_value(record.result?).ok()?;
    same.then_some((folder, figures))
}

/// What the folder of a trained network holds. `work` is the folder of its run.
pub(super) fn content(
    prepared: &Prepared,
    trained: &Trained,
    work: &Path,
    seconds: f64,
) -> Result<(FolderContent, Figures), Error> {
    let (loss_csv, loss) = losses(&work.join("loss.csv"))?;
    let (memorized_csv, memorized) = memorized(prepared, &work.join("watched.csv"))?;
    let figures = Figures {
        trained_steps: trained.step,
        parameters: trained.ema.count() as u64,
        sigma_data: prepared.denoiser.sigma_data.into(),
        loss,
        memorized,
        samples: prepared.recipe.memorized.samples,
    };
    let record = Record {
        id: prepared.identity.id(),
        identity: prepared.identity.json(),
        result: Some(json!(figures)),
    };
    let text = |name: &str, text: String| (name.to_owned(), text.into_bytes());
    let content = FolderContent {
        manifest: manifest(prepared),
        listed: vec![
            (
                Manifest::NETWORK.to_owned(),
                network(prepared, &trained.ema)?,
            ),
            text(RECIPE, prepared.recipe.to_yaml()),
            text(RECORD, format!("{:#}\n", json!(record))),
            text(LOSS, loss_csv),
            text(MEMORIZED, memorized_csv),
        ],
        beside: vec![
            text(CARD, card(prepared, &figures, seconds)),
            text(TIME, format!("{}\n", json!({ "seconds": seconds }))),
        ],
    };
    Ok((content, figures))
}

/// Seconds that the training of a model took, if its folder says so.
pub(super) fn seconds(path: &Path) -> Option<f64> {
    let json: serde_json::Value = serde_json::from_slice(&fs::read(path.join(TIME)).ok()?).ok()?;
    json["seconds"].as_f64()
}

fn network(prepared: &Prepared, weights: &Parameters) -> Result<Vec<u8>, Error> {
    Ok(eidetic_graph::encode(&prepared.denoiser.export(weights)?))
}

fn manifest(prepared: &Prepared) -> Manifest {
    let (recipe, identity) = (&prepared.recipe, &prepared.identity);
    let set = &identity.training_set;
    let training = TrainingStatement {
        part: match set.part {
            TrainedPart::Members => TrainedOn::Members,
            TrainedPart::Aux => TrainedOn::Aux,
        },
        dataset: Some(identity.dataset.id.clone()),
        n: Some(set.n),
        // Of the part: by it a suite knows its split, whatever a data stage left out.
        digest: Some(set.sha256.clone()),
    };
    let denoiser = &prepared.denoiser;
    let sigma_data = denoiser.sigma_data.into();
    let classes = (denoiser.classes > 0).then_some(denoiser.classes as u32);
    let serving = identity.mitigation.as_ref();
    let serving = serving.filter(|_| !prepared.links.is_empty());
    Manifest {
        title: recipe.title.clone(),
        licence: recipe.licence.clone(),
        sigma_min: Some(recipe.sigma.min),
        sigma_max: Some(recipe.sigma.max),
        classes,
        null_class: prepared.null_class(),
        extra_channels: denoiser.extra_channels as u32,
        mitigation: serving.map(|spec| spec.id.clone()),
        mitigation_options: serving.and_then(|spec| spec.options.as_object().cloned()),
        clean_twin: recipe.clean_twin.clone(),
        ..Manifest::edm(&recipe.name, denoiser.shape, sigma_data, training)
    }
}

/// The log of losses, thinned, and the last loss.
fn losses(path: &Path) -> Result<(String, Option<f64>), Error> {
    let text = fs::read_to_string(path).map_err(Error::io("read", path))?;
    let mut lines = text.lines();
    let header = lines.next().unwrap_or_default();
    let rows: Vec<&str> = lines.collect();
    let every = rows.len().div_ceil(LOSS_ROWS).max(1);
    let kept = |&(place, _): &(usize, &&str)| {
        (place + 1).is_multiple_of(every) || place == 0 || place + 1 == rows.len()
    };
    let mut thinned = format!("{header}\n");
    for (_, row) in rows.iter().enumerate().filter(kept) {
        thinned += &format!("{row}\n");
    }
    let last = rows
        .iter()
        .rev()
        .find_map(|row| row.split(',').nth(1)?.parse().ok());
    Ok((thinned, last))
}

/// The log of the memorized fraction, and the last of it.
fn memorized(prepared: &Prepared, path: &Path) -> Result<(String, Option<Share>), Error> {
    let text = fs::read_to_string(path).map_err(Error::io("read", path))?;
    let samples = prepared.recipe.memorized.samples;
    let mut csv = "step,memorized_fraction,low,high,n\n".to_owned();
    let mut last = None;
    for row in text.lines().skip(1) {
        let cells: Vec<&str> = row.split(',').collect();
        let [step, figure, value, low, high] = cells[..] else {
            return Err(Error::Damaged {
                path: path.to_owned(),
                expected: "step,figure,value,low,high",
                got: row.to_owned(),
            });
        };
        if figure != FIGURE {
            continue;
        }
        csv += &format!("{step},{value},{low},{high},{samples}\n");
        last = match (value.parse(), low.parse(), high.parse()) {
            (Ok(value), Ok(low), Ok(high)) => Some(Share { value, low, high }),
            _ => None,
        };
    }
    Ok((csv, last))
}
