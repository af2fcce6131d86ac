//! The change of variables against a denoiser that is known.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use super::convention::{Noise, Point};
use super::{Prediction, Schedule};

fn schedule() -> Schedule {
    let json = br#"{"num_train_timesteps": 4, "trained_betas": [0.1, 0.2, 0.3, 0.4]}"#;
    Schedule::parse(Path::new("s.json"), json).unwrap().0
}

/// D of N(0, 1) data is x / (1 + sigma^2); each network's output follows from its definition.
#[test]
fn every_family_gives_the_gaussians_denoiser() {
    let schedule = schedule();
    let x = 0.7_f64;
    for sigma in [0.3_f32, 0.9, 1.7, 5.0] {
        let wide = f64::from(sigma);
        let want = x / (1.0 + wide * wide);
        let noise = (x - want) / wide;
        let (alpha, sigma_vp) = (
            1.0 / (1.0 + wide * wide).sqrt(),
            wide / (1.0 + wide * wide).sqrt(),
        );
        for (prediction, said) in [
            (Prediction::Epsilon, noise),
            (Prediction::Sample, want),
            (Prediction::VPrediction, alpha * noise - sigma_vp * want),
            (Prediction::Edm, want),
        ] {
            let point = prediction.at(
                sigma,
                Some(&schedule).filter(|_| prediction != Prediction::Edm),
            );
            let got = point.skip * x + point.output * said;
            assert!(
                (got - want).abs() < 1e-12,
                "{prediction} at {sigma}: {got}, {want}"
            );
            let input = if prediction == Prediction::Edm {
                1.0
            } else {
                alpha
            };
            assert!((point.input - input).abs() < 1e-15);
        }
    }
}

#[test]
fn a_float_timestep_lies_between_the_steps() {
    let schedule = schedule();
    let sigmas = schedule.sigmas();
    let between = (sigmas[1] * sigmas[2]).sqrt() as f32;
    let Point { noise, input, .. } = Prediction::Epsilon.at(between, Some(&schedule));
    let Noise::Real(timestep) = noise else {
        panic!("{noise:?}")
    };
    assert!((timestep - 1.5).abs() < 1e-6);
    let scale = 1.0 / (1.0 + f64::from(between).powi(2)).sqrt();
    assert_eq!(input, scale);
    // A step's sigma that was rounded to f32 is that step.
    for (step, &sigma) in sigmas.iter().enumerate() {
        let point = Prediction::Epsilon.at(sigma as f32, Some(&schedule));
        assert_eq!(
            (point.noise, point.output),
            (Noise::Real(step as f64), -sigma)
        );
    }
    // Beyond the ends the timestep stays, the sigma does not.
    let beyond = Prediction::Epsilon.at(100.0, Some(&schedule));
    assert_eq!((beyond.noise, beyond.output), (Noise::Real(3.0), -100.0));
}

#[test]
fn a_whole_timestep_brings_its_own_sigma() {
    let schedule = schedule();
    let sigmas = schedule.sigmas();
    for (factor, step) in [(0.99, 2), (1.0, 2), (1.01, 2)] {
        let point = Prediction::Epsilon.at_step((sigmas[2] * factor) as f32, &schedule);
        assert_eq!(
            point,
            Prediction::Epsilon.at_step(sigmas[2] as f32, &schedule)
        );
        assert_eq!((point.noise, point.output), (Noise::Step(step), -sigmas[2]));
        assert_eq!(point.input, 1.0 / (1.0 + sigmas[2] * sigmas[2]).sqrt());
    }
    assert_eq!(
        Prediction::Sample.at_step(1e-4, &schedule).noise,
        Noise::Step(0)
    );
    assert_eq!(
        Prediction::Sample.at_step(1e4, &schedule).noise,
        Noise::Step(3)
    );
}
