//! The classifier in training.
#![allow(clippy::unwrap_used)]

mod common;

use std::f64::consts::{LN_2, TAU};
use std::sync::atomic::AtomicBool;

use common::{options, runtime};
use eidetic_graph::{encode, gradient};
use eidetic_nn::{
    Batch, Classifier, Classifying, Draw, Embedding, Error, LabelledImages, Machine, Networks,
    Parameters, ResNet, Rows, Run, Task, Training, Weights, Which, names, rng, train,
};
use eidetic_runtime::{Device, Feed, ModelSource};
use ndarray::{Array1, Array4, ArrayD, Axis};
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

fn classifier() -> Classifier {
    Classifier {
        network: ResNet {
            channels: vec![8, 16],
            blocks: vec![1, 1],
            embedding: Embedding::Sinusoidal,
        },
        shape: [1, SIZE, SIZE],
        classes: CLASSES,
        sigma_data: 0.7,
    }
}

fn labelled(seed: u64, rows: usize) -> LabelledImages {
    let (images, labels) = stripes(seed, 0, rows);
    LabelledImages {
        images,
        labels: labels.to_vec(),
    }
}

/// Trained on 2,048 images at levels from 0.05 to 20, even in their logarithm.
fn trained() -> (Classifier, Parameters) {
    let level = |place: u16| (0.05f32.ln() + 400f32.ln() * f32::from(place) / 256.0).exp();
    let sigmas = (0..=256).map(level).collect();
    let task = Classifying::new(classifier(), labelled(0, 2048), sigmas).unwrap();
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
    (task.classifier().clone(), made.weights)
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

struct NoNetworks;

impl Networks for NoNetworks {
    fn run(&self, _: Which, _: &Rows) -> Result<ArrayD<f32>, Error> {
        panic!("a classifier's batch asks no network")
    }
}

fn batch(task: &Classifying, step: u64) -> Batch {
    let draw = Draw {
        seed: 3,
        step,
        batch: 5,
    };
    task.batch(&draw, &NoNetworks).unwrap()
}

#[test]
fn rows_are_images_of_an_epoch_at_levels_of_their_own() {
    let data = labelled(0, 10);
    let clean = Classifying::new(classifier(), data.clone(), vec![0.0]).unwrap();
    let mut seen = Vec::new();
    for step in 0..2 {
        let made = batch(&clean, step);
        let [group] = &made.groups[..] else {
            panic!("{} groups", made.groups.len())
        };
        assert_eq!(group.share, [0.2; 5]);
        let (sample, labels) = (
            &group.floats[names::SAMPLE],
            &group.integers[names::CLASS_LABELS],
        );
        for (row, &index) in made.index.iter().enumerate() {
            let image = data.images.index_axis(Axis(0), index as usize).into_dyn();
            assert_eq!(sample.index_axis(Axis(0), row), image);
            assert_eq!(labels[[row]], data.labels[index as usize]);
        }
        seen.extend(made.index);
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..10).collect::<Vec<u64>>());

    // The same draws again, with noise of the level that each row says.
    let noisy = Classifying::new(classifier(), data, vec![0.5, 2.0]).unwrap();
    let levels = |step| batch(&noisy, step).groups[0].floats[names::SIGMA].clone();
    let all: Vec<f32> = (0..8).flat_map(levels).collect();
    let low = all.iter().filter(|&&level| level == 0.5).count();
    assert_eq!(low + all.iter().filter(|&&level| level == 2.0).count(), 40);
    assert!((8..=32).contains(&low), "{low}");
    for step in 0..8 {
        let (with, without) = (batch(&noisy, step), batch(&clean, step));
        assert_eq!(with, batch(&noisy, step));
        assert_eq!(with.index, without.index);
        let sigma = &with.groups[0].floats[names::SIGMA];
        let noise =
            &with.groups[0].floats[names::SAMPLE] - &without.groups[0].floats[names::SAMPLE];
        for (noise, sigma) in noise.outer_iter().zip(sigma) {
            // 64 values: the deviation of this estimate is 9 % of sigma.
            let rms = (noise.iter().map(|x| x * x).sum::<f32>() / 64.0).sqrt();
            assert!((rms / sigma - 1.0).abs() < 0.45, "{rms} of {sigma}");
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let refused = |data: LabelledImages, sigmas: &[f32]| {
        let made = Classifying::new(classifier(), data, sigmas.to_vec());
        made.unwrap_err().to_string()
    };
    let mut data = labelled(0, 4);
    for (sigmas, message) in [
        (
            &[][..],
            "noise levels of a classifier: expected at least one, got none",
        ),
        (
            &[1.0, -1.0],
            "noise levels of a classifier: expected 0 to 1e9, got -1",
        ),
        (
            &[f32::NAN],
            "noise levels of a classifier: expected 0 to 1e9, got NaN",
        ),
    ] {
        assert_eq!(refused(data.clone(), sigmas), message);
    }
    data.labels[2] = 3;
    assert_eq!(
        refused(data.clone(), &[1.0]),
        "labels: expected 0 to 2, got 3"
    );
    data.labels.pop();
    assert_eq!(
        refused(data.clone(), &[1.0]),
        "images of a classifier: expected [3, 1, 8, 8] of at least one, an image a label, \
         got [4, 1, 8, 8]"
    );
    let none = LabelledImages {
        images: Array4::zeros((0, 1, SIZE, SIZE)),
        labels: Vec::new(),
    };
    assert!(refused(none, &[1.0]).contains("at least one"));
    let mut nan = labelled(0, 4);
    nan.images[[1, 0, 2, 3]] = f32::NAN;
    assert_eq!(
        refused(nan, &[1.0]),
        "images of a classifier: expected finite values, got NaN"
    );
    let one = Classifier {
        classes: 1,
        ..classifier()
    };
    let error = Classifying::new(one, labelled(0, 4), vec![1.0]).unwrap_err();
    assert_eq!(error.to_string(), "classes: expected 2 or more, got 1");
}
