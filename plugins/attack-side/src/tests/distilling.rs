//! The loss of a pupil: with certain labels the cross-entropy, else its mean.

use std::collections::BTreeMap;

use eidetic_graph::evaluate;
use eidetic_nn::{
    Batch, Classifier, Classifying, Draw, Embedding, Error, LabelledImages, Networks, ResNet, Rows,
    Task, Which, names,
};
use eidetic_sdk::ndarray::{Array2, Array4, ArrayD, IxDyn};

use crate::distilling::Distilling;

const ROWS: usize = 4;
const CLASSES: usize = 3;

fn classifier() -> Classifier {
    Classifier {
        network: ResNet {
            channels: vec![4],
            blocks: vec![1],
            embedding: Embedding::Sinusoidal,
        },
        shape: [1, 4, 4],
        classes: CLASSES,
        sigma_data: 0.5,
    }
}

fn classifying() -> Classifying {
    let pixel = |(row, _, y, x): (usize, usize, usize, usize)| {
        ((row * 7 + y * 3 + x * 5) % 11) as f32 / 5.0 - 1.0
    };
    let data = LabelledImages {
        images: Array4::from_shape_fn((6, 1, 4, 4), pixel),
        labels: vec![0, 1, 2, 2, 1, 0],
    };
    Classifying::new(classifier(), data, vec![0.3, 2.0]).unwrap()
}

struct NoNetworks;

impl Networks for NoNetworks {
    fn run(&self, _: Which, _: &Rows) -> Result<ArrayD<f32>, Error> {
        panic!("a classifier's batch asks no network")
    }
}

fn batch(task: &dyn Task) -> Batch {
    let draw = Draw {
        seed: 2,
        step: 0,
        batch: ROWS,
    };
    task.batch(&draw, &NoNetworks).unwrap()
}

/// The loss of each row in float64.
fn losses(task: &dyn Task, batch: &Batch) -> Vec<f64> {
    let wide = |values: &ArrayD<f32>| values.mapv(f64::from);
    let mut inputs: BTreeMap<String, ArrayD<f64>> = BTreeMap::new();
    let group = &batch.groups[0];
    for (name, values) in &group.floats {
        inputs.insert(name.clone(), wide(values));
    }
    for (name, values) in &group.integers {
        inputs.insert(name.clone(), values.mapv(|value| value as f64));
    }
    for weight in task.initial(5).unwrap().list {
        // The head may start at 0, which would tell nothing apart.
        let at = |place: usize| f64::from(weight.values[place]) + (place % 5) as f64 / 10.0;
        let values = (0..weight.values.len()).map(at).collect();
        let values = ArrayD::from_shape_vec(IxDyn(&weight.shape), values).unwrap();
        inputs.insert(weight.name, values);
    }
    let inputs: Vec<(&str, ArrayD<f64>)> = inputs
        .iter()
        .map(|(name, values)| (name.as_str(), values.clone()))
        .collect();
    let graph = task.loss(ROWS).unwrap();
    let made = evaluate(&graph, &inputs).unwrap();
    // The last output is the loss.
    made.last().unwrap().iter().copied().collect()
}

#[test]
fn certain_labels_give_the_cross_entropy_and_even_ones_its_mean() {
    let labels = [0usize, 1, 2, 2, 1, 0];
    let certain = |shift: usize| {
        let soft =
            |(row, class): (usize, usize)| f32::from((labels[row] + shift) % CLASSES == class);
        let soft = Array2::from_shape_fn((6, CLASSES), |(row, class)| soft((row, class)));
        let classifying = classifying();
        Distilling { classifying, soft }
    };
    let hard = classifying();
    let drawn = batch(&hard);
    let expected = losses(&hard, &drawn);
    let pupil = certain(0);
    let made = batch(&pupil);
    assert_eq!(made.index, drawn.index);
    assert_eq!(
        made.groups[0].floats[names::SAMPLE],
        drawn.groups[0].floats[names::SAMPLE]
    );
    assert!(made.groups[0].integers.is_empty());
    let near = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-9);
    let got = losses(&pupil, &made);
    assert!(near(&got, &expected), "{got:?} {expected:?}");

    let each: Vec<Vec<f64>> = (0..CLASSES)
        .map(|shift| losses(&certain(shift), &batch(&certain(shift))))
        .collect();
    assert!(!near(&each[0], &each[1]));
    let even = Distilling {
        classifying: classifying(),
        soft: Array2::from_elem((6, CLASSES), 0.25),
    };
    let got = losses(&even, &batch(&even));
    let quarter = |row: usize| each.iter().map(|losses| losses[row]).sum::<f64>() / 4.0;
    let expected: Vec<f64> = (0..ROWS).map(quarter).collect();
    assert!(near(&got, &expected), "{got:?} {expected:?}");
}
