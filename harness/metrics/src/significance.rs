//! p-values of no difference. All are two-sided.
//!
//! The tests of shares are exact: however small the sample, they call a difference where there is
//! none at most as often as they say, and mostly less often. The intervals of
//! [`excess`](crate::excess) and [`difference`](crate::difference) are not these tests turned
//! round: near 0.05 an interval may leave out 0 where its test does not reject.

use statrs::distribution::{Binomial, ContinuousCDF, DiscreteCDF, Normal};

use crate::candidates::same_length;
use crate::interval::Z;
use crate::{Error, Estimate, Measured, Proportion, Reason};

/// McNemar's exact test (conditional, binomial) of two shares over the same images: of those that
/// count in one list alone, as many are expected in either. Its interval is
/// [`excess`](crate::excess)'s. Missing without images; 1 where no image differs.
///
/// ```
/// use eidetic_metrics::mcnemar;
///
/// let p = mcnemar(&[true; 5], &[false; 5])?.value().unwrap();
/// assert!((p - 2.0 / 32.0).abs() < 1e-15);
/// # Ok::<(), eidetic_metrics::Error>(())
/// ```
///
/// # Errors
/// The two differ in length.
pub fn mcnemar(of: &[bool], other: &[bool]) -> Result<Measured<f64>, Error> {
    same_length("images in the other list", of.len(), other.len())?;
    let only = |one: &[bool], other: &[bool]| {
        let pairs = one.iter().zip(other);
        pairs.filter(|&(&one, &other)| one && !other).count() as u64
    };
    let (first, second) = (only(of, other), only(other, of));
    Ok(Reason::unless_enough("images", 1, of.len()).map(|()| {
        let even = Binomial::new(0.5, first + second).expect("a half is a probability");
        (2.0 * even.cdf(first.min(second))).min(1.0)
    }))
}

/// Fisher's exact test of two independent shares: the chance, given the hits and trials in all,
/// of counts no more likely than those seen (as R and scipy have it). Its interval is
/// [`difference`](crate::difference)'s. Missing without trials on either side.
///
/// ```
/// use eidetic_metrics::{Proportion, fisher};
///
/// // A lady who tastes all of 8 cups right.
/// let p = fisher(Proportion::new(4, 4)?, Proportion::new(0, 4)?).value().unwrap();
/// assert!((p - 2.0 / 70.0).abs() < 1e-15);
/// # Ok::<(), eidetic_metrics::Error>(())
/// ```
pub fn fisher(of: Proportion, other: Proportion) -> Measured<f64> {
    of.share().and_then(|_| {
        other.share().map(|_| {
            let (trials, others) = (of.trials(), other.trials());
            let hits = of.hits() + other.hits();
            let (least, most) = (hits.saturating_sub(others), hits.min(trials));
            // The chance of k + 1 hits on this side, over that of k.
            let ratio = |k: u64| {
                let up = (trials - k) as f64 * (hits - k) as f64;
                up / ((k + 1) as f64 * (others + k + 1 - hits) as f64)
            };
            // Relative to the likeliest count, from which they fall both ways.
            let mode = (trials + 1) as f64 * (hits + 1) as f64 / (trials + others + 2) as f64;
            let mode = (mode as u64).clamp(least, most);
            let place = |k: u64| (k - least) as usize;
            let mut chance = vec![0.0; place(most) + 1];
            chance[place(mode)] = 1.0;
            for k in mode..most {
                chance[place(k + 1)] = chance[place(k)] * ratio(k);
            }
            for k in (least..mode).rev() {
                chance[place(k)] = chance[place(k + 1)] / ratio(k);
            }
            // Equal chances differ by rounding: the tolerance is R's.
            let seen = chance[place(of.hits())] * (1.0 + 1e-7);
            let all: f64 = chance.iter().sum();
            let as_rare: f64 = chance.iter().filter(|&&chance| chance <= seen).sum();
            (as_rare / all).min(1.0)
        })
    })
}

