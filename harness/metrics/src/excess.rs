//! Excess: how much more often the same findings match the training set than the holdout.

use crate::{Error, Estimate, Measured, Proportion};

/// The difference of two shares over the same images, score minus control in [-1, 1], with the
/// 95 % interval of Newcombe (1998, Statistics in Medicine 17:2635, method 10) for paired shares.
/// Built from the Wilson intervals of both, it has a width at 1 and 0 too, where a bootstrap has
/// none. Missing without images.
///
/// `score[i]` and `control[i]` say whether finding i counts against the members and against as
/// many holdout images.
///
/// ```
/// use eidetic_metrics::excess;
///
/// let of = excess(&[true; 20], &[false; 20])?.value().unwrap();
/// assert_eq!((of.value, of.high), (1.0, 1.0));
/// assert!((of.low - 0.772).abs() < 1e-3);
/// # Ok::<(), eidetic_metrics::Error>(())
/// ```
///
/// # Errors
/// The two differ in length.
pub fn excess(score: &[bool], control: &[bool]) -> Result<Measured<Estimate>, Error> {
    if score.len() != control.len() {
        let (expected, got) = (score.len(), control.len());
        return Err(Error::Length {
            what: "images in the control",
            expected,
            got,
        });
    }
    let wilson = |hits: &[bool]| Proportion::count(hits.iter().copied()).wilson();
    let phi = correlation(score, control);
    Ok(wilson(score).and_then(|score| {
        wilson(control).map(|control| {
            let value = score.value - control.value;
            let half = |one: f64, other: f64| {
                (one * one - 2.0 * phi * one * other + other * other)
                    .max(0.0)
                    .sqrt()
            };
            let down = half(score.value - score.low, control.high - control.value);
            let up = half(score.high - score.value, control.value - control.low);
            Estimate {
                value,
                low: (value - down).max(-1.0),
                high: (value + up).min(1.0),
            }
        })
    }))
}

/// Newcombe's phi: the correlation of the flags, taken towards 0 by half a count where it is
/// positive, and 0 where either flag never changes.
fn correlation(score: &[bool], control: &[bool]) -> f64 {
    let count = |a: bool, b: bool| {
        score
            .iter()
            .zip(control)
            .filter(|&(&x, &y)| (x, y) == (a, b))
            .count() as f64
    };
    let (both, first) = (count(true, true), count(true, false));
    let (second, neither) = (count(false, true), count(false, false));
    let margins = (both + first) * (second + neither) * (both + second) * (first + neither);
    if margins == 0.0 {
        return 0.0;
    }
    let cross = both * neither - first * second;
    let cross = if cross > 0.0 {
        (cross - score.len() as f64 / 2.0).max(0.0)
    } else {
        cross
    };
    cross / margins.sqrt()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn flags(table: [usize; 4]) -> (Vec<bool>, Vec<bool>) {
        let cells = [(true, true), (true, false), (false, true), (false, false)];
        let each = cells.into_iter().zip(table);
        each.flat_map(|(cell, count)| std::iter::repeat_n(cell, count))
            .unzip()
    }

    #[test]
    fn correlation_by_hand() {
        let phi = |table| {
            let (score, control) = flags(table);
            correlation(&score, &control)
        };
        // (3 * 3 - 1 * 1 - 8 / 2) / (4 * 4) and, negative, without the half count.
        assert_eq!(phi([3, 1, 1, 3]), 0.25);
        assert_eq!(phi([1, 3, 3, 1]), -0.5);
        assert_eq!(phi([2, 2, 2, 2]), 0.0);
        assert_eq!(phi([0, 9, 0, 3]), 0.0);
    }

    #[test]
    fn no_images_and_unpaired_ones() {
        assert!(excess(&[], &[]).unwrap().reason().is_some());
        assert!(matches!(
            excess(&[true], &[]),
            Err(Error::Length {
                expected: 1,
                got: 0,
                ..
            })
        ));
    }

    #[test]
    fn exchanging_the_two_turns_the_sign() {
        for table in [
            [3, 5, 2, 20],
            [0, 40, 0, 0],
            [0, 0, 0, 9],
            [7, 7, 7, 7],
            [1, 20, 30, 1],
        ] {
            let (score, control) = flags(table);
            let of = excess(&score, &control).unwrap().value().unwrap();
            let turned = excess(&control, &score).unwrap().value().unwrap();
            assert!((of.value + turned.value).abs() < 1e-15);
            assert!((of.low + turned.high).abs() < 1e-15);
            assert!(-1.0 <= of.low && of.low <= of.value && of.value <= of.high);
            assert!(of.low < of.high);
        }
    }
}
