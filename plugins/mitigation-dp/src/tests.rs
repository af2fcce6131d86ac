#![allow(clippy::unwrap_used)]

use eidetic_sdk::ndarray::Array4;
use eidetic_sdk::registration::{make_mitigation, resolve_options};
use eidetic_sdk::{Batch, Decision, ErrorCode, ImageShape, Trainer, TrainingBatch, conformance};

use super::*;

const RUN: TrainingRun = TrainingRun {
    shape: ImageShape {
        channels: 1,
        height: 2,
        width: 2,
    },
    steps: 3000,
    batch: 64,
    examples: 640,
};

fn make(options: &str) -> Box<dyn Mitigation> {
    let images = Array4::zeros((2, 1, 2, 2));
    let set = TrainingSet {
        images: images.view(),
        labels: None,
        index: &[0, 1],
        classes: 0,
    };
    make_mitigation(&registrations()[0], options, set).unwrap()
}

fn plan(options: &str, run: TrainingRun) -> Result<TrainingPlan> {
    make(options).plan(run)
}

#[test]
fn given_noise_is_taken_and_what_it_spends_is_said() {
    let options = r#"{"noise_multiplier": 1.2, "clip": 0.5, "draws": 4}"#;
    let plan = plan(options, RUN).unwrap();
    assert_eq!(plan.clip_per_example, Some(0.5).into());
    assert_eq!(plan.noise_multiplier, 1.2);
    assert!(plan.poisson && !plan.masked);
    assert_eq!((plan.draws_per_example, plan.extra_channels), (4, 0));
    // Opacus at the same orders: 39.23915.
    assert_eq!(
        plan.note,
        "epsilon 39.3 at delta 1e-5 after 3,000 steps (RDP accountant, sampling rate 0.1, noise \
         multiplier 1.2)"
    );
}

