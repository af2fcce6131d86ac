//! How often each 95 % interval of this crate holds the truth, in simulated data whose truth is
//! known: between 90 and 99 % of the time.
//!
//! | interval | of | covers |
//! | --- | --- | --- |
//! | `Proportion::wilson` | 16, 64, 256, 1,024 images, any share from 0.03 to 0.97 | 94.4 to 96.5 % |
//! | `Proportion::clopper_pearson` | the same | 95.0 to 98.6 % |
//! | `difference` | 32 and 32, 64 and 256, 256 and 1,280 images | 94.5 to 95.7 % |
//! | `excess` | 32, 128, 512 images, half of them drawn alike | 95.3 to 96.0 % |
//! | `student_t` | 2, 3, 5, 20 seeds | 94.8 to 95.0 % |
//! | `Bootstrap::mean` | 64, 256 exponential values | 92.6, 93.2 % |
//! | `Bootstrap::percentile` | p05 and p95 of 256, p50 of 128 | 93.2 to 94.5 % |
//! | `Candidates::auc`, no duplicates | 32 to 1,000 of a side, areas 0.55, 0.75, 0.95 | 93.1 to 95.4 % |
//! | `Candidates::auc`, groups of 1 to 4 | 30, 60 groups, areas 0.55, 0.75, 0.9 | 91.3 to 94.3 % |
//! | `Candidates::auc_difference`, no duplicates | 32 to 1,000 of a side, up to 0.95 less 0.9 | 93.7 to 95.9 % |
//! | `Candidates::auc_difference`, groups of 1 to 4 | 30, 60 groups, 0.8 less 0.6 | 91.7, 96.0 % |
//! | `mover` | two areas, 64 of a side; four differences at once | 95.3 to 96.5 % |
//! | `Candidates::tpr_at_fpr`, `asr` | TPR at FPR <= 0.1 and success rate, 100 and 200 | 94.7, 96.7 % |
//!
//! Limits. The percentile bootstrap falls short in the tails of small samples: p95 of 128
//! exponential values is covered 89.5 % of the time. The FPR that comes with a TPR is covered too
//! often, 99.7 %: its interval is wider than need be. Where an area was put into the interval on
//! the scale of areas, in place of logits, 0.95 of 32 and 32 was covered 86.1 % of the time.
// What each covers is told, so that the table above can be made again.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use eidetic_metrics::{
    Bootstrap, Candidates, Estimate, Measured, Proportion, difference, excess, mover, student_t,
};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use statrs::distribution::{ContinuousCDF, Normal};

const BOOTSTRAP: Bootstrap = Bootstrap {
    resamples: 300,
    seed: 0,
};

/// Draws of one test.
struct Draws(ChaCha8Rng);

