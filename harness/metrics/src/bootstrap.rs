//! Percentile bootstrap, the same for any number of threads.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rayon::prelude::*;

use crate::error::refuse_non_finite;
use crate::interval::{CONFIDENCE, mean};
use crate::summary::{interpolate, sorted};
use crate::{Error, Estimate, Measured, Reason};

/// The percentile bootstrap (Efron 1979): the statistic on `resamples` draws with replacement,
/// cut at 2.5 % and 97.5 %. Resample b draws from ChaCha stream b under the seed, so neither the
/// number of threads nor the order of work changes a bit.
///
/// A statistic that counts distinct things (UMS, unique extractions) must not be bootstrapped:
/// a resample repeats images, and so holds fewer distinct ones by construction.
///
/// ```
/// use eidetic_metrics::Bootstrap;
///
/// let values: Vec<f64> = (0..100).map(f64::from).collect();
/// let mean = Bootstrap::new(0).mean(&values)?.value().unwrap();
/// assert_eq!(mean.value, 49.5);
/// assert!(mean.low < 46.0 && mean.high > 53.0);
/// # Ok::<(), eidetic_metrics::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bootstrap {
    /// How many times to draw; 2,000 by default.
    pub resamples: u32,
    /// The seed of all draws.
    pub seed: u64,
}

impl Bootstrap {
    /// 2,000 resamples under `seed`.
    pub fn new(seed: u64) -> Self {
        Self {
            resamples: 2000,
            seed,
        }
    }

    /// The mean of `values`; of differences of paired values, the interval of an excess.
    /// Missing for fewer than two.
    ///
    /// # Errors
    /// A value is not finite, or there are no resamples.
    pub fn mean(&self, values: &[f64]) -> Result<Measured<Estimate>, Error> {
        refuse_non_finite("bootstrapped values", values)?;
        self.statistic(values.len(), |draw| {
            draw.iter().map(|&i| values[i as usize]).sum::<f64>() / draw.len() as f64
        })
    }

    /// A percentile of `values`, `percent` in 0 to 100 (see
    /// [`percentiles`](crate::percentiles)). Missing for fewer than two.
    ///
    /// # Errors
    /// A value is not finite, `percent` is out of range, or there are no resamples.
    pub fn percentile(&self, values: &[f64], percent: f64) -> Result<Measured<Estimate>, Error> {
        refuse_non_finite("bootstrapped values", values)?;
        crate::summary::check_percent(percent)?;
        self.statistic(values.len(), |draw| {
            interpolate(
                &sorted(draw.iter().map(|&i| values[i as usize]).collect()),
                percent,
            )
        })
    }

    /// Any statistic of `n` things, given the indices drawn (below `n`, `n` of them); the value
    /// is that of 0, 1, .. n - 1. Missing for fewer than two things.
    ///
    /// # Errors
    /// The statistic is not finite for some resample, or there are no resamples.
    pub fn statistic(
        &self,
        n: usize,
        statistic: impl Fn(&[u32]) -> f64 + Sync,
    ) -> Result<Measured<Estimate>, Error> {
        self.check()?;
        let bound = u32::try_from(n).map_err(|_| Error::TooManyImages { images: n })?;
        if let Measured::Missing(reason) = Reason::unless_enough("values to resample", 2, n) {
            return Ok(Measured::Missing(reason));
        }
        let value = statistic(&(0..bound).collect::<Vec<_>>());
        refuse_non_finite("statistic on the sample itself", &[value])?;
        let [(low, high)] = self.intervals(Vec::new, |draw, rng| {
            draw.clear();
            draw.extend((0..bound).map(|_| below(rng, bound)));
            [statistic(draw)]
        })?;
        Ok(Measured::Value(Estimate { value, low, high }))
    }

    /// The 95 % intervals of several statistics of one resample, which `of_resample` draws from
    /// the generator that it is given; `scratch` is what it may reuse.
    pub(crate) fn intervals<const K: usize, S>(
        &self,
        scratch: impl Fn() -> S + Sync + Send,
        of_resample: impl Fn(&mut S, &mut ChaCha8Rng) -> [f64; K] + Sync,
    ) -> Result<[(f64, f64); K], Error> {
        let tail = 100.0 * (1.0 - CONFIDENCE) / 2.0;
        let of_statistic = |values: Vec<f64>| {
            let values = sorted(values);
            let end = |percent| interpolate(&values, percent);
            (end(tail), end(100.0 - tail))
        };
        let resampled = self.resampled(scratch, of_resample)?;
        Ok(resampled.map(of_statistic))
    }

