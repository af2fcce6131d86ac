//! What vector-Jacobian products do not depend on, and what has none.
#![allow(clippy::unwrap_used)]

use std::fs;

use eidetic_graph::proto::{
    AttributeProto, DataLocation, ModelProto, StringStringEntryProto, TensorProto,
};
use eidetic_graph::{Dim, Element, GraphBuilder};
use eidetic_sdk::{Batch, ErrorCode, Model};
use ndarray::{Axis, s};

use super::onnx_tests::{FLOAT, WHOLE, bits, schedule_model};
use super::testing::{
    Folder, Timestep, denoise, family, fashion, image_dims, linear_schedule, noise, noised, open,
    vjp, vjp_with,
};
use super::vjp_tests::{UNet, edm, random};
use super::{Manifest, Prediction, Schedule};

#[test]
fn the_bits_of_a_product_do_not_depend_on_batch_order_or_sessions() {
    let unet = UNet::read("unet2d");
    let (_guard, unet) = unet.open(Prediction::Epsilon, 4);
    let images = fashion(32);
    let scalar = Timestep {
        scalar: true,
        ..WHOLE
    };
    let (_one, float) = schedule_model(&images, Prediction::VPrediction, FLOAT, (1, 4));
    let (_two, whole) = schedule_model(&images, Prediction::Sample, scalar, (3, 4));
    for model in [unet, float, whole] {
        let size = model.info().image.height as usize;
        // Some levels twice: a rank-0 network gets groups of several rows.
        let sigma: Vec<f32> = (0..11).map(|row| 0.05 * 2_f32.powi(row % 7)).collect();
        let x = random([11, 1, size, size]);
        let cotangent = random([12, 1, size, size]).slice_move(s![1.., .., .., ..]);
        let want = vjp(&model, x.view(), &sigma, cotangent.view());
        let of_rows = |rows: &[usize]| {
            let sigma: Vec<f32> = rows.iter().map(|&row| sigma[row]).collect();
            let row_id: Vec<u64> = rows.iter().map(|&row| row as u64).collect();
            let x = x.select(Axis(0), rows);
            let batch = Batch::unconditional(x.view(), &sigma, &row_id);
            vjp_with(&model, batch, cotangent.select(Axis(0), rows).view()).unwrap()
        };
        let orders: [&[usize]; 5] = [
            &[10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
            &[7, 0],
            &[3, 10, 6],
            &[9],
            &[1, 2, 3, 4, 5, 6, 7],
        ];
        for rows in orders {
            let want = want.select(Axis(0), rows);
            assert_eq!(bits(&of_rows(rows)), bits(&want), "{rows:?}");
        }
    }
    let (_guard, one) = schedule_model(&images, Prediction::Epsilon, FLOAT, (1, 4));
    let (_guard, three) = schedule_model(&images, Prediction::Epsilon, FLOAT, (3, 4));
    let sigma: Vec<f32> = (0..9).map(|row| 0.1 * 2_f32.powi(row)).collect();
    let (x, v) = (noised(&images, &sigma), random([9, 1, 28, 28]));
    let [one, three] = [one, three].map(|model| vjp(&model, x.view(), &sigma, v.view()));
    assert_eq!(bits(&one), bits(&three));
}

/// Two operators of this name between `sample` and `out_sample`.
fn twice(operator: &str, attributes: Vec<AttributeProto>, others: &[TensorProto]) -> ModelProto {
    let mut g = GraphBuilder::new("toy");
    let mut value = g.input("sample", Element::F32, &image_dims(1));
    g.input("sigma", Element::F32, &[Dim::Named("batch".to_owned())]);
    let others: Vec<_> = others
        .iter()
        .map(|tensor| g.constant(tensor.clone()))
        .collect();
    for _ in 0..2 {
        let inputs = [&[value], others.as_slice()].concat();
        value = g.op_with(operator, &inputs, attributes.clone());
    }
    g.output("out_sample", value, Element::F32, &image_dims(1));
    g.build().unwrap()
}

#[test]
fn a_network_without_gradient_denoises_and_names_what_stands_in_the_way() {
    let scales = [
        TensorProto::f32("roi", &[0], &[]),
        TensorProto::f32("scales", &[4], &[1.0; 4]),
    ];
    let cubic = vec![AttributeProto::string("mode", "cubic")];
    for (network, by_operators, said) in [
        (
            twice("Min", vec![], &[TensorProto::f32("half", &[], &[0.5])]),
            false,
            "toy/unet/model.onnx cannot be differentiated: Min (2 nodes, first \"Min_0\"): no gradient here",
        ),
        (
            twice("Hardmax", vec![], &[]),
            false,
            "toy/unet/model.onnx cannot be differentiated: Hardmax (2 nodes, first \"Hardmax_0\"): not known here",
        ),
        // What only shows when it is built.
        (
            twice("Resize", cubic, &scales),
            true,
            "cannot be differentiated: toy/unet/model.onnx: operator Resize (\"Resize_0\"): expected the mode",
        ),
    ] {
        let folder = edm(&network);
        let model = open(folder.open(), 1, 2);
        assert_eq!(model.info().differentiates, by_operators);
        assert_eq!(model.folder().obstacles().is_empty(), by_operators);
        let x = random([3, 1, 28, 28]);
        denoise(&model, x.view(), &[1.0; 3]);
        let batch = Batch::unconditional(x.view(), &[1.0; 3], &[0, 1, 2]);
        for _ in 0..2 {
            let error = vjp_with(&model, batch, x.view()).unwrap_err();
            assert_eq!(error.code, ErrorCode::Unsupported);
            let message = error.message;
            assert!(message.starts_with(said), "{message}");
        }
    }
}

#[test]
fn the_second_network_is_made_when_it_is_needed_from_the_file_that_was_checked() {
    let folder = edm(&twice("Tanh", vec![], &[]));
    let model = open(folder.open(), 1, 2);
    fs::write(folder.at(Manifest::NETWORK), b"damage").unwrap();
    let x = random([1, 1, 28, 28]);
    denoise(&model, x.view(), &[1.0]);
    let batch = Batch::unconditional(x.view(), &[1.0], &[0]);
    let error = vjp_with(&model, batch, x.view()).unwrap_err();
    assert_eq!(error.code, ErrorCode::Failed);
    assert!(error.message.contains("expected sha256"), "{error}");
}

#[test]
fn weights_beside_the_network_count_in_its_products() {
    let weights: Vec<f32> = noise(784).into_iter().map(|x| x as f32).collect();
    let mut network = twice(
        "Mul",
        vec![],
        &[TensorProto::f32("w", &[1, 1, 28, 28], &weights)],
    );
    let within = edm(&network);
    let tensor = &mut network.graph.as_mut().unwrap().initializer[0];
    let bytes = [&[0_u8; 8], std::mem::take(&mut tensor.raw_data).as_slice()].concat();
    let entry = |key: &str, value: &str| StringStringEntryProto {
        key: key.to_owned(),
        value: value.to_owned(),
    };
    tensor.data_location = DataLocation::External as i32;
    tensor.external_data = vec![entry("location", "w.bin"), entry("offset", "8")];
    let keys = "prediction: edm\nsigma_min: 0.002\nsigma_max: 80\n";
    let beside = Folder::new()
        .network(&network)
        .file("unet/w.bin", &bytes)
        .manifest(keys);
    let x = random([3, 1, 28, 28]);
    let [within, beside] = [within, beside].map(|folder| {
        let model = open(folder.open(), 1, 2);
        vjp(&model, x.view(), &[1.0; 3], x.view())
    });
    assert_eq!(bits(&within), bits(&beside));
    let want = (x[[0, 0, 3, 3]] * weights[87]) * weights[87];
    assert!((within[[0, 0, 3, 3]] - want).abs() < 1e-6 * want.abs());
}

#[test]
fn a_network_of_another_microbatch_is_a_fault_and_not_without_gradient() {
    let (_guard, model) = UNet::read("unet2d_dynamo").open(Prediction::Epsilon, 4);
    let x = random([1, 1, 8, 8]);
    let batch = Batch::unconditional(x.view(), &[1.0], &[0]);
    let error = vjp_with(&model, batch, x.view()).unwrap_err();
    assert_eq!(error.code, ErrorCode::Failed);
    let want = "output out_sample: expected [4, 1, 8, 8], got [2, 1, 8, 8]";
    assert!(error.message.ends_with(want), "{error}");
}

#[test]
fn sizes_that_the_network_leaves_open_are_those_of_the_manifest() {
    let images = fashion(8);
    let json = linear_schedule(Prediction::Sample);
    let (schedule, _) = Schedule::parse("s".as_ref(), json.as_bytes()).unwrap();
    let mut network = family(&images, Prediction::Sample, FLOAT, schedule.sigmas());
    let open_sizes = |dims: &[Dim]| {
        let mut g = GraphBuilder::new("ports");
        let sample = g.input("sample", Element::F32, dims);
        g.output("out_sample", sample, Element::F32, dims);
        g.build().unwrap().graph.unwrap()
    };
    let named = |name: &str| Dim::Named(name.to_owned());
    let ports = open_sizes(&[Dim::Open, Dim::Fixed(1), named("h"), named("w")]);
    let graph = network.graph.as_mut().unwrap();
    let fixed = Folder::new()
        .network(&family(
            &images,
            Prediction::Sample,
            FLOAT,
            schedule.sigmas(),
        ))
        .schedule(&json)
        .manifest("prediction: sample\n");
    graph.input[0] = ports.input[0].clone();
    let left_open = Folder::new()
        .network(&network)
        .schedule(&json)
        .manifest("prediction: sample\n");
    let sigma = [1.0, 4.0, 9.0];
    let (x, v) = (noised(&images, &sigma), random([3, 1, 28, 28]));
    let [fixed, left_open] = [fixed, left_open].map(|folder| {
        let model = open(folder.open(), 1, 2);
        vjp(&model, x.view(), &sigma, v.view())
    });
    assert_eq!(bits(&fixed), bits(&left_open));
}
