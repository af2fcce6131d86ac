//! The difference of two figures that each have an interval.

use statrs::distribution::{ContinuousCDF, Normal};

use crate::{CONFIDENCE, Estimate};

/// `of - other`, two independent figures with 95 % intervals, with the interval of MOVER (Zou and
/// Donner 2008, Statistics in Medicine 27:1693): each end takes the nearer ends of both. Of two
/// Wilson intervals it is Newcombe's ([`difference`](crate::difference)).
///
/// Where `of` or `other` was chosen among several, or several differences are read together, the
/// interval covers all of `comparisons` at once with 95 % (Bonferroni): half widths are taken to be
/// those of a normal figure.
///
/// ```
/// use eidetic_metrics::{Estimate, mover};
///
/// let of = Estimate { value: 0.6, low: 0.5, high: 0.7 };
/// let other = Estimate { value: 0.2, low: 0.1, high: 0.3 };
/// let one = mover(of, other, 1);
/// assert!((one.value - 0.4).abs() < 1e-12);
/// assert!((one.low - (0.4 - 0.02f64.sqrt())).abs() < 1e-12);
/// assert!(mover(of, other, 4).low < one.low);
/// ```
pub fn mover(of: Estimate, other: Estimate, comparisons: usize) -> Estimate {
    let value = of.value - other.value;
    let wider = widened(comparisons);
    Estimate {
        value,
        low: value - wider * (of.value - of.low).hypot(other.high - other.value),
        high: value + wider * (of.high - of.value).hypot(other.value - other.low),
    }
}

/// How much wider the interval of each of so many comparisons is.
fn widened(comparisons: usize) -> f64 {
    if comparisons <= 1 {
        return 1.0;
    }
    let normal = Normal::standard();
    let end = |share: f64| normal.inverse_cdf(1.0 - share);
    let tail = (1.0 - CONFIDENCE) / 2.0;
    end(tail / comparisons as f64) / end(tail)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Proportion, difference};

    #[test]
    fn of_two_shares_it_is_newcombes() {
        let (a, b) = (
            Proportion::new(50, 64).unwrap(),
            Proportion::new(9, 70).unwrap(),
        );
        let newcombe = difference(a, b).value().unwrap();
        let of = |share: Proportion| share.wilson().value().unwrap();
        let got = mover(of(a), of(b), 1);
        assert!((got.low - newcombe.low).abs() < 1e-12);
        assert!((got.high - newcombe.high).abs() < 1e-12);
    }

    #[test]
    fn several_comparisons_widen_it_as_bonferroni_says() {
        // Normal quantiles at 0.975 and 0.9875: 1.959964 and 2.241403.
        assert!((widened(2) - 2.241_403 / 1.959_964).abs() < 1e-5);
        assert_eq!((widened(0), widened(1)), (1.0, 1.0));
        let none = Estimate {
            value: 0.5,
            low: 0.5,
            high: 0.5,
        };
        let got = mover(none, none, 9);
        assert_eq!((got.value, got.low, got.high), (0.0, 0.0, 0.0));
    }
}