    /// The variance over resamples of one statistic, drawn as for [`Bootstrap::intervals`].
    pub(crate) fn variance<S>(
        &self,
        scratch: impl Fn() -> S + Sync + Send,
        of_resample: impl Fn(&mut S, &mut ChaCha8Rng) -> f64 + Sync,
    ) -> Result<f64, Error> {
        let [values] = self.resampled(scratch, |scratch, rng| [of_resample(scratch, rng)])?;
        let centre = mean(&values);
        let squares: Vec<f64> = values.iter().map(|x| (x - centre).powi(2)).collect();
        Ok(mean(&squares))
    }

    /// Each statistic's values, one a resample.
    fn resampled<const K: usize, S>(
        &self,
        scratch: impl Fn() -> S + Sync + Send,
        of_resample: impl Fn(&mut S, &mut ChaCha8Rng) -> [f64; K] + Sync,
    ) -> Result<[Vec<f64>; K], Error> {
        self.check()?;
        let resamples: Vec<[f64; K]> = (0..self.resamples)
            .into_par_iter()
            .map_init(scratch, |scratch, resample| {
                of_resample(scratch, &mut self.rng(resample))
            })
            .collect();
        let values: [Vec<f64>; K] =
            std::array::from_fn(|k| resamples.iter().map(|of| of[k]).collect());
        for values in &values {
            refuse_non_finite("statistics over the resamples", values)?;
        }
        Ok(values)
    }

    /// The generator of one resample: its own stream.
    pub(crate) fn rng(&self, resample: u32) -> ChaCha8Rng {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&self.seed.to_le_bytes());
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream(u64::from(resample));
        rng
    }

    fn check(&self) -> Result<(), Error> {
        if self.resamples == 0 {
            return Err(Error::Parameter {
                name: "resamples",
                expected: "of at least 1",
                got: 0.0,
            });
        }
        Ok(())
    }
}

/// Uniform below `n`: the high word of a product of 64 and 32 bits, even to within 2^-32, and the
/// same whatever a future random_range does.
pub(crate) fn below(rng: &mut ChaCha8Rng, n: u32) -> u32 {
    ((u128::from(rng.next_u64()) * u128::from(n)) >> 64) as u32
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn draws_differ_by_resample_and_seed_and_cover_all() {
        let draw = |seed, resample| {
            let mut rng = Bootstrap::new(seed).rng(resample);
            (0..50).map(|_| below(&mut rng, 50)).collect::<Vec<_>>()
        };
        assert_eq!(draw(1, 1), draw(1, 1));
        assert_ne!(draw(1, 1), draw(1, 2));
        assert_ne!(draw(1, 1), draw(2, 1));
        let seen: std::collections::BTreeSet<u32> = (0..40).flat_map(|b| draw(3, b)).collect();
        assert_eq!(seen, (0..50).collect());
    }

    #[test]
    fn a_constant_has_no_width() {
        let estimate = Bootstrap::new(0)
            .percentile(&[2.5; 9], 95.0)
            .unwrap()
            .value()
            .unwrap();
        assert_eq!(
            estimate,
            Estimate {
                value: 2.5,
                low: 2.5,
                high: 2.5
            }
        );
    }

    #[test]
    fn the_interval_of_a_mean_is_near_the_normal_one() {
        let values: Vec<f64> = (0..400).map(|i| f64::from(i % 20)).collect();
        let estimate = Bootstrap::new(7).mean(&values).unwrap().value().unwrap();
        assert_eq!(estimate.value, mean(&values));
        // sd of 0..19 is sqrt(33.25), so half a width is 1.96 * 5.766 / 20.
        let half = 1.96 * 33.25_f64.sqrt() / 20.0;
        assert!((estimate.high - estimate.value - half).abs() < 0.1 * half);
        assert!((estimate.value - estimate.low - half).abs() < 0.1 * half);
    }

    #[test]
    fn too_few_and_bad_inputs() {
        let bootstrap = Bootstrap::new(0);
        for values in [&[][..], &[1.0]] {
            let reason = bootstrap.mean(values).unwrap().reason().unwrap();
            let got = values.len();
            assert_eq!(
                reason,
                Reason::TooFew {
                    what: "values to resample",
                    needed: 2,
                    got
                }
            );
        }
        let error = bootstrap.mean(&[0.0, f64::NAN]).unwrap_err();
        assert!(matches!(error, Error::NotFinite { index: 1, .. }));
        assert!(bootstrap.percentile(&[0.0, 1.0], 101.0).is_err());
        assert!(
            Bootstrap {
                resamples: 0,
                seed: 0
            }
            .mean(&[0.0, 1.0])
            .is_err()
        );
        assert!(bootstrap.statistic(3, |_| f64::NAN).is_err());
    }
}
