//! What makes no sense, and the rules of a plugin.

use eidetic_sdk::ndarray::{Array3, Array4};
use eidetic_sdk::registration::{make_attack, resolve_options};
use eidetic_sdk::{ConditionSpec, ElementType, ErrorCode, conformance};

use super::support::{Service, gaussian};
use crate::registrations;

fn service() -> Service {
    Service::new(Array4::zeros((2, 1, 2, 2)), gaussian(1.0))
}

fn captioned(nullable: bool) -> Service {
    let mut service = service();
    service.info.conditions = vec![ConditionSpec {
        name: "caption".into(),
        element: ElementType::F32,
        dims: vec![77, 768],
        classes: None,
        nullable,
    }];
    service
}

#[track_caller]
fn unsupported(service: &Service, options: &str, message: &str) {
    let error = service.refusal(options);
    assert_eq!(error.code, ErrorCode::Unsupported, "{error}");
    assert_eq!(error.message, message);
    assert_eq!(service.spent(), 0);
}

#[test]
fn a_class_needs_a_model_that_has_classes() {
    for method in ["cfg-norm", "clid"] {
        let options = format!(r#"{{"method": "{method}"}}"#);
        let says = |what: &str| {
            format!("{method} compares a model with and without its class label; {what}")
        };
        unsupported(&service(), &options, &says("this model has no conditions"));
        unsupported(
            &captioned(true),
            &options,
            &says("this model has other conditions"),
        );
        let mut strict = service().with_classes(3);
        strict.info.conditions[0].nullable = false;
        let options = format!(r#"{{"method": "{method}", "class": 1}}"#);
        unsupported(
            &strict,
            &options,
            &says("this model's class cannot be null"),
        );
    }
}

#[test]
fn a_condition_that_cannot_be_null_must_be_given() {
    unsupported(
        &captioned(false),
        "{}",
        "the model needs the condition `caption` with every image, a candidate comes without",
    );
    let mut strict = service().with_classes(3);
    strict.info.conditions[0].nullable = false;
    let error = strict.refusal("{}");
    assert!(error.help.contains("`class`"), "{}", error.help);
    assert_eq!(strict.scores(r#"{"class": 2}"#).len(), 2);
    // One that may be null is left out.
    assert_eq!(captioned(true).scores("{}").len(), 2);
}

#[test]
fn a_class_must_be_one_of_the_model() {
    unsupported(
        &service().with_classes(3),
        r#"{"class": 3}"#,
        "class: expected one of the model's 3 classes, got 3",
    );
    unsupported(
        &service(),
        r#"{"class": 0}"#,
        "class: expected none on a model without class labels, got 0",
    );
}

#[test]
fn other_channels_and_other_levels_are_refused() {
    let mut masked = service();
    masked.info.extra_channels = 1;
    unsupported(
        &masked,
        "{}",
        "the model takes 1 channels beside the image, a candidate has none",
    );
    unsupported(
        &service(),
        r#"{"sigmas": [0.5, 100]}"#,
        "sigma 100 lies outside the model's 0.002 to 80",
    );
}

#[test]
fn candidates_of_another_kind_or_shape_are_refused() {
    let mut odd = service();
    odd.images = Array4::zeros((2, 1, 2, 3));
    assert_eq!(
        odd.refusal("{}").message,
        "candidates: expected images of shape [2, 1, 2, 2], got [2, 1, 2, 3]"
    );
    let mut destroyed = service();
    destroyed.destroyed = Some((Array4::zeros((2, 1, 2, 2)), Array3::zeros((2, 2, 2))));
    assert_eq!(
        destroyed.refusal("{}").message,
        "candidates: expected whole images, got destroyed ones"
    );
}

#[test]
fn options_without_sense_are_refused() {
    let plugin = &registrations()[0];
    for (options, message) in [
        (r#"{"draws": 0}"#, "draws: expected at least 1, got 0"),
        (r#"{"batch": 0}"#, "batch: expected at least 1, got 0"),
        (
            r#"{"trace_probes": 0}"#,
            "trace_probes: expected at least 1, got 0",
        ),
        (
            r#"{"secmi_step": 0}"#,
            "secmi_step: expected at least 1, got 0",
        ),
        (
            r#"{"secmi_stop": 0}"#,
            "secmi_stop: expected at least 1, got 0",
        ),
        (
            r#"{"secmi_step": 30}"#,
            "secmi_step: expected a divisor of secmi_stop (100), got 30",
        ),
        (
            r#"{"secmi_stop": 990}"#,
            "secmi_stop: expected secmi_stop + secmi_step up to 999, got 990 + 10",
        ),
        (
            r#"{"method": "secmi", "sigmas": [1]}"#,
            "sigmas: expected none with secmi, whose levels are those of its steps",
        ),
        (
            r#"{"sigmas": [1, 0]}"#,
            "sigmas: expected levels above 0, got 0",
        ),
        (r#"{"norm_p": 0.5}"#, "norm_p: expected 1 or more, got 0.5"),
        (
            r#"{"difference": 0}"#,
            "difference: expected a share of sigma above 0 and up to 1, got 0",
        ),
        (
            r#"{"clid_weight": 1.5}"#,
            "clid_weight: expected 0 to 1, got 1.5",
        ),
    ] {
        let error = resolve_options(plugin, options).unwrap_err();
        assert_eq!(error.code, ErrorCode::BadOptions);
        assert_eq!(error.message, message);
        assert_eq!(make_attack(plugin, options).err().unwrap().message, message);
    }
    let error = resolve_options(plugin, r#"{"method": "magic"}"#).unwrap_err();
    assert!(error.message.contains("`score-norm`"), "{error}");
}

#[test]
fn it_keeps_the_rules_of_a_plugin() {
    conformance::check(registrations()).unwrap();
    let plugin = &registrations()[0];
    assert_eq!(plugin.id.as_str(), "membership");
    assert!(plugin.options_schema.contains("Kamkari et al. 2024"));
    let defaults = resolve_options(plugin, "").unwrap();
    assert_eq!(
        defaults.as_str(),
        r#"{"method":"loss","sigmas":[],"draws":8,"norm_p":4.0,"secmi_stop":100,"secmi_step":10,"trace_probes":8,"difference":0.01,"sharpness_curvature":false,"clid_weight":0.5,"class":null,"batch":64}"#
    );
}

/// The levels that the docs of [`crate::Method`] give are those that are asked at.
#[test]
fn the_documented_levels_are_the_real_ones() {
    for (method, levels) in [
        ("loss", &[0.724_f32][..]),
        ("pia", &[0.010, 0.724]),
        ("pian", &[0.010, 0.724]),
        ("sima", &[0.342]),
        ("score-norm", &[0.174]),
        ("flipd", &[0.174, 0.174, 0.174]),
        ("sharpness", &[0.724, 0.724, 0.724]),
        ("clid", &[1.592, 1.592]),
        (
            "cfg-norm",
            &[
                0.344, 0.344, 0.833, 0.833, 1.618, 1.618, 3.334, 3.334, 8.347, 8.347,
            ],
        ),
        (
            "secmi",
            &[
                0.010, 0.047, 0.079, 0.112, 0.144, 0.176, 0.209, 0.241, 0.275, 0.308, 0.342, 0.377,
            ],
        ),
    ] {
        let one = Service::new(Array4::zeros((1, 1, 2, 2)), gaussian(1.0)).with_classes(1);
        one.scores(&format!(
            r#"{{"method": "{method}", "draws": 1, "trace_probes": 1}}"#
        ));
        let seen = one.sigmas_seen.lock().unwrap();
        assert_eq!(seen.len(), levels.len(), "{method}");
        for (seen, level) in seen.iter().zip(levels) {
            assert!((seen - level).abs() < 0.0006, "{method}: {seen}, {level}");
        }
    }
}
