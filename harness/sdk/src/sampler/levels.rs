//! The noise levels that a sampler walks down.

use super::config::Sampler;

/// Descending noise levels, `steps` of them, without the final 0.
///
/// Without a schedule they are EDM's (Karras et al. 2022, eq. 5). With one, they are its own
/// levels inside `sigma_min..=sigma_max`, evenly spaced by index, both ends included; fewer than
/// `steps` where the schedule has fewer.
pub fn sigmas(sampler: &Sampler, schedule: &[f64]) -> Vec<f64> {
    let (low, high) = (sampler.sigma_min, sampler.sigma_max);
    let steps = sampler.steps;
    if schedule.is_empty() {
        if steps == 1 {
            return vec![high];
        }
        let (a, b) = (high.powf(1.0 / sampler.rho), low.powf(1.0 / sampler.rho));
        let level = |i: usize| (a + (b - a) * i as f64 / (steps - 1) as f64).powf(sampler.rho);
        return (0..steps)
            .map(|i| if i == 0 { high } else { level(i) })
            .collect();
    }
    let within: Vec<f64> = schedule
        .iter()
        .rev()
        .copied()
        .filter(|s| (low..=high).contains(s))
        .collect();
    if within.len() <= steps || steps == 1 {
        return within.into_iter().take(steps.max(1)).collect();
    }
    let last = (within.len() - 1) as f64;
    let index = |i: usize| (last * i as f64 / (steps - 1) as f64).round() as usize;
    (0..steps).map(|i| within[index(i)]).collect()
}
