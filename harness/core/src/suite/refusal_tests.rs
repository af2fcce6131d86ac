//! What a bad suite file is told, word for word.
#![allow(clippy::unwrap_used)]
use super::tests::{parse, with};

/// The messages for the least suite with `extra` on top, less the file's name.
fn refused(extra: &str) -> String {
    let shown = parse(&with(extra)).unwrap_err().to_string();
    shown.replace("suites/suite.yaml:", "")
}

#[test]
fn unknown_and_duplicate_keys() {
    assert_eq!(
        refused("models: [ m, { plugin: p, optoins: {} } ]"),
        "1:27: models[1].optoins: unknown key \"optoins\"; allowed: id, plugin, folder, recipe, \
         options, name, mitigations, attacks, sampler; did you mean \"options\"?"
    );
    assert_eq!(
        refused("sede: 3"),
        "1:1: sede: unknown key \"sede\"; allowed: version, name, seed, sampler, datasets, models, \
         mitigations, attacks, seeds, limits, quality, expect, trends; did you mean \"seed\"?"
    );
    assert_eq!(
        refused("limits: { model_call: 3 }"),
        "1:11: limits.model_call: unknown key \"model_call\"; allowed: cell_timeout, model_calls, redraws; did \
         you mean \"model_calls\"?"
    );
    assert_eq!(
        refused("quality: { sample: 64 }"),
        "1:12: quality.sample: unknown key \"sample\"; allowed: embedder, samples; did you mean \"samples\"?"
    );
    assert_eq!(
        refused("quality: { samples: 1 }"),
        "1:21: quality.samples: expected an integer of at least 2, got the integer 1"
    );
    assert_eq!(
        refused("seed: 1\nseed: 2"),
        "2:1: seed: duplicate key \"seed\"; each key may stand once"
    );
    assert_eq!(
        refused("attacks: [ { id: x, options: { a: 1, a: 2 } } ]"),
        "1:38: attacks[0].options.a: duplicate key \"a\"; each key may stand once"
    );
}

#[test]
fn missing_keys_and_empty_lists() {
    assert_eq!(
        parse("version: 1\n").unwrap_err().to_string(),
        ["name", "models", "datasets", "attacks"]
            .map(|key| format!("suites/suite.yaml:1:1: missing key \"{key}\""))
            .join("\n")
    );
    assert_eq!(
        parse("name: a\ndatasets: [d]\nmodels: [m]\nattacks: [x]\n")
            .unwrap_err()
            .to_string(),
        "suites/suite.yaml:1:1: missing key \"version\""
    );
    assert_eq!(
        refused("seeds: []\nmodels: []"),
        "1:8: seeds: expected at least one entry, got an empty list\n\
         2:9: models: expected at least one entry, got an empty list"
    );
    assert_eq!(
        refused("attacks: [ { options: {} } ]"),
        "1:12: attacks[0]: missing key \"id\""
    );
    assert_eq!(
        refused("mitigations: [ [] ]"),
        "1:16: mitigations[0]: expected a chain of mitigations, got an empty list; write none"
    );
}

#[test]
fn wrong_types() {
    assert_eq!(
        refused("models: m"),
        "1:9: models: expected a list, got the text \"m\""
    );
    assert_eq!(
        refused("seed: two"),
        "1:7: seed: expected an integer of at least 0, got the text \"two\""
    );
    assert_eq!(
        refused("seeds: [-1]"),
        "1:9: seeds[0]: expected an integer of at least 0, got the integer -1"
    );
    assert_eq!(
        refused("name: 5"),
        "1:7: name: expected text, got the integer 5"
    );
    assert_eq!(refused("name:"), "1:6: name: expected text, got nothing");
    assert_eq!(
        refused("datasets: [ 5 ]"),
        "1:13: datasets[0]: expected a dataset's id or a mapping with id, got the integer 5"
    );
    assert_eq!(
        refused("mitigations: [ true ]"),
        "1:16: mitigations[0]: expected a mitigation's id, a mapping with id, or a list of these, got \
         the boolean true"
    );
    assert_eq!(
        refused("attacks: [ { id: x, options: [1] } ]"),
        "1:30: attacks[0].options: expected a mapping of options, got a list"
    );
    assert_eq!(
        refused("attacks: [ { id: x, options: { a: [1, .nan], 2: 3 } } ]"),
        "1:39: attacks[0].options.a[1]: expected a finite number, got the number NaN\n\
         1:46: attacks[0].options: expected a key that is text, got the integer 2; quote it"
    );
    assert_eq!(
        refused("attacks: [ { id: x, candidates: 0, samples_from: twin } ]"),
        "1:33: attacks[0].candidates: expected an integer of at least 1, got the integer 0"
    );
    assert_eq!(
        refused("attacks: [ { id: x, samples_from: twin } ]"),
        "1:35: attacks[0].samples_from: expected `counterpart`, got the text \"twin\""
    );
    assert_eq!(
        refused("attacks: [ { id: x, sweep: { a: 1 } } ]"),
        "1:33: attacks[0].sweep.a: expected a list of the values that the option takes in turn, got \
         the integer 1"
    );
    assert_eq!(
        refused("attacks: [ { id: x, sweep: {} } ]"),
        "1:28: attacks[0].sweep: expected an option with its values, got none; remove it"
    );
    assert_eq!(
        refused("attacks: [ { id: x, options: { a: 1 }, sweep: { a: [1] } } ]"),
        "1:52: attacks[0].sweep.a: `a` stands in options as well; remove one"
    );
    assert_eq!(
        refused("limits: { cell_timeout: 600 }"),
        "1:25: limits.cell_timeout: expected a duration above zero such as 90s, 10m or 1h30m, got the \
         integer 600"
    );
    assert_eq!(
        refused("limits: { cell_timeout: 0s, model_calls: 0 }"),
        "1:25: limits.cell_timeout: expected a duration above zero such as 90s, 10m or 1h30m, got the \
         text \"0s\""
    );
    assert_eq!(
        parse("[1]").unwrap_err().to_string(),
        "suites/suite.yaml:1:1: expected a mapping with version, name, datasets, models, attacks, got a list"
    );
}

