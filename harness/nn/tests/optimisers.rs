//! Optimisers, clipping, schedules and averages against PyTorch's own, from
//! `fixtures/make_optimisers.py`.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use eidetic_nn::{
    Decay, Moments, Optimiser, OptimiserKind, Parameter, Parameters, Rate, average, clip, norm,
};
use serde::Deserialize;

type Tensors = BTreeMap<String, Vec<f32>>;

#[derive(Deserialize)]
struct Fixture {
    shapes: BTreeMap<String, Vec<usize>>,
    start: Tensors,
    gradients: Vec<Tensors>,
    adam: Vec<Tensors>,
    adam_decay: Vec<Tensors>,
    adamw: Vec<Tensors>,
    adamw_decay: Vec<Tensors>,
    clip_1: Vec<Clipped>,
    #[serde(rename = "ema_0.9")]
    ema: Vec<Tensors>,
    linear: Vec<f64>,
    cosine: Vec<f64>,
}

#[derive(Deserialize)]
struct Clipped {
    norm: f64,
    clipped: Tensors,
}

impl Fixture {
    fn read() -> Self {
        serde_json::from_str(include_str!("fixtures/optimisers.json")).unwrap()
    }

    fn parameters(&self, tensors: &Tensors) -> Parameters {
        let one = |(name, values): (&String, &Vec<f32>)| Parameter {
            name: name.clone(),
            shape: self.shapes[name].clone(),
            values: values.clone(),
        };
        Parameters {
            list: tensors.iter().map(one).collect(),
        }
    }
}

/// Within 2e-6 of each value, or of `scale` where the value is smaller.
fn assert_close(got: &Parameters, expected: &Parameters, scale: f32, what: &str) {
    for (got, expected) in got.list.iter().zip(&expected.list) {
        assert_eq!(got.name, expected.name);
        assert_eq!(got.values.len(), expected.values.len());
        for (got, expected) in got.values.iter().zip(&expected.values) {
            let most = 2e-6 * expected.abs().max(scale);
            assert!(
                (got - expected).abs() <= most,
                "{what}: {got} and {expected}"
            );
        }
    }
}

#[test]
fn adam_and_adamw_are_pytorchs() {
    let fixture = Fixture::read();
    let adamw = Optimiser {
        kind: OptimiserKind::Adamw,
        ..Optimiser::default()
    };
    let adam_decay = Optimiser {
        learning_rate: 2e-3,
        betas: [0.9, 0.99],
        weight_decay: Some(0.1),
        ..Optimiser::default()
    };
    let adamw_decay = Optimiser {
        learning_rate: 2e-3,
        epsilon: 1e-4,
        weight_decay: Some(0.1),
        ..adamw.clone()
    };
    for (name, optimiser, expected) in [
        ("adam", Optimiser::default(), &fixture.adam),
        ("adam with decay", adam_decay, &fixture.adam_decay),
        ("adamw", adamw, &fixture.adamw),
        ("adamw with decay", adamw_decay, &fixture.adamw_decay),
    ] {
        optimiser.check().unwrap();
        let mut weights = fixture.parameters(&fixture.start);
        let mut moments = Moments::new(&weights);
        assert_eq!(expected.len(), fixture.gradients.len());
        for (step, (gradient, expected)) in fixture.gradients.iter().zip(expected).enumerate() {
            let gradient = fixture.parameters(gradient);
            optimiser.update(step as u64, 1.0, &mut weights, &mut moments, &gradient);
            let what = format!("{name}, step {step}");
            assert_close(&weights, &fixture.parameters(expected), 0.05, &what);
        }
    }
}

#[test]
fn clipping_is_pytorchs() {
    let fixture = Fixture::read();
    for (gradient, expected) in fixture.gradients.iter().zip(&fixture.clip_1) {
        let mut gradient = fixture.parameters(gradient);
        let before = clip(&mut gradient, 1.0);
        assert!((before - expected.norm).abs() < 1e-6 * expected.norm.max(1e-3));
        assert!(norm(&gradient) <= 1.0);
        assert_close(
            &gradient,
            &fixture.parameters(&expected.clipped),
            0.05,
            "clipped",
        );
    }
    let shrunk = |each: &&Clipped| each.norm > 1.0;
    let count = fixture.clip_1.iter().filter(shrunk).count();
    assert!(count > 0 && count < fixture.clip_1.len());
}

