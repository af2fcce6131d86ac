//! The classifier in training.
#![allow(clippy::unwrap_used)]

mod common;

use std::f64::consts::{LN_2, TAU};
use std::sync::atomic::AtomicBool;

use common::{options, runtime};
use eidetic_graph::{Graph, encode, gradient};
use eidetic_nn::{
    Batch, Classifier, Draw, Embedding, Error, Group, Machine, Networks, Parameters, ResNet, Run,
    Task, Training, Weights, names, rng, train,
};
use eidetic_runtime::{Device, Feed, ModelSource};
use ndarray::{Array1, Array4, ArrayD};
use rand::RngExt;
use rand_distr::StandardNormal;

const CLASSES: usize = 3;
const SIZE: usize = 8;

/// Rows, columns or diagonals of any phase, as `[rows, 1, 8, 8]` in [-1, 1], and which.
fn stripes(seed: u64, index: u64, rows: usize) -> (Array4<f32>, Array1<i64>) {
    let mut stream = rng(seed, "stripes", index);
    let labels = Array1::from_shape_simple_fn(rows, || stream.random_range(0..CLASSES as i64));
    let phases = Array1::from_shape_simple_fn(rows, || stream.random::<f64>());
    let pixel = |(row, _, y, x): (usize, usize, usize, usize)| {
        let along = match labels[row] {
            0 => y,
            1 => x,
            _ => x + y,
        };
        (TAU * (along as f64 / 4.0 + phases[row])).sin() as f32
    };
    let images = Array4::from_shape_fn((rows, 1, SIZE, SIZE), pixel);
    (images, labels)
}

/// x0 + sigma n.
fn noised(seed: u64, index: u64, images: &Array4<f32>, sigma: &Array1<f32>) -> ArrayD<f32> {
    let mut stream = rng(seed, "noise", index);
    let mut noisy = images.clone();
    for (mut image, sigma) in noisy.outer_iter_mut().zip(sigma) {
        image.mapv_inplace(|x| x + sigma * stream.sample::<f32, _>(StandardNormal));
    }
    noisy.into_dyn()
}

struct Stripes(Classifier);

impl Task for Stripes {
    fn initial(&self, seed: u64) -> Result<Parameters, Error> {
        self.0.initial(seed)
    }

    fn loss(&self, rows: usize) -> Result<Graph, Error> {
        self.0.loss(rows)
    }

    fn forward(&self, rows: usize) -> Result<Graph, Error> {
        self.0.graph(rows, Weights::Inputs)
    }

    /// Levels from 0.05 to 20, even in their logarithm.
    fn batch(&self, draw: &Draw, _networks: &dyn Networks) -> Result<Batch, Error> {
        let (images, labels) = stripes(draw.seed, draw.step, draw.batch);
        let mut stream = rng(draw.seed, "sigma", draw.step);
        let level = || (0.05f32.ln() + 400f32.ln() * stream.random::<f32>()).exp();
        let sigma = Array1::from_shape_simple_fn(draw.batch, level);
        let mut group = Group {
            share: vec![1.0 / draw.batch as f32; draw.batch],
            ..Group::default()
        };
        let noisy = noised(draw.seed, draw.step, &images, &sigma);
        group.floats.insert(names::SAMPLE.to_owned(), noisy);
        let sigma = sigma.into_dyn();
        group.floats.insert(names::SIGMA.to_owned(), sigma);
        let labels = labels.into_dyn();
        group
            .integers
            .insert(names::CLASS_LABELS.to_owned(), labels);
        Ok(Batch {
            groups: vec![group],
            index: (0..draw.batch as u64).collect(),
        })
    }
}

fn trained() -> (Classifier, Parameters) {
    let classifier = Classifier {
        network: ResNet {
            channels: vec![8, 16],
            blocks: vec![1, 1],
            embedding: Embedding::Sinusoidal,
        },
        shape: [1, SIZE, SIZE],
        classes: CLASSES,
        sigma_data: 0.7,
    };
    let task = Stripes(classifier.clone());
    let folder = tempfile::tempdir().unwrap();
    let machine = Machine {
        runtime: runtime(),
        device: Device::Cpu,
        threads: 1,
    };
    let run = Run {
        folder: folder.path(),
        id: "stripes",
        watch: None,
        progress: &mut |_| (),
        cancel: &AtomicBool::new(false),
    };
    let made = train(&Training::of(800), &task, machine, run).unwrap();
    (classifier, made.weights)
}

/// Log-probabilities of each image's label at this level, and their gradients, by ONNX Runtime.
fn guide(
    classifier: &Classifier,
    weights: &Parameters,
    sample: &ArrayD<f32>,
    sigma: f32,
    labels: &Array1<i64>,
) -> (ArrayD<f32>, ArrayD<f32>) {
    let rows = labels.len();
    let graph = classifier
        .log_probability(rows, Weights::Values(weights))
        .unwrap();
    let value = |name: &str| graph.value(name).unwrap();
    let wrt = [value(names::SAMPLE)];
    let graph = gradient(&graph, &[value(names::LOG_PROBABILITY)], &wrt).unwrap();
    let model = encode(&graph.model().unwrap());
    let sessions = runtime()
        .open(ModelSource::Bytes(&model), &options(1, rows))
        .unwrap();
    let (sigma, ones) = (
        Array1::from_elem(rows, sigma).into_dyn(),
        Array1::ones(rows).into_dyn(),
    );
    let labels = labels.clone().into_dyn();
    let feeds = [
        Feed::rows(names::SAMPLE, sample.view()),
        Feed::rows(names::SIGMA, sigma.view()),
        Feed::rows_i64(names::CLASS_LABELS, labels.view()),
        Feed::rows("cotangent.log_probability", ones.view()),
    ];
    let outputs = [names::LOG_PROBABILITY, "gradient.sample"];
    let mut made = sessions.run(rows, &feeds, &outputs).unwrap().into_iter();
    (made.next().unwrap(), made.next().unwrap())
}

#[test]
fn it_learns_classes_at_every_level_and_guides_towards_them() {
    let (classifier, weights) = trained();
    let rows = 192;
    let (images, labels) = stripes(1, 0, rows);
    let at = |sigma: f32, labels: &Array1<i64>| {
        let noisy = noised(1, 0, &images, &Array1::from_elem(rows, sigma));
        let (logs, slope) = guide(&classifier, &weights, &noisy, sigma, labels);
        (noisy, logs, slope)
    };
    let right = |logs: &ArrayD<f32>| {
        // More than one half is more than any other.
        let right = logs.iter().filter(|&&log| f64::from(log) > -LN_2).count();
        right as f64 / rows as f64
    };
    let (clear, faint) = (at(0.1, &labels), at(20.0, &labels));
    let mean = f64::from(faint.1.mean().unwrap());
    assert!(right(&clear.1) > 0.95, "{}", right(&clear.1));
    // Where nothing can be seen it must not be sure: ln(1/3) is -1.0986.
    assert!((-1.2..-1.0).contains(&mean), "{mean}");

    // A step of Tweedie's size along the gradient, at a level where the class is in doubt.
    let other = labels.mapv(|label| (label + 1) % CLASSES as i64);
    let (noisy, before, slope) = at(1.0, &other);
    let moved = &noisy + &slope;
    let (after, _) = guide(&classifier, &weights, &moved, 1.0, &other);
    let closer = after
        .iter()
        .zip(&before)
        .filter(|(after, before)| after > before);
    let closer = closer.count() as f64 / rows as f64;
    assert!(closer > 0.9, "{closer}");
}
