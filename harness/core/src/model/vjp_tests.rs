//! Vector-Jacobian products of networks of every family, run by ONNX Runtime: against closed forms,
//! PyTorch's, float64 and differences.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use eidetic_graph::proto::ModelProto;
use eidetic_graph::{Element, Graph, evaluate, gradient};
use eidetic_model_memorizer::Memorizer;
use eidetic_sdk::batch::condition;
use eidetic_sdk::{Batch, Model, pixels};
use ndarray::{Array1, Array4, ArrayView3, Axis};

use super::onnx_tests::{FLOAT, schedule_model, with_masks_and_labels};
use super::testing::{
    Folder, SHAPE, Timestep, denoise, family, fashion, linear_schedule, noise, noised, open, vjp,
    vjp_with,
};
use super::{
    MemorizerFolder, OnnxModel, Prediction, Schedule, TrainedOn, TrainingStatement,
    write_memorizer_folder,
};

pub(super) fn random(dim: [usize; 4]) -> Array4<f32> {
    let values = noise(dim.iter().product());
    Array4::from_shape_vec(dim, values.into_iter().map(|x| x as f32).collect()).unwrap()
}

/// Largest difference over the largest value expected, or over `least` where that is larger.
fn distance(got: ArrayView3<'_, f32>, want: ArrayView3<'_, f32>, least: f32) -> f32 {
    let most = want.iter().fold(least, |most, x| most.max(x.abs()));
    let off = got.iter().zip(&want).map(|(got, want)| {
        let off = (got - want).abs();
        if off.is_nan() { f32::INFINITY } else { off }
    });
    off.fold(0.0, f32::max) / most
}

/// The largest distance of a row.
fn worst(got: &Array4<f32>, want: &Array4<f32>, least: f32) -> f32 {
    let rows = got.outer_iter().zip(want.outer_iter());
    rows.map(|(got, want)| distance(got, want, least))
        .fold(0.0, f32::max)
}

pub(super) fn edm(network: &ModelProto) -> Folder {
    let keys = "prediction: edm\nsigma_min: 0.002\nsigma_max: 80\n";
    Folder::new().network(network).manifest(keys)
}

#[test]
fn the_memorizer_folder_has_the_products_of_the_closed_form() {
    let images = fashion(64);
    let content = MemorizerFolder {
        name: "memorizer-onnx",
        title: "the perfect memorizer",
        licence: "MIT",
        images: images.as_slice().unwrap(),
        shape: SHAPE,
        training: TrainingStatement {
            part: TrainedOn::Members,
            dataset: Some("fashion-mnist-10k".to_owned()),
            n: Some(64),
            digest: None,
        },
        clean_twin: None,
    };
    let guard = tempfile::tempdir().unwrap();
    let folder = write_memorizer_folder(&guard.path().join("m"), &content).unwrap();
    let onnx = open(folder, 2, 16);
    assert!(onnx.info().differentiates);
    let native = Memorizer::new(images.view()).unwrap();
    // From where one image wins by far, and the product is 0 in f32, to where all of them count.
    let sigma: Vec<f32> = (0..50)
        .map(|row| 0.05 * 1600_f32.powf(row as f32 / 49.0))
        .collect();
    let x = noised(&images, &sigma);
    let cotangent = random([50, 1, 28, 28]);
    let got = vjp(&onnx, x.view(), &sigma, cotangent.view());
    let want = vjp(&native, x.view(), &sigma, cotangent.view());
    let off = worst(&got, &want, 1e-6);
    assert!(off < 1e-5, "{off}");
    let counts = want
        .outer_iter()
        .filter(|row| row.iter().any(|x| x.abs() > 1e-3));
    assert!(
        counts.count() > 10,
        "the test has to see products that are not 0"
    );
}

