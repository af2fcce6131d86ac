//! The guidance by hand: a linear classifier whose gradient is a line of algebra.

use eidetic_graph::proto::TensorProto;
use eidetic_graph::{Element, Graph};
use eidetic_nn::names;
use eidetic_sdk::ndarray::{Array4, ArrayD, ArrayView1, s};
use eidetic_sdk::{Batch, Context, Denoiser};

use super::support::{Run, SIZE, Service, two_groups};
use crate::guide::Guide;
use crate::guided::{Guided, Shown};
use crate::patches::{fold, unfold};
use crate::runtime::runtime;

const DIM: usize = SIZE * SIZE;
const CLASSES: usize = 3;

/// Weights of class k at place p.
fn weight(class: usize, place: usize) -> f64 {
    (((class * 31 + place * 7) % 13) as f64 - 6.0) / 40.0
}

/// ln softmax(W x / (1 + sigma)) at a row's class, x folded by `patch`.
fn linear(patch: usize) -> Graph {
    let rows = Guide::ROWS;
    let mut graph = Graph::new("linear", 17).unwrap();
    let sample = [rows, patch * patch, SIZE / patch, SIZE / patch];
    let x = graph.input(names::SAMPLE, Element::F32, &sample).unwrap();
    let sigma = graph.input(names::SIGMA, Element::F32, &[rows]).unwrap();
    let labels = graph
        .input(names::CLASS_LABELS, Element::I64, &[rows])
        .unwrap();
    let table =
        |name: &str, dims: &[usize], values: Vec<f32>| TensorProto::f32(name, dims, &values);
    let weights = (0..DIM).flat_map(|place| (0..CLASSES).map(move |k| weight(k, place) as f32));
    let weights = table("weights", &[DIM, CLASSES], weights.collect());
    let weights = graph.constant(weights).unwrap();
    let identity = (0..CLASSES * CLASSES).map(|at| f32::from(at % (CLASSES + 1) == 0));
    let identity = table("identity", &[CLASSES, CLASSES], identity.collect());
    let identity = graph.constant(identity).unwrap();

    let flat = graph.reshape(x, &[rows, DIM]).unwrap();
    let product = graph.op("MatMul", &[flat, weights]).unwrap();
    let one = graph.scalar_like(sigma, 1.0).unwrap();
    let level = graph.add(sigma, one).unwrap();
    let level = graph.reshape(level, &[rows, 1]).unwrap();
    let logits = graph.div(product, level).unwrap();
    let logs = graph.op("LogSoftmax", &[logits]).unwrap();
    let picked = graph.op("Gather", &[identity, labels]).unwrap();
    let kept = graph.mul(logs, picked).unwrap();
    let value = graph.sum(kept, &[1], false).unwrap();
    graph.output(names::LOG_PROBABILITY, value).unwrap();
    graph
}

fn guide(threads: usize) -> Guide {
    Guide::new(&runtime().unwrap(), &linear(1), 1, threads).unwrap()
}

/// ln p of the class, and (w_c - sum_k p_k w_k) / (1 + sigma).
fn by_hand(x: ArrayView1<'_, f32>, sigma: f32, class: i64) -> (f64, Vec<f64>) {
    let level = 1.0 + f64::from(sigma);
    let logit = |k: usize| {
        let terms = x.iter().enumerate();
        let sum: f64 = terms
            .map(|(place, &x)| weight(k, place) * f64::from(x))
            .sum();
        sum / level
    };
    let logits: Vec<f64> = (0..CLASSES).map(logit).collect();
    let total: f64 = logits.iter().map(|logit| logit.exp()).sum();
    let p: Vec<f64> = logits.iter().map(|logit| logit.exp() / total).collect();
    let class = class as usize;
    let slope = |place: usize| {
        let mean: f64 = (0..CLASSES).map(|k| p[k] * weight(k, place)).sum();
        (weight(class, place) - mean) / level
    };
    (p[class].ln(), (0..DIM).map(slope).collect())
}

/// Rows with levels and classes of their own.
fn rows(count: usize) -> (Array4<f32>, Vec<f32>, Vec<i64>) {
    let pixel = |(row, _, y, x): (usize, usize, usize, usize)| {
        ((row * 5 + y * 3 + x * 11) % 17) as f32 / 8.5 - 1.0
    };
    let x = Array4::from_shape_fn((count, 1, SIZE, SIZE), pixel);
    let sigma = (0..count).map(|row| 0.1 + row as f32 * 0.3).collect();
    let class = (0..count).map(|row| (row % CLASSES) as i64).collect();
    (x, sigma, class)
}

