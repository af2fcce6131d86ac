//! Rates at thresholds that were chosen on other images than those that they are judged on.
//!
//! Candidates lie in two halves. Each half is judged at the threshold that is best on the other
//! (cross-fitting), and the counts of the two are pooled, so that every candidate is judged once
//! and none has a say in its own threshold.

use crate::candidates::same_length;
use crate::strata::Strata;
use crate::{Bootstrap, Candidates, Error, Estimate, Measured, Proportion, Reason};

/// False positives expected at the bound below which TPR at FPR <= x is not quoted: 1,000
/// non-members for 1 %, 10,000 for 0.1 %.
pub const MIN_FALSE_POSITIVES: f64 = 10.0;

/// What an attack reaches where its threshold should keep FPR at or below a bound.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RealisedRates {
    /// Members called members, of all members.
    pub tpr: Estimate,
    /// Non-members called members, of all non-members: by chance it may exceed the bound, since
    /// the threshold kept to it on other candidates.
    pub fpr: Estimate,
}

impl Candidates<'_> {
    /// TPR at FPR <= `max_fpr`, by cross-fitting: on one half the threshold with the maximum TPR
    /// among those whose FPR does not exceed `max_fpr`, and of equals the highest; on the other
    /// half what comes of it, and the other way round. `half[i]` says in which half candidate i
    /// lies.
    ///
    /// Intervals by a bootstrap over groups of duplicates, drawn within members and non-members
    /// of each half; thresholds are chosen anew in each resample. A rate of 0 or 1, where
    /// resamples are alike, has Wilson's end, over Kish's effective number of images.
    ///
    /// Missing with fewer than [`MIN_FALSE_POSITIVES`] / `max_fpr` non-members, with fewer than
    /// two groups of members or of non-members in a half, or where all scores are equal.
    ///
    /// # Errors
    /// `max_fpr` is not in (0, 1], `half` is of another length, a group lies in both halves, or
    /// there are no resamples.
    pub fn tpr_at_fpr(
        &self,
        half: &[bool],
        max_fpr: f64,
        bootstrap: &Bootstrap,
    ) -> Result<Measured<RealisedRates>, Error> {
        if !(max_fpr > 0.0 && max_fpr <= 1.0) {
            return Err(Error::Parameter {
                name: "max_fpr",
                expected: "above 0 and at most 1",
                got: max_fpr,
            });
        }
        let needed = (MIN_FALSE_POSITIVES / max_fpr).ceil() as usize;
        let non_members = self.member.iter().filter(|&&member| !member).count();
        let enough = Reason::unless_enough("non-members", needed, non_members);
        let halves = match enough.and_then(|()| Measured::Value(Halves::new(self, half))) {
            Measured::Missing(reason) => return Ok(Measured::Missing(reason)),
            Measured::Value(halves) => halves?,
        };
        if let Measured::Missing(reason) = halves.enough(self) {
            return Ok(Measured::Missing(reason));
        }
        let rule = Rule::Fpr(max_fpr);
        let of = halves.judged(rule, &halves.strata.once());
        let [tpr, fpr] = bootstrap.intervals(Vec::new, |weight, rng| {
            halves.strata.draw(rng, weight);
            let of = halves.judged(rule, weight);
            [of.tpr(), of.fpr()]
        })?;
        let estimate = |value, interval, effective| {
            let end = at_an_end(value, effective);
            wider(value, interval, end)
        };
        Ok(Measured::Value(RealisedRates {
            tpr: estimate(of.tpr(), tpr, halves.effective(true)),
            fpr: estimate(of.fpr(), fpr, halves.effective(false)),
        }))
    }

    /// The attack's success rate, balanced accuracy (TPR + 1 - FPR) / 2, by cross-fitting as in
    /// [`Candidates::tpr_at_fpr`]: on each half at the threshold that is best on the other, of
    /// equals the highest. Chance is 0.5. Its interval likewise; at 0 or 1 the end is MOVER's
    /// (Newcombe 1998, Statistics in Medicine 17:873, method 10).
    ///
    /// Missing with fewer than two groups of members or of non-members in a half, or where all
    /// scores are equal.
    ///
    /// # Errors
    /// `half` is of another length, a group lies in both halves, or there are no resamples.
    pub fn asr(&self, half: &[bool], bootstrap: &Bootstrap) -> Result<Measured<Estimate>, Error> {
        let halves = Halves::new(self, half)?;
        if let Measured::Missing(reason) = halves.enough(self) {
            return Ok(Measured::Missing(reason));
        }
        let of = halves.judged(Rule::Balanced, &halves.strata.once());
        let [interval] = bootstrap.intervals(Vec::new, |weight, rng| {
            halves.strata.draw(rng, weight);
            [halves.judged(Rule::Balanced, weight).balanced()]
        })?;
        let ends = at_an_end(of.tpr(), halves.effective(true))
            .zip(at_an_end(of.fpr(), halves.effective(false)));
        let value = of.balanced();
        let end = ends
            .filter(|_| value == 0.0 || value == 1.0)
            .map(|(tpr, fpr)| Estimate {
                value,
                low: value - (tpr.value - tpr.low).hypot(fpr.high - fpr.value) / 2.0,
                high: value + (tpr.high - tpr.value).hypot(fpr.value - fpr.low) / 2.0,
            });
        Ok(Measured::Value(wider(value, interval, end)))
    }
}