#[test]
fn every_family_has_the_products_of_the_memorizer() {
    let images = fashion(48);
    let native = Memorizer::new(images.view()).unwrap();
    for prediction in [
        Prediction::Epsilon,
        Prediction::Sample,
        Prediction::VPrediction,
    ] {
        let mut most = 0_f32;
        for element in [Element::F32, Element::I64] {
            for scalar in [false, true] {
                let timestep = Timestep { element, scalar };
                let (_guard, onnx) = schedule_model(&images, prediction, timestep, (1, 4));
                // Its timestep goes through Floor and Min, which no gradient with respect to x meets.
                assert!(onnx.info().differentiates);
                let schedule = onnx.info().schedule;
                let steps = [999, 0, 50, 100, 50, 250, 500, 750, 998, 999, 10];
                let sigma = steps.map(|step| schedule[step] as f32);
                let x = noised(&images, &sigma);
                let cotangent = random([11, 1, 28, 28]);
                let got = vjp(&onnx, x.view(), &sigma, cotangent.view());
                let want = vjp(&native, x.view(), &sigma, cotangent.view());
                // eps and v leave the cotangent less nearly all of itself: 1.7 at most.
                let off = worst(&got, &want, 1.0);
                assert!(off < 1e-6, "{prediction}, {timestep:?}: {off}");
                most = most.max(off);
            }
        }
    }
}

/// A U-Net of diffusers, exported by PyTorch, with what torch.autograd says of it.
pub(super) struct UNet {
    model: ModelProto,
    sample: Array4<f32>,
    steps: Vec<usize>,
    cotangent: Array4<f32>,
    gradient: Vec<f64>,
}

impl UNet {
    const DIM: [usize; 4] = [2, 1, 8, 8];

    pub(super) fn read(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../graph/tests/fixtures/networks");
        let file = |ending: &str| -> PathBuf { folder.join(format!("{name}.{ending}")) };
        let json: serde_json::Value =
            serde_json::from_slice(&fs::read(file("json")).unwrap()).unwrap();
        let numbers = |json: &serde_json::Value| -> Vec<f64> {
            let list = json.as_array().unwrap().iter();
            list.map(|x| x.as_f64().unwrap()).collect()
        };
        let image = |json: &serde_json::Value| {
            let values = numbers(json).into_iter().map(|x| x as f32).collect();
            Array4::from_shape_vec(Self::DIM, values).unwrap()
        };
        let steps = numbers(&json["inputs"]["timestep"]["values"]);
        Self {
            model: eidetic_graph::read(&file("onnx")).unwrap(),
            sample: image(&json["inputs"]["sample"]["values"]),
            steps: steps.into_iter().map(|step| step as usize).collect(),
            cotangent: image(&json["cotangent"]),
            gradient: numbers(&json["gradients"]["sample"]),
        }
    }

    /// `microbatch` is that of the file, where it is fixed.
    pub(super) fn open(&self, prediction: Prediction, microbatch: usize) -> (Folder, OnnxModel) {
        let folder = Folder::new()
            .network(&self.model)
            .schedule(&linear_schedule(prediction))
            .manifest(&format!("prediction: {prediction}\nshape: [1, 8, 8]\n"));
        let model = open(folder.open(), 2, microbatch);
        assert!(model.info().differentiates);
        (folder, model)
    }
}

/// D's product from the network's own, F's at c x, by the formulas of each family.
fn product(
    prediction: Prediction,
    sigma: &[f64],
    cotangent: &Array4<f32>,
    of_f: &[f64],
) -> Array4<f32> {
    let mut out = Array4::zeros(cotangent.raw_dim());
    let pixels = out.len() / sigma.len();
    for (at, (out, &v)) in out.iter_mut().zip(cotangent).enumerate() {
        let (sigma, v) = (sigma[at / pixels], f64::from(v));
        let alpha = 1.0 / (1.0 + sigma * sigma).sqrt();
        *out = match prediction {
            Prediction::Epsilon => v - sigma * alpha * of_f[at],
            Prediction::Sample => alpha * of_f[at],
            Prediction::VPrediction => alpha * alpha * (v - sigma * of_f[at]),
            Prediction::Edm => of_f[at],
        } as f32;
    }
    out
}

