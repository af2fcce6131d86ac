//! Options.

use eidetic_sdk::registration::{make_attack, resolve_options};
use eidetic_sdk::{ErrorCode, conformance};

use crate::registrations;

#[test]
fn options_without_sense_are_refused() {
    let plugin = &registrations()[0];
    for (options, message) in [
        (r#"{"n_syn": 19}"#, "n_syn: expected at least 20, got 19"),
        (r#"{"samples": 0}"#, "samples: expected at least 1, got 0"),
        (r#"{"clusters": 0}"#, "clusters: expected at least 1, got 0"),
        (r#"{"thin": 0}"#, "thin: expected at least 1, got 0"),
        (r#"{"steps": 0}"#, "steps: expected at least 1, got 0"),
        (
            r#"{"batch": 24}"#,
            "batch: expected a multiple of 16, got 24",
        ),
        (r#"{"batch": 0}"#, "batch: expected a multiple of 16, got 0"),
        (
            r#"{"tau": 1.5}"#,
            "tau: expected a cosine, -1 to 1, got 1.5",
        ),
        (r#"{"lambda": -1}"#, "lambda: expected 0 to 1e6, got -1"),
        (
            r#"{"classifier": {"patch": 0}}"#,
            "classifier.patch: expected at least 1, got 0",
        ),
        (
            r#"{"classifier": {"steps": 0}}"#,
            "classifier.steps: expected at least 1, got 0",
        ),
        (
            r#"{"classifier": {"batch": 0}}"#,
            "classifier.batch: expected at least 1, got 0",
        ),
        (
            r#"{"classifier": {"learning_rate": 0}}"#,
            "classifier.learning_rate: expected above 0, up to 1, got 0",
        ),
        (
            r#"{"classifier": {"channels": [6], "blocks": [1]}}"#,
            "classifier.channels: expected multiples of 4, at least one, got [6]",
        ),
        (
            r#"{"classifier": {"blocks": [1]}}"#,
            "classifier.blocks: expected 3 numbers, one a stage, each 1 or more, got [1]",
        ),
    ] {
        let error = resolve_options(plugin, options).unwrap_err();
        assert_eq!(error.code, ErrorCode::BadOptions);
        assert_eq!(error.message, message);
        assert_eq!(make_attack(plugin, options).err().unwrap().message, message);
    }
    let error = resolve_options(plugin, r#"{"sampler": "euler"}"#).unwrap_err();
    assert!(error.message.contains("unknown variant `euler`"));
    let error = resolve_options(plugin, r#"{"classifier": {"depth": 3}}"#).unwrap_err();
    assert!(error.message.contains("unknown field `depth`"));
}

#[test]
fn it_keeps_the_rules_of_a_plugin() {
    conformance::check(registrations()).unwrap();
    let schema = &registrations()[0].options_schema;
    assert!(schema.contains("Guided samples to draw"), "{schema}");
}