#[test]
fn a_norm_counts_every_element_and_shows_what_is_not_finite() {
    for size in [0, 1, 15, 16, 17, 1000] {
        let values: Vec<f32> = (0..size).map(|place| place as f32 - 3.5).collect();
        let by_hand = values
            .iter()
            .map(|&x| f64::from(x).powi(2))
            .sum::<f64>()
            .sqrt();
        let one = |values| Parameters {
            list: vec![Parameter {
                name: "a".to_owned(),
                shape: vec![size],
                values,
            }],
        };
        let got = norm(&one(values.clone()));
        assert!((got - by_hand).abs() <= 1e-12 * by_hand, "{size}: {got}");
        for place in 0..size {
            let mut broken = values.clone();
            broken[place] = f32::NAN;
            assert!(norm(&one(broken)).is_nan());
        }
    }
}

#[test]
fn rates_are_pytorchs() {
    let fixture = Fixture::read();
    for (shape, expected) in [
        (Decay::Linear, &fixture.linear),
        (Decay::Cosine, &fixture.cosine),
    ] {
        let rate = Rate {
            warmup: 5,
            decay: 0.3,
            shape,
        };
        rate.check().unwrap();
        assert_eq!(expected.len(), 40);
        for (step, expected) in expected.iter().enumerate() {
            let got = rate.factor(step as u64, 40);
            assert!(
                (got - expected).abs() < 1e-12,
                "{shape:?} {step}: {got}, {expected}"
            );
        }
    }
    let constant = Rate::default();
    assert!((0..7).all(|step| constant.factor(step, 7) == 1.0));
    let all = Rate {
        decay: 1.0,
        ..constant
    };
    let factors: Vec<f64> = (0..4).map(|step| all.factor(step, 4)).collect();
    assert_eq!(factors, [1.0, 0.75, 0.5, 0.25]);
}

#[test]
fn the_average_is_pytorchs_and_starts_at_the_weights() {
    let fixture = Fixture::read();
    let mut weights = fixture.parameters(&fixture.start);
    let mut ema = weights.clone();
    for (gradient, expected) in fixture.gradients.iter().zip(&fixture.ema) {
        for (weight, gradient) in weights
            .list
            .iter_mut()
            .zip(fixture.parameters(gradient).list)
        {
            let pairs = weight.values.iter_mut().zip(gradient.values);
            pairs.for_each(|(weight, gradient)| *weight -= gradient);
        }
        average(0.9, &mut ema, &weights);
        assert_close(&ema, &fixture.parameters(expected), 1.0, "average");
    }
    average(0.0, &mut ema, &weights);
    assert_eq!(ema, weights);
}

#[test]
fn recipes_are_read_strictly() {
    let read = |text| serde_json::from_str::<Optimiser>(text);
    let read_one = read(r#"{"kind": "adamw", "betas": [0.9, 0.99]}"#).unwrap();
    assert_eq!(read_one.kind, OptimiserKind::Adamw);
    assert_eq!(read_one.learning_rate, 1e-3);
    assert!(read(r#"{"lr": 1}"#).is_err());
    assert!(read(r#"{"kind": "sgd"}"#).is_err());
    assert!(serde_json::from_str::<Rate>(r#"{"warm_up": 1}"#).is_err());
    let bad = |optimiser: Optimiser| optimiser.check().unwrap_err().to_string();
    let betas = [0.9, 1.0];
    let got = bad(Optimiser {
        betas,
        ..Optimiser::default()
    });
    assert_eq!(got, "betas: expected two numbers from 0 up to 1, got 1");
    let learning_rate = f64::NAN;
    assert!(
        bad(Optimiser {
            learning_rate,
            ..Optimiser::default()
        })
        .contains("learning_rate")
    );
    let rate = Rate {
        decay: 1.5,
        ..Rate::default()
    };
    assert!(rate.check().is_err());
}