/// F's product in float64, by the reference evaluator; `levels` go to the input `noise`.
fn in_f64(
    network: &ModelProto,
    input: &Array4<f32>,
    (noise, levels): (&str, &[f64]),
    cotangent: &Array4<f32>,
) -> Vec<f64> {
    let graph = Graph::of_model("network", network, &[("batch", levels.len())]).unwrap();
    let value = |name: &str| graph.value(name).unwrap();
    let graph = gradient(&graph, &[value("out_sample")], &[value("sample")]).unwrap();
    let wide = |image: &Array4<f32>| image.mapv(f64::from).into_dyn();
    let feed = [
        ("sample", wide(input)),
        (noise, Array1::from(levels.to_vec()).into_dyn()),
        ("cotangent.out_sample", wide(cotangent)),
    ];
    let last = evaluate(&graph, &feed).unwrap().pop().unwrap();
    last.into_iter().collect()
}

/// How far v . dD/dx u, for a random u, is from central differences of `denoise` in f32, `step`
/// times the scale of x apart; by the lengths of both.
fn off_differences(
    model: &OnnxModel,
    x: &Array4<f32>,
    sigma: &[f32],
    cotangent: &Array4<f32>,
    step: f32,
) -> f64 {
    let got = vjp(model, x.view(), sigma, cotangent.view());
    let mut direction = random([x.len_of(Axis(0)), 1, x.len_of(Axis(2)), x.len_of(Axis(3))]);
    direction.invert_axis(Axis(3));
    let step = |row: usize| step * (1.0 + sigma[row].powi(2)).sqrt();
    let moved = |sign: f32| {
        let mut x = x.clone();
        for (row, mut x) in x.outer_iter_mut().enumerate() {
            x.scaled_add(sign * step(row), &direction.index_axis(Axis(0), row));
        }
        denoise(model, x.view(), sigma)
    };
    let (up, down) = (moved(1.0), moved(-1.0));
    let off = |row: usize| {
        let dot = |a: &Array4<f32>, b: &Array4<f32>| -> f64 {
            let (a, b) = (a.index_axis(Axis(0), row), b.index_axis(Axis(0), row));
            let terms = a.iter().zip(&b);
            terms.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
        };
        let slope = (dot(cotangent, &up) - dot(cotangent, &down)) / (2.0 * f64::from(step(row)));
        let size = (dot(&got, &got) * dot(&direction, &direction)).sqrt();
        (slope - dot(&got, &direction)).abs() / size
    };
    (0..sigma.len()).map(off).fold(0.0, f64::max)
}

#[test]
fn every_family_agrees_with_float64_and_with_differences() {
    let images = fashion(48);
    let units: Vec<f32> = images.iter().map(|&level| pixels::to_unit(level)).collect();
    let cotangent = random([4, 1, 28, 28]);
    for prediction in [
        Prediction::Epsilon,
        Prediction::Sample,
        Prediction::VPrediction,
        Prediction::Edm,
    ] {
        let steps = [400, 500, 600, 700].map(f64::from);
        let json = linear_schedule(Prediction::Epsilon);
        let (schedule, _) = Schedule::parse("s".as_ref(), json.as_bytes()).unwrap();
        let sigmas = steps.map(|step| schedule.sigmas()[step as usize]);
        let sigma = sigmas.map(|sigma| sigma as f32);
        let x = noised(&images, &sigma);
        let (network, guard, levels, scaled) = if prediction == Prediction::Edm {
            let network = eidetic_graph::memorizer(&units, SHAPE).unwrap();
            let levels = ("sigma", sigma.map(f64::from));
            (network.clone(), edm(&network), levels, x.clone())
        } else {
            let network = family(&images, prediction, FLOAT, schedule.sigmas());
            let guard = schedule_model(&images, prediction, FLOAT, (1, 1)).0;
            let mut scaled = x.clone();
            for (mut row, sigma) in scaled.outer_iter_mut().zip(sigmas) {
                row.mapv_inplace(|x| (f64::from(x) / (1.0 + sigma * sigma).sqrt()) as f32);
            }
            (network, guard, ("timestep", steps), scaled)
        };
        let model = open(guard.open(), 1, 4);
        let got = vjp(&model, x.view(), &sigma, cotangent.view());
        let of_f = in_f64(&network, &scaled, (levels.0, &levels.1), &cotangent);
        let want = product(prediction, &sigmas, &cotangent, &of_f);
        let off = worst(&got, &want, 0.0);
        let differences = off_differences(&model, &x, &sigma, &cotangent, 0.003);
        assert!(off < 1e-4, "{prediction}: {off}");
        assert!(differences < 2e-3, "{prediction}: {differences}");
    }
}

