//! How much more often members are hit than non-members, each counted over its own images.

use crate::{Estimate, Measured, Proportion};

/// The difference of two independent shares, `members - others` in [-1, 1], with the 95 % interval
/// of Newcombe (1998, Statistics in Medicine 17:873, method 10), built from the Wilson intervals
/// of both, so that it has a width at 1 and 0 too. Missing without trials on either side.
///
/// For shares over the same images, which are paired, see [`excess`](crate::excess).
///
/// ```
/// use eidetic_metrics::{Proportion, difference};
///
/// let (members, others) = (Proportion::new(50, 64)?, Proportion::new(3, 64)?);
/// let of = difference(members, others).value().unwrap();
/// assert_eq!(of.value, 47.0 / 64.0);
/// assert!(of.low > 0.59 && of.high < 0.83);
/// # Ok::<(), eidetic_metrics::Error>(())
/// ```
pub fn difference(members: Proportion, others: Proportion) -> Measured<Estimate> {
    members.wilson().and_then(|of| {
        others.wilson().map(|other| {
            let value = of.value - other.value;
            let down = (of.value - of.low).hypot(other.high - other.value);
            let up = (of.high - of.value).hypot(other.value - other.low);
            Estimate {
                value,
                low: (value - down).max(-1.0),
                high: (value + up).min(1.0),
            }
        })
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn ends_and_nothing() {
        let of = |hits, trials| Proportion::new(hits, trials).unwrap();
        let all = difference(of(64, 64), of(0, 64)).value().unwrap();
        assert_eq!((all.value, all.high), (1.0, 1.0));
        assert!(all.low > 0.9 && all.low < 1.0);
        let none = difference(of(0, 64), of(0, 64)).value().unwrap();
        assert_eq!((none.value, none.low), (0.0, -none.high));
        assert!(none.high > 0.0);
        assert!(difference(of(0, 0), of(1, 2)).reason().is_some());
        assert!(difference(of(1, 2), of(0, 0)).reason().is_some());
    }
}
