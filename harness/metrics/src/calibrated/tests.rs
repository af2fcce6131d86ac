//! Values by hand, and what is missing or refused.
#![allow(clippy::unwrap_used)]
use super::*;

const BOOTSTRAP: Bootstrap = Bootstrap {
    resamples: 200,
    seed: 1,
};

/// Candidates of their own group each: score, member, half.
struct Set {
    scores: Vec<f64>,
    member: Vec<bool>,
    half: Vec<bool>,
    group: Vec<u32>,
}

impl Set {
    fn new(of: &[(f64, bool, bool)]) -> Self {
        Self {
            scores: of.iter().map(|of| of.0).collect(),
            member: of.iter().map(|of| of.1).collect(),
            half: of.iter().map(|of| of.2).collect(),
            group: (0..of.len() as u32).collect(),
        }
    }

    fn candidates(&self) -> Candidates<'_> {
        Candidates::new(&self.scores, &self.member, &self.group).unwrap()
    }

    fn judged(&self, rule: Rule) -> Judged {
        let halves = Halves::new(&self.candidates(), &self.half).unwrap();
        halves.judged(rule, &halves.strata.once())
    }
}

const A: bool = false;
const B: bool = true;

#[test]
fn each_half_at_the_others_threshold_by_hand() {
    let set = Set::new(&[
        // Half A: best at 4 (TPR 2/3, FPR 0). At FPR <= 1/2 best at 1 (TPR 1).
        (5.0, true, A),
        (4.0, true, A),
        (3.0, false, A),
        (1.0, true, A),
        (0.0, false, A),
        // Half B: best at 6, of equals with 2 the higher (TPR 1/2 less FPR 0 = 1 - 1/2).
        (6.0, true, B),
        (4.5, false, B),
        (2.0, true, B),
        (1.5, false, B),
    ]);
    // A at 6: nothing. B at 4: one member of two, one other of two.
    let of = set.judged(Rule::Balanced);
    let (members, others) = (1, 1);
    assert_eq!(of.called, Counts { members, others });
    let all = Counts {
        members: 5,
        others: 4,
    };
    assert_eq!(of.all, all);
    assert_eq!(of.balanced(), f64::midpoint(0.2, 0.75));
    // B chooses 2, which is 2 members and 1 other of A; A chooses 1: all of B.
    let (members, others) = (2 + 2, 1 + 2);
    assert_eq!(
        set.judged(Rule::Fpr(0.5)).called,
        Counts { members, others }
    );
    // No false positive allowed: A chooses 4, B chooses 6.
    let (members, others) = (1, 1);
    assert_eq!(
        set.judged(Rule::Fpr(0.4)).called,
        Counts { members, others }
    );
}

#[test]
fn ties_are_taken_whole_and_nothing_may_be_called() {
    let set = Set::new(&[
        (1.0, true, A),
        (1.0, false, A),
        (0.0, true, A),
        (0.0, false, A),
        (1.0, true, B),
        (0.0, true, B),
        (0.0, false, B),
        (1.0, false, B),
    ]);
    for rule in [Rule::Balanced, Rule::Fpr(0.4)] {
        assert_eq!(set.judged(rule).called, Counts::default());
    }
    let (members, others) = (2, 2);
    assert_eq!(
        set.judged(Rule::Fpr(0.5)).called,
        Counts { members, others }
    );
}

#[test]
fn weights_are_repetitions() {
    let score = |i: u64| (i * 29 % 17 + if i.is_multiple_of(3) { 6 } else { 0 }) as f64;
    let of = |i: u64| (score(i), i.is_multiple_of(3), i % 4 < 2);
    let weight = |i: u64| (i * 7 % 5) as u32;
    let set = Set::new(&(0..60).map(of).collect::<Vec<_>>());
    let repeated: Vec<_> = (0..60)
        .flat_map(|i| std::iter::repeat_n(of(i), weight(i) as usize))
        .collect();
    let halves = Halves::new(&set.candidates(), &set.half).unwrap();
    let mut weights = vec![0; 60];
    for i in 0..60 {
        weights[halves.strata.place(i as usize) as usize] = weight(i);
    }
    for rule in [Rule::Balanced, Rule::Fpr(0.1), Rule::Fpr(0.4)] {
        let expected = Set::new(&repeated).judged(rule);
        assert_eq!(halves.judged(rule, &weights), expected);
        assert!(expected.called.members > 0, "{rule:?}");
    }
}

