//! Suites that name their models by recipe: what nobody has trained yet is trained, once.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use eidetic_runtime::{Search, find};
use eidetic_tests::{Place, run};
use serde_json::Value;

const LABELS: &str = "labels{labels=unique}";

/// A recipe of a tiny network over 32 images, four of them planted five times, and a suite of it.
fn suite(place: &Place) -> PathBuf {
    place.file(
        "tiny.yaml",
        "version: 1\nname: tiny\ntitle: a tiny U-Net\nlicence: MIT\nconditional: true\n\
         dataset: { id: fashion-mnist-10k, split: { members: 32, holdout: 64, aux: 32, \
         plant_duplicates: 4 } }\n\
         network: { kind: unet, channels: [8, 16], blocks: 1 }\n\
         training: { steps: 12, batch: 16, microbatch: 8 }\n\
         memorized: { every: 50, samples: 16, sampler_steps: 4 }\n",
    );
    place.file(
        "by-recipe.yaml",
        "version: 1\nname: by-recipe\nsampler: { kind: heun, steps: 4 }\n\
         models: [ { recipe: tiny.yaml, name: tiny, mitigations: [ none, 'dedup*', '*=unique}' ] } ]\n\
         mitigations:\n  - none\n  - dedup\n  - [ dedup, filter ]\n  - [ dedup, ambient ]\n\
         \x20 - { id: labels, options: { labels: unique } }\n  - { id: labels, options: { labels: random } }\n\
         attacks: [ { id: random, options: { samples: 16 } } ]\n\
         expect: [ { model: tiny, mitigation: none, score_at_most: 1 } ]\n",
    )
}

/// The program with a cache of its own.
fn program(place: &Place, verb: &str, suite: &Path) -> Command {
    let mut command = place.command(verb, suite, "out");
    let library = find(&Search::default()).unwrap();
    command
        .env("EIDETIC_CACHE", place.path("cache"))
        .arg("--onnxruntime")
        .arg(library.path);
    command
}

#[test]
fn what_is_missing_is_trained_once_and_every_mitigation_has_its_model() {
    let place = Place::new();
    let suite = suite(&place);
    // Its own four: as it is, deduplicated, with unique labels, and the clean twin of all three.
    let said = run(&mut program(&place, "plan", &suite)).code(0);
    for name in [
        "tiny ",
        "tiny-clean ",
        "tiny-dedup ",
        "tiny-labels-labels-unique ",
    ] {
        assert!(
            said.stdout.contains(&format!("\n{name}")),
            "{}",
            said.stdout
        );
    }
    assert!(!said.stdout.contains("random}"), "{}", said.stdout);
    assert!(!place.path("cache/models").exists());

    let said = run(&mut program(&place, "run", &suite)).code(0);
    said.says(&["training 1 of 4 models: ", "training 4 of 4 models: "]);
    let models: Vec<PathBuf> = fs::read_dir(place.path("cache/models"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("model.yaml").is_file())
        .collect();
    assert_eq!(models.len(), 4, "{models:?}");
    let results = place.results("out", "by-recipe");
    let row = |mitigation| results.row("tiny", mitigation, "random");
    for (mitigation, stages, n) in [
        ("none", "", "48"),
        ("dedup", "data", "32"),
        ("dedup+filter", "data+output", "32"),
        (LABELS, "data", "48"),
    ] {
        let row = row(mitigation);
        assert_eq!(row["status"], "ok", "{row:#?}");
        assert_eq!(row["stages_applied"], stages, "{row:#?}");
        assert_eq!(row["n_trained"], n, "{row:#?}");
        assert!(!row["twin_score"].is_empty(), "{row:#?}");
    }
    assert_eq!(row("none")["twin_score"], row(LABELS)["twin_score"]);
    let refused = row("dedup+ambient");
    assert_eq!(refused["status"], "n/a");
    assert!(
        refused["reason"].contains("`dedup` and `ambient` act"),
        "{refused:#?}"
    );

    // The same again finds everything there, and trains nothing.
    let before = results.files();
    let said = run(&mut program(&place, "run", &suite)).code(0);
    assert!(!said.stderr.contains("training"), "{}", said.stderr);
    results.assert_same(&before);
    // A damaged model is trained anew, not trusted.
    let network = models[0].join("unet/model.onnx");
    let whole = fs::read(&network).unwrap();
    fs::write(&network, &whole[..whole.len() - 1]).unwrap();
    run(&mut program(&place, "run", &suite))
        .code(0)
        .says(&["training 1 of 1 model: "]);
    assert_eq!(fs::read(&network).unwrap(), whole);
}

#[test]
fn what_a_suite_by_recipe_cannot_mean_is_refused() {
    let place = Place::new();
    let good = fs::read_to_string(suite(&place)).unwrap();
    for (from, to, said) in [
        ("recipe: tiny.yaml", "recipe: tyni.yaml", "tyni.yaml"),
        (
            "name: tiny,",
            "options: { a: 1 }, name: tiny,",
            "a recipe takes no options",
        ),
        (
            "'dedup*'",
            "'dedap*'",
            "\"dedap*\" fits no mitigation of this suite",
        ),
        (
            "score_at_most: 1",
            "dataset: mnist, score_at_most: 1",
            "\"mnist\" fits no dataset of this suite",
        ),
        (
            "- none\n  - dedup\n",
            "- none\n  - dedup\n  - dedpu\n",
            "dedpu",
        ),
    ] {
        let bad = place.file("bad.yaml", good.replace(from, to));
        run(&mut program(&place, "plan", &bad))
            .code(2)
            .says(&["bad.yaml:", said]);
    }
}

#[test]
fn a_plan_says_of_each_training_whether_it_is_there() {
    let place = Place::new();
    let suite = suite(&place);
    let said = run(program(&place, "plan", &suite).arg("--json")).code(0);
    let plan: Value = serde_json::from_str(&said.stdout).unwrap();
    let trainings = plan["trainings"].as_array().unwrap();
    assert_eq!(trainings.len(), 4);
    for training in trainings {
        assert_eq!(
            (&training["there"], &training["steps"]),
            (&Value::Bool(false), &12.into())
        );
    }
}