/// What makes one threshold better than another.
#[derive(Debug, Clone, Copy)]
enum Rule {
    /// The higher TPR, of those whose FPR does not exceed this.
    Fpr(f64),
    /// The higher balanced accuracy.
    Balanced,
}

impl Rule {
    /// How good it is to call `above` members, of `all`; more than 0 where that is better than to
    /// call nothing a member.
    fn gain(self, above: Counts, all: Counts) -> i64 {
        match self {
            Self::Fpr(most) if above.others as f64 / all.others as f64 > most => -1,
            Self::Fpr(_) => above.members,
            Self::Balanced => above.members * all.others - above.others * all.members,
        }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Counts {
    members: i64,
    others: i64,
}

impl Counts {
    fn add(&mut self, member: bool, times: u32) {
        if member {
            self.members += i64::from(times);
        } else {
            self.others += i64::from(times);
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            members: self.members + other.members,
            others: self.others + other.others,
        }
    }
}

/// The pooled counts of both halves: called members, and all.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Judged {
    called: Counts,
    all: Counts,
}

impl Judged {
    fn tpr(&self) -> f64 {
        self.called.members as f64 / self.all.members as f64
    }

    fn fpr(&self) -> f64 {
        self.called.others as f64 / self.all.others as f64
    }

    fn balanced(&self) -> f64 {
        f64::midpoint(self.tpr(), 1.0 - self.fpr())
    }
}

/// A candidate in the order of scores, the highest first.
struct Ranked {
    group: u32,
    half: usize,
    member: bool,
    ends_tie: bool,
}

struct Halves {
    ranked: Vec<Ranked>,
    strata: Strata,
}

impl Halves {
    fn new(candidates: &Candidates<'_>, half: &[bool]) -> Result<Self, Error> {
        let member = candidates.member;
        same_length("halves of candidates", member.len(), half.len())?;
        let stratum = |i: usize| 2 * usize::from(half[i]) + usize::from(member[i]);
        let strata = Strata::new(candidates.group, 4, stratum)?;
        let places = candidates.order.iter().enumerate();
        let ranked = places
            .map(|(place, &candidate)| Ranked {
                group: strata.place(candidate as usize),
                half: usize::from(half[candidate as usize]),
                member: member[candidate as usize],
                ends_tie: candidates.ends_tie(place),
            })
            .collect();
        Ok(Self { ranked, strata })
    }

    fn enough(&self, candidates: &Candidates<'_>) -> Measured<()> {
        let groups = self.strata.groups();
        let fewest = |member: usize| groups[member].min(groups[2 + member]) as usize;
        Reason::unless_enough("groups of members in a half", 2, fewest(1))
            .and_then(|()| Reason::unless_enough("groups of non-members in a half", 2, fewest(0)))
            .and_then(|()| {
                if candidates.is_flat() {
                    let what = "the scores";
                    Measured::Missing(Reason::NoSpread { what })
                } else {
                    Measured::Value(())
                }
            })
    }

    /// How many independent members or non-members there are at least.
    fn effective(&self, member: bool) -> u64 {
        let stratum = usize::from(member);
        (self.strata.effective(stratum) + self.strata.effective(2 + stratum)) as u64
    }

    /// Both halves at each other's threshold, where group g counts `weight[g]` times.
    fn judged(&self, rule: Rule, weight: &[u32]) -> Judged {
        let mut all = [Counts::default(); 2];
        for of in &self.ranked {
            all[of.half].add(of.member, weight[of.group as usize]);
        }
        let mut above = [Counts::default(); 2];
        // Of the threshold chosen on each half so far, at first an infinite one: what it is worth
        // there, and what it calls members on the other.
        let mut chosen = [(0, Counts::default()); 2];
        for of in &self.ranked {
            above[of.half].add(of.member, weight[of.group as usize]);
            if !of.ends_tie {
                continue;
            }
            for half in 0..2 {
                let gain = rule.gain(above[half], all[half]);
                if gain > chosen[half].0 {
                    chosen[half] = (gain, above[1 - half]);
                }
            }
        }
        Judged {
            called: chosen[0].1.plus(chosen[1].1),
            all: all[0].plus(all[1]),
        }
    }
}

/// Wilson's interval of a share of 0 or 1 over `effective` images; none in between.
fn at_an_end(share: f64, effective: u64) -> Option<Estimate> {
    let hits = match share {
        0.0 => 0,
        1.0 => effective,
        _ => return None,
    };
    Proportion::of(hits, effective).wilson().value()
}

/// The value with the interval that holds both.
fn wider(value: f64, (low, high): (f64, f64), end: Option<Estimate>) -> Estimate {
    let end = end.unwrap_or(Estimate { value, low, high });
    Estimate {
        value,
        low: low.min(end.low),
        high: high.max(end.high),
    }
}

#[cfg(test)]
mod tests;