#[test]
fn certainty_keeps_a_width() {
    let of = |i: u32| (f64::from(u8::from(i < 1000)), i < 1000, i.is_multiple_of(2));
    let set = Set::new(&(0..2000).map(of).collect::<Vec<_>>());
    let candidates = set.candidates();
    let rates = candidates.tpr_at_fpr(&set.half, 0.01, &BOOTSTRAP).unwrap();
    let rates = rates.value().unwrap();
    let wilson = Proportion::new(1000, 1000).unwrap().wilson();
    assert_eq!(Measured::Value(rates.tpr), wilson);
    let wilson = Proportion::new(0, 1000).unwrap().wilson();
    assert_eq!(Measured::Value(rates.fpr), wilson);
    let asr = candidates.asr(&set.half, &BOOTSTRAP).unwrap();
    let asr = asr.value().unwrap();
    assert_eq!((asr.value, asr.high), (1.0, 1.0));
    let half = 2.0_f64.sqrt() * (1.0 - rates.tpr.low) / 2.0;
    assert!((asr.low - (1.0 - half)).abs() < 1e-12);
    // The same in pairs of duplicates is worth half.
    let group: Vec<u32> = (0..2000).map(|i| i / 4 * 2 + i % 2).collect();
    let paired = Candidates::new(&set.scores, &set.member, &group).unwrap();
    let rates = paired.tpr_at_fpr(&set.half, 0.01, &BOOTSTRAP).unwrap();
    let wilson = Proportion::new(500, 500).unwrap().wilson();
    assert_eq!(Measured::Value(rates.value().unwrap().tpr), wilson);
}

#[test]
fn too_little_is_missing_with_the_reason() {
    let of = |n: u32, score: fn(u32) -> f64, half: fn(u32) -> bool| {
        let each = (0..n).map(|i| (score(i), i.is_multiple_of(2), half(i)));
        Set::new(&each.collect::<Vec<_>>())
    };
    let reason = |set: &Set| {
        let candidates = set.candidates();
        let asr = candidates.asr(&set.half, &BOOTSTRAP).unwrap();
        let tpr = candidates.tpr_at_fpr(&set.half, 0.5, &BOOTSTRAP).unwrap();
        assert_eq!(asr.reason(), tpr.reason());
        asr.reason().unwrap().to_string()
    };
    let flat = of(100, |_| 2.5, |i| i % 4 < 2);
    assert_eq!(reason(&flat), "no spread: the scores are all the same");
    let one_half = of(100, f64::from, |_| true);
    assert_eq!(
        reason(&one_half),
        "too few groups of members in a half: 0, expected at least 2"
    );
    let no_others = of(100, f64::from, |i| i.is_multiple_of(2) && i > 50);
    assert_eq!(
        reason(&no_others),
        "too few groups of non-members in a half: 0, expected at least 2"
    );
    let mut one_group = of(100, f64::from, |i| i % 4 < 2);
    one_group.group = (0..100).map(|i| i % 4).collect();
    assert!(reason(&one_group).contains("members in a half: 1"));
    let many = of(1998, f64::from, |i| i % 4 < 2);
    let missing = many.candidates().tpr_at_fpr(&many.half, 0.01, &BOOTSTRAP);
    assert_eq!(
        missing.unwrap().reason().unwrap().to_string(),
        "too few non-members: 999, expected at least 1000"
    );
}

#[test]
fn what_makes_no_sense_is_refused() {
    let of = |i: u32| (f64::from(i), i.is_multiple_of(2), i % 4 < 2);
    let mut set = Set::new(&(0..100).map(of).collect::<Vec<_>>());
    for max_fpr in [0.0, -0.1, 1.1, f64::NAN] {
        let of = set.candidates().tpr_at_fpr(&set.half, max_fpr, &BOOTSTRAP);
        assert!(matches!(of, Err(Error::Parameter { .. })));
    }
    let short = set.candidates().asr(&set.half[1..], &BOOTSTRAP);
    assert!(matches!(short, Err(Error::Length { got: 99, .. })));
    set.group[2] = set.group[0];
    let across = set.candidates().asr(&set.half, &BOOTSTRAP);
    assert!(matches!(across, Err(Error::GroupAcross { index: 2, .. })));
}
