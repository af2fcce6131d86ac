//! The schedule against diffusers' own source, and its lookup.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Prediction, Schedule, ZERO_SNR_ALPHA_BAR};

fn parse(config: &Value) -> Result<(Schedule, Prediction), String> {
    Schedule::parse(Path::new("s.json"), config.to_string().as_bytes())
        .map_err(|error| error.to_string())
}

fn linear(extra: Value) -> Value {
    let mut config = json!({
        "num_train_timesteps": 1000, "beta_start": 1e-4, "beta_end": 0.02, "beta_schedule": "linear",
    });
    let extra = extra.as_object().unwrap().clone();
    config.as_object_mut().unwrap().extend(extra);
    config
}

#[test]
fn alpha_bar_is_that_of_diffusers() {
    let fixture: Vec<Value> =
        serde_json::from_str(include_str!("fixtures/schedules.json")).unwrap();
    assert_eq!(fixture.len(), 8);
    for case in fixture {
        let (schedule, prediction) = parse(&case["config"]).unwrap();
        assert_eq!(prediction, Prediction::Epsilon);
        let steps = case["config"]["num_train_timesteps"].as_u64().unwrap();
        assert_eq!(schedule.sigmas().len() as u64, steps);
        for (step, alpha_bar) in case["alphas_cumprod"].as_object().unwrap() {
            let want = alpha_bar.as_f64().unwrap();
            let sigma = schedule.sigmas()[step.parse::<usize>().unwrap()];
            let got = 1.0 / (1.0 + sigma * sigma);
            if want == 0.0 {
                assert!(
                    (got / ZERO_SNR_ALPHA_BAR - 1.0).abs() < 1e-9,
                    "step {step}: {got}"
                );
                continue;
            }
            assert!(
                (got / want - 1.0).abs() < 1e-9,
                "{}: {step}: {got}, {want}",
                case["config"]
            );
        }
    }
}

#[test]
fn the_ends_are_the_published_ones() {
    // Stable Diffusion's range of sigma, as k-diffusion prints it.
    let config = json!({
        "num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012,
        "beta_schedule": "scaled_linear", "prediction_type": "v_prediction",
        "steps_offset": 1, "clip_sample": false, "_class_name": "DDIMScheduler",
    });
    let (schedule, prediction) = parse(&config).unwrap();
    assert_eq!(prediction, Prediction::VPrediction);
    assert!((schedule.sigmas()[0] - 0.0292).abs() < 5e-5);
    assert!((schedule.sigmas()[999] - 14.6146).abs() < 5e-5);
    // Ho et al. 2020: beta_1 = 1e-4.
    let (schedule, _) = parse(&linear(json!({}))).unwrap();
    assert!((schedule.sigmas()[0] - (1e-4_f64 / (1.0 - 1e-4)).sqrt()).abs() < 1e-12);
}

#[test]
fn two_betas_by_hand() {
    let config = json!({"num_train_timesteps": 2, "trained_betas": [0.5, 0.5]});
    let (schedule, _) = parse(&config).unwrap();
    assert!((schedule.sigmas()[0] - 1.0).abs() < 1e-15);
    assert!((schedule.sigmas()[1] - 3.0_f64.sqrt()).abs() < 1e-15);
    // Half way in log sigma.
    assert!((schedule.timestep(3.0_f64.powf(0.25)) - 0.5).abs() < 1e-12);
    assert_eq!(
        (schedule.nearest_step(1.31), schedule.nearest_step(1.32)),
        (0, 1)
    );
    assert_eq!((schedule.timestep(0.9), schedule.timestep(1e9)), (0.0, 1.0));
}

#[test]
fn zero_terminal_snr_is_capped() {
    let scaled = json!({"beta_schedule": "scaled_linear", "rescale_betas_zero_snr": true});
    let (schedule, _) = parse(&linear(scaled)).unwrap();
    assert!((schedule.sigmas()[999] - 4096.0).abs() < 1e-3);
    assert!(schedule.sigmas()[998] < 4096.0);
    // Here the step before the last is beyond the cap already.
    let (schedule, _) = parse(&linear(json!({"rescale_betas_zero_snr": true}))).unwrap();
    let (before, last) = (schedule.sigmas()[998], schedule.sigmas()[999]);
    assert!(
        before > 4096.0 && (last / before - 2.0).abs() < 1e-6,
        "{before}, {last}"
    );
}

#[test]
fn every_fault_is_named_with_its_key() {
    let said = |config: Value| parse(&config).unwrap_err();
    let without = |key: &str| {
        let mut config = linear(json!({}));
        config.as_object_mut().unwrap().shift_remove(key);
        said(config)
    };
    for key in [
        "num_train_timesteps",
        "beta_start",
        "beta_end",
        "beta_schedule",
    ] {
        assert_eq!(
            without(key),
            format!("s.json: {key}: missing key; diffusers always writes it")
        );
    }
    assert_eq!(
        said(linear(json!({"prediction_type": "epsilom"}))),
        "s.json: prediction_type: unsupported prediction type \"epsilom\"; allowed: epsilon, sample, \
         v_prediction; did you mean \"epsilon\"?"
    );
    assert_eq!(
        said(linear(json!({"prediction_type": 3}))),
        "s.json: prediction_type: expected text, got 3"
    );
    assert_eq!(
        said(linear(json!({"beta_schedule": "laplace"}))),
        "s.json: beta_schedule: unsupported schedule \"laplace\"; allowed: linear, scaled_linear, \
         squaredcos_cap_v2, sigmoid"
    );
    assert_eq!(
        said(linear(json!({"beta_end": 1.5}))),
        "s.json: beta_end: expected a number between 0 and 1, got 1.5"
    );
    assert_eq!(
        said(linear(json!({"num_train_timesteps": 1}))),
        "s.json: num_train_timesteps: expected an integer from 2 to 1000000, got 1"
    );
    assert_eq!(
        said(linear(json!({"rescale_betas_zero_snr": "yes"}))),
        "s.json: rescale_betas_zero_snr: expected true or false, got \"yes\""
    );
    let trained = |betas: Value| json!({"num_train_timesteps": 2, "trained_betas": betas});
    assert_eq!(
        said(trained(json!([0.1]))),
        "s.json: trained_betas: expected 2 numbers, got 1"
    );
    for betas in [
        json!([0.1, 0.0]),
        json!([0.1, 1.5]),
        json!([1.0, 0.1]),
        json!([-0.1, 0.1]),
    ] {
        assert!(said(trained(betas)).starts_with(
            "s.json: betas: expected betas between 0 and 1 under which sigma is finite"
        ));
    }
    let text = Schedule::parse(Path::new("s.json"), b"beta: 3")
        .unwrap_err()
        .to_string();
    assert!(
        text.starts_with("s.json: (file): expected a JSON object, got "),
        "{text}"
    );
}

proptest! {
    #[test]
    fn a_timestep_rises_with_sigma_and_meets_every_step(a in -6.0..6.0_f64, b in -6.0..6.0_f64, step in 0_usize..1000) {
        let (schedule, _) = parse(&linear(json!({}))).unwrap();
        let (low, high) = (a.min(b).exp(), a.max(b).exp());
        prop_assert!(schedule.timestep(low) <= schedule.timestep(high));
        prop_assert!((0.0..=999.0).contains(&schedule.timestep(low)));
        prop_assert_eq!(schedule.nearest_step(schedule.sigmas()[step]), step);
        prop_assert_eq!(schedule.timestep(schedule.sigmas()[step]), step as f64);
    }
}
