//! Agreement with statsmodels, scipy and a DeLong by mid-ranks: `fixtures/make_comparisons.py`.
#![allow(clippy::unwrap_used)]

use eidetic_metrics::{Bootstrap, Candidates, Proportion, fisher, holm, mcnemar};
use serde::Deserialize;

#[derive(Deserialize)]
struct Comparisons {
    paired_auc: Vec<PairedAuc>,
    mcnemar: Vec<PairedShares>,
    fisher: Vec<Shares>,
    holm: Vec<Many>,
}

#[derive(Deserialize)]
struct PairedAuc {
    scores: [Vec<f64>; 2],
    member: Vec<bool>,
    areas: [f64; 2],
    difference: f64,
    low: f64,
    high: f64,
    p_value: f64,
}

/// Counts of images that hit in both lists, in the first only, in the second only, in neither.
#[derive(Deserialize)]
struct PairedShares {
    table: [usize; 4],
    p_value: f64,
}

#[derive(Deserialize)]
struct Shares {
    counts: [u64; 4],
    p_value: f64,
}

#[derive(Deserialize)]
struct Many {
    p_values: Vec<f64>,
    holm: Vec<f64>,
}

fn fixture() -> Comparisons {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/comparisons.json"
    );
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// To `tolerance` of what is expected, however small that is.
#[track_caller]
fn assert_close(got: f64, expected: f64, tolerance: f64) {
    let error = (got - expected).abs();
    assert!(
        error <= tolerance * expected.abs(),
        "got {got}, expected {expected}"
    );
}

#[test]
fn paired_areas_are_those_of_mid_ranks() {
    let sets = fixture().paired_auc;
    assert_eq!(sets.len(), 3);
    for set in sets {
        let group: Vec<u32> = (0..set.member.len() as u32).collect();
        let [of, other] = set.scores.each_ref().map(|scores| {
            let candidates = Candidates::new(scores, &set.member, &group);
            candidates.unwrap()
        });
        let bootstrap = Bootstrap::new(0);
        for (of, area) in [&of, &other].into_iter().zip(set.areas) {
            let auc = of.auc(&bootstrap).unwrap().value().unwrap();
            assert_close(auc.value, area, 1e-12);
        }
        let got = of.auc_difference(&other, &bootstrap).unwrap();
        let got = got.value().unwrap();
        assert_close(got.difference.value, set.difference, 1e-12);
        assert_close(got.difference.low, set.low, 1e-11);
        assert_close(got.difference.high, set.high, 1e-11);
        assert_close(got.p_value, set.p_value, 1e-9);
    }
}

#[test]
fn tests_of_shares_are_those_of_statsmodels_and_scipy() {
    let Comparisons {
        mcnemar: paired,
        fisher: unpaired,
        ..
    } = fixture();
    assert_eq!((paired.len(), unpaired.len()), (8, 8));
    for set in paired {
        let cells = [(true, true), (true, false), (false, true), (false, false)];
        let each = cells.into_iter().zip(set.table);
        let (of, other): (Vec<_>, Vec<_>) = each
            .flat_map(|(cell, count)| std::iter::repeat_n(cell, count))
            .unzip();
        let got = mcnemar(&of, &other).unwrap().value().unwrap();
        assert_close(got, set.p_value, 1e-10);
    }
    for set in unpaired {
        let [hits, trials, other_hits, other_trials] = set.counts;
        let of = |hits, trials| Proportion::new(hits, trials).unwrap();
        let got = fisher(of(hits, trials), of(other_hits, other_trials));
        assert_close(got.value().unwrap(), set.p_value, 1e-9);
    }
}

#[test]
fn holm_is_that_of_statsmodels() {
    let sets = fixture().holm;
    assert_eq!(sets.len(), 5);
    for set in sets {
        let got = holm(&set.p_values).unwrap();
        assert_eq!(got.len(), set.holm.len());
        for (got, expected) in got.into_iter().zip(set.holm) {
            assert_close(got, expected, 1e-14);
        }
    }
}