#[test]
fn a_target_is_kept() {
    for target in [0.2, 1.0, 10.0] {
        let plan = plan(&format!(r#"{{"epsilon": {target}}}"#), RUN).unwrap();
        let spent = accountant::epsilon(0.1, plan.noise_multiplier, 3000, 1e-5);
        assert!(spent <= target && spent > 0.99 * target, "{spent}");
        let multiplier = format!("noise multiplier {})", plan.noise_multiplier);
        assert!(plan.note.ends_with(&multiplier), "{}", plan.note);
    }
    let default = plan("{}", RUN).unwrap();
    assert_eq!(default, plan(r#"{"epsilon": 10}"#, RUN).unwrap());
    assert_eq!(default.clip_per_example, Some(1.0).into());
    assert_eq!(default.draws_per_example, 1);
}

#[test]
fn a_batch_as_large_as_the_set_is_the_set() {
    let options = r#"{"noise_multiplier": 5}"#;
    let large = TrainingRun {
        steps: 10,
        batch: 1000,
        examples: 100,
        ..RUN
    };
    // dp-accounting: 2.81365.
    let note = plan(options, large).unwrap().note;
    assert!(note.starts_with("epsilon 2.82 at delta 1e-5 after 10 steps"));
    assert!(note.contains("sampling rate 1,"), "{note}");
}

#[test]
fn no_figure_without_noise_or_poisson_sampling() {
    let clipped = plan(r#"{"noise_multiplier": 0}"#, RUN).unwrap();
    assert_eq!(clipped.note, "no privacy (noise multiplier 0)");
    let epochs = plan(r#"{"noise_multiplier": 1, "poisson": false}"#, RUN).unwrap();
    assert!(!epochs.poisson);
    assert_eq!(
        epochs.note,
        "no epsilon: batches are not Poisson samples (noise multiplier 1)"
    );
}

#[test]
fn runs_that_it_cannot_cover_are_refused() {
    let error = plan("{}", TrainingRun { examples: 0, ..RUN }).unwrap_err();
    assert_eq!(error.code, ErrorCode::BadInput);
    let many = TrainingRun {
        examples: 200_000,
        ..RUN
    };
    let error = plan("{}", many).unwrap_err();
    assert_eq!(
        error.message,
        "delta: expected less than 1 / 200000 images, got 1e-5"
    );
    plan(r#"{"delta": 1e-6}"#, many).unwrap();
    let long = TrainingRun {
        steps: u64::MAX,
        batch: 640,
        ..RUN
    };
    let error = plan(r#"{"epsilon": 0.001}"#, long).unwrap_err();
    assert!(error.message.starts_with("epsilon: no noise multiplier"));
}

#[test]
fn the_batch_is_left_alone() {
    struct None;
    impl Trainer for None {
        fn seed(&self) -> u64 {
            0
        }
        fn denoise(
            &self,
            _: Batch<'_>,
            _: eidetic_sdk::ndarray::ArrayViewMut4<'_, f32>,
        ) -> Result<()> {
            Err(Error::unsupported("denoise"))
        }
        fn denoise_ema(
            &self,
            _: Batch<'_>,
            _: eidetic_sdk::ndarray::ArrayViewMut4<'_, f32>,
        ) -> Result<()> {
            Err(Error::unsupported("denoise_ema"))
        }
    }
    let dp = make("{}");
    let x0 = Array4::from_elem((2, 1, 2, 2), 0.5);
    let noise = Array4::from_elem((2, 1, 2, 2), -1.0);
    let batch = TrainingBatch {
        step: 0,
        index: &[4, 4],
        x0: x0.view(),
        sigma: &[1.0, 2.0],
        noise: noise.view(),
        conditions: &[],
    };
    let groups = dp.batch(batch, &None).unwrap();
    assert_eq!(groups.len(), 1);
    assert_eq!(groups[0].row, [0, 1]);
    assert_eq!(groups[0].x[[1, 0, 1, 1]], -1.5);
    assert_eq!(groups[0].target, x0);
    let decision = dp.after_step(0, &[4, 4], &[1.0, 2.0], &[1.0, 1.0]).unwrap();
    assert_eq!(decision, Decision::Continue);
    assert!(dp.state().unwrap().is_empty());
    dp.restore(&[]).unwrap();
    assert!(dp.restore(b"x").is_err());
}

#[test]
fn options_without_sense_are_refused() {
    for (options, message) in [
        (r#"{"clip": 0}"#, "clip: expected a norm above 0, got 0"),
        (
            r#"{"epsilon": 1, "noise_multiplier": 1}"#,
            "expected one of `epsilon` and `noise_multiplier`, got both",
        ),
        (
            r#"{"epsilon": 0}"#,
            "epsilon: expected a target above 0, got 0",
        ),
        (
            r#"{"noise_multiplier": -1}"#,
            "noise_multiplier: expected 0 or more, got -1",
        ),
        (
            r#"{"poisson": false}"#,
            "poisson: expected true with `epsilon`, which is known of Poisson sampling alone, got \
             false",
        ),
        (
            r#"{"delta": 1}"#,
            "delta: expected a probability above 0 and below 1, got 1",
        ),
        (r#"{"draws": 0}"#, "draws: expected at least 1, got 0"),
    ] {
        let error = resolve_options(&registrations()[0], options).unwrap_err();
        assert_eq!(error.code, ErrorCode::BadOptions);
        assert_eq!(error.message, message);
    }
    let error = resolve_options(&registrations()[0], r#"{"epsilons": 1}"#).unwrap_err();
    assert!(
        error.message.contains("unknown field `epsilons`"),
        "{error}"
    );
}

#[test]
fn the_target_stands_in_only_where_no_noise_is_given() {
    let resolved = |options| resolve_options(&registrations()[0], options).unwrap();
    assert!(resolved("{}").contains(r#""epsilon":10.0,"noise_multiplier":null"#));
    let noise = r#"{"noise_multiplier": 1.5}"#;
    assert!(resolved(noise).contains(r#""epsilon":null,"noise_multiplier":1.5"#));
}

#[test]
fn it_keeps_the_rules_of_a_plugin() {
    conformance::check(registrations()).unwrap();
    let schema = &registrations()[0].options_schema;
    for key in ["epsilon", "noise_multiplier", "draws", "Delta that"] {
        assert!(schema.contains(key), "{schema}");
    }
}
