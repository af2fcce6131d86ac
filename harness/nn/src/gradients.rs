//! The gradient of a whole batch, private or not.

use std::thread;

use rand::RngExt;
use rand_distr::StandardNormal;

use crate::clip;
use crate::error::Error;
use crate::parameters::Parameters;
use crate::random::rng;
use crate::step::{Group, Step};
use crate::task::{Batch, Draw, Privacy};

/// Runs the groups of a batch and adds their gradients in order.
pub(crate) struct Gradients {
    step: Step,
    privacy: Option<Privacy>,
    threads: usize,
}

/// What a batch gave.
pub(crate) struct Taken {
    /// Sum over rows of (share . loss), over examples where they are private; none for no rows.
    pub(crate) loss: Option<f64>,
    /// Of every row, groups one after another.
    pub(crate) losses: Vec<f32>,
    pub(crate) gradient: Parameters,
}

impl Gradients {
    pub(crate) fn new(step: Step, privacy: Option<Privacy>, threads: usize) -> Self {
        Self {
            step,
            privacy,
            threads: threads.max(1),
        }
    }

    pub(crate) fn of(
        &self,
        weights: &Parameters,
        batch: &Batch,
        draw: &Draw,
    ) -> Result<Taken, Error> {
        let mut sum: Option<Parameters> = None;
        let mut losses = Vec::new();
        // An example is often less than a microbatch, so private groups run side by side.
        let side_by_side = match self.privacy {
            Some(_) => self.threads,
            None => 1,
        };
        for groups in batch.groups.chunks(side_by_side) {
            for result in self.side_by_side(weights, groups) {
                let (rows, mut gradient) = result?;
                if let Some(privacy) = self.privacy {
                    clip::clip(&mut gradient, privacy.clip);
                }
                losses.extend(rows);
                match &mut sum {
                    None => sum = Some(gradient),
                    Some(sum) => clip::add(sum, &gradient),
                }
            }
        }
        let shares = batch.groups.iter().flat_map(|group| &group.share);
        let terms = shares
            .zip(&losses)
            .map(|(&share, &loss)| f64::from(share) * f64::from(loss));
        let mut loss = (!losses.is_empty()).then(|| terms.sum::<f64>());
        let mut gradient = sum.unwrap_or_else(|| weights.zeros());
        if let Some(privacy) = self.privacy {
            loss = loss.map(|loss| loss / batch.groups.len() as f64);
            add_noise(&mut gradient, &privacy, draw);
            clip::scale(&mut gradient, (1.0 / draw.batch as f64) as f32);
        }
        Ok(Taken {
            loss,
            losses,
            gradient,
        })
    }

    fn side_by_side(
        &self,
        weights: &Parameters,
        groups: &[Group],
    ) -> Vec<Result<(Vec<f32>, Parameters), Error>> {
        let (Some(first), others) = (groups.first(), groups.get(1..).unwrap_or_default()) else {
            return Vec::new();
        };
        thread::scope(|scope| {
            let work = |group| self.step.run(weights, group);
            let spawned = others.iter().map(|group| scope.spawn(move || work(group)));
            let spawned: Vec<_> = spawned.collect();
            let mut results = vec![work(first)];
            for other in spawned {
                let result = other.join();
                results.push(result.unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            }
            results
        })
    }
}

/// Normal noise of standard deviation `noise_multiplier . clip` on every element.
fn add_noise(gradient: &mut Parameters, privacy: &Privacy, draw: &Draw) {
    let deviation = privacy.noise_multiplier * privacy.clip;
    if deviation == 0.0 {
        return;
    }
    let mut stream = rng(draw.seed, "gradient noise", draw.step);
    for each in &mut gradient.list {
        for value in &mut each.values {
            *value += (deviation * stream.sample::<f64, _>(StandardNormal)) as f32;
        }
    }
}
