//! Which images a step trains on.

use rand::RngExt;
use rand::seq::SliceRandom;

use crate::random::rng;
use crate::task::Draw;

/// The next `batch` of `count` images in shuffled epochs without replacement; where an epoch ends
/// within the batch, the next one goes on.
pub(crate) fn epochs(draw: &Draw, count: usize) -> Vec<usize> {
    let start = u128::from(draw.step) * draw.batch as u128;
    let mut epoch = (start / count as u128) as u64;
    let mut place = (start % count as u128) as usize;
    let mut rows = Vec::with_capacity(draw.batch);
    while rows.len() < draw.batch {
        let mut order: Vec<usize> = (0..count).collect();
        order.shuffle(&mut rng(draw.seed, "epoch", epoch));
        let wanted = (draw.batch - rows.len()).min(count - place);
        rows.extend(&order[place..place + wanted]);
        (epoch, place) = (epoch + 1, 0);
    }
    rows
}

/// Each of `count` images with probability `batch` / `count`, at most 1.
pub(crate) fn poisson(draw: &Draw, count: usize) -> Vec<usize> {
    let share = (draw.batch as f64 / count as f64).min(1.0);
    let mut rng = rng(draw.seed, "poisson", draw.step);
    (0..count).filter(|_| rng.random_bool(share)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{epochs, poisson};
    use crate::task::Draw;

    proptest! {
        /// After k epochs every image was seen k times, wherever batches end.
        #[test]
        fn epochs_cover_every_image_equally(count in 1usize..40, batch in 1usize..50, seed: u64) {
            let steps = count as u64;
            let mut seen = vec![0; count];
            for step in 0..steps {
                let rows = epochs(&Draw { seed, step, batch }, count);
                prop_assert_eq!(rows.len(), batch);
                rows.iter().for_each(|&row| seen[row] += 1);
                let least = seen.iter().min().copied().unwrap_or_default();
                prop_assert!(seen.iter().all(|&times| times <= least + 1));
            }
            prop_assert!(seen.iter().all(|&times| times == batch));
        }
    }

    #[test]
    fn epochs_differ_from_each_other_and_by_seed() {
        let of = |seed, step| {
            epochs(
                &Draw {
                    seed,
                    step,
                    batch: 50,
                },
                50,
            )
        };
        assert_ne!(of(0, 0), of(0, 1));
        assert_ne!(of(0, 0), of(1, 0));
        assert_eq!(of(0, 3), of(0, 3));
    }

    #[test]
    fn poisson_draws_each_image_with_its_probability() {
        let (count, batch, steps) = (100, 20, 2000);
        let mut seen = vec![0u32; count];
        let mut sizes = Vec::new();
        for step in 0..steps {
            let rows = poisson(
                &Draw {
                    seed: 1,
                    step,
                    batch,
                },
                count,
            );
            rows.iter().for_each(|&row| seen[row] += 1);
            sizes.push(rows.len() as f64);
        }
        let mean = sizes.iter().sum::<f64>() / steps as f64;
        let variance = sizes.iter().map(|size| (size - mean).powi(2)).sum::<f64>() / steps as f64;
        // Binomial(100, 0.2): mean 20, variance 16. Deviations of the estimates: 0.09 and 0.5.
        assert!((mean - 20.0).abs() < 0.4, "{mean}");
        assert!((variance - 16.0).abs() < 2.5, "{variance}");
        // Each image 400 times, deviation 18.
        assert!(seen.iter().all(|&times| (310..490).contains(&times)));
        let all = poisson(
            &Draw {
                seed: 1,
                step: 0,
                batch: 7,
            },
            5,
        );
        assert_eq!(all, [0, 1, 2, 3, 4]);
    }
}
