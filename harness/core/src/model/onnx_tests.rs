//! Networks of every family, run by ONNX Runtime, against the native memorizer.
#![allow(clippy::unwrap_used)]

use eidetic_graph::proto::{AttributeProto, TensorProto};
use eidetic_graph::{Dim, Element, GraphBuilder};
use eidetic_model_memorizer::Memorizer;
use eidetic_runtime::SessionOptions;
use eidetic_sdk::Model;
use eidetic_sdk::batch::condition;
use ndarray::{Array1, Array4, Axis, s};

use super::testing::{
    Folder, SHAPE, Timestep, denoise, denoise_with, family, fashion, image_dims, linear_schedule,
    noised, open, runtime, vjp_with,
};
use super::{
    Manifest, MemorizerFolder, OnnxModel, Prediction, TrainedOn, TrainingStatement,
    write_memorizer_folder,
};

pub(super) const FLOAT: Timestep = Timestep {
    element: Element::F32,
    scalar: false,
};
pub(super) const WHOLE: Timestep = Timestep {
    element: Element::I64,
    scalar: false,
};

fn largest_error(got: &Array4<f32>, want: &Array4<f32>, row: usize) -> f32 {
    let rows = got
        .index_axis(Axis(0), row)
        .into_iter()
        .zip(want.index_axis(Axis(0), row));
    rows.map(|(got, want)| (got - want).abs())
        .fold(0.0, |most: f32, error| {
            // max would pass over NaN.
            if error > most || error.is_nan() {
                error
            } else {
                most
            }
        })
}

pub(super) fn bits(values: &Array4<f32>) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

pub(super) fn schedule_model(
    images: &Array4<u8>,
    prediction: Prediction,
    timestep: Timestep,
    (sessions, microbatch): (usize, usize),
) -> (Folder, OnnxModel) {
    let json = linear_schedule(prediction);
    let (schedule, _) = super::Schedule::parse("s".as_ref(), json.as_bytes()).unwrap();
    let folder = Folder::new()
        .network(&family(images, prediction, timestep, schedule.sigmas()))
        .schedule(&json)
        .manifest(&format!("prediction: {prediction}\n"));
    let model = open(folder.open(), sessions, microbatch);
    (folder, model)
}

#[test]
fn the_memorizer_folder_is_the_native_memorizer() {
    for count in [64, 256] {
        let images = fashion(count);
        let content = MemorizerFolder {
            name: "memorizer-onnx",
            title: "the perfect memorizer",
            licence: "MIT",
            images: images.as_slice().unwrap(),
            shape: SHAPE,
            training: TrainingStatement {
                part: TrainedOn::Members,
                dataset: Some("fashion-mnist-10k".to_owned()),
                n: Some(count as u64),
                digest: None,
            },
            clean_twin: Some("clean-onnx"),
        };
        let guard = tempfile::tempdir().unwrap();
        let folder = write_memorizer_folder(&guard.path().join("m"), &content).unwrap();
        let onnx = open(folder, 2, 16);
        let native = Memorizer::new(images.view()).unwrap();
        assert!((onnx.info().sigma_data - native.info().sigma_data).abs() < 1e-12);
        assert_eq!(onnx.info().sigma_max, 80.0);

        let sigma: Vec<f32> = (0..50)
            .map(|row| 0.05 * 1600_f32.powf(row as f32 / 49.0))
            .collect();
        let x = noised(&images, &sigma);
        let (got, want) = (
            denoise(&onnx, x.view(), &sigma),
            denoise(&native, x.view(), &sigma),
        );
        for (row, sigma) in sigma.iter().enumerate() {
            let error = largest_error(&got, &want, row);
            assert!(error <= 1e-6, "{count} images, sigma {sigma}: {error}");
        }
    }
}

#[test]
fn every_family_is_the_memorizer_at_the_schedules_sigmas() {
    let images = fashion(48);
    let native = Memorizer::new(images.view()).unwrap();
    for prediction in [
        Prediction::Epsilon,
        Prediction::Sample,
        Prediction::VPrediction,
    ] {
        for element in [Element::F32, Element::I64] {
            for scalar in [false, true] {
                let timestep = Timestep { element, scalar };
                let (_guard, onnx) = schedule_model(&images, prediction, timestep, (1, 4));
                let schedule = onnx.info().schedule;
                assert_eq!(schedule.len(), 1000);
                assert_eq!(
                    (onnx.info().sigma_min, onnx.info().sigma_max),
                    (schedule[0], schedule[999])
                );
                // Some twice, so that a rank-0 network gets groups of several rows.
                let steps = [999, 0, 50, 100, 50, 250, 500, 750, 998, 999, 10];
                let sigma = steps.map(|step| schedule[step] as f32);
                let x = noised(&images, &sigma);
                let got = denoise(&onnx, x.view(), &sigma);
                let want = denoise(&native, x.view(), &sigma);
                for (row, &sigma) in sigma.iter().enumerate() {
                    let error = largest_error(&got, &want, row);
                    // sigma F is rounded with F, to f32.
                    let bound = match prediction {
                        Prediction::Epsilon => 1e-6 * sigma.max(10.0),
                        _ => 1e-5,
                    };
                    assert!(
                        error <= bound,
                        "{prediction}, {timestep:?}, sigma {sigma}: {error}"
                    );
                }
            }
        }
    }
}