/// The p-value that belongs to a 95 % interval of a difference: that of a normal figure whose half
/// width towards 0 is 1.96 standard errors. At most 0.05 exactly where the interval leaves out 0
/// (or touches it); 1 where the difference is 0.
///
/// ```
/// use eidetic_metrics::{Estimate, normal_p_value};
///
/// let p = normal_p_value(Estimate { value: 0.2, low: 0.0, high: 0.5 });
/// assert!((p - 0.05).abs() < 1e-9);
/// ```
pub fn normal_p_value(difference: Estimate) -> f64 {
    let Estimate { value, low, high } = difference;
    if value == 0.0 {
        return 1.0;
    }
    let half = if value > 0.0 {
        value - low
    } else {
        high - value
    };
    let z = Z * value.abs() / half.max(0.0);
    2.0 * Normal::standard().cdf(-z)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn share(hits: u64, trials: u64) -> Proportion {
        Proportion::new(hits, trials).unwrap()
    }

    #[test]
    fn mcnemar_by_hand() {
        let p = |table: [usize; 4]| {
            let cells = [(true, true), (true, false), (false, true), (false, false)];
            let each = cells.into_iter().zip(table);
            let (of, other): (Vec<_>, Vec<_>) = each
                .flat_map(|(cell, count)| std::iter::repeat_n(cell, count))
                .unzip();
            mcnemar(&of, &other).unwrap().value().unwrap()
        };
        // 2 (1 + 4) / 16 of one in four, whatever the pairs that agree.
        assert!((p([0, 1, 3, 0]) - 0.625).abs() < 1e-15);
        assert!((p([9, 3, 1, 7]) - 0.625).abs() < 1e-15);
        assert_eq!(p([3, 0, 0, 4]), 1.0);
        assert_eq!(p([0, 4, 4, 0]), 1.0);
        assert!((p([0, 512, 0, 0]).log2() + 511.0).abs() < 1e-9);
    }

    #[test]
    fn nothing_to_compare() {
        assert!(mcnemar(&[], &[]).unwrap().reason().is_some());
        assert!(matches!(
            mcnemar(&[true], &[]),
            Err(Error::Length {
                expected: 1,
                got: 0,
                ..
            })
        ));
        assert!(fisher(share(0, 0), share(1, 2)).reason().is_some());
        assert!(fisher(share(1, 2), share(0, 0)).reason().is_some());
    }

    #[test]
    fn fisher_at_the_ends() {
        let p = |a, b| fisher(a, b).value().unwrap();
        assert_eq!(p(share(0, 9), share(0, 4)), 1.0);
        assert_eq!(p(share(9, 9), share(4, 4)), 1.0);
        assert_eq!(p(share(0, 1), share(1, 1)), 1.0);
        // 2 / C(2000, 1000) is about 10^-600: less than a number can be.
        assert_eq!(p(share(1000, 1000), share(0, 1000)), 0.0);
    }

    #[test]
    fn the_p_value_of_an_interval_is_that_of_its_z() {
        let of = |value, low, high| normal_p_value(Estimate { value, low, high });
        // z = 2.575829 leaves 0.01 outside.
        let half = 0.3 * Z / 2.575_829_303_548_901;
        assert!((of(0.3, 0.3 - half, 0.9) - 0.01).abs() < 1e-12);
        assert!((of(-0.3, -0.9, -0.3 + half) - 0.01).abs() < 1e-12);
        assert_eq!(of(0.0, -0.1, 0.1), 1.0);
        assert_eq!(of(0.5, 0.5, 0.5), 0.0);
    }

    proptest! {
        #[test]
        fn exchanging_two_shares_changes_nothing(
            a in 0_u64..60, m in 0_u64..60, b in 0_u64..60, n in 0_u64..60
        ) {
            let (of, other) = (share(a.min(m + 1), m + 1), share(b.min(n + 1), n + 1));
            let p = fisher(of, other).value().unwrap();
            let turned = fisher(other, of).value().unwrap();
            prop_assert!((0.0..=1.0).contains(&p));
            prop_assert!((p - turned).abs() < 1e-9, "{p} {turned}");
        }
    }
}