#[test]
fn d_is_moved_by_lambda_sigma_squared_times_the_gradient() {
    let service = Service::new(two_groups());
    let context = Run::default();
    let guide = guide(1);
    let (x, sigma, class) = rows(21);
    let ids: Vec<u64> = (0..21).collect();
    let denoise = |guide: Option<&Guide>, lambda: f64, shown: Shown| {
        let guided = Guided {
            target: &service,
            context: &context as &dyn Context,
            guide,
            lambda,
            class: &class,
            shown,
        };
        let mut out = Array4::zeros(x.dim());
        let batch = Batch::unconditional(x.view(), &sigma, &ids);
        guided.denoise(batch, out.view_mut()).unwrap();
        out
    };
    let plain = denoise(None, 7.0, Shown::Noisy);
    assert_eq!(plain, denoise(Some(&guide), 0.0, Shown::Noisy));
    // Shown the estimate, at one level whatever x's is.
    let estimate = Shown::Estimate {
        sigma: 0.25,
        sigma_data: 0.7,
    };
    let moved = denoise(Some(&guide), 3.0, estimate);
    for (row, &sigma) in sigma.iter().enumerate() {
        let flat = |array: &Array4<f32>| array.slice(s![row, 0, .., ..]).to_owned().into_flat();
        let (moved, plain) = (flat(&moved), flat(&plain));
        let (_, slope) = by_hand(plain.view(), 0.25, class[row]);
        let square = f64::from(sigma).powi(2);
        for place in 0..DIM {
            let got = f64::from(moved[place]) - f64::from(plain[place]);
            let expected = 3.0 * square * 0.49 / (square + 0.49) * slope[place];
            assert!(
                (got - expected).abs() < 1e-6,
                "{row} {place}: {got} {expected}"
            );
        }
    }
    let logs = guide.log_probability(x.view(), &sigma, &class).unwrap();
    for lambda in [0.5, 7.0] {
        let moved = denoise(Some(&guide), lambda, Shown::Noisy);
        assert_ne!(moved, plain);
        for row in 0..21 {
            let flat = |array: &Array4<f32>| array.slice(s![row, 0, .., ..]).to_owned().into_flat();
            let (log, slope) = by_hand(flat(&x).view(), sigma[row], class[row]);
            assert!((logs[row] - log).abs() < 1e-5, "{} {log}", logs[row]);
            let (moved, plain) = (flat(&moved), flat(&plain));
            for place in 0..DIM {
                let got = f64::from(moved[place]) - f64::from(plain[place]);
                let expected = lambda * f64::from(sigma[row]).powi(2) * slope[place];
                let near = 1e-6 * expected.abs().max(1.0) * 4.0;
                assert!(
                    (got - expected).abs() < near,
                    "{row} {place}: {got} {expected}"
                );
            }
        }
    }
}

#[test]
fn a_classifier_of_patches_is_asked_and_answers_in_pixels() {
    let guide = Guide::new(&runtime().unwrap(), &linear(2), 2, 1).unwrap();
    let (x, sigma, class) = rows(5);
    let folded = fold(x.view(), 2);
    let logs = guide.log_probability(x.view(), &sigma, &class).unwrap();
    let got = guide.gradient(x.view(), &sigma, &class).unwrap();
    for row in 0..5 {
        let flat = folded.slice(s![row, .., .., ..]).to_owned().into_flat();
        let (log, slope) = by_hand(flat.view(), sigma[row], class[row]);
        assert!((logs[row] - log).abs() < 1e-5, "{} {log}", logs[row]);
        let slope = slope.into_iter().map(|slope| slope as f32).collect();
        let slope = Array4::from_shape_vec((1, 4, SIZE / 2, SIZE / 2), slope).unwrap();
        let expected = unfold(slope.view(), 2);
        let got = got.slice(s![row..row + 1, .., .., ..]);
        let near = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-6;
        assert!(got.iter().zip(&expected).all(near), "{row}");
    }
}

#[test]
fn a_row_does_not_depend_on_threads_or_on_what_is_beside_it() {
    let (x, sigma, class) = rows(40);
    let whole = guide(1).gradient(x.view(), &sigma, &class).unwrap();
    let two = guide(2);
    assert_eq!(two.gradient(x.view(), &sigma, &class).unwrap(), whole);
    for (from, to) in [(0, 16), (16, 32), (16, 40), (32, 33)] {
        let x = x.slice(s![from..to, .., .., ..]);
        let part = two.gradient(x, &sigma[from..to], &class[from..to]).unwrap();
        let expected: ArrayD<f32> = whole.slice(s![from..to, .., .., ..]).to_owned().into_dyn();
        assert_eq!(part.into_dyn(), expected);
    }
}
