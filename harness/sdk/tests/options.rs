//! Options: what is taken, what is refused with which message, what the defaults resolve to.
#![allow(clippy::unwrap_used)]

use eidetic_sdk::registration::{Origin, Registration, attack, make_attack, resolve_options};
use eidetic_sdk::*;
use serde::{Deserialize, Serialize};

const ORIGIN: Origin = Origin {
    version: "1",
    licence: "MIT",
};

#[derive(Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Strict {
    /// How many, of what.
    count: u32,
    ratio: Option<f64>,
}

impl Default for Strict {
    fn default() -> Self {
        Self {
            count: 3,
            ratio: Some(1.0 / 3.0),
        }
    }
}

/// Forgets `deny_unknown_fields`, and needs a key.
#[derive(Serialize, Deserialize, schemars::JsonSchema)]
struct Lax {
    needed: String,
    #[serde(default)]
    other: bool,
}

struct Plugin<O>(O);

impl<O: Send + Sync> Attack for Plugin<O> {
    fn run(&self, _: &dyn Target, _: &dyn Context, _: &dyn Sink) -> Result<()> {
        Ok(())
    }
}

impl AttackPlugin for Plugin<Strict> {
    const ID: &'static str = "strict";
    const SUMMARY: &'static str = "takes what it knows";
    const GOAL: Goal = Goal::Membership;
    const ACCESS: Access = Access::Samples;
    type Options = Strict;
    fn check(options: &Strict) -> Result<()> {
        match options.count {
            0 => Err(Error::bad_options("count: expected at least 1, got 0")),
            _ => Ok(()),
        }
    }
    fn make(options: Strict) -> Result<Self> {
        Ok(Self(options))
    }
}

impl AttackPlugin for Plugin<Lax> {
    const ID: &'static str = "lax";
    const SUMMARY: &'static str = "takes anything";
    const GOAL: Goal = Goal::Membership;
    const ACCESS: Access = Access::Samples;
    type Options = Lax;
    fn make(options: Lax) -> Result<Self> {
        Ok(Self(options))
    }
}

fn strict() -> Registration {
    attack::<Plugin<Strict>>(ORIGIN)
}

#[test]
fn defaults_are_filled_in_and_given_values_kept_to_the_bit() {
    let resolve = |json| resolve_options(&strict(), json).unwrap();
    let defaults = r#"{"count":3,"ratio":0.3333333333333333}"#;
    assert_eq!(resolve("{}"), defaults);
    assert_eq!(resolve(" "), defaults);
    assert_eq!(resolve(defaults), defaults);
    let given = r#"{"ratio": 0.1, "count": 7}"#;
    assert_eq!(resolve(given), r#"{"count":7,"ratio":0.1}"#);
    assert_eq!(resolve(r#"{"ratio": null}"#), r#"{"count":3,"ratio":null}"#);
}

#[test]
fn what_is_wrong_is_refused_by_name() {
    for (json, message) in [
        (
            r#"{"cuont": 1}"#,
            "unknown field `cuont`, expected `count` or `ratio`",
        ),
        (
            r#"{"count": "many"}"#,
            "invalid type: string \"many\", expected u32",
        ),
        (
            r#"{"count": -1}"#,
            "invalid value: integer `-1`, expected u32",
        ),
        (r#"{"count": 0}"#, "count: expected at least 1, got 0"),
        (r#"{"count": 1, "count": 2}"#, "duplicate field `count`"),
        ("3", "invalid type: integer `3`, expected struct Strict"),
        ("{", "EOF while parsing an object"),
    ] {
        let error = resolve_options(&strict(), json).unwrap_err();
        assert_eq!(
            (error.code, error.message.as_str()),
            (ErrorCode::BadOptions, message)
        );
    }
}

#[test]
fn an_unknown_key_is_refused_even_where_the_plugin_forgot_to() {
    let lax = attack::<Plugin<Lax>>(ORIGIN);
    let error = resolve_options(&lax, r#"{"needed": "x", "othr": true}"#).unwrap_err();
    assert_eq!(
        error.message,
        "unknown option `othr`, expected one of needed, other"
    );
    let error = resolve_options(&lax, "{}").unwrap_err();
    assert_eq!(error.message, "missing field `needed`");
    let resolved = resolve_options(&lax, r#"{"needed": "x"}"#).unwrap();
    assert_eq!(resolved, r#"{"needed":"x","other":false}"#);
}

#[test]
fn a_constructor_refuses_what_does_not_parse() {
    let error = make_attack(&strict(), r#"{"count": 1.5}"#).err().unwrap();
    assert_eq!(error.code, ErrorCode::BadOptions);
    assert_eq!(
        error.message,
        "invalid type: floating point `1.5`, expected u32"
    );
}

#[test]
fn doc_comments_and_defaults_are_in_the_schema() {
    let schema: serde_json::Value = serde_json::from_str(&strict().options_schema).unwrap();
    let count = &schema["properties"]["count"];
    assert_eq!(count["description"], "How many, of what.");
    assert_eq!(count["default"], 3);
}

#[test]
fn conformance_names_the_rule_that_is_broken() {
    let message = |plugins| conformance::check(plugins).unwrap_err().message;
    conformance::check(vec![strict()]).unwrap();
    assert_eq!(message(vec![]), "expected at least one plugin, got none");
    let twice = message(vec![strict(), strict()]);
    assert_eq!(twice, "plugin `strict`: registered twice");
    assert_eq!(
        message(vec![attack::<Plugin<Lax>>(ORIGIN)]),
        "missing field `needed`"
    );
    let named = |id: &str| Registration {
        id: id.into(),
        ..strict()
    };
    for id in ["", "Upper", "1st", "under_score", "a/b"] {
        assert!(message(vec![named(id)]).contains("expected an id"), "{id}");
    }
    let mute = Registration {
        summary: "".into(),
        ..strict()
    };
    assert!(message(vec![mute]).ends_with("expected a version and a summary"));
}