#[test]
fn zero_images_and_samples() {
    assert_eq!(
        refused("datasets:\n  - id: d\n    split: { members: 0, holdout: 0, aux: 0 }"),
        "3:23: datasets[0].split.members: expected an integer of at least 1, got the integer 0\n\
         3:35: datasets[0].split.holdout: expected an integer of at least 1, got the integer 0"
    );
    assert_eq!(
        refused("attacks: [ { id: x, options: { samples: 0 } } ]"),
        "1:41: attacks[0].options.samples: expected an integer of at least 1, got the integer 0"
    );
    assert_eq!(
        refused("datasets: [ { id: d, split: { members: 4, plant_duplicates: 5 } } ]"),
        "1:61: datasets[0].split.plant_duplicates: expected at most the 4 members, got 5"
    );
}

#[test]
fn counts_beyond_32_bits() {
    assert_eq!(
        refused("datasets: [ { id: d, split: { members: 4294967296 } } ]"),
        "1:40: datasets[0].split.members: expected at most 4294967295, got 4294967296"
    );
}

#[test]
fn large_files_stay_quick_and_short() {
    let long = "x".repeat(500_000);
    let shown = refused(&format!("name: {long}\n{long}: 1"));
    assert!(shown.len() < 1000, "{} characters", shown.len());
    let errors = parse(&"a: 1\n".repeat(20_000)).unwrap_err();
    assert!(errors.more > 19_000, "{}", errors.more);
}

#[test]
fn versions_and_names() {
    assert_eq!(
        refused("version: 2\nnonsense: 1"),
        "1:10: version: unsupported version 2; this build reads 1"
    );
    assert_eq!(
        refused("name: Quick Test"),
        "1:7: name: expected a name of at most 100 characters a-z 0-9 . _ - that starts with a letter or \
         digit, got \"Quick Test\"; try \"quick-test\""
    );
    for bad in ["'../up'", ".hidden", "'a/b'", "-x", "é", "''"] {
        assert!(
            refused(&format!("name: {bad}")).starts_with("1:7: name: expected"),
            "{bad}"
        );
    }
    assert!(refused(&format!("name: {}", "a".repeat(101))).contains("at most 100"));
}

#[test]
fn models_come_from_one_place() {
    assert_eq!(
        refused("models: [ { id: a, plugin: b }, { name: c } ]"),
        "1:11: models[0]: expected exactly one of id, plugin, folder, recipe, got id and plugin\n\
         1:33: models[1]: expected exactly one of id, plugin, folder, recipe, got none"
    );
    assert_eq!(
        refused("models: [ { folder: 'My Models/Ünet', options: { a: 1 } } ]"),
        "1:11: models[0]: the folder \"My Models/Ünet\" does not end in a usable name; add the key \
         \"name\"\n1:48: models[0].options: a folder takes no options: its model.yaml says it all"
    );
    assert!(
        parse(&with(
            "models: [ { folder: 'My Models/Ünet', name: unet } ]"
        ))
        .is_ok()
    );
}

