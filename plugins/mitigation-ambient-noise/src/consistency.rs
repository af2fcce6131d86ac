//! Estimates along the network's own reverse process.

use eidetic_sdk::batch::condition_rows;
use eidetic_sdk::ndarray::{Array4, Axis, Zip};
use eidetic_sdk::random::{Rng, rng};
use eidetic_sdk::{Batch, Result, Trainer, TrainingBatch, TrainingGroup};
use rand::RngExt;
use rand_distr::StandardNormal;

/// The lowest level, EDM's sigma_min.
const SIGMA_MIN: f64 = 0.002;
/// EDM's rho.
const RHO: f64 = 7.0;
/// Longest step from sigma' to sigma'' in sigma^(1 / rho): about half of one of 18 Heun steps.
const LONGEST: f64 = 0.05;

fn time(sigma: f64) -> f64 {
    sigma.powf(1.0 / RHO)
}

/// sigma' below `sigma` and sigma'' at or below sigma', both at least [`SIGMA_MIN`] where `sigma`
/// is: sigma' uniform in time, sigma'' uniform in the [`LONGEST`] before it.
fn lower(sigma: f32, stream: &mut Rng) -> [f32; 2] {
    let (top, bottom) = (time(f64::from(sigma)), time(SIGMA_MIN));
    let span = (top - bottom).max(0.0);
    let first = top - span * stream.random::<f64>();
    let second = (first - LONGEST * stream.random::<f64>()).max(first.min(bottom));
    // Powers there and back may pass the level by a rounding.
    let first = (first.powf(RHO) as f32).min(sigma);
    [first, (second.powf(RHO) as f32).min(first)]
}

/// One ancestral step of DDPM with the fixed small variance: D + (to^2 / from^2) (x - D) plus noise
/// of variance to^2 (from^2 - to^2) / from^2.
fn reverse(
    x: &Array4<f32>,
    d: &Array4<f32>,
    from: &[f32],
    to: &[f32],
    z: &Array4<f32>,
) -> Array4<f32> {
    let mut out = x.clone();
    for (row, mut out) in out.outer_iter_mut().enumerate() {
        let (from, to) = (f64::from(from[row]).powi(2), f64::from(to[row]).powi(2));
        let (keep, spread) = (to / from, (to * (from - to) / from).sqrt());
        let (d, z) = (d.index_axis(Axis(0), row), z.index_axis(Axis(0), row));
        Zip::from(&mut out).and(d).and(z).for_each(|x, &d, &z| {
            let (d, z) = (f64::from(d), f64::from(z));
            *x = (d + keep * (f64::from(*x) - d) + spread * z) as f32;
        });
    }
    out
}

/// The consistency examples of the rows `above` of a group.
pub(crate) fn group(
    from: &TrainingGroup,
    above: &[usize],
    weight: f32,
    batch: &TrainingBatch<'_>,
    trainer: &dyn Trainer,
) -> Result<TrainingGroup> {
    let conditions = batch.conditions.iter();
    let conditions: Vec<_> = conditions
        .map(|condition| condition_rows(condition, above))
        .collect::<Result<_>>()?;
    let conditions: Vec<_> = conditions
        .iter()
        .map(|rows| rows.as_condition())
        .collect::<Result<_>>()?;
    let index: Vec<u64> = above.iter().map(|&row| batch.index[row]).collect();
    let denoise = |x: &Array4<f32>, sigma: &[f32]| -> Result<Array4<f32>> {
        let mut out = Array4::zeros(x.dim());
        let batch = Batch {
            x: x.view(),
            sigma,
            row_id: &index,
            conditions: &conditions,
        };
        trainer.denoise(batch, out.view_mut())?;
        Ok(out)
    };
    let purpose = format!("ambient noise consistency {}", batch.step);
    let mut streams: Vec<Rng> = index
        .iter()
        .map(|&index| rng(trainer.seed(), &purpose, index))
        .collect();

    let x = from.x.select(Axis(0), above);
    let sigma: Vec<f32> = above.iter().map(|&row| from.sigma[row]).collect();
    let levels = sigma.iter().zip(&mut streams);
    let (first, second): (Vec<f32>, Vec<f32>) = levels
        .map(|(&sigma, stream)| lower(sigma, stream).into())
        .unzip();
    let mut noise = || {
        let mut z = Array4::zeros(x.dim());
        for (mut z, stream) in z.outer_iter_mut().zip(&mut streams) {
            z.mapv_inplace(|_: f32| stream.sample(StandardNormal));
        }
        z
    };
    let x1 = reverse(&x, &denoise(&x, &sigma)?, &sigma, &first, &noise());
    let x2 = reverse(&x1, &denoise(&x1, &first)?, &first, &second, &noise());
    let target = denoise(&x2, &second)?;
    let (rows, _, height, width) = x.dim();
    Ok(TrainingGroup {
        row: above.iter().map(|&row| row as u64).collect(),
        weight: Array4::from_elem(x.dim(), weight),
        extra: Array4::zeros((rows, 0, height, width)),
        x: x1,
        sigma: first,
        target,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_fall_and_stay_above_the_lowest() {
        let mut stream = rng(1, "test", 0);
        for sigma in [0.002, 0.0021, 0.5, 8.0, 80.0] {
            for _ in 0..2000 {
                let [first, second] = lower(sigma, &mut stream);
                assert!(0.00199 < second && second <= first && first <= sigma);
                let step = time(f64::from(first)) - time(f64::from(second));
                assert!(step < LONGEST + 1e-6);
            }
        }
        // A level below the lowest stays.
        assert!((lower(0.001, &mut stream)[1] - 0.001).abs() < 1e-8);
    }

    #[test]
    fn a_reverse_step_by_hand() {
        let one = |value: f32| Array4::from_elem((1, 1, 1, 1), value);
        // from^2 = 4, to^2 = 1: 3 + (7 - 3) / 4 + 2 sqrt(3 / 4).
        let to = reverse(&one(7.0), &one(3.0), &[2.0], &[1.0], &one(2.0));
        assert!((to[[0, 0, 0, 0]] - 5.732_051).abs() < 1e-5);
        let stay = reverse(&one(7.0), &one(3.0), &[2.0], &[2.0], &one(2.0));
        assert_eq!(stay[[0, 0, 0, 0]], 7.0);
    }
}