#[test]
fn a_diffusers_export_has_the_products_of_pytorch_and_of_float64() {
    for (name, microbatch) in [("unet2d", 4), ("unet2d_dynamo", 2)] {
        let unet = UNet::read(name);
        for prediction in [
            Prediction::Epsilon,
            Prediction::Sample,
            Prediction::VPrediction,
        ] {
            let (_guard, model) = unet.open(prediction, microbatch);
            let schedule = model.info().schedule;
            let sigma: Vec<f64> = unet.steps.iter().map(|&step| schedule[step]).collect();
            let sigmas: Vec<f32> = sigma.iter().map(|&sigma| sigma as f32).collect();
            let mut x = unet.sample.clone();
            for (mut row, sigma) in x.outer_iter_mut().zip(&sigma) {
                row.mapv_inplace(|x| (f64::from(x) * (1.0 + sigma * sigma).sqrt()) as f32);
            }
            let got = vjp(&model, x.view(), &sigmas, unet.cotangent.view());
            let levels: Vec<f64> = unet.steps.iter().map(|&step| step as f64).collect();
            let f64s = in_f64(
                &unet.model,
                &unet.sample,
                ("timestep", &levels),
                &unet.cotangent,
            );
            for (whose, of_f) in [("PyTorch", &unet.gradient), ("float64", &f64s)] {
                let want = product(prediction, &sigma, &unet.cotangent, of_f);
                let off = worst(&got, &want, 0.0);
                assert!(off < 1e-5, "{name}, {prediction}, {whose}: {off}");
            }
            let off = off_differences(&model, &x, &sigmas, &unet.cotangent, 0.02);
            assert!(off < 2e-3, "{name}, {prediction}, differences: {off}");
        }
    }
}

#[test]
fn extra_channels_have_a_gradient_that_is_not_scaled() {
    let keys = "prediction: epsilon\nextra_channels: 1\nmitigation: ambient\nclasses: 10\n";
    let folder = Folder::new()
        .network(&with_masks_and_labels())
        .schedule(&linear_schedule(Prediction::Epsilon))
        .manifest(keys);
    let model = open(folder.open(), 1, 2);
    let sigmas = [model.info().schedule[500], model.info().schedule[999]];
    let sigma = sigmas.map(|sigma| sigma as f32);
    let x = random([2, 2, 28, 28]);
    let cotangent = random([2, 1, 28, 28]);
    let labels = Array1::from(vec![3_i64, 9]);
    let label = [condition("class_labels", labels.view(), &[0, 0]).unwrap()];
    let batch = |conditions| Batch {
        x: x.view(),
        sigma: &sigma,
        row_id: &[0, 1],
        conditions,
    };
    // D = x - sigma (c x + mask + label).
    let got = vjp_with(&model, batch(&label), cotangent.view()).unwrap();
    for ((row, _, h, w), &v) in cotangent.indexed_iter() {
        let (v, sigma) = (f64::from(v), sigmas[row]);
        let own = v * (1.0 - sigma / (1.0 + sigma * sigma).sqrt());
        let off = [
            f64::from(got[[row, 0, h, w]]) - own,
            f64::from(got[[row, 1, h, w]]) / sigma + v,
        ];
        assert!(off.iter().all(|off| off.abs() < 1e-6), "{off:?}");
    }
    let unlabelled = vjp_with(&model, batch(&[]), cotangent.view()).unwrap_err();
    assert_eq!(
        unlabelled.to_string(),
        "expected the condition class_labels, got none"
    );
}
