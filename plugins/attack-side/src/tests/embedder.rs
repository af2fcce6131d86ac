//! The embedder that lies in the repository.

use eidetic_sdk::ndarray::Array4;
use serde_json::{Value, json};

use super::support::{Run, Service, attack, options, two_groups};
use crate::features::Features;
use crate::network::Network;
use crate::runtime::runtime;

fn squeezenet() -> Value {
    json!({
        "file": concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../benchmarks/embedders/squeezenet11/model.onnx"
        ),
        "sha256": "dcbc3d8db482e64caee616daff6657d0c2443f73be839ee869db40296fe42c01",
        "output": "emb",
        "size": 227,
        "bgr": true,
        "mean": [104.006, 116.669, 122.679],
        "std": [1, 1, 1],
    })
}

#[test]
fn it_sees_what_another_program_sees() {
    let network: Network = serde_json::from_value(squeezenet()).unwrap();
    network.check().unwrap();
    let level = |(n, c, y, x): (usize, usize, usize, usize)| {
        ((y * (3 + n) + x * x * (1 + n) + c * 40 + n * 17) % 256) as u8
    };
    let images = Array4::from_shape_fn((4, 3, 16, 16), level);
    let rows: Vec<usize> = (0..4).collect();
    let made = network.run(&runtime().unwrap(), 1, &images, &rows).unwrap();
    assert_eq!(made.dim(), (4, 512));
    let features = Features::embedded(&made, &rows);

    let expected: Value = serde_json::from_str(include_str!("fixtures/squeezenet.json")).unwrap();
    let numbers =
        |key: &str| -> Vec<Vec<f64>> { serde_json::from_value(expected[key].clone()).unwrap() };
    for (row, expected) in numbers("emb_first_8").iter().enumerate() {
        for (place, expected) in expected.iter().enumerate() {
            let got = f64::from(made[[row, place]]);
            assert!(
                (got - expected).abs() < 1e-3,
                "{row} {place}: {got} {expected}"
            );
        }
    }
    for (a, expected) in features.rows().zip(numbers("cosines")) {
        for (b, expected) in features.rows().zip(expected) {
            let got: f64 = a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum();
            assert!((got - expected).abs() < 1e-4, "{got} {expected}");
        }
    }
}

#[test]
fn the_attack_finds_the_groups_by_it() {
    let run = Run::default();
    // Its own tau, that of embeddings.
    let more = json!({ "samples": 16, "embedder": squeezenet(), "tau": null });
    attack(&options(more), &Service::new(two_groups()), &run).unwrap();
    assert_eq!(run.findings().len(), 16);
    let logs = run.logs.lock().unwrap();
    assert_eq!(logs[0], "kept 2 of 2 clusters of 40 samples");
    assert!(logs[1].starts_with("trained the classifier"), "{logs:?}");
}
