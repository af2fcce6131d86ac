//! Norms of gradients.

use crate::parameters::Parameters;

/// Square sums that are kept apart, so that the loop over them is one of vectors.
const LANES: usize = 16;

/// The Euclidean norm over all tensors, accumulated in f64 in an order that depends on the sizes
/// alone; not finite where an element is not.
pub fn norm(gradient: &Parameters) -> f64 {
    let tensors = gradient.list.iter().map(|each| square(&each.values));
    tensors.sum::<f64>().sqrt()
}

/// Scales the gradient so that its norm is at most `most`, and returns the norm that it had:
/// `torch.nn.utils.clip_grad_norm_`, the factor min(1, most / (norm + 1e-6)).
pub fn clip(gradient: &mut Parameters, most: f64) -> f64 {
    let norm = norm(gradient);
    let factor = most / (norm + 1e-6);
    if factor < 1.0 {
        scale(gradient, factor as f32);
    }
    norm
}

/// Multiplies every element.
pub(crate) fn scale(gradient: &mut Parameters, factor: f32) {
    for each in &mut gradient.list {
        each.values.iter_mut().for_each(|value| *value *= factor);
    }
}

/// Adds element by element.
pub(crate) fn add(sum: &mut Parameters, other: &Parameters) {
    for (sum, other) in sum.list.iter_mut().zip(&other.list) {
        let pairs = sum.values.iter_mut().zip(&other.values);
        pairs.for_each(|(sum, other)| *sum += other);
    }
}

fn square(values: &[f32]) -> f64 {
    let mut lanes = [0.0; LANES];
    let chunks = values.chunks_exact(LANES);
    let rest: f64 = chunks
        .remainder()
        .iter()
        .map(|&x| f64::from(x).powi(2))
        .sum();
    for chunk in chunks {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane += f64::from(x) * f64::from(x);
        }
    }
    lanes.iter().sum::<f64>() + rest
}
