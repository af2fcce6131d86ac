//! The card of a trained model, for people: `README.md` in its folder. It has what depends on the
//! clock, and so is no part of the model's digest.

use super::identity::Identity;
use super::prepare::Prepared;
use super::recipe::TrainedPart;
use super::report::{Figures, Share};

/// Markdown.
pub(super) fn card(prepared: &Prepared, figures: &Figures, seconds: f64) -> String {
    let recipe = &prepared.recipe;
    let identity = &prepared.identity;
    let mut text = format!("# {}\n\n{}\n\n", recipe.name, recipe.title);
    text += "Trained by `eidetic train recipe.yaml`, which gives the same weights again on the same \
         kind of machine. The network is `unet/model.onnx` (the exponential moving average of the \
         weights); `model.yaml` says how it is used.\n\n";
    text += "| | |\n| --- | --- |\n";
    for (key, value) in rows(prepared, identity, figures, seconds) {
        text += &format!("| {key} | {value} |\n");
    }
    text += &format!(
        "\n`training/loss.csv` has the loss over the steps (thinned where there are many), \
         `training/memorized.csv` the memorized fraction: the share of {} generated images (Heun, \
         {} steps) with nn_ratio below 1/3 against the {} trained on, one image a group of \
         duplicates.\n",
        recipe.memorized.samples,
        recipe.memorized.sampler_steps,
        part(recipe.part),
    );
    text
}

fn part(part: TrainedPart) -> &'static str {
    match part {
        TrainedPart::Members => "members",
        TrainedPart::Aux => "aux images",
    }
}

fn rows(
    prepared: &Prepared,
    identity: &Identity,
    figures: &Figures,
    seconds: f64,
) -> Vec<(&'static str, String)> {
    let recipe = &prepared.recipe;
    let (dataset, set) = (&identity.dataset, &identity.training_set);
    let split = dataset.split;
    let mut rows = vec![
        (
            "data",
            format!("{}, sha256 `{}`", dataset.id, dataset.sha256),
        ),
        ("licence of the data", prepared.data_licence.clone()),
        (
            "split",
            format!(
                "{} members, {} holdout, {} aux, seed {}, {} planted; groups sha256 `{}`",
                split.members,
                split.holdout,
                split.aux,
                split.seed,
                split.plant_duplicates,
                dataset.groups_sha256
            ),
        ),
        (
            "trained on",
            format!("{} {}, sha256 `{}`", set.n, part(set.part), set.sha256),
        ),
    ];
    if set.curated_sha256 != set.sha256 {
        let left = format!("{} images, sha256 `{}`", set.n, set.curated_sha256);
        rows.push(("after the data stage", left));
    }
    let mitigation = match &identity.mitigation {
        Some(spec) => format!("{} {} {}", spec.id, spec.version, spec.options),
        None => "none".to_owned(),
    };
    rows.push(("mitigation", mitigation));
    if !prepared.note.is_empty() {
        rows.push(("its note", prepared.note.clone()));
    }
    if let Some(twin) = &recipe.clean_twin {
        rows.push(("clean twin", twin.clone()));
    }
    let memorized = match figures.memorized {
        Some(Share { value, low, high }) => {
            let n = figures.samples;
            format!("{value:.3} [{low:.3}, {high:.3}], n = {n}")
        }
        None => "missing: one training image has no second nearest".to_owned(),
    };
    let runtime = &identity.runtime;
    rows.extend([
        ("recipe", format!("`recipe.yaml`, id `{}`", identity.id())),
        ("parameters", figures.parameters.to_string()),
        ("steps", figures.trained_steps.to_string()),
        ("batch", recipe.training.batch.to_string()),
        ("seed", recipe.training.seed.to_string()),
        ("sigma_data", format!("{:.4}", figures.sigma_data)),
        ("memorized fraction", memorized),
        ("seconds", format!("{seconds:.0}")),
        (
            "computed by",
            format!("ONNX Runtime {} on {}", runtime.version, runtime.device),
        ),
        ("licence", recipe.licence.clone()),
    ]);
    rows
}