#[test]
fn samplers_know_their_keys() {
    assert_eq!(
        refused("sampler: { kind: heum }"),
        "1:18: sampler.kind: unknown sampler \"heum\"; allowed: heun, ddim, ancestral; did you mean \"heun\"?"
    );
    assert_eq!(
        refused("sampler: { kind: heun, eta: 0.5, steps: 0 }"),
        "1:24: sampler.eta: unknown key \"eta\"; allowed: kind, steps, sigma_min, sigma_max, rho, s_churn, \
         clip_sample\n1:41: sampler.steps: expected an integer of at least 1, got the integer 0"
    );
    assert_eq!(
        refused("sampler: { kind: ddim, eta: 2, sigma_min: 3, sigma_max: 3, clip_sample: 1 }"),
        "1:29: sampler.eta: expected a number from 0 to 1, got the integer 2\n\
         1:57: sampler.sigma_max: expected more than sigma_min, which is 3, got 3\n\
         1:73: sampler.clip_sample: expected true or false, got the integer 1"
    );
    assert_eq!(
        refused("sampler: { steps: 3 }"),
        "1:10: sampler: missing key \"kind\""
    );
    assert_eq!(
        refused("sampler: [heun]"),
        "1:10: sampler: expected a sampler's kind or a mapping with kind, got a list"
    );
}

#[test]
fn the_same_twice() {
    assert_eq!(
        refused("mitigations: [ none, none, [f], { id: f, options: {} } ]"),
        "1:22: mitigations[1]: the same as mitigations[0]; remove one\n\
         1:33: mitigations[3]: the same as mitigations[2]; remove one"
    );
    assert_eq!(
        refused("models: [ m, { plugin: m } ]"),
        "1:14: models[1]: has the label \"m\" that models[0] has already; rename one"
    );
    assert_eq!(
        refused("attacks: [ X, x, x ]"),
        "1:12: attacks[0]: expected a name of at most 100 characters a-z 0-9 . _ - that starts with a \
         letter or digit, got \"X\"; try \"x\"\n1:18: attacks[2]: the same as attacks[1]; remove one"
    );
    assert_eq!(
        refused("mitigations: [ [ f, none ], [ f, f ] ]"),
        "1:21: mitigations[0][1]: none is the empty chain: it stands alone and takes no options\n\
         1:34: mitigations[1][1]: \"f\" stands twice in this chain"
    );
    assert_eq!(
        refused("seeds: [3, 3]"),
        "1:12: seeds[1]: the seed 3 stands twice; seeds must differ"
    );
}

#[test]
fn trends_claim_one_thing_of_rows_that_are_there() {
    assert_eq!(
        refused("trends: [ { name: t } ]"),
        "1:11: trends[0]: expected one of falls, rises, peaks, above_control, at_control, got 0 of them"
    );
    assert_eq!(
        refused("trends: [ { name: t, falls: [ {} ] } ]"),
        "1:29: trends[0].falls: expected at least 2 rows, got 1"
    );
    assert_eq!(
        refused("trends: [ { name: t, at_control: [ {} ] } ]"),
        "1:11: trends[0]: missing key \"within\": how far above the control is none"
    );
    assert_eq!(
        refused("trends: [ { name: t, within: 0.1, above_control: [ {} ] } ]"),
        "1:30: trends[0].within: belongs to at_control alone; remove it"
    );
    assert_eq!(
        refused("trends: [ { name: t, above_control: [ {}, { model: n } ] } ]"),
        "1:52: trends[0].above_control[1].model: \"n\" fits no model of this suite; allowed: m"
    );
    assert_eq!(
        refused(
            "trends: [ { name: t, above_control: [ {} ] }, { name: t, above_control: [ {} ] } ]"
        ),
        "1:47: trends[1]: the name \"t\" stands twice; names must differ"
    );
}

#[test]
fn expectations_must_expect_something_that_is_there() {
    assert_eq!(
        refused("expect: [ { model: m } ]"),
        "1:11: expect[0]: expects nothing: add one of score_at_least, score_at_most, excess_at_least, \
         excess_at_most"
    );
    assert_eq!(
        refused("models: [ memorizer ]\nexpect: [ { model: memoriser, score_at_least: 1 } ]"),
        "2:20: expect[0].model: \"memoriser\" fits no model of this suite; allowed: memorizer; did you \
         mean \"memorizer\"?"
    );
    assert_eq!(
        refused("expect: [ { score_at_least: 0.9, score_at_most: 0.1, excess_at_most: .inf } ]"),
        "1:49: expect[0].score_at_most: expected at least the lower bound 0.9, got 0.1\n\
         1:70: expect[0].excess_at_most: expected a finite number, got the number inf"
    );
}
