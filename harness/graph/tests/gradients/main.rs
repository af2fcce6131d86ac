//! Gradients of operators and of whole networks: against central differences in float64, against
//! ONNX Runtime in float32, and against torch.autograd.
#![allow(clippy::unwrap_used)]

mod case;
mod networks;
mod onnxruntime;
mod operators;

use eidetic_graph::{Graph, evaluate};
use ndarray::ArrayD;

/// Inputs by name.
type Arrays = Vec<(String, ArrayD<f64>)>;

/// The outputs by the float64 evaluator.
fn run(graph: &Graph, feed: &Arrays) -> Vec<ArrayD<f64>> {
    let feed: Vec<(&str, ArrayD<f64>)> = feed
        .iter()
        .map(|(name, x)| (name.as_str(), x.clone()))
        .collect();
    evaluate(graph, &feed).unwrap()
}

/// Largest difference over the largest value expected, or over `least` where that is larger.
fn distance<'a>(got: &ArrayD<f64>, expected: impl IntoIterator<Item = &'a f64>, least: f64) -> f64 {
    let expected: Vec<f64> = expected.into_iter().copied().collect();
    assert_eq!(got.len(), expected.len());
    let most = expected.iter().fold(least, |most, x| most.max(x.abs()));
    let off = got.iter().zip(&expected).map(|(got, want)| {
        let off = (got - want).abs();
        if off.is_nan() { f64::INFINITY } else { off }
    });
    off.fold(0.0, f64::max) / most
}
