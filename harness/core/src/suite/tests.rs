//! What a good suite file means.
#![allow(clippy::unwrap_used)]
use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::dataset::SplitConfig;

const FULL: &str = r#"
version: 1
name: quick
seed: 7
sampler: { kind: heun, steps: 18 }
datasets:
  - { id: fashion-mnist-10k, split: { members: 256, holdout: 1000, aux: 256, seed: 0, plant_duplicates: 0 } }
models:
  - memorizer
  - clean
  - { id: unet-n256, sampler: { kind: ddim, steps: 50, eta: 0 } }
  - { plugin: gaussian, options: { mean: 0.50, tags: [b, a] }, name: blob }
  - { folder: ../models/mine }
mitigations: [ none, filter, [ ambient, filter ], { id: filter, options: { nn_ratio: 0.4 } } ]
attacks: [ { id: random, options: { samples: 512 } } ]
seeds: [ 0, 1 ]
limits: { cell_timeout: 1h 30m, model_calls: 5000 }
expect:
  - { model: memorizer*, mitigation: none, attack: random, score_at_least: 0.95 }
  - { model: clean, excess_at_most: 0.02 }
"#;

const LEAST: &str = "version: 1\nname: a\ndatasets: [d]\nmodels: [m]\nattacks: [x]\n";

pub(super) fn parse(text: &str) -> Result<Suite, SuiteErrors> {
    Suite::parse(Path::new("suites/suite.yaml"), text)
}

fn labels_of(extra: &str) -> Labels<'static> {
    let suite: &'static Suite = Box::leak(Box::new(parse(&with(extra)).unwrap()));
    suite.resolved().labels
}

/// The least suite with the top-level keys of `extra` in place of its own.
pub(super) fn with(extra: &str) -> String {
    let replaced = |line: &str| {
        let key = line.split(':').next().unwrap_or_default();
        extra
            .lines()
            .any(|other| other.starts_with(&format!("{key}:")))
    };
    let kept: String = LEAST
        .lines()
        .filter(|line| !replaced(line))
        .map(|line| format!("{line}\n"))
        .collect();
    format!("{extra}\n{kept}")
}

#[test]
fn reads_every_key() {
    let suite = parse(FULL).unwrap();
    assert_eq!((suite.version, suite.seed), (1, 7));
    assert_eq!(suite.name, "quick");
    let split = &suite.datasets[0].split;
    assert_eq!(
        (split.members, split.plant_duplicates),
        (Some(256), Some(0))
    );
    assert_eq!(
        suite.models[0].source,
        ModelSource::Named("memorizer".into())
    );
    assert_eq!(
        suite.models[3].source,
        ModelSource::Plugin("gaussian".into())
    );
    assert_eq!(
        suite.models[3].options.to_json(),
        r#"{"mean":0.5,"tags":["b","a"]}"#
    );
    assert_eq!(
        suite.models[4].source,
        ModelSource::Folder("../models/mine".into())
    );
    assert_eq!(
        suite.path(Path::new("../models/mine")),
        Path::new("suites/../models/mine")
    );
    let kind = |model: &ModelEntry| {
        suite
            .sampler_of(model)
            .map(|sampler| (sampler.kind, sampler.steps))
    };
    assert_eq!(kind(&suite.models[0]), Some((SamplerKind::Heun, Some(18))));
    assert_eq!(kind(&suite.models[2]), Some((SamplerKind::Ddim, Some(50))));
    assert!(suite.mitigations[0].is_none());
    assert_eq!(suite.mitigations[2].links[1].id, "filter");
    assert_eq!(suite.attacks[0].options.as_map()["samples"], json!(512));
    assert_eq!(suite.seeds, [0, 1]);
    assert_eq!(suite.limits.cell_timeout, Duration::from_secs(5400));
    assert_eq!(suite.limits.model_calls, 5000);
    assert_eq!(suite.expect[1].bounds.excess_at_most, Some(0.02));
    let labels = suite.resolved().labels;
    assert_eq!(
        labels.models,
        ["memorizer", "clean", "unet-n256", "blob", "mine"]
    );
    assert_eq!(
        labels.mitigations,
        ["none", "filter", "ambient+filter", "filter{nn_ratio=0.4}"]
    );
}

