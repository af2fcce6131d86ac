//! Two attacks that were asked about the same candidates: how much more one tells of them.

use crate::candidates::same_length;
use crate::interval::Z;
use crate::roc::{Placements, placements};
use crate::summary::sorted;
use crate::{Bootstrap, Candidates, Error, Estimate, Measured, Reason, mover, normal_p_value};

/// A difference, and how likely one as large is where there is none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison {
    /// The difference with its 95 % interval.
    pub difference: Estimate,
    /// The two-sided p-value of no difference.
    pub p_value: f64,
}

impl Candidates<'_> {
    /// The area under this ROC curve less that under `other`'s, of the same candidates in the same
    /// order, in [-1, 1], by the variance of DeLong et al. (1988, Biometrics 44:837), in the
    /// O(n log n) of Sun and Xu (2014). Among duplicates the variance is a bootstrap's, as
    /// [`Candidates::auc`] has it: the same groups are drawn for both. The p-value is the
    /// interval's own, see [`normal_p_value`].
    ///
    /// Where no candidate is placed otherwise by one than by the other, or both separate perfectly,
    /// nothing varies. The interval is then MOVER's of the two areas, as if they were independent,
    /// which is wider than any that pairing gives.
    ///
    /// Missing for fewer than two groups of members or of non-members, or where all scores of both
    /// are equal.
    ///
    /// ```
    /// use eidetic_metrics::{Bootstrap, Candidates};
    ///
    /// let member = [true, true, true, false, false, false];
    /// let groups = [0, 1, 2, 3, 4, 5];
    /// let good = Candidates::new(&[0.9, 0.8, 0.3, 0.5, 0.4, 0.2], &member, &groups)?;
    /// let bad = Candidates::new(&[0.1, 0.8, 0.3, 0.5, 0.9, 0.2], &member, &groups)?;
    /// let of = good.auc_difference(&bad, &Bootstrap::new(0))?.value().unwrap();
    /// assert!((of.difference.value - 4.0 / 9.0).abs() < 1e-15);
    /// assert!(of.p_value > 0.05 && of.difference.low < 0.0);
    /// # Ok::<(), eidetic_metrics::Error>(())
    /// ```
    ///
    /// # Errors
    /// The candidates are not the same, or there are no resamples.
    pub fn auc_difference(
        &self,
        other: &Candidates<'_>,
        bootstrap: &Bootstrap,
    ) -> Result<Measured<Comparison>, Error> {
        self.check_paired(other)?;
        if let Measured::Missing(reason) = self.enough_groups() {
            return Ok(Measured::Missing(reason));
        }
        if self.is_flat() && other.is_flat() {
            let what = "the scores";
            return Ok(Measured::Missing(Reason::NoSpread { what }));
        }
        let value = self.area(&self.strata.once()) - other.area(&other.strata.once());
        let variance = match self.has_duplicates() {
            false => self.delong(other),
            true => bootstrap.variance(Vec::new, |weight, rng| {
                self.strata.draw(rng, weight);
                self.area(weight) - other.area(weight)
            })?,
        };
        let difference = if variance == 0.0 {
            let area = |of: &Candidates<'_>| -> Result<Estimate, Error> {
                // Equal scores: a guess, whose area is known.
                let half = Estimate {
                    value: 0.5,
                    low: 0.5,
                    high: 0.5,
                };
                Ok(of.auc(bootstrap)?.value().unwrap_or(half))
            };
            mover(area(self)?, area(other)?, 1)
        } else {
            let half = Z * variance.sqrt();
            Estimate {
                value,
                low: value - half,
                high: value + half,
            }
        };
        let p_value = normal_p_value(difference);
        let Estimate { value, low, high } = difference;
        let (low, high) = (low.max(-1.0), high.min(1.0));
        Ok(Measured::Value(Comparison {
            difference: Estimate { value, low, high },
            p_value,
        }))
    }

    fn check_paired(&self, other: &Candidates<'_>) -> Result<(), Error> {
        same_length(
            "candidates on the other side",
            self.scores.len(),
            other.scores.len(),
        )?;
        let same =
            |i: &usize| (self.member[*i], self.group[*i]) == (other.member[*i], other.group[*i]);
        match (0..self.scores.len()).find(|i| !same(i)) {
            Some(index) => Err(Error::Unpaired { index }),
            None => Ok(()),
        }
    }

    /// The variance of the difference of areas; two or more members and non-members.
    fn delong(&self, other: &Candidates<'_>) -> f64 {
        let of = |wanted: bool| {
            let own = [self, other].map(|of| of.side(wanted));
            let others = [self, other].map(|of| sorted(of.side(!wanted)));
            let ours = placements(&own[0], &others[0]);
            let theirs = placements(&own[1], &others[1]);
            let differences = ours.zip(theirs).map(|(ours, theirs)| ours - theirs);
            Placements::new(differences, others[0].len()).variance()
        };
        of(true) + of(false)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Proportion;

    const BOOTSTRAP: Bootstrap = Bootstrap {
        resamples: 500,
        seed: 3,
    };

    fn compared(
        scores: [&[f64]; 2],
        member: &[bool],
        group: &[u32],
    ) -> Result<Measured<Comparison>, Error> {
        let [of, other] = scores.map(|scores| Candidates::new(scores, member, group).unwrap());
        of.auc_difference(&other, &BOOTSTRAP)
    }

    #[test]
    fn delong_by_hand() {
        let member = [true, true, true, false, false, false];
        let group = [0, 1, 2, 3, 4, 5];
        let of = [3.0, 1.0, 9.0, 0.0, 2.0, -9.0];
        let other = [1.0, -1.0, 9.0, 0.0, 2.0, -9.0];
        // Non-members below each member: 3, 2, 3 and 2, 1, 3, which differ by 1, 1, 0.
        // Members above each non-member: 3, 2, 3 and 2, 1, 3, which differ by 1, 1, 0.
        let got = compared([&of, &other], &member, &group)
            .unwrap()
            .value()
            .unwrap();
        assert!((got.difference.value - 2.0 / 9.0).abs() < 1e-15);
        // The variance of (1, 1, 0) / 3 is 1/27; of its mean 1/81; of both lists 2/81.
        let half = Z * (2.0_f64 / 81.0).sqrt();
        assert!((got.difference.high - 2.0 / 9.0 - half).abs() < 1e-15);
        assert!((got.difference.low - 2.0 / 9.0 + half).abs() < 1e-15);
        // z is the root of 2.
        assert!((got.p_value - 0.157_299_207).abs() < 1e-8);
    }

    #[test]
    fn exchanging_the_two_turns_the_sign() {
        let member: Vec<bool> = (0..60).map(|i| i % 3 == 0).collect();
        let of: Vec<f64> = (0..60).map(|i| f64::from(i * 37 % 60)).collect();
        let other: Vec<f64> = (0..60).map(|i| f64::from(i * i % 41)).collect();
        let single: Vec<u32> = (0..60).collect();
        let paired: Vec<u32> = (0..60).map(|i| i / 6 * 3 + i % 3).collect();
        for group in [single, paired] {
            let got = compared([&of, &other], &member, &group)
                .unwrap()
                .value()
                .unwrap();
            let turned = compared([&other, &of], &member, &group)
                .unwrap()
                .value()
                .unwrap();
            assert!(got.difference.low < got.difference.high);
            assert!((got.difference.value + turned.difference.value).abs() < 1e-12);
            assert!((got.difference.low + turned.difference.high).abs() < 1e-12);
            assert!((got.p_value - turned.p_value).abs() < 1e-12);
        }
    }

    #[test]
    fn nothing_varies() {
        let member = [true, true, true, false, false, false];
        let (single, paired) = ([0, 1, 2, 3, 4, 5], [0, 0, 1, 2, 3, 3]);
        for group in [single, paired] {
            let of = |scores| compared(scores, &member, &group).unwrap();
            let up = &[5.0, 4.0, 3.0, 2.0, 1.0, 0.0][..];
            let also_up = &[5.0, 4.0, 4.0, 0.0, 1.0, 0.0][..];
            let down = &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0][..];
            let same = of([up, also_up]).value().unwrap();
            assert_eq!((same.difference.value, same.p_value), (0.0, 1.0));
            assert!(same.difference.low < 0.0 && same.difference.high > 0.0);
            let opposite = of([up, down]).value().unwrap();
            assert_eq!(
                (opposite.difference.value, opposite.difference.high),
                (1.0, 1.0)
            );
            assert!(opposite.p_value > 0.0 && opposite.p_value < 1.0);
            let guess = of([up, &[1.0; 6]]).value().unwrap();
            assert_eq!(guess.difference.value, 0.5);
            let pairs = if group == single { 3 } else { 2 };
            let low = Proportion::new(pairs, pairs).unwrap().clopper_pearson();
            let low = low.value().unwrap().low - 0.5;
            assert!((guess.difference.low - low).abs() < 1e-15);
            let flat = of([&[1.0; 6], &[2.0; 6]]).reason();
            assert_eq!(flat, Some(Reason::NoSpread { what: "the scores" }));
        }
    }

    #[test]
    fn other_candidates_are_refused() {
        let of = Candidates::new(&[1.0, 2.0], &[true, false], &[0, 1]).unwrap();
        let other = |scores: &'static [f64], member: &'static [bool], group: &'static [u32]| {
            let other = Candidates::new(scores, member, group).unwrap();
            of.auc_difference(&other, &BOOTSTRAP)
        };
        assert!(matches!(
            other(&[1.0], &[true], &[0]),
            Err(Error::Length { got: 1, .. })
        ));
        let flags = other(&[1.0, 2.0], &[true, true], &[0, 1]);
        assert_eq!(flags, Err(Error::Unpaired { index: 1 }));
        let groups = other(&[1.0, 2.0], &[true, false], &[7, 1]);
        assert_eq!(groups, Err(Error::Unpaired { index: 0 }));
        assert!(
            other(&[1.0, 2.0], &[true, false], &[0, 1])
                .unwrap()
                .reason()
                .is_some()
        );
    }
}