#[test]
fn between_the_steps_a_float_timestep_follows_sigma_and_a_whole_one_rounds() {
    let images = fashion(48);
    let native = Memorizer::new(images.view()).unwrap();
    let (_a, float) = schedule_model(&images, Prediction::Epsilon, FLOAT, (1, 4));
    let (_b, whole) = schedule_model(&images, Prediction::Epsilon, WHOLE, (1, 4));
    let schedule = float.info().schedule;
    for step in [100_usize, 300, 600, 900] {
        let (low, high) = (schedule[step], schedule[step + 1]);
        let sigma = (low.ln() + 0.4 * (high / low).ln()).exp() as f32;
        let x = noised(&images, &[sigma]);
        let got = denoise(&float, x.view(), &[sigma]);
        let error = largest_error(&got, &denoise(&native, x.view(), &[sigma]), 0);
        assert!(error <= 2e-5 * sigma.max(1.0), "float at {sigma}: {error}");

        // D(x; sigma) is D(x; sigma_k) of the nearest step: the same x, told another level.
        let got = denoise(&whole, x.view(), &[sigma]);
        let at_step = denoise(&whole, x.view(), &[low as f32]);
        assert_eq!(bits(&got), bits(&at_step));
        let error = largest_error(&got, &denoise(&native, x.view(), &[low as f32]), 0);
        assert!(error <= 2e-5 * sigma.max(1.0), "whole at {sigma}: {error}");
    }
}

#[test]
fn the_bits_do_not_depend_on_batch_or_sessions() {
    let images = fashion(32);
    // Some levels twice: a rank-0 network gets groups of several rows.
    let sigma: Vec<f32> = (0..11).map(|row| 0.05 * 2_f32.powi(row % 7)).collect();
    let x = noised(&images, &sigma);
    for timestep in [
        FLOAT,
        Timestep {
            scalar: true,
            ..WHOLE
        },
    ] {
        let (_guard, one) = schedule_model(&images, Prediction::VPrediction, timestep, (1, 4));
        let want = denoise(&one, x.view(), &sigma);
        let (_guard, three) = schedule_model(&images, Prediction::VPrediction, timestep, (3, 4));
        assert_eq!(bits(&denoise(&three, x.view(), &sigma)), bits(&want));
        for rows in 1..sigma.len() {
            for first in [0, sigma.len() - rows] {
                let part = s![first..first + rows, .., .., ..];
                let got = denoise(&three, x.slice(part), &sigma[first..first + rows]);
                assert_eq!(
                    bits(&got),
                    bits(&want.slice(part).to_owned()),
                    "{timestep:?}, {first} + {rows}"
                );
            }
        }
    }
}

/// F = the first channel + the second channel + the label: shows what each is fed.
pub(super) fn with_masks_and_labels() -> eidetic_graph::proto::ModelProto {
    let mut g = GraphBuilder::new("toy");
    let sample = g.input("sample", Element::F32, &image_dims(2));
    let batch = [Dim::Named("batch".to_owned())];
    g.input("timestep", Element::F32, &batch);
    let labels = g.input("class_labels", Element::I64, &batch);
    let halves = vec![AttributeProto::int("axis", 1)];
    let halves = g.op_many("Split", &[sample], halves, 2);
    let four = g.constant(TensorProto::i64("four", &[4], &[-1, 1, 1, 1]));
    let labels = g.cast(labels, Element::F32);
    let labels = g.op("Reshape", &[labels, four]);
    let sum = g.op("Add", &[halves[0], halves[1]]);
    let sum = g.op("Add", &[sum, labels]);
    g.output("out_sample", sum, Element::F32, &image_dims(1));
    g.build().unwrap()
}

