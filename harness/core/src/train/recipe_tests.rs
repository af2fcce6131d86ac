//! What a recipe may say, and every way to refuse it.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use eidetic_nn::Network;

use super::recipe::{RecipeFile, TrainedPart};

const LEAST: &str = "\
version: 1
name: tiny
title: a tiny one
licence: MIT
dataset: fashion-mnist-10k
network: { kind: mlp, width: 8, depth: 1 }
training: { steps: 20 }
";

fn parse(text: &str) -> Result<RecipeFile, String> {
    RecipeFile::parse(Path::new("r.yaml"), text).map_err(|error| error.to_string())
}

#[test]
fn the_least_recipe_has_every_default() {
    let recipe = parse(LEAST).unwrap().recipe;
    assert_eq!(recipe.part, TrainedPart::Members);
    assert_eq!(recipe.dataset.id, "fashion-mnist-10k");
    assert!(recipe.dataset.split.is_empty());
    assert!(!recipe.conditional && !recipe.flip);
    assert_eq!(recipe.dropped_labels(), 0.0);
    let sigma = recipe.sigma;
    assert_eq!(
        [sigma.log_mean, sigma.log_std, sigma.min, sigma.max],
        [-1.2, 1.2, 0.002, 80.0]
    );
    let memorized = recipe.memorized;
    assert_eq!(
        (memorized.every, memorized.samples, memorized.sampler_steps),
        (500, 64, 18)
    );
    assert_eq!((recipe.training.batch, recipe.training.seed), (64, 0));
    assert_eq!((recipe.mitigation, recipe.clean_twin), (None, None));
}

#[test]
fn everything_can_be_said_and_is_read_again() {
    let text = "\
version: 1
name: all
title: all of it
licence: MIT
dataset: { id: fashion-mnist-10k, split: { members: 64, holdout: 100, aux: 64, seed: 3 } }
network: { kind: unet, channels: [8, 16], blocks: 1, attention: [1], embedding: fourier, dropout: 0.25 }
conditional: true
label_dropout: 0.2
flip: true
sigma: { log_mean: -0.8, log_std: 1, min: 0.01, max: 40 }
training:
  steps: 100
  batch: 32
  microbatch: 8
  seed: 7
  optimiser: { kind: adamw, learning_rate: 2e-3, betas: [0.9, 0.99], epsilon: 1e-7, weight_decay: 0.1 }
  rate: { warmup: 10, decay: 0.3, shape: cosine }
  clip: 1
  ema: 0.99
  checkpoint_every: 50
memorized: { every: 10, samples: 16, sampler_steps: 6 }
clean_twin: all-clean
mitigation: { id: filter, options: { nn_ratio: 0.4 } }
";
    let file = parse(text).unwrap();
    let recipe = &file.recipe;
    assert!(matches!(&recipe.network, Network::Unet(unet) if unet.channels == [8, 16]));
    assert_eq!(recipe.dropped_labels(), 0.2);
    assert_eq!(recipe.training.optimiser.weight_decay, Some(0.1));
    let mitigation = recipe.mitigation.as_ref().unwrap();
    assert_eq!(
        (mitigation.id.as_str(), &mitigation.options["nn_ratio"]),
        ("filter", &0.4.into())
    );
    let again = parse(&recipe.to_yaml()).unwrap();
    assert_eq!(again.recipe, *recipe);
    let least = parse(LEAST).unwrap().recipe;
    let yaml = least.to_yaml();
    assert!(
        !yaml.contains("null") && yaml.contains("mitigation: none\n"),
        "{yaml}"
    );
    assert_eq!(parse(&yaml).unwrap().recipe, least);
}

/// LEAST with one line in place of that of its key, or behind the others.
fn with(line: &str) -> String {
    let key = line.split(':').next().unwrap();
    let mut lines: Vec<&str> = LEAST.lines().collect();
    match lines
        .iter_mut()
        .find(|there| there.starts_with(&format!("{key}:")))
    {
        Some(there) => *there = line,
        None => lines.push(line),
    }
    lines.join("\n")
}

