//! Candidates of a membership attack: one score each, and which of them are duplicates.

use crate::error::refuse_non_finite;
use crate::roc::area_interval;
use crate::strata::Strata;
use crate::{Bootstrap, Error, Estimate, Measured, Reason, Roc};

/// What an attack says of images that are members or not, higher meaning more likely a member.
///
/// Every interval takes duplicates as one draw, and every threshold is chosen on other images
/// than those that it is judged on; see [`Candidates::tpr_at_fpr`] and [`Candidates::asr`].
///
/// ```
/// use eidetic_metrics::{Bootstrap, Candidates};
///
/// let member = [true, true, true, false, false, false];
/// let scores = [0.9, 0.8, 0.3, 0.5, 0.4, 0.2];
/// let groups = [0, 1, 2, 3, 4, 5];
/// let auc = Candidates::new(&scores, &member, &groups)?.auc(&Bootstrap::new(0))?;
/// assert_eq!(auc.value().unwrap().value, 7.0 / 9.0);
/// # Ok::<(), eidetic_metrics::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Candidates<'a> {
    pub(crate) scores: &'a [f64],
    pub(crate) member: &'a [bool],
    pub(crate) group: &'a [u32],
    /// Candidates by descending score.
    pub(crate) order: Vec<u32>,
    pub(crate) strata: Strata,
}

const MEMBERS: usize = 1;
const OTHERS: usize = 0;

impl<'a> Candidates<'a> {
    /// Candidate i has `scores[i]`, and is of group `group[i]` of duplicates.
    ///
    /// # Errors
    /// The lists differ in length, a score is not finite, or a group holds both members and
    /// non-members.
    pub fn new(scores: &'a [f64], member: &'a [bool], group: &'a [u32]) -> Result<Self, Error> {
        refuse_non_finite("scores of candidates", scores)?;
        let expected = scores.len();
        for (what, got) in [
            ("flags of members", member.len()),
            ("groups of candidates", group.len()),
        ] {
            same_length(what, expected, got)?;
        }
        let bound =
            u32::try_from(expected).map_err(|_| Error::TooManyImages { images: expected })?;
        let strata = Strata::new(group, 2, |i| usize::from(member[i]))?;
        let mut order: Vec<u32> = (0..bound).collect();
        order.sort_unstable_by(|&a, &b| scores[b as usize].total_cmp(&scores[a as usize]));
        Ok(Self {
            scores,
            member,
            group,
            order,
            strata,
        })
    }

    /// Whether some group has two candidates or more.
    pub fn has_duplicates(&self) -> bool {
        self.strata.has_duplicates()
    }

    /// Whether the next candidate of the order has another score than this one, so that a
    /// threshold may lie between them.
    pub(crate) fn ends_tie(&self, place: usize) -> bool {
        let score = |place: usize| {
            self.order
                .get(place)
                .map(|&candidate| self.scores[candidate as usize])
        };
        score(place) != score(place + 1)
    }

    /// Whether all scores are the same.
    pub(crate) fn is_flat(&self) -> bool {
        self.scores.windows(2).all(|pair| pair[0] == pair[1])
    }

    /// The area under the ROC curve, as [`Roc::auc`] has it (DeLong). Among duplicates DeLong's
    /// images are not independent: the variance is then that of a bootstrap over groups, members
    /// and non-members each as many as there are. Where these separate perfectly every resample
    /// is alike, and the interval is Clopper and Pearson's over disjoint pairs of groups.
    ///
    /// Missing for fewer than two groups of either, or where all scores are equal.
    ///
    /// # Errors
    /// There are no resamples.
    pub fn auc(&self, bootstrap: &Bootstrap) -> Result<Measured<Estimate>, Error> {
        if !self.has_duplicates() {
            return Ok(self.roc()?.and_then(|roc| roc.auc()));
        }
        if let Measured::Missing(reason) = self.enough_groups() {
            return Ok(Measured::Missing(reason));
        }
        if self.is_flat() {
            let what = "the scores";
            return Ok(Measured::Missing(Reason::NoSpread { what }));
        }
        let value = self.area(&self.strata.once());
        let variance = bootstrap.variance(Vec::new, |weight, rng| {
            self.strata.draw(rng, weight);
            self.area(weight)
        })?;
        let groups = self.strata.groups();
        let pairs = groups[MEMBERS].min(groups[OTHERS]) as usize;
        Ok(area_interval(value, variance, pairs))
    }

    /// The curve over all candidates.
    ///
    /// # Errors
    /// As [`Roc::new`].
    pub fn roc(&self) -> Result<Measured<Roc>, Error> {
        Roc::new(&self.side(true), &self.side(false))
    }

    /// Missing for fewer than two groups of members or of non-members.
    pub(crate) fn enough_groups(&self) -> Measured<()> {
        let groups = self.strata.groups();
        let others = || Reason::unless_enough("groups of non-members", 2, groups[OTHERS] as usize);
        Reason::unless_enough("groups of members", 2, groups[MEMBERS] as usize)
            .and_then(|()| others())
    }

    /// The scores of members, or of non-members, in the order of the candidates.
    pub(crate) fn side(&self, wanted: bool) -> Vec<f64> {
        let each = self.scores.iter().zip(self.member);
        each.filter(|&(_, &member)| member == wanted)
            .map(|(&score, _)| score)
            .collect()
    }

