//! Vector-Jacobian products of networks of every family, run by ONNX Runtime: against closed forms,
//! PyTorch's, float64 and differences.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use eidetic_graph::proto::{
    AttributeProto, DataLocation, ModelProto, StringStringEntryProto, TensorProto,
};
use eidetic_graph::{Dim, Element, Graph, GraphBuilder, evaluate, gradient};
use eidetic_model_memorizer::Memorizer;
use eidetic_sdk::batch::condition;
use eidetic_sdk::{Batch, ErrorCode, Model};
use ndarray::{Array1, Array4, ArrayD, ArrayView3, Axis, IxDyn, s};

use super::onnx_tests::{FLOAT, WHOLE, bits, schedule_model, with_masks_and_labels};
use super::testing::{
    Folder, SHAPE, Timestep, denoise, family, fashion, image_dims, linear_schedule, noise, noised,
    open, vjp, vjp_with,
};
use super::{
    Manifest, MemorizerFolder, OnnxModel, Prediction, Schedule, TrainedOn, TrainingStatement,
    write_memorizer_folder,
};

fn random(dim: [usize; 4]) -> Array4<f32> {
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

fn edm(network: &ModelProto) -> Folder {
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
struct UNet {
    model: ModelProto,
    sample: Array4<f32>,
    steps: Vec<usize>,
    cotangent: Array4<f32>,
    gradient: Vec<f64>,
}

impl UNet {
    const DIM: [usize; 4] = [2, 1, 8, 8];

    fn read(name: &str) -> Self {
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
    fn open(&self, prediction: Prediction, microbatch: usize) -> (Folder, OnnxModel) {
        let folder = Folder::new()
            .network(&self.model)
            .schedule(&linear_schedule(prediction))
            .manifest(&format!("prediction: {prediction}\nshape: [1, 8, 8]\n"));
        let model = open(folder.open(), 2, microbatch);
        assert!(model.info().differentiates);
        (folder, model)
    }

    /// D's product from the network's own, F's at c x, by the formulas of each family.
    fn product(&self, prediction: Prediction, sigma: &[f64], of_f: &[f64]) -> Array4<f32> {
        let mut out = Array4::zeros(Self::DIM);
        for (at, out) in out.iter_mut().enumerate() {
            let sigma = sigma[at / 64];
            let v = f64::from(self.cotangent.as_slice().unwrap()[at]);
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

    /// F's product in float64, by the reference evaluator.
    fn in_f64(&self, input: &Array4<f32>) -> Vec<f64> {
        let sizes = [("batch", 2), ("sample.0", 2), ("timestep.0", 2)];
        let graph = Graph::of_model("unet", &self.model, &sizes).unwrap();
        let (x, f) = (
            graph.value("sample").unwrap(),
            graph.value("out_sample").unwrap(),
        );
        let graph = gradient(&graph, &[f], &[x]).unwrap();
        let wide = |image: &Array4<f32>| image.mapv(f64::from).into_dyn();
        let steps = self.steps.iter().map(|&step| step as f64).collect();
        let feed = [
            ("sample", wide(input)),
            (
                "timestep",
                ArrayD::from_shape_vec(IxDyn(&[2]), steps).unwrap(),
            ),
            ("cotangent.out_sample", wide(&self.cotangent)),
        ];
        let last = evaluate(&graph, &feed).unwrap().pop().unwrap();
        last.into_iter().collect()
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
            let torch = unet.product(prediction, &sigma, &unet.gradient);
            let f64s = unet.product(prediction, &sigma, &unet.in_f64(&unet.sample));
            let (torch, f64s) = (worst(&got, &torch, 0.0), worst(&got, &f64s, 0.0));
            assert!(
                torch < 1e-4 && f64s < 1e-4,
                "{name} {prediction}: {torch} {f64s}"
            );

            // v . dD/dx u, by central differences of D in f32.
            let direction = random([3, 1, 8, 8]).slice_move(s![1.., .., .., ..]);
            let step = |row: usize| 0.02 * (1.0 + sigma[row].powi(2)).sqrt() as f32;
            let moved = |sign: f32| {
                let mut x = x.clone();
                for (row, mut x) in x.outer_iter_mut().enumerate() {
                    x.scaled_add(sign * step(row), &direction.index_axis(Axis(0), row));
                }
                denoise(&model, x.view(), &sigmas)
            };
            let (up, down) = (moved(1.0), moved(-1.0));
            for row in 0..2 {
                let dot = |a: &Array4<f32>, b: &Array4<f32>| -> f64 {
                    let (a, b) = (a.index_axis(Axis(0), row), b.index_axis(Axis(0), row));
                    a.iter()
                        .zip(&b)
                        .map(|(a, b)| f64::from(*a) * f64::from(*b))
                        .sum()
                };
                let rise = dot(&unet.cotangent, &up) - dot(&unet.cotangent, &down);
                let slope = rise / (2.0 * f64::from(step(row)));
                let product = dot(&got, &direction);
                let size = (dot(&got, &got) * dot(&direction, &direction)).sqrt();
                let off = (slope - product).abs() / size;
                assert!(off < 2e-3, "{name} {prediction} {row}: {slope} {product}");
            }
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
