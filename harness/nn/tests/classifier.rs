//! The classifier against its PyTorch mirror (fixtures/resnet.py).
#![allow(clippy::unwrap_used)]

mod common;

use common::{Fixture, agrees, distance, options, runtime};
use eidetic_graph::{encode, evaluate, gradient};
use eidetic_nn::{Classifier, Embedding, Error, ResNet, Weights, names};
use eidetic_runtime::{Feed, ModelSource};
use ndarray::{ArrayD, Axis, IxDyn, concatenate};

fn classifier(
    channels: &[usize],
    blocks: &[usize],
    shape: [usize; 3],
    classes: usize,
) -> Classifier {
    Classifier {
        network: ResNet {
            channels: channels.to_vec(),
            blocks: blocks.to_vec(),
            embedding: Embedding::Sinusoidal,
        },
        shape,
        classes,
        sigma_data: 0.5,
    }
}

fn small() -> Classifier {
    classifier(&[8, 12], &[2, 1], [2, 9, 9], 3)
}

#[test]
fn it_has_pytorchs_logits_losses_and_gradients() {
    let output = small().graph(4, Weights::Inputs).unwrap();
    agrees("classifier", &output, |rows| small().loss(rows));
}

/// The guidance gradient of each row by itself is the fixture's, without its share.
#[test]
fn the_gradient_of_the_log_probability_is_a_row_s_own() {
    let fixture = Fixture::read("classifier");
    let parameters = fixture.parameters();
    let graph = small()
        .log_probability(4, Weights::Values(&parameters))
        .unwrap();
    let value = |name: &str| graph.value(name).unwrap();
    let guide = gradient(
        &graph,
        &[value(names::LOG_PROBABILITY)],
        &[value(names::SAMPLE)],
    )
    .unwrap();
    let input = |name| (name, fixture.get(&format!("input.{name}")).clone());
    let made = evaluate(
        &guide,
        &[
            input(names::SAMPLE),
            input(names::SIGMA),
            input(names::CLASS_LABELS),
            ("cotangent.log_probability", ArrayD::ones(IxDyn(&[4]))),
        ],
    )
    .unwrap();
    let losses = fixture.get("loss").iter().map(|loss| -loss);
    assert!(distance(made[0].iter().copied(), losses) < 1e-6);
    let share = fixture.get("input.cotangent.loss");
    let expected = fixture.get("gradient.sample");
    for (row, share) in share.iter().enumerate() {
        let got = made[1].index_axis(Axis(0), row);
        let expected = expected.index_axis(Axis(0), row);
        let expected = expected.iter().map(|value| -value / share);
        assert!(distance(got.iter().copied(), expected) < 1e-6);
    }
}

#[test]
fn the_exported_model_gives_the_same_logits_for_any_number_of_rows() {
    let fixture = Fixture::read("classifier");
    let model = encode(&small().export(&fixture.parameters()).unwrap());
    let float = |name: &str| fixture.get(name).mapv(|x| x as f32);
    let twice = |array: ArrayD<f32>| concatenate(Axis(0), &[array.view(), array.view()]).unwrap();
    let (sample, sigma) = (twice(float("input.sample")), twice(float("input.sigma")));
    let expected = twice(float("output"));
    for microbatch in [1, 5, 8] {
        let source = ModelSource::Bytes(&model);
        let sessions = runtime().open(source, &options(1, microbatch)).unwrap();
        let feeds = [
            Feed::rows(names::SAMPLE, sample.view()),
            Feed::rows(names::SIGMA, sigma.view()),
        ];
        let made = sessions.run(8, &feeds, &[names::LOGITS]).unwrap();
        assert_eq!(made[0].shape(), [8, 3]);
        let got = made[0].iter().map(|&x| f64::from(x));
        let expected = expected.iter().map(|&x| f64::from(x));
        assert!(distance(got, expected) < 1e-5);
    }
}

#[test]
fn resnet_34_has_its_layers() {
    let stages = ([64, 128, 256, 512], [3, 4, 6, 3]);
    let wanted = classifier(&stages.0, &stages.1, [3, 32, 32], 100)
        .wanted()
        .unwrap();
    let three = wanted.iter().filter(|each| each.shape.ends_with(&[3, 3]));
    // The 33 convolutions of 34 layers; the last is the head.
    assert_eq!(three.count(), 33);
    let kernels = wanted
        .iter()
        .filter(|each| each.shape.len() == 4 || each.name == "head.weight");
    let count: usize = kernels
        .map(|each| each.shape.iter().product::<usize>())
        .sum();
    // torchvision's resnet34 has 21,797,672 weights with a 7 x 7 start, 1,000 classes, 17,024 of
    // normalisations; here the start is 3 x 3 and the head has 100 classes.
    let torchvision = 21_797_672 - 17_024;
    assert_eq!(count, torchvision - 64 * 3 * (49 - 9) - 513_000 + 51_200);
}

#[test]
fn classifiers_without_sense_are_refused() {
    let shape = [1, 8, 8];
    for (wrong, expected) in [
        (
            classifier(&[], &[], shape, 2),
            "channels: expected multiples of 4",
        ),
        (
            classifier(&[8, 6], &[1, 1], shape, 2),
            "channels: expected multiples of 4",
        ),
        (
            classifier(&[8, 8], &[1], shape, 2),
            "blocks: expected 2 numbers",
        ),
        (
            classifier(&[8], &[0], shape, 2),
            "blocks: expected 1 numbers",
        ),
        (
            classifier(&[8], &[1], shape, 1),
            "classes: expected 2 or more",
        ),
        (
            classifier(&[8], &[1], [1, 0, 8], 2),
            "shape: expected channels",
        ),
    ] {
        let error: Error = wrong.wanted().unwrap_err();
        assert!(error.to_string().starts_with(expected), "{error}");
    }
}