    /// The area where group g counts `weight[g]` times. Pairs are counted doubled, so that a tie
    /// is a whole number.
    pub(crate) fn area(&self, weight: &[u32]) -> f64 {
        let (mut members, mut others) = (0_u64, 0_u64);
        let (mut tied_members, mut tied_others) = (0_u64, 0_u64);
        let mut lost = 0_u128;
        for (place, &candidate) in self.order.iter().enumerate() {
            let times = u64::from(weight[self.strata.place(candidate as usize) as usize]);
            if self.member[candidate as usize] {
                tied_members += times;
            } else {
                tied_others += times;
            }
            if self.ends_tie(place) {
                // Non-members above these members, and half of those beside them.
                lost += u128::from(tied_members) * u128::from(2 * others + tied_others);
                members += tied_members;
                others += tied_others;
                (tied_members, tied_others) = (0, 0);
            }
        }
        let pairs = 2 * u128::from(members) * u128::from(others);
        (pairs - lost) as f64 / pairs as f64
    }
}

pub(crate) fn same_length(what: &'static str, expected: usize, got: usize) -> Result<(), Error> {
    if got == expected {
        Ok(())
    } else {
        Err(Error::Length {
            what,
            expected,
            got,
        })
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

    #[test]
    fn without_duplicates_it_is_delong() {
        let scores = [3.0, 1.0, 0.0, 2.0, 1.0];
        let member = [true, true, false, false, true];
        let candidates = Candidates::new(&scores, &member, &[0, 1, 2, 3, 4]).unwrap();
        let roc = Roc::new(&[3.0, 1.0, 1.0], &[0.0, 2.0]).unwrap();
        assert_eq!(
            candidates.auc(&BOOTSTRAP).unwrap(),
            roc.value().unwrap().auc()
        );
        assert!(!candidates.has_duplicates());
    }

    #[test]
    fn weights_are_repetitions() {
        let scores = [3.0, 1.0, 0.0, 1.0, 2.0, 1.0];
        let member = [true, true, false, false, false, true];
        let candidates = Candidates::new(&scores, &member, &[0, 1, 2, 3, 4, 5]).unwrap();
        let weight = |candidate: usize| [2, 3, 1, 4, 0, 1][candidate];
        let mut weights = vec![0; 6];
        for candidate in 0..6 {
            weights[candidates.strata.place(candidate) as usize] = weight(candidate) as u32;
        }
        let repeated = |wanted: bool| -> Vec<f64> {
            (0..6)
                .filter(|&i| member[i] == wanted)
                .flat_map(|i| std::iter::repeat_n(scores[i], weight(i)))
                .collect()
        };
        let roc = Roc::new(&repeated(true), &repeated(false)).unwrap();
        assert_eq!(candidates.area(&weights), roc.value().unwrap().area());
    }

    #[test]
    fn duplicates_make_the_interval_wider() {
        // 40 members and 40 non-members, each five times.
        let score = |i: u32| f64::from((i / 5 * 37) % 80) + f64::from(u8::from(i < 200)) * 20.0;
        let scores: Vec<f64> = (0..400).map(score).collect();
        let member: Vec<bool> = (0..400).map(|i| i < 200).collect();
        let single: Vec<u32> = (0..400).collect();
        let grouped: Vec<u32> = (0..400).map(|i| i / 5).collect();
        let width = |group: &[u32]| {
            let candidates = Candidates::new(&scores, &member, group).unwrap();
            let of = candidates.auc(&BOOTSTRAP).unwrap().value().unwrap();
            assert!(of.low < of.value && of.value < of.high);
            of.high - of.low
        };
        let ratio = width(&grouped) / width(&single);
        // The square root of 5, but for the noise of 500 resamples.
        assert!((ratio / 5.0_f64.sqrt() - 1.0).abs() < 0.15, "{ratio}");
    }

    #[test]
    fn flat_certain_and_too_few() {
        let auc = |scores: &[f64], group: &[u32]| {
            let member: Vec<bool> = (0..scores.len()).map(|i| i < scores.len() / 2).collect();
            let candidates = Candidates::new(scores, &member, group).unwrap();
            candidates.auc(&BOOTSTRAP).unwrap()
        };
        let groups = [0, 0, 1, 2, 3, 4];
        let flat = auc(&[1.0; 6], &groups).reason();
        assert_eq!(flat, Some(Reason::NoSpread { what: "the scores" }));
        let certain = auc(&[2.0, 2.0, 2.0, 1.0, 1.0, 1.0], &groups);
        assert_eq!(
            certain,
            Proportion::new(2, 2).unwrap().clopper_pearson(),
            "two groups of members"
        );
        let few = auc(&[2.0, 2.0, 2.0, 1.0, 1.0, 3.0], &[0, 0, 0, 1, 2, 3]);
        assert!(few.reason().unwrap().to_string().contains("of members: 1"));
        assert!(auc(&[], &[]).reason().is_some());
    }

    #[test]
    fn lists_that_do_not_fit_are_refused() {
        let of = |scores: &[f64], member: &[bool], group: &[u32]| {
            Candidates::new(scores, member, group).err().unwrap()
        };
        assert!(matches!(
            of(&[1.0], &[], &[0]),
            Error::Length { got: 0, .. }
        ));
        assert!(matches!(
            of(&[1.0], &[true], &[]),
            Error::Length { got: 0, .. }
        ));
        assert!(matches!(
            of(&[f64::NAN], &[true], &[0]),
            Error::NotFinite { .. }
        ));
        let both = of(&[1.0, 2.0], &[true, false], &[7, 7]);
        assert_eq!(both, Error::GroupAcross { group: 7, index: 1 });
    }
}
