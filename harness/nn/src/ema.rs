//! Exponential moving average of the weights.

use crate::parameters::Parameters;

/// `average` = decay . `average` + (1 - decay) . `weights`, without correction: it starts at the
/// initial weights. A decay of 0 gives the weights.
pub fn average(decay: f64, average: &mut Parameters, weights: &Parameters) {
    let (old, new) = (decay as f32, (1.0 - decay) as f32);
    for (average, weights) in average.list.iter_mut().zip(&weights.list) {
        let pairs = average.values.iter_mut().zip(&weights.values);
        pairs.for_each(|(average, weight)| *average = old * *average + new * weight);
    }
}
