//! Summaries of a column of figures: percentiles and histograms.

use crate::error::refuse_non_finite;
use crate::{Error, Measured, Reason};

/// The percentiles `percents` (0 to 100) of `values`, interpolated linearly between the order
/// statistics (numpy's default, type 7 of Hyndman and Fan 1996). Missing without values.
///
/// ```
/// use eidetic_metrics::percentiles;
///
/// let of = percentiles(&[4.0, 1.0, 2.0, 3.0], &[0.0, 50.0, 95.0])?.value().unwrap();
/// assert_eq!(of[..2], [1.0, 2.5]);
/// assert!((of[2] - 3.85).abs() < 1e-12);
/// # Ok::<(), eidetic_metrics::Error>(())
/// ```
///
/// # Errors
/// A value is not finite, or a percent is out of range.
pub fn percentiles(values: &[f64], percents: &[f64]) -> Result<Measured<Vec<f64>>, Error> {
    refuse_non_finite("values", values)?;
    percents
        .iter()
        .try_for_each(|&percent| check_percent(percent))?;
    Ok(Reason::unless_enough("values", 1, values.len()).map(|()| {
        let sorted = sorted(values.to_vec());
        percents
            .iter()
            .map(|&percent| interpolate(&sorted, percent))
            .collect()
    }))
}

/// One percentile of `values`, see [`percentiles`].
///
/// # Errors
/// As [`percentiles`].
pub fn percentile(values: &[f64], percent: f64) -> Result<Measured<f64>, Error> {
    Ok(percentiles(values, &[percent])?.map(|of| of[0]))
}

pub(crate) fn check_percent(percent: f64) -> Result<(), Error> {
    if (0.0..=100.0).contains(&percent) {
        Ok(())
    } else {
        Err(Error::Parameter {
            name: "percent",
            expected: "in 0 to 100",
            got: percent,
        })
    }
}

pub(crate) fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_unstable_by(f64::total_cmp);
    values
}

/// The percentile of values that ascend, at least one.
pub(crate) fn interpolate(sorted: &[f64], percent: f64) -> f64 {
    let place = percent / 100.0 * (sorted.len() - 1) as f64;
    let (below, share) = (place.floor() as usize, place.fract());
    let (low, high) = (sorted[below], sorted[(below + 1).min(sorted.len() - 1)]);
    // From the nearer end, as numpy does, so that equal neighbours give exactly their value.
    if share < 0.5 {
        low + (high - low) * share
    } else {
        high - (high - low) * (1.0 - share)
    }
}

/// How many values fall between each two edges. Nothing is lost: `below + counts + above` is the
/// number of values.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    /// The edges, ascending, one more than `counts`.
    pub edges: Vec<f64>,
    /// Values in [edge i, edge i + 1); the last bin holds its upper edge too, as numpy's does.
    pub counts: Vec<u64>,
    /// Values below the first edge.
    pub below: u64,
    /// Values above the last edge.
    pub above: u64,
}

impl Histogram {
    /// Counts `values` between `edges`.
    ///
    /// ```
    /// use eidetic_metrics::Histogram;
    ///
    /// let histogram = Histogram::new(&[-1.0, 0.0, 0.5, 1.0, 7.0], &[0.0, 0.5, 1.0])?;
    /// assert_eq!(histogram.counts, [1, 2]);
    /// assert_eq!((histogram.below, histogram.above), (1, 1));
    /// # Ok::<(), eidetic_metrics::Error>(())
    /// ```
    ///
    /// # Errors
    /// A value or an edge is not finite, there are fewer than two edges, or they do not ascend
    /// strictly.
    pub fn new(values: &[f64], edges: &[f64]) -> Result<Self, Error> {
        refuse_non_finite("values", values)?;
        if edges.len() < 2 {
            return Err(Error::Edges { index: edges.len() });
        }
        let fault = |i: usize| !edges[i].is_finite() || (i > 0 && edges[i] <= edges[i - 1]);
        if let Some(index) = (0..edges.len()).find(|&i| fault(i)) {
            return Err(Error::Edges { index });
        }
        let last = edges.len() - 1;
        let mut counts = vec![0; last];
        let (mut below, mut above) = (0, 0);
        for &value in values {
            if value < edges[0] {
                below += 1;
            } else if value > edges[last] {
                above += 1;
            } else {
                let bin = edges.partition_point(|&edge| edge <= value) - 1;
                counts[bin.min(last - 1)] += 1;
            }
        }
        Ok(Self {
            edges: edges.to_vec(),
            counts,
            below,
            above,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn one_value_is_every_percentile() {
        let of = percentiles(&[3.25], &[0.0, 5.0, 50.0, 100.0])
            .unwrap()
            .value()
            .unwrap();
        assert_eq!(of, [3.25; 4]);
    }

    #[test]
    fn a_constant_stays_exact() {
        let of = percentiles(&[0.1; 7], &[5.0, 33.3, 95.0])
            .unwrap()
            .value()
            .unwrap();
        assert_eq!(of, [0.1; 3]);
    }

    #[test]
    fn no_values_no_percentile() {
        let reason = percentile(&[], 50.0).unwrap().reason().unwrap();
        assert_eq!(
            reason,
            Reason::TooFew {
                what: "values",
                needed: 1,
                got: 0
            }
        );
    }

    #[test]
    fn bad_percentiles_are_named() {
        let error = percentile(&[1.0, f64::NAN], 50.0).unwrap_err();
        assert_eq!(
            error.to_string(),
            "expected finite numbers, got NaN at index 1 of the values"
        );
        assert!(percentile(&[1.0], -0.1).is_err());
        assert!(percentile(&[1.0], f64::NAN).is_err());
    }

    #[test]
    fn bad_edges_are_named() {
        for (edges, index) in [
            (&[][..], 0),
            (&[1.0], 1),
            (&[0.0, 0.0], 1),
            (&[0.0, 1.0, 0.5], 2),
            (&[f64::NEG_INFINITY, 1.0], 0),
        ] {
            assert_eq!(Histogram::new(&[], edges), Err(Error::Edges { index }));
        }
        assert!(Histogram::new(&[f64::INFINITY], &[0.0, 1.0]).is_err());
    }
}
