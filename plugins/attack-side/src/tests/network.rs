//! A network from a file in the place of pixels and of clusters.

use std::path::Path;

use eidetic_graph::proto::TensorProto;
use eidetic_graph::{Element, Graph, encode};
use eidetic_sdk::ErrorCode;
use eidetic_sdk::ndarray::{Array4, array};
use eidetic_sdk::registration::resolve_options;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::support::{Run, SIZE, Service, attack, options, two_groups};
use crate::guide::Guide;
use crate::network::Network;
use crate::registrations;
use crate::runtime::runtime;

/// Writes the network emb = x W over all places of x, and gives its options.
fn written(path: &Path, channels: usize, size: usize, weights: &[Vec<f32>]) -> Value {
    let mut graph = Graph::new("linear", 18).unwrap();
    let sides = [Guide::ROWS, channels, size, size];
    let x = graph.input("pixels", Element::F32, &sides).unwrap();
    let places = channels * size * size;
    let flat = graph.reshape(x, &[Guide::ROWS, places]).unwrap();
    let table = (0..places).flat_map(|place| weights.iter().map(move |column| column[place]));
    let table: Vec<f32> = table.collect();
    let table = TensorProto::f32("weights", &[places, weights.len()], &table);
    let table = graph.constant(table).unwrap();
    let made = graph.op("MatMul", &[flat, table]).unwrap();
    graph.output("emb", made).unwrap();
    let bytes = encode(&graph.model().unwrap());
    std::fs::write(path, &bytes).unwrap();
    let digest = Sha256::digest(&bytes);
    let sha256: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    json!({ "file": path, "sha256": sha256, "output": "emb", "size": size, "channels": channels })
}

fn network(options: &Value) -> Network {
    serde_json::from_value(options.clone()).unwrap()
}

/// Column k is 1 at place k alone.
fn identity(places: usize) -> Vec<Vec<f32>> {
    let column = |at: usize| {
        (0..places)
            .map(|place| f32::from(u8::from(place == at)))
            .collect()
    };
    (0..places).map(column).collect()
}

#[test]
fn images_are_resized_repeated_turned_and_scaled() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.onnx");
    let runtime = runtime().unwrap();
    let run = |options: &Value, images: &Array4<u8>, rows: &[usize]| {
        let made = network(options).run(&runtime, 2, images, rows).unwrap();
        made.outer_iter()
            .map(|row| row.to_vec())
            .collect::<Vec<_>>()
    };
    // Two places to four: at -0.25, 0.25, 0.75 and 1.25 of them, the ends clamped.
    let grey = array![[[[0, 100], [0, 100]]], [[[40, 40], [80, 80]]]];
    let mut options = written(&path, 1, 4, &identity(16));
    (options["mean"], options["std"]) = (json!([50]), json!([50]));
    let across = [-1.0, -0.5, 0.5, 1.0];
    let down = [-0.2f32, 0.0, 0.4, 0.6].map(|level| [level; 4]).concat();
    let made = run(&options, &grey, &[1, 0]);
    for (got, expected) in made[0].iter().zip(down) {
        assert!((got - expected).abs() < 1e-6, "{made:?}");
    }
    assert_eq!(made[1], [across; 4].concat());

    // One channel three times, each by its own mean and deviation.
    let mut options = written(&path, 3, 2, &identity(12));
    (options["mean"], options["std"]) = (json!([0, 50, 100]), json!([1, 2, 4]));
    let made = run(&options, &grey, &[0]);
    let expected = [
        0.0, 100.0, 0.0, 100.0, -25.0, 25.0, -25.0, 25.0, -25.0, 0.0, -25.0, 0.0,
    ];
    assert_eq!(made, [expected.to_vec()]);

    // Blue first.
    let colour = array![[[[10]], [[20]], [[30]]]];
    let mut options = written(&path, 3, 1, &identity(3));
    options["std"] = json!([1, 1, 1]);
    assert_eq!(run(&options, &colour, &[0]), [[10.0, 20.0, 30.0]]);
    options["bgr"] = json!(true);
    assert_eq!(run(&options, &colour, &[0]), [[30.0, 20.0, 10.0]]);
    options["std"] = json!([10, 10, 10]);
    assert_eq!(run(&options, &colour, &[0]), [[3.0, 2.0, 1.0]]);

    // More rows than are made at once.
    let many = Array4::from_shape_fn((150, 3, 1, 1), |(row, c, _, _)| (row + c) as u8);
    let all: Vec<usize> = (0..150).rev().collect();
    for (made, row) in run(&options, &many, &all).iter().zip(&all) {
        assert!((made[2] - *row as f32 / 10.0).abs() < 1e-5);
    }
}