#[test]
fn what_makes_no_sense_is_refused_with_line_and_key() {
    let mut wrong = Vec::new();
    for (line, expected) in [
        (
            "version: 2",
            "r.yaml:1:10: version: unsupported version 2; this build reads 1",
        ),
        (
            "name: A b",
            "r.yaml:2:7: name: expected a name of a-z, 0-9 and `-`, got \"A b\"",
        ),
        (
            "title: ' '",
            "r.yaml:3:8: title: expected one line, got \" \"",
        ),
        (
            "licence: [MIT]",
            "r.yaml:4:10: licence: expected a string, got a list",
        ),
        (
            "dataset: [a]",
            "r.yaml:5:10: dataset: expected a dataset's id or a mapping with id",
        ),
        ("dataset: { split: {} }", "dataset: missing key \"id\""),
        (
            "dataset: { id: a, spilt: {} }",
            "dataset.spilt: unknown key \"spilt\"; allowed: id, split; did you mean \"split\"?",
        ),
        (
            "dataset: { id: a, split: { member: 3 } }",
            "dataset.split.member: unknown key \"member\"",
        ),
        (
            "dataset: { id: a, split: { members: -3 } }",
            "dataset.split.members: expected an integer from 0",
        ),
        (
            "part: holdout",
            "r.yaml:8:7: part: unknown value \"holdout\"; allowed: members, aux",
        ),
        (
            "network: { width: 8 }",
            "r.yaml:6:10: network: missing key \"kind\"",
        ),
        (
            "network: { kind: resnet }",
            "network.kind: unknown value \"resnet\"; allowed: unet, mlp",
        ),
        (
            "network: { kind: mlp, width: 8, depth: 1, deep: 2 }",
            "network: unknown key \"deep\"; allowed: width, depth, embedding",
        ),
        (
            "conditional: 3",
            "r.yaml:8:14: conditional: expected a boolean, got the integer 3",
        ),
        (
            "label_dropout: 0.1",
            "r.yaml:8:16: label_dropout: expected conditional: true beside it",
        ),
        (
            "conditional: true\nlabel_dropout: 2",
            "r.yaml:9:16: label_dropout: expected a share from 0 to 1, got 2",
        ),
        ("flip: 1", "flip: expected a boolean"),
        (
            "sigma: { mean: 1 }",
            "sigma.mean: unknown key \"mean\"; allowed: log_mean, log_std, min, max",
        ),
        (
            "sigma: { log_mean: 99 }",
            "r.yaml:8:20: sigma.log_mean: expected -20 to 20, got 99",
        ),
        (
            "sigma: { log_std: -1 }",
            "sigma.log_std: expected 0 to 5, got -1",
        ),
        (
            "sigma: { min: 0 }",
            "sigma.min: expected a finite number above 0, got 0",
        ),
        (
            "sigma: { max: 0.001 }",
            "sigma.max: expected a finite number above min 0.002, got 0.001",
        ),
        ("training: { batch: 3 }", "training: missing key \"steps\""),
        (
            "training: { steps: 0 }",
            "r.yaml:7:20: training.steps: expected 1 or more, got 0",
        ),
        (
            "training: { steps: 1, batch: 0 }",
            "training.batch: expected 1 or more, got 0",
        ),
        (
            "training: { steps: 1, ema: 1 }",
            "training.ema: expected a decay from 0 up to 1, got 1",
        ),
        (
            "training: { steps: 1, clip: 0 }",
            "training.clip: expected above 0, got 0",
        ),
        (
            "training: { steps: 1, optimiser: { kind: sgd } }",
            "training.optimiser.kind: unknown value \"sgd\"; allowed: adam, adamw",
        ),
        (
            "training: { steps: 1, optimiser: { betas: [0.9, 1] } }",
            "training.optimiser.betas: expected two numbers from 0 up to 1, got 1",
        ),
        (
            "training: { steps: 1, optimiser: { learning_rate: -1 } }",
            "training.optimiser.learning_rate: expected 0 or more, got -1",
        ),
        (
            "training: { steps: 1, rate: { decay: 2 } }",
            "training.rate.decay: expected a share of the steps, 0 to 1, got 2",
        ),
        (
            "training: { steps: 1, warm_up: 2 }",
            "training.warm_up: unknown key \"warm_up\"",
        ),
        (
            "training: { steps: 1, watch_every: 2 }",
            "training.watch_every: expected no such key: memorized.every says it",
        ),
        (
            "memorized: { every: 0 }",
            "memorized.every: expected 1 or more, got 0",
        ),
        (
            "memorized: { samples: 0 }",
            "memorized.samples: expected 1 or more, got 0",
        ),
        (
            "memorized: { sampler_steps: 0 }",
            "memorized.sampler_steps: expected 1 or more, got 0",
        ),
        (
            "clean_twin: tiny",
            "clean_twin: expected the name of another model, got this one's own",
        ),
        (
            "part: aux\nclean_twin: other",
            "clean_twin: expected none beside part aux",
        ),
        (
            "mitigation: [a, b]",
            "mitigation: expected none, a mitigation's id or a mapping with id, got a list",
        ),
        (
            "mitigation: { id: none, options: { a: 1 } }",
            "mitigation: none takes no options",
        ),
        (
            "mitigation: { id: a, option: {} }",
            "mitigation.option: unknown key \"option\"",
        ),
        (
            "nmae: x",
            "nmae: unknown key \"nmae\"; allowed: version, name",
        ),
        ("flip: true\nflip: true", "flip: duplicate key \"flip\""),
    ] {
        let said = parse(&with(line)).unwrap_err();
        if !said.contains(expected) {
            wrong.push(format!("{line}: {said}, not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let said = RecipeFile::load(Path::new("/no/such.yaml")).unwrap_err();
    assert!(
        said.to_string()
            .contains("/no/such.yaml: cannot read the file")
    );
}
