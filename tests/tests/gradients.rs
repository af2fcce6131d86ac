//! An attack that asks for gradients gets those of any model, or a row that says why not.
#![allow(clippy::unwrap_used)]

use std::fs;

use eidetic_graph::proto::TensorProto;
use eidetic_graph::{Dim, Element, GraphBuilder, write};
use eidetic_harness::cell::Status;
use eidetic_harness::files::sha256_file;
use eidetic_harness::model::Manifest;
use eidetic_tests::Place;

/// A model folder whose network is an operator that has no gradient.
fn without_gradient(place: &Place) {
    let mut graph = GraphBuilder::new("least");
    let dims = ["batch"].map(|name| Dim::Named(name.to_owned()));
    let image = [&dims[..], &[1, 28, 28].map(Dim::Fixed)].concat();
    let sample = graph.input("sample", Element::F32, &image);
    graph.input("sigma", Element::F32, &dims);
    let half = graph.constant(TensorProto::f32("half", &[], &[0.5]));
    let least = graph.op("Min", &[sample, half]);
    graph.output("out_sample", least, Element::F32, &image);
    let network = place.file(&format!("least/{}", Manifest::NETWORK), "");
    fs::remove_file(&network).unwrap();
    write(&network, &graph.build().unwrap()).unwrap();
    let manifest = format!(
        "version: 1\nname: least\ntitle: the lesser of x and 0.5\nlicence: MIT\nprediction: edm\n\
         shape: [1, 28, 28]\nrange: [-1, 1]\nsigma_data: 0.7\nsigma_min: 0.002\nsigma_max: 80\n\
         training: {{ part: unknown }}\nfiles:\n  - {{ path: {}, sha256: {} }}\n",
        Manifest::NETWORK,
        sha256_file(&network).unwrap()
    );
    place.file(&format!("least/{}", Manifest::FILE), manifest);
}

#[test]
fn an_attack_that_needs_gradients_gets_those_of_an_onnx_model_or_the_reason() {
    let place = Place::new();
    without_gradient(&place);
    let suite = place.suite(
        "whitebox",
        "models: [ memorizer, memorizer-onnx, { folder: least } ]\n\
         mitigations: [ none, filter, repel, nan-denoise ]\nattacks: [ slope ]",
    );
    place.run_with_bad(&suite, "out").code(0);
    let results = place.results("out", "whitebox");
    // An output stage leaves gradients as they are; one that moves the estimate moves them too.
    for mitigation in ["none", "filter", "repel"] {
        let [native, onnx] = ["memorizer", "memorizer-onnx"].map(|model| {
            let record = results.record(model, mitigation, "slope");
            assert_eq!(record.status, Status::Ok, "{}", record.reason);
            // A forward pass and a product for each of 32 members and 64 of holdout.
            assert_eq!(record.model_calls, Some(96 * (1 + 3)));
            let row = results.row(model, mitigation, "slope");
            assert_eq!(row["access"], "gradient");
            row["score"].parse::<f64>().unwrap()
        });
        assert!(
            (native - onnx).abs() < 1e-3,
            "{mitigation}: {native} {onnx}"
        );
        assert!(native > 0.95, "{mitigation}: {native}");
    }
    let reason = |model: &str, mitigation: &str| {
        let row = results.row(model, mitigation, "slope");
        assert_eq!(row["status"], "n/a", "{row:#?}");
        row["reason"].clone()
    };
    for mitigation in ["none", "filter", "repel", "nan-denoise"] {
        assert_eq!(
            reason("least", mitigation),
            "the attack needs gradients; the model: least/unet/model.onnx cannot be differentiated: \
             Min (1 nodes, first \"Min_0\"): no gradient here"
        );
    }
    for model in ["memorizer", "memorizer-onnx"] {
        assert_eq!(
            reason(model, "nan-denoise"),
            "the attack needs gradients; mitigation `nan-denoise`: denoise_vjp through this \
             mitigation is not offered"
        );
    }
}