#[test]
fn fills_in_defaults() {
    let suite = parse(LEAST).unwrap();
    assert_eq!((suite.seed, suite.seeds.as_slice()), (0, [0].as_slice()));
    assert_eq!(suite.limits, Limits::default());
    assert!(suite.mitigations[0].is_none() && suite.mitigations.len() == 1);
    assert!(suite.datasets[0].split.is_empty() && suite.expect.is_empty());
    assert!(suite.quality.is_none());
    let quality = parse(&with("quality: {}")).unwrap().quality.unwrap();
    assert_eq!((&*quality.embedder, quality.samples), ("squeezenet11", 256));
    assert!(suite.sampler_of(&suite.models[0]).is_none());
    let partial = parse(&with("datasets: [ { id: d, split: { members: 9 } } ]")).unwrap();
    let split = &partial.datasets[0].split;
    assert_eq!((split.members, split.holdout), (Some(9), None));
    let default = SplitConfig {
        members: 1,
        holdout: 2,
        aux: 3,
        seed: 4,
        plant_duplicates: 5,
    };
    assert_eq!(
        split.over(&default),
        SplitConfig {
            members: 9,
            ..default
        }
    );
}

#[test]
fn what_is_printed_reads_back() {
    for text in [FULL, LEAST] {
        let suite = parse(text).unwrap();
        let printed = serde_json::to_string_pretty(&suite).unwrap();
        let again = parse(&printed).unwrap();
        assert_eq!(serde_json::to_string_pretty(&again).unwrap(), printed);
        assert_eq!(again.digest(), suite.digest());
        let resolved = serde_json::to_value(suite.resolved()).unwrap();
        assert_eq!(resolved["digest"], json!(suite.digest()));
        assert_eq!(resolved["suite"]["name"], json!(suite.name));
        assert_eq!(resolved["labels"]["mitigations"][0], json!("none"));
    }
}

#[test]
fn the_digest_is_of_what_is_said_not_how() {
    let digest = |extra: &str| parse(&with(extra)).unwrap().digest();
    let plain = digest("");
    assert_eq!(plain.len(), 64);
    assert_eq!(plain, digest("# a comment\nseed: 0"));
    assert_eq!(
        plain,
        digest("limits: { model_calls: 2000000, cell_timeout: 600s }")
    );
    assert_eq!(
        plain,
        digest("mitigations: [none]\nattacks: [ { id: x, options: {} } ]")
    );
    assert_eq!(
        digest("attacks: [ { id: x, options: { a: 1.0, b: [2] } } ]"),
        digest("attacks: [ { options: { b: [2.0], a: 1 }, id: x } ]")
    );
    for other in [
        "seed: 1",
        "name: b",
        "seeds: [1]",
        "models: [n]",
        "limits: { model_calls: 1 }",
    ] {
        assert_ne!(plain, digest(other), "{other}");
    }
    assert_ne!(digest("models: [a, b]"), digest("models: [b, a]"));
}

#[test]
fn labels_show_options_only_where_they_must() {
    let labels = labels_of(
        "mitigations:\n  - { id: f, options: { b: 2, a: x y } }\n  - [ g, { id: f, options: { r: 0.5 } } ]\n  \
         - { id: f, options: { b: 3 } }\n  - none",
    );
    assert_eq!(
        labels.mitigations,
        ["f{a=\"x y\",b=2}", "g+f", "f{b=3}", "none"]
    );
    let labels = labels_of(
        "datasets: [ d, { id: d, split: { members: 5, seed: 1 } } ]\n\
         models: [ m, { id: m, sampler: { kind: ddim, steps: 5 } }, { plugin: m, options: { k: [1, 2] } } ]\n\
         attacks: [ x, { id: x, options: { mode: fast } } ]",
    );
    assert_eq!(labels.datasets, ["d", "d{members=5,seed=1}"]);
    assert_eq!(
        labels.models,
        ["m", "m{sampler=ddim,steps=5}", "m{k=[1,2]}"]
    );
    assert_eq!(labels.attacks, ["x", "x{mode=fast}"]);
}

#[test]
fn a_sweep_is_an_entry_a_value_and_prints_as_these() {
    let swept = with(
        "attacks: [ { id: side, options: { tau: 0.5 }, sweep: { lambda: [5, 0.0], k: [2] }, \
         candidates: 64, samples_from: counterpart }, random ]",
    );
    let written = with(
        "attacks: [ { id: side, options: { k: 2, lambda: 5, tau: 0.5 }, candidates: 64, samples_from: \
         counterpart }, { id: side, options: { k: 2, lambda: 0, tau: 0.5 }, candidates: 64, \
         samples_from: counterpart }, random ]",
    );
    let suite = parse(&swept).unwrap();
    assert_eq!(
        suite.resolved().labels.attacks,
        [
            "side{k=2,lambda=5,tau=0.5,candidates=64,samples_from=counterpart}",
            "side{k=2,lambda=0,tau=0.5,candidates=64,samples_from=counterpart}",
            "random",
        ]
    );
    assert_eq!(suite.digest(), parse(&written).unwrap().digest());
    assert_eq!(suite.attacks[0].candidates, Some(64));
    assert_eq!(
        suite.attacks[0].samples_from,
        Some(SamplesFrom::Counterpart)
    );
}

