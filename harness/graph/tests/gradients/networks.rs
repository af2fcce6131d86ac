//! Whole networks, exported by PyTorch, against torch.autograd.

use std::path::{Path, PathBuf};

use eidetic_graph::{Graph, Value, differentiable, gradient, read};
use ndarray::{ArrayD, IxDyn};
use serde_json::Value as Json;

use crate::{distance, onnxruntime, run};

fn fixture(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/networks");
    folder.join(name)
}

fn numbers(json: &Json) -> Vec<f64> {
    json.as_array()
        .unwrap()
        .iter()
        .map(|x| x.as_f64().unwrap())
        .collect()
}

fn agrees(name: &str, sizes: &[(&str, usize)]) {
    let file = fixture(&format!("{name}.onnx"));
    assert_eq!(differentiable(&read(&file).unwrap()), Ok(()));
    let json = std::fs::read_to_string(fixture(&format!("{name}.json"))).unwrap();
    let json: Json = serde_json::from_str(&json).unwrap();
    let graph = Graph::read(&file, sizes).unwrap();
    let mut feed = Vec::new();
    for (name, input) in json["inputs"].as_object().unwrap() {
        let shape: Vec<usize> = numbers(&input["shape"])
            .iter()
            .map(|&size| size as usize)
            .collect();
        let array = ArrayD::from_shape_vec(IxDyn(&shape), numbers(&input["values"])).unwrap();
        feed.push((name.clone(), array));
    }
    let output = graph.outputs()[0];
    let forward = run(&graph, &feed);
    assert!(distance(&forward[0], &numbers(&json["output"]), 0.0) < 1e-6);

    let expected = json["gradients"].as_object().unwrap();
    let wrt: Vec<Value> = expected
        .keys()
        .map(|name| {
            graph
                .value(name)
                .unwrap_or_else(|| panic!("no value {name}"))
        })
        .collect();
    let backward = gradient(&graph, &[output], &wrt).unwrap();
    backward.model().unwrap();
    let shape = IxDyn(graph.shape(output));
    let cotangent = ArrayD::from_shape_vec(shape, numbers(&json["cotangent"])).unwrap();
    feed.push(("cotangent.out_sample".to_owned(), cotangent));
    for (got, limit) in [
        (run(&backward, &feed), 1e-6),
        (onnxruntime::run(&backward, &feed), 1e-4),
    ] {
        for ((name, expected), got) in expected.iter().zip(&got[1..]) {
            let expected = numbers(expected);
            let off = distance(got, &expected, 0.0);
            assert!(off < limit, "{name}: {off:.1e}");
        }
    }
}

#[test]
fn a_small_network_of_many_layers() {
    agrees("small", &[("batch", 2)]);
}

#[test]
fn a_unet_of_diffusers() {
    agrees("unet2d", &[("batch", 2)]);
}

#[test]
fn a_unet_of_diffusers_by_the_newer_exporter() {
    agrees("unet2d_dynamo", &[]);
}