#[test]
fn it_takes_the_place_of_pixels_or_of_clusters() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.onnx");
    let log = |options: String| {
        let run = Run::default();
        attack(&options, &Service::new(two_groups()), &run).unwrap();
        assert_eq!(run.findings().len(), 2);
        run.logs.lock().unwrap()[0].clone()
    };
    // The half above and its negative: one of two directions, whatever else differs.
    let places = SIZE * SIZE;
    let half = |sign: f32| {
        (0..places)
            .map(|at| if at < places / 2 { sign } else { 0.0 })
            .collect()
    };
    let mut network = written(&path, 1, SIZE, &[half(1.0), half(-1.0)]);
    (network["mean"], network["std"]) = (json!([127.5]), json!([127.5]));
    let embedder = json!({ "samples": 2, "tau": 0.999999, "embedder": network });
    assert_eq!(log(options(embedder)), "kept 2 of 2 clusters of 40 samples");
    // By pixels the three images of a group are not as alike.
    let pixels = options(json!({ "samples": 2, "tau": 0.999999 }));
    assert!(log(pixels).starts_with("nothing to guide to"));

    let labeller = json!({ "samples": 2, "labeller": network });
    assert_eq!(log(options(labeller)), "kept 2 of 2 classes of 40 samples");
    let labeller = json!({ "samples": 2, "thin": 40, "labeller": network });
    assert_eq!(
        log(options(labeller)),
        "nothing to guide to, so sampling goes on without guidance, as at lambda 0: expected a \
         class of at least 40 samples, got none among 2 of 40 samples (40 drawn, flat ones left \
         out); lower `thin`, or raise `n_syn`"
    );
}

#[test]
fn a_network_without_sense_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.onnx");
    let good = written(&path, 1, 2, &identity(4));
    let plugin = &registrations()[0];
    let resolve =
        |network: &Value| resolve_options(plugin, &json!({ "embedder": network }).to_string());
    resolve(&good).unwrap();
    for (key, value, message) in [
        (
            "channels",
            json!(2),
            "embedder.channels: expected 1 or 3, got 2",
        ),
        ("size", json!(0), "embedder.size: expected 1 to 4096, got 0"),
        (
            "mean",
            json!([]),
            "embedder.mean: expected 1 numbers, got []",
        ),
        (
            "std",
            json!([0]),
            "embedder.std: expected 1 numbers above 0, got [0.0]",
        ),
        ("sha256", json!("00"), "got `00`"),
        (
            "file",
            json!("nowhere.onnx"),
            "embedder.file: cannot read nowhere.onnx: ",
        ),
    ] {
        let mut bad = good.clone();
        bad[key] = value;
        let error = resolve(&bad).unwrap_err();
        assert_eq!(error.code, ErrorCode::BadOptions);
        assert!(error.message.contains(message), "{}", error.message);
    }
    let images = Array4::from_shape_fn((1, 1, 2, 2), |(_, _, y, x)| (y + x) as u8);
    let mut bad = good;
    bad["output"] = json!("features");
    let error = network(&bad)
        .run(&runtime().unwrap(), 1, &images, &[0])
        .unwrap_err();
    assert!(error.message.contains("features"), "{}", error.message);
}