#[test]
fn long_labels_become_digests() {
    let long = "y".repeat(90);
    let labels = labels_of(&format!(
        "attacks: [ x, {{ id: x, options: {{ a: {long} }} }} ]"
    ));
    // The first 4 bytes of the SHA-256 of "a=" and ninety y, by Python's hashlib.
    assert_eq!(labels.attacks[1], "x{#8110b53e}");
    let other = labels_of(&format!(
        "attacks: [ x, {{ id: x, options: {{ a: {long}z }} }} ]"
    ));
    assert_ne!(labels.attacks[1], other.attacks[1]);
}

#[test]
fn expectations_match_rows_and_name_what_is_broken() {
    let suite = parse(FULL).unwrap();
    let first = &suite.expect[0];
    assert!(first.matches("any", "memorizer-onnx", "none", "random"));
    assert!(!first.matches("any", "memorizer", "filter", "random"));
    assert!(suite.expect[1].matches("any", "clean", "filter", "anything"));
    assert!(first.bounds.broken_by(Some(0.95), None).is_empty());
    assert_eq!(
        first.bounds.broken_by(Some(0.5), None),
        ["score is 0.5, expected at least 0.95"]
    );
    assert_eq!(
        first.bounds.broken_by(None, None),
        ["score is missing, expected at least 0.95"]
    );
    assert_eq!(first.bounds.broken_by(Some(f64::NAN), None).len(), 1);
    assert_eq!(
        suite.expect[1].bounds.broken_by(Some(0.0), Some(0.03)),
        ["excess is 0.03, expected at most 0.02"]
    );
}

#[test]
fn globs() {
    for (pattern, label, fits) in [
        ("*", "", true),
        ("", "", true),
        ("", "a", false),
        ("a*c", "abbc", true),
        ("a*c", "abbcd", false),
        ("*b*b", "abab", true),
        ("a**", "a", true),
        ("ab", "abc", false),
        ("f{r=0.4}", "f{r=0.4}", true),
        ("*é", "aé", true),
    ] {
        assert_eq!(Glob::new(pattern).matches(label), fits, "{pattern} {label}");
    }
}

#[test]
fn later_complaints_find_their_line() {
    let text = with("attacks:\n  - x\n  - id: y\n    options:\n      depth: { max: 3 }");
    let suite = parse(&text).unwrap();
    let at = suite.attacks[1].at;
    assert_eq!(
        suite
            .problem(at, &["options", "depth", "max"], "too deep")
            .to_string(),
        "suites/suite.yaml:5:21: attacks[1].options.depth.max: too deep"
    );
    assert_eq!(
        suite
            .problem(at, &["options", "width"], "missing")
            .to_string(),
        "suites/suite.yaml:5:7: attacks[1].options: missing"
    );
    assert_eq!(
        suite
            .problem(suite.attacks[0].at, &["id"], "unknown attack")
            .to_string(),
        "suites/suite.yaml:2:5: attacks[0]: unknown attack"
    );
}

#[test]
fn many_problems_are_capped() {
    let text = with(&format!("seeds: [{}]", vec!["1"; 100].join(", ")));
    let errors = parse(&text).unwrap_err();
    assert_eq!((errors.problems.len(), errors.more), (50, 49));
    assert!(errors.to_string().ends_with("\nand 49 more"));
}

#[test]
fn files_are_read_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("quick.yaml");
    let errors = Suite::load(&path).unwrap_err();
    assert!(
        errors
            .to_string()
            .contains("quick.yaml: cannot read the file"),
        "{errors}"
    );
    std::fs::write(&path, FULL).unwrap();
    let suite = Suite::load(&path).unwrap();
    assert_eq!(suite.digest(), parse(FULL).unwrap().digest());
    assert_eq!(suite.path(Path::new("m")), folder.path().join("m"));
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in any::<String>()) {
        let _ = parse(&text);
    }

    /// Cuts and swaps inside a good file reach far more of the code than random text does.
    #[test]
    fn a_damaged_suite_never_panics(at in 0..FULL.len(), len in 0usize..40, put in "[-a-z0-9:,{}\\[\\]&*! \n.]{0,6}") {
        let mut text = FULL.to_owned();
        text.replace_range(at..(at + len).min(FULL.len()), &put);
        match parse(&text) {
            Ok(suite) => prop_assert_eq!(parse(&serde_json::to_string(&suite).unwrap()).unwrap().digest(), suite.digest()),
            Err(errors) => prop_assert!(!errors.problems.is_empty()),
        }
    }
}