#[test]
fn only_x_is_scaled_and_labels_reach_the_network() {
    let keys = "prediction: sample\nextra_channels: 1\nmitigation: ambient\nclasses: 10\n";
    let folder = |keys: &str| {
        Folder::new()
            .network(&with_masks_and_labels())
            .schedule(&linear_schedule(Prediction::Sample))
            .manifest(keys)
    };
    let nullable = folder(&format!("{keys}null_class: 10\n"));
    let model = open(nullable.open(), 1, 2);
    let info = model.info();
    assert_eq!(
        (info.extra_channels, info.conditions[0].classes),
        (1, Some(10))
    );
    assert!(info.conditions[0].nullable);
    assert_eq!(info.fault(), None);

    let mut x = Array4::<f32>::from_elem((3, 2, 28, 28), 0.5);
    x.slice_mut(s![.., 1, .., ..]).fill(1.0);
    let sigma = [info.schedule[999] as f32; 3];
    let scaled = (0.5 / (1.0 + info.schedule[999].powi(2)).sqrt()) as f32;
    let (labels, null) = (Array1::from(vec![3_i64, 9, 0]), [0_u8, 0, 1]);
    let label = condition("class_labels", labels.view(), &null).unwrap();
    let got = denoise_with(&model, x.view(), &sigma, &[label]).unwrap();
    for (row, label) in [3.0, 9.0, 10.0].into_iter().enumerate() {
        assert!((got[[row, 0, 5, 5]] - (scaled + 1.0 + label)).abs() < 1e-6);
    }
    let unconditional = denoise(&model, x.view(), &sigma);
    assert!((unconditional[[0, 0, 0, 0]] - (scaled + 11.0)).abs() < 1e-6);

    let wrong = Array1::from(vec![3_i64, 10, 0]);
    let wrong = condition("class_labels", wrong.view(), &null).unwrap();
    let said = |model: &OnnxModel, conditions: &[_]| {
        denoise_with(model, x.view(), &sigma, conditions)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        said(&model, &[wrong]),
        "class_labels of row 1: expected 0 to 9, got 10"
    );
    let other = condition("caption", labels.view(), &null).unwrap();
    assert!(said(&model, &[other]).starts_with("condition \"caption\""));

    let strict = folder(keys);
    let strict = open(strict.open(), 1, 2);
    assert!(!strict.info().conditions[0].nullable);
    assert_eq!(
        said(&strict, &[]),
        "expected the condition class_labels, got none"
    );
    let label = condition("class_labels", labels.view(), &null).unwrap();
    assert_eq!(
        said(&strict, &[label]),
        "class_labels of row 2: null, but the model has no null_class"
    );
}

#[test]
fn calls_that_do_not_fit_are_refused() {
    let images = fashion(8);
    let (_guard, model) = schedule_model(&images, Prediction::Epsilon, FLOAT, (1, 4));
    let said = |shape: (usize, usize, usize, usize), sigma: &[f32]| {
        denoise_with(&model, Array4::zeros(shape).view(), sigma, &[])
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        said((2, 1, 28, 27), &[1.0, 1.0]),
        "x: expected shape [2, 1, 28, 28], got [2, 1, 28, 27]"
    );
    for (sigma, shown) in [
        (0.0, "0"),
        (-2.0, "-2"),
        (f32::NAN, "NaN"),
        (f32::INFINITY, "inf"),
    ] {
        assert_eq!(
            said((2, 1, 28, 28), &[1.0, sigma]),
            format!("sigma of row 1: expected a finite number above 0, got {shown}")
        );
    }
    assert_eq!(
        denoise(&model, Array4::zeros((0, 1, 28, 28)).view(), &[]).len(),
        0
    );
    let x = Array4::zeros((1, 1, 28, 28));
    let batch = eidetic_sdk::Batch::unconditional(x.view(), &[1.0], &[0]);
    let error = vjp_with(&model, batch, Array4::zeros((1, 1, 27, 28)).view()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cotangent: expected shape [1, 1, 28, 28], got [1, 1, 27, 28]"
    );
    assert_eq!(model.folder().manifest().name, "toy");
}

#[test]
fn an_output_whose_shape_shows_only_when_it_runs_is_checked_then() {
    let mut g = GraphBuilder::new("toy");
    let sample = g.input("sample", Element::F32, &image_dims(1));
    g.input("sigma", Element::F32, &[Dim::Open]);
    let flat = g.op("Flatten", &[sample]);
    g.output("out_sample", flat, Element::F32, &[Dim::Open, Dim::Open]);
    let mut network = g.build().unwrap();
    // What exporters do who do not know the shape.
    let output = &mut network.graph.as_mut().unwrap().output[0];
    if let Some(eidetic_graph::proto::TypeValue::Tensor(tensor)) =
        output.r#type.as_mut().and_then(|kind| kind.value.as_mut())
    {
        tensor.shape = None;
    }
    let folder = Folder::new()
        .network(&network)
        .manifest("prediction: edm\nsigma_min: 0.002\nsigma_max: 80\n");
    let model = open(folder.open(), 1, 2);
    let x = Array4::zeros((1, 1, 28, 28));
    let error = denoise_with(&model, x.view(), &[1.0], &[])
        .unwrap_err()
        .to_string();
    let want = "output out_sample: expected shape [1, 1, 28, 28], got [1, 784]";
    assert!(
        error.ends_with(want) && error.contains(Manifest::NETWORK),
        "{error}"
    );
}

#[test]
fn a_network_that_onnx_runtime_refuses_is_named() {
    let mut g = GraphBuilder::new("toy");
    let sample = g.input("sample", Element::F32, &image_dims(1));
    g.input("sigma", Element::F32, &[Dim::Open]);
    let out = g.op("NoSuchOperator", &[sample]);
    g.output("out_sample", out, Element::F32, &image_dims(1));
    let folder = Folder::new()
        .network(&g.build().unwrap())
        .manifest("prediction: edm\nsigma_min: 0.002\nsigma_max: 80\n");
    let error = OnnxModel::open(folder.open(), runtime(), &SessionOptions::default());
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains(Manifest::NETWORK) && error.contains("NoSuchOperator"),
        "{error}"
    );
}