impl Draws {
    /// In [0, 1).
    fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// By Box and Muller.
    fn normal(&mut self) -> f64 {
        let (radius, angle) = (1.0 - self.uniform(), self.uniform());
        (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
    }

    /// A share that is not at an end.
    fn share(&mut self) -> f64 {
        0.03 + 0.94 * self.uniform()
    }

    fn proportion(&mut self, trials: u64, share: f64) -> Proportion {
        Proportion::count((0..trials).map(|_| self.uniform() < share))
    }
}

/// The share of `sets` simulated sets whose interval holds the truth.
fn covered(
    name: &str,
    sets: u32,
    mut simulate: impl FnMut(&mut Draws) -> (Measured<Estimate>, f64),
) -> f64 {
    let mut draws = Draws(ChaCha8Rng::seed_from_u64(20241122));
    let mut held = 0;
    for _ in 0..sets {
        let (of, truth) = simulate(&mut draws);
        let of = of.value().unwrap();
        held += u32::from(of.low <= truth && truth <= of.high);
    }
    let share = f64::from(held) / f64::from(sets);
    println!("{name}: {:.1} % of {sets}", 100.0 * share);
    share
}

#[track_caller]
fn assert_covers(
    name: &str,
    sets: u32,
    simulate: impl FnMut(&mut Draws) -> (Measured<Estimate>, f64),
) {
    let share = covered(name, sets, simulate);
    assert!((0.90..=0.99).contains(&share), "{name} covers {share}");
}

#[test]
fn shares() {
    for n in [16, 64, 256, 1024] {
        assert_covers(&format!("Wilson, {n}"), 2000, |draws| {
            let truth = draws.share();
            (draws.proportion(n, truth).wilson(), truth)
        });
        assert_covers(&format!("Clopper-Pearson, {n}"), 2000, |draws| {
            let truth = draws.share();
            (draws.proportion(n, truth).clopper_pearson(), truth)
        });
    }
}

#[test]
fn differences_of_other_images() {
    for (m, n) in [(32, 32), (64, 256), (256, 1280)] {
        assert_covers(&format!("difference, {m} and {n}"), 2000, |draws| {
            let (p, q) = (draws.share(), draws.share());
            let of = difference(draws.proportion(m, p), draws.proportion(n, q));
            (of, p - q)
        });
    }
}

/// Two lists that come from the same draw half of the time.
#[test]
fn differences_of_the_same_images() {
    for n in [32, 128, 512] {
        assert_covers(&format!("excess, {n}"), 2000, |draws| {
            let (p, q) = (draws.share(), draws.share());
            let pair = |draws: &mut Draws| {
                let (first, second, same) = (draws.uniform(), draws.uniform(), draws.uniform());
                let second = if same < 0.5 { first } else { second };
                (first < p, second < q)
            };
            let (of, control): (Vec<_>, Vec<_>) = (0..n).map(|_| pair(draws)).unzip();
            (excess(&of, &control).unwrap(), p - q)
        });
    }
}

#[test]
fn means_over_seeds() {
    for n in [2, 3, 5, 20] {
        assert_covers(&format!("student_t, {n}"), 2000, |draws| {
            let values: Vec<f64> = (0..n).map(|_| 0.4 + draws.normal()).collect();
            (student_t(&values).unwrap(), 0.4)
        });
    }
}

/// Of exponential values, which are skewed.
#[test]
fn bootstrap_of_values() {
    let exponential = |draws: &mut Draws, n: u32| -> Vec<f64> {
        (0..n).map(|_| -(1.0 - draws.uniform()).ln()).collect()
    };
    for n in [64, 256] {
        assert_covers(&format!("bootstrapped mean, {n}"), 500, |draws| {
            let values = exponential(draws, n);
            (BOOTSTRAP.mean(&values).unwrap(), 1.0)
        });
    }
    for (percent, n) in [(5.0, 256), (50.0, 128), (95.0, 256)] {
        let name = format!("bootstrapped p{percent:02}, {n}");
        assert_covers(&name, 400, |draws| {
            let values = exponential(draws, n);
            let of = BOOTSTRAP.percentile(&values, percent).unwrap();
            (of, -(1.0 - percent / 100.0_f64).ln())
        });
    }
}

/// The area where members are so many standard deviations above the others.
fn area(apart: f64) -> f64 {
    Normal::standard().cdf(apart / 2.0_f64.sqrt())
}

/// So far apart are lists of this area.
fn apart(area: f64) -> f64 {
    Normal::standard().inverse_cdf(area) * 2.0_f64.sqrt()
}

/// Members first.
fn flags(members: usize, others: usize) -> Vec<bool> {
    (0..members + others).map(|i| i < members).collect()
}

fn scores(draws: &mut Draws, member: &[bool], apart: f64) -> Vec<f64> {
    let each = member.iter();
    each.map(|&member| draws.normal() + if member { apart } else { 0.0 })
        .collect()
}

fn auc(scores: &[f64], member: &[bool], group: &[u32]) -> Measured<Estimate> {
    let candidates = Candidates::new(scores, member, group).unwrap();
    candidates.auc(&BOOTSTRAP).unwrap()
}

fn auc_difference(scores: [&[f64]; 2], member: &[bool], group: &[u32]) -> Measured<Estimate> {
    let [of, other] = scores.map(|scores| Candidates::new(scores, member, group).unwrap());
    let compared = of.auc_difference(&other, &BOOTSTRAP).unwrap();
    compared.map(|compared| compared.difference)
}

#[test]
fn areas() {
    for (m, n) in [(32, 32), (64, 64), (64, 1000)] {
        let member = flags(m, n);
        let group: Vec<u32> = (0..member.len() as u32).collect();
        for truth in [0.55, 0.75, 0.95] {
            assert_covers(&format!("DeLong {truth}, {m} and {n}"), 1000, |draws| {
                let scores = scores(draws, &member, apart(truth));
                (auc(&scores, &member, &group), truth)
            });
        }
    }
}

/// Two scores that share half of their variance.
fn two_scores(draws: &mut Draws, member: &[bool], truths: [f64; 2]) -> [Vec<f64>; 2] {
    let common = scores(draws, member, 0.0);
    truths.map(|truth| {
        let own = scores(draws, member, 0.0);
        let each = common.iter().zip(own).zip(member);
        let lift = |member: bool| if member { apart(truth) } else { 0.0 };
        each.map(|((common, own), &member)| (common + own) / 2.0_f64.sqrt() + lift(member))
            .collect()
    })
}

#[test]
fn differences_of_areas() {
    for (m, n) in [(32, 32), (64, 64), (64, 1000)] {
        let member = flags(m, n);
        let group: Vec<u32> = (0..member.len() as u32).collect();
        for [p, q] in [[0.7, 0.7], [0.8, 0.6], [0.95, 0.9]] {
            let name = format!("DeLong {p} less {q}, {m} and {n}");
            assert_covers(&name, 1000, |draws| {
                let [of, other] = two_scores(draws, &member, [p, q]);
                (auc_difference([&of, &other], &member, &group), p - q)
            });
        }
    }
}

/// Groups of one to four duplicates, whose scores differ by little.
fn duplicates(draws: &mut Draws, groups: u32) -> (Vec<u32>, Vec<bool>) {
    let group: Vec<u32> = (0..2 * groups)
        .flat_map(|group| {
            let copies = 1 + (4.0 * draws.uniform()) as usize;
            std::iter::repeat_n(group, copies)
        })
        .collect();
    let member = group.iter().map(|&group| group < groups).collect();
    (group, member)
}

/// Each image its group's score, plus noise of a tenth of the variance.
fn spread(draws: &mut Draws, of_groups: &[f64], group: &[u32]) -> Vec<f64> {
    let (own, noise) = (0.9_f64.sqrt(), 0.1_f64.sqrt());
    let each = group.iter();
    each.map(|&group| own * of_groups[group as usize] + noise * draws.normal())
        .collect()
}

#[test]
fn areas_among_duplicates() {
    for groups in [30, 60] {
        for truth in [0.55, 0.75, 0.9] {
            let name = format!("bootstrapped AUC {truth}, {groups} groups");
            assert_covers(&name, 300, |draws| {
                let (group, member) = duplicates(draws, groups);
                // Members' groups come first; what is multiplied by `own` is made up for.
                let of_groups = flags(groups as usize, groups as usize);
                let of_groups = scores(draws, &of_groups, apart(truth) / 0.9_f64.sqrt());
                let scores = spread(draws, &of_groups, &group);
                (auc(&scores, &member, &group), truth)
            });
        }
        let name = format!("bootstrapped AUC 0.8 less 0.6, {groups} groups");
        assert_covers(&name, 300, |draws| {
            let (group, member) = duplicates(draws, groups);
            let [of, other] = {
                let member = flags(groups as usize, groups as usize);
                let wider = |truth| area(apart(truth) / 0.9_f64.sqrt());
                two_scores(draws, &member, [wider(0.8), wider(0.6)])
            };
            let [of, other] = [of, other].map(|of| spread(draws, &of, &group));
            (auc_difference([&of, &other], &member, &group), 0.8 - 0.6)
        });
    }
}

/// Of two areas over different candidates; and of four such differences at once.
#[test]
fn differences_of_figures() {
    let member = flags(64, 64);
    let group: Vec<u32> = (0..128).collect();
    let of = |draws: &mut Draws, truth| {
        let scores = scores(draws, &member, apart(truth));
        auc(&scores, &member, &group).value().unwrap()
    };
    for [p, q] in [[0.6, 0.6], [0.9, 0.6]] {
        assert_covers(
            &format!("MOVER of AUC {p} and {q}, 64 and 64"),
            1000,
            |draws| {
                let both = mover(of(draws, p), of(draws, q), 1);
                (Measured::Value(both), p - q)
            },
        );
    }
    assert_covers("MOVER, four at once", 1000, |draws| {
        let errors = (0..4).map(|_| {
            let Estimate { low, high, .. } = mover(of(draws, 0.8), of(draws, 0.6), 4);
            Estimate {
                value: 0.2,
                low,
                high,
            }
        });
        let all: Vec<Estimate> = errors.collect();
        let missed = all.iter().find(|of| of.low > 0.2 || of.high < 0.2);
        (Measured::Value(*missed.unwrap_or(&all[0])), 0.2)
    });
}

/// Rates at thresholds from the other half. The truth is what they come to on average.
#[test]
fn cross_fitted_rates() {
    let member = flags(100, 200);
    let group: Vec<u32> = (0..300).collect();
    let half: Vec<bool> = (0..300).map(|i| i % 2 == 0).collect();
    let rates = |draws: &mut Draws, bootstrap: &Bootstrap| {
        let scores = scores(draws, &member, 1.2);
        let candidates = Candidates::new(&scores, &member, &group).unwrap();
        let rates = candidates.tpr_at_fpr(&half, 0.1, bootstrap).unwrap();
        let rates = rates.value().unwrap();
        let asr = candidates.asr(&half, bootstrap).unwrap();
        [rates.tpr, rates.fpr, asr.value().unwrap()]
    };
    let mut draws = Draws(ChaCha8Rng::seed_from_u64(7));
    let single = Bootstrap {
        resamples: 1,
        seed: 0,
    };
    let sets: Vec<_> = (0..2000).map(|_| rates(&mut draws, &single)).collect();
    for (at, name) in ["TPR at FPR <= 0.1", "its FPR", "success rate"]
        .into_iter()
        .enumerate()
    {
        let truth = sets.iter().map(|of| of[at].value).sum::<f64>() / sets.len() as f64;
        let share = covered(&format!("{name}, 100 and 200"), 300, |draws| {
            (Measured::Value(rates(draws, &BOOTSTRAP)[at]), truth)
        });
        // Of the FPR see the limits above.
        let most = if name == "its FPR" { 1.0 } else { 0.99 };
        assert!((0.90..=most).contains(&share), "{name} covers {share}");
    }
}
