//! From a recipe to a model folder, however the run comes to its end.
#![allow(clippy::unwrap_used)]

use std::fs;

use eidetic_runtime::{Device, SessionOptions};
use eidetic_sdk::{Batch, Model, pixels};
use ndarray::Array4;

use super::testing::{Room, prepared, recipe, runtime};
use super::{Error, RecipeFile, State};
use crate::model::{ModelFolder, OnnxModel, TrainedOn};

fn read(room: &Room, name: &str) -> String {
    fs::read_to_string(room.place().model.join(name)).unwrap()
}

#[test]
fn the_same_recipe_gives_the_same_model_on_any_threads_and_interrupted_anywhere() {
    let file = recipe("network: { kind: unet, channels: [4, 8], blocks: 1, dropout: 0.1 }");
    let prepared = prepared(&file).unwrap();
    let whole = Room::new();
    let report = whole.train(&prepared, 1, None).unwrap();
    assert_eq!((report.state, report.steps), (State::Trained, 12));
    let sha256 = report.model_sha256.clone().unwrap();
    let figures = report.figures.unwrap();
    assert_eq!(figures.parameters, prepared.parameters() as u64);
    assert!(figures.loss.unwrap() > 0.0);
    let memorized = figures.memorized.unwrap();
    assert!(memorized.low <= memorized.value && memorized.value <= memorized.high);

    let other = Room::new();
    let report = other.train(&prepared, 2, None).unwrap();
    assert_eq!(report.model_sha256, Some(sha256.clone()));

    // Between checkpoints, at a look, and behind one.
    let torn = Room::new();
    for (steps, at) in [(3, 3), (2, 5), (1, 6)] {
        let report = torn.train(&prepared, 2, Some(steps)).unwrap();
        assert_eq!((report.state, report.steps), (State::Interrupted, at));
        assert!(!torn.place().model.exists());
    }
    let report = torn.train(&prepared, 1, None).unwrap();
    assert_eq!(report.model_sha256, Some(sha256.clone()));
    for name in ["training/loss.csv", "training/memorized.csv", "recipe.yaml"] {
        assert_eq!(read(&torn, name), read(&whole, name), "{name}");
    }

    // There already: not even a file is written.
    let again = whole.train(&prepared, 1, None).unwrap();
    assert_eq!(
        (again.state, again.model_sha256),
        (State::There, Some(sha256.clone()))
    );
    // The working folder is enough to write the model again.
    fs::remove_dir_all(whole.place().model).unwrap();
    let again = whole.train(&prepared, 1, None).unwrap();
    assert_eq!(
        (again.state, again.model_sha256),
        (State::Trained, Some(sha256))
    );
}

#[test]
fn the_model_folder_says_what_it_is_and_denoises() {
    let file = recipe("conditional: true\nclean_twin: tiny-clean");
    let prepared = prepared(&file).unwrap();
    let room = Room::new();
    room.train(&prepared, 2, None).unwrap();
    let folder = ModelFolder::open(&room.place().model).unwrap();
    let manifest = folder.manifest();
    assert_eq!(
        (manifest.classes, manifest.null_class),
        (Some(10), Some(10))
    );
    assert_eq!(manifest.training.part, TrainedOn::Members);
    assert_eq!(manifest.training.n, Some(16));
    let digest = manifest.training.digest.as_ref().unwrap();
    assert_eq!(*digest, prepared.identity.training_set.sha256);
    assert_eq!(manifest.clean_twin.as_deref(), Some("tiny-clean"));
    let deviation = pixels::standard_deviation(prepared.data.images());
    assert!((manifest.sigma_data - deviation).abs() < 1e-7);

    let again = RecipeFile::load(&room.place().model.join("recipe.yaml")).unwrap();
    assert_eq!(again.recipe, prepared.recipe);
    let memorized = read(&room, "training/memorized.csv");
    let steps: Vec<&str> = memorized
        .lines()
        .map(|line| line.split(',').next().unwrap())
        .collect();
    assert_eq!(steps, ["step", "5", "10", "12"]);
    assert!(memorized.lines().skip(1).all(|line| line.ends_with(",6")));
    assert_eq!(read(&room, "training/loss.csv").lines().count(), 13);
    let card = read(&room, "README.md");
    for part in [
        &prepared.identity.id(),
        digest,
        "tiny-clean",
        "MIT",
        "memorized fraction",
    ] {
        assert!(card.contains(part), "{part}: {card}");
    }

    let options = SessionOptions {
        device: Device::Cpu,
        sessions: 1,
        microbatch: 4,
    };
    let model = OnnxModel::open(folder, &runtime(), &options).unwrap();
    let x = Array4::from_elem((2, 1, 16, 16), 0.5);
    let mut out = Array4::from_elem(x.dim(), f32::NAN);
    let batch = Batch::unconditional(x.view(), &[0.002, 80.0], &[0, 1]);
    model.denoise(batch, out.view_mut()).unwrap();
    assert!(out.iter().all(|value| value.is_finite()));
    // c_skip is almost 1 at the smallest level: D is x there, whatever the network says.
    assert!(out[[0, 0, 3, 3]] > 0.49 && out[[0, 0, 3, 3]] < 0.51);
}

#[test]
fn a_mitigation_acts_on_data_in_training_and_in_what_is_watched() {
    let file = recipe("conditional: true\nmitigation: { id: marks, options: { stop: 7 } }");
    let marked = prepared(&file).unwrap();
    assert_eq!(marked.identity.training_set.n, 8);
    let room = Room::new();
    let report = room.train(&marked, 2, None).unwrap();
    assert_eq!((report.state, report.steps), (State::Trained, 7));
    let folder = ModelFolder::open(&room.place().model).unwrap();
    let manifest = folder.manifest();
    assert_eq!(manifest.extra_channels, 1);
    assert_eq!(manifest.mitigation.as_deref(), Some("marks"));
    assert_eq!(manifest.mitigation_options.as_ref().unwrap()["stop"], 7);
    assert_eq!((manifest.classes, manifest.training.n), (Some(3), Some(8)));
    assert!(read(&room, "README.md").contains("12 steps over 8"));

    // Its state is in the checkpoint: it asserts its own count.
    let torn = Room::new();
    let first = prepared(&file).unwrap();
    torn.train(&first, 1, Some(3)).unwrap();
    let second = prepared(&file).unwrap();
    let again = torn.train(&second, 1, None).unwrap();
    assert_eq!(again.model_sha256, report.model_sha256);
}

#[test]
fn a_checkpoint_of_another_recipe_is_refused_with_what_differs() {
    let room = Room::new();
    let first = prepared(&recipe("")).unwrap();
    room.train(&first, 1, Some(6)).unwrap();
    let other = prepared(&recipe("flip: true\nsigma: { log_mean: -1 }")).unwrap();
    let error = room.train(&other, 1, None).unwrap_err();
    assert!(error.is_bad_input());
    let said = error.to_string();
    for line in [
        "holds a run of another recipe:",
        "\n  flip: false there, true in this one",
        "\n  log_mean: -1.2 there, -1.0 in this one",
    ] {
        assert!(said.contains(line), "{said}");
    }
    assert_eq!(said.lines().count(), 3, "{said}");
    // What changes no weight is no other recipe.
    let renamed = prepared(&recipe("title: another")).unwrap();
    assert_eq!(renamed.identity.id(), first.identity.id());
}

#[test]
fn what_cannot_be_trained_is_refused_before_anything_is() {
    let net = |levels: &str| format!("network: {{ kind: unet, channels: {levels} }}");
    let too_many = net("[4, 4, 4, 4, 4, 4]");
    for (rest, expected) in [
        ("dataset: no-such", "dataset: no dataset \"no-such\" in "),
        ("dataset: mnist", "pass its folder with --data DIR"),
        (
            "dataset: { id: fashion-mnist-10k-16, split: { members: 6000, holdout: 6000 } }",
            "tiny.yaml:1:45: dataset.split: ",
        ),
        (
            "part: aux\ndataset: { id: fashion-mnist-10k-16, split: { members: 4, aux: 0 } }",
            "part: expected a part with images, got the empty aux",
        ),
        (
            &too_many,
            "network.channels: expected levels that divide 16 x 16, got 6 levels",
        ),
        ("mitigation: mraks", "did you mean \"marks\"?"),
        (
            "mitigation: late",
            "mitigation: expected a mitigation that acts on the data or in training, got `late` \
             (stages: output)",
        ),
        (
            "mitigation: { id: marks, options: { stpo: 1 } }",
            "mitigation.options: ",
        ),
    ] {
        let error = prepared(&recipe(rest)).map(drop).unwrap_err();
        assert!(error.is_bad_input(), "{rest}: {error}");
        let said = error.to_string();
        assert!(said.contains(expected), "{rest}: {said}");
    }
}

#[test]
fn folders_that_cannot_take_it_are_told_before_anything_is_trained() {
    let prepared = prepared(&recipe("")).unwrap();
    let room = Room::new();
    fs::create_dir_all(room.place().model).unwrap();
    fs::write(room.place().model.join("thesis.tex"), "").unwrap();
    let error = room.train(&prepared, 1, None).unwrap_err();
    assert!(error.is_bad_input(), "{error}");
    assert!(
        error
            .to_string()
            .contains("expected no folder, or a model folder to replace")
    );
    assert!(!room.place().work.exists());

    let room = Room::new();
    fs::write(room.path("models"), "a file").unwrap();
    let error = room.train(&prepared, 1, None).unwrap_err();
    assert!(error.to_string().contains("cannot write"), "{error}");
    assert!(!room.place().work.exists());
}

#[test]
fn a_loss_that_is_not_finite_keeps_the_last_checkpoint() {
    let training = "training: { steps: 40, batch: 8, microbatch: 4, checkpoint_every: 1, \
                    optimiser: { learning_rate: 1e38 } }";
    let prepared = prepared(&recipe(training)).unwrap();
    let room = Room::new();
    let error = room.train(&prepared, 1, None).unwrap_err();
    assert!(
        matches!(&error, Error::Network(eidetic_nn::Error::NotFinite { .. })),
        "{error}"
    );
    assert!(!error.is_bad_input());
    assert!(
        error.to_string().contains("lower the learning rate"),
        "{error}"
    );
    assert!(!room.place().model.exists());
}
