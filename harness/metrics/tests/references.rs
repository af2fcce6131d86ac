//! Agreement with faiss, scikit-learn, scipy, statsmodels and numpy: `fixtures/make_fixtures.py`.
#![allow(clippy::unwrap_used)]

use eidetic_metrics::{
    Band, Bootstrap, Candidates, Estimate, Histogram, Images, Measured, NL2_NEIGHBOURS,
    NN_RATIO_MEMORIZED, Proportion, Roc, Scales, ams, difference, duplicate_groups, excess,
    extraction_scores, memorized, nearest, nearest_others, nl2_scales, percentiles, student_t,
    ums_l2, ums_scaled_l2, unique_extracted,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;

fn fixture<T: DeserializeOwned>(name: &str) -> T {
    let path = format!("{}/tests/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn pixels(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap())
        .collect()
}

#[track_caller]
fn assert_close(got: f64, expected: f64, tolerance: f64) {
    let error = (got - expected).abs();
    assert!(
        error <= tolerance * expected.abs().max(1.0),
        "got {got}, expected {expected}"
    );
}

#[derive(Deserialize)]
struct Found {
    dim: usize,
    k: usize,
    queries: String,
    reference: String,
    index: Vec<Vec<u32>>,
    squared: Vec<Vec<u64>>,
}

#[test]
fn neighbours_are_those_of_faiss() {
    let sets: Vec<Found> = fixture("neighbours");
    assert_eq!(sets.len(), 2);
    for set in sets {
        let (queries, reference) = (pixels(&set.queries), pixels(&set.reference));
        let queries = Images::new(&queries, set.dim).unwrap();
        let found = nearest(queries, Images::new(&reference, set.dim).unwrap(), set.k).unwrap();
        assert_eq!(found.len(), set.index.len());
        for (i, (index, squared)) in set.index.iter().zip(&set.squared).enumerate() {
            assert_eq!(found.indices(i), index);
            for (rank, &squared) in squared.iter().enumerate() {
                assert_eq!(found.squared(i, rank), squared);
            }
        }
    }
}

#[derive(Deserialize)]
struct Extraction {
    dim: usize,
    training: String,
    generated: String,
    matched: Vec<u32>,
    l2: Vec<f64>,
    nn_ratio: Vec<f64>,
    nl2_generated: Vec<f64>,
    nl2_matched: Vec<f64>,
    memorized: u64,
    unique_extracted: u64,
    bands: Vec<[f64; 2]>,
    ams: Vec<u64>,
    ums: Vec<u64>,
    nl2_bands: Vec<[f64; 2]>,
    ums_nl2_generated: Vec<u64>,
    ums_nl2_matched: Vec<u64>,
}

fn bands(edges: &[[f64; 2]]) -> Vec<Band> {
    edges
        .iter()
        .map(|&[low, high]| Band::new(low, high).unwrap())
        .collect()
}

#[test]
fn extraction_scores_are_those_of_scikit_learn_and_numpy() {
    let set: Extraction = fixture("extraction");
    let (training, generated) = (pixels(&set.training), pixels(&set.generated));
    let training = Images::new(&training, set.dim).unwrap();
    let generated = Images::new(&generated, set.dim).unwrap();
    let scores = extraction_scores(generated, training).unwrap();
    assert_eq!(scores.len(), set.matched.len());
    for (i, score) in scores.iter().enumerate() {
        assert_eq!(score.matched, set.matched[i]);
        assert_close(score.l2, set.l2[i], 1e-9);
        assert_close(score.nn_ratio.value().unwrap(), set.nn_ratio[i], 1e-9);
        assert_close(
            score.nl2_generated.value().unwrap(),
            set.nl2_generated[i],
            1e-9,
        );
        assert_close(score.nl2_matched.value().unwrap(), set.nl2_matched[i], 1e-9);
    }
    let hits = memorized(&scores, NN_RATIO_MEMORIZED)
        .unwrap()
        .value()
        .unwrap();
    assert_eq!(
        (hits.hits(), hits.trials()),
        (set.memorized, scores.len() as u64)
    );
    let unique = unique_extracted(&scores, NN_RATIO_MEMORIZED)
        .unwrap()
        .value()
        .unwrap();
    assert_eq!(unique.distinct, set.unique_extracted);
    assert!(set.unique_extracted < set.memorized);

    let best: Vec<f64> = scores.iter().map(|score| score.l2).collect();
    for (band, expected) in bands(&set.bands).into_iter().zip(set.ams) {
        assert_eq!(ams(&best, band).unwrap().hits(), expected);
    }
    let ums = ums_l2(generated, training, &bands(&set.bands)).unwrap();
    assert_eq!(
        ums.iter().map(|of| of.distinct).collect::<Vec<_>>(),
        set.ums
    );
    let on_generated = nl2_scales(&nearest(generated, training, NL2_NEIGHBOURS).unwrap());
    let on_generated = on_generated.value().unwrap();
    for (score, scale) in scores.iter().zip(&on_generated) {
        assert_eq!(Measured::Value(score.l2 / scale), score.nl2_generated);
    }
    let on_matched = nl2_scales(&nearest_others(training, NL2_NEIGHBOURS).unwrap());
    let on_matched = on_matched.value().unwrap();
    for score in &scores {
        let scale = on_matched[score.matched as usize];
        assert_eq!(Measured::Value(score.l2 / scale), score.nl2_matched);
    }
    for (scales, expected) in [
        (Scales::Generated(&on_generated), &set.ums_nl2_generated),
        (Scales::Training(&on_matched), &set.ums_nl2_matched),
    ] {
        let ums = ums_scaled_l2(generated, training, scales, &bands(&set.nl2_bands)).unwrap();
        assert_eq!(
            &ums.iter().map(|of| of.distinct).collect::<Vec<_>>(),
            expected
        );
    }
    assert_ne!(set.ums_nl2_generated, set.ums_nl2_matched);
}

#[derive(Deserialize)]
struct Duplicates {
    dim: usize,
    images: String,
    threshold_l2: f64,
    group: Vec<u32>,
    largest: u32,
}

#[test]
fn groups_are_those_of_scipy() {
    let sets: Vec<Duplicates> = fixture("duplicates");
    assert_eq!(sets.len(), 4);
    for set in sets {
        let images = pixels(&set.images);
        let images = Images::new(&images, set.dim).unwrap();
        let groups = duplicate_groups(images, set.threshold_l2).unwrap();
        assert_eq!(groups.as_slice(), set.group);
        assert_eq!(groups.sizes().into_iter().max(), Some(set.largest));
        assert!(set.largest > 2);
    }
}

#[derive(Deserialize)]
struct Curve {
    members: Vec<f64>,
    non_members: Vec<f64>,
    auc: f64,
    low: f64,
    high: f64,
    points: usize,
    max_fpr: Vec<f64>,
    tpr: Vec<f64>,
    fpr_sum: f64,
    tpr_sum: f64,
}

fn share(proportion: Proportion) -> f64 {
    proportion.share().value().unwrap()
}

#[test]
fn roc_is_that_of_scikit_learn_and_delong() {
    let curves: Vec<Curve> = fixture("roc");
    assert_eq!(curves.len(), 2);
    for curve in curves {
        let roc = Roc::new(&curve.members, &curve.non_members)
            .unwrap()
            .value()
            .unwrap();
        let auc = roc.auc().value().unwrap();
        assert_close(auc.value, curve.auc, 1e-12);
        assert_close(auc.low, curve.low, 1e-12);
        assert_close(auc.high, curve.high, 1e-12);
        let points = roc.points();
        assert_eq!(points.len(), curve.points);
        assert_close(
            points.iter().map(|p| share(p.fpr)).sum(),
            curve.fpr_sum,
            1e-12,
        );
        assert_close(
            points.iter().map(|p| share(p.tpr)).sum(),
            curve.tpr_sum,
            1e-12,
        );
        // Where the halves are alike, each other's threshold is the best in hindsight.
        let once = [&curve.members[..], &curve.non_members[..]].concat();
        let twice = once.repeat(2);
        let member = |i: usize| i % once.len() < curve.members.len();
        let members: Vec<bool> = (0..twice.len()).map(member).collect();
        let half: Vec<bool> = (0..twice.len()).map(|i| i < once.len()).collect();
        let group: Vec<u32> = (0..twice.len() as u32).collect();
        let candidates = Candidates::new(&twice, &members, &group).unwrap();
        for (&max_fpr, &tpr) in curve.max_fpr.iter().zip(&curve.tpr) {
            let rates = candidates.tpr_at_fpr(&half, max_fpr, &Bootstrap::new(0));
            let rates = rates.unwrap().value().unwrap();
            assert_eq!(rates.tpr.value, tpr);
            assert!(rates.fpr.value <= max_fpr);
        }
    }
}

#[derive(Deserialize)]
struct CrossFitted {
    score: Vec<f64>,
    member: Vec<bool>,
    half: Vec<bool>,
    group: Vec<u32>,
    max_fpr: Vec<f64>,
    /// TPR and FPR at each bound, success rate, AUC.
    figures: Vec<f64>,
    low: Vec<f64>,
    high: Vec<f64>,
}

#[test]
fn calibrated_rates_are_those_of_scikit_learn() {
    let sets: Vec<CrossFitted> = fixture("calibrated");
    assert_eq!(sets.len(), 2);
    for set in sets {
        let candidates = Candidates::new(&set.score, &set.member, &set.group).unwrap();
        let bootstrap = Bootstrap {
            resamples: 2000,
            seed: 5,
        };
        let mut got = Vec::new();
        for &max_fpr in &set.max_fpr {
            let rates = candidates.tpr_at_fpr(&set.half, max_fpr, &bootstrap);
            let rates = rates.unwrap().value().unwrap();
            got.extend([rates.tpr, rates.fpr]);
        }
        let asr = candidates.asr(&set.half, &bootstrap).unwrap();
        let auc = candidates.auc(&bootstrap).unwrap();
        got.extend([asr.value().unwrap(), auc.value().unwrap()]);
        assert_eq!(got.len(), set.figures.len());
        for (i, got) in got.iter().enumerate() {
            assert_close(got.value, set.figures[i], 1e-12);
            // Other draws than numpy's: the ends agree to a tenth of the width.
            let tolerance = (set.high[i] - set.low[i]) / 10.0;
            assert_close(got.low, set.low[i], tolerance);
            assert_close(got.high, set.high[i], tolerance);
        }
    }
}

#[derive(Deserialize)]
struct Difference {
    counts: [u64; 4],
    low: f64,
    high: f64,
}

#[test]
fn differences_are_those_of_statsmodels() {
    let sets: Vec<Difference> = fixture("differences");
    assert_eq!(sets.len(), 5);
    for set in sets {
        let [hits, trials, other_hits, other_trials] = set.counts;
        let of = |hits, trials| Proportion::new(hits, trials).unwrap();
        let got = difference(of(hits, trials), of(other_hits, other_trials));
        assert_interval(got, [set.low, set.high], 1e-12);
    }
}

#[derive(Deserialize)]
struct Intervals {
    proportions: Vec<Counted>,
    seeds: Vec<Seeds>,
    excess: Vec<Paired>,
    values: Vec<f64>,
    bootstrap_mean: [f64; 2],
    bootstrap_median: [f64; 2],
    percents: Vec<f64>,
    percentiles: Vec<f64>,
    edges: Vec<f64>,
    histogram: Vec<u64>,
}

#[derive(Deserialize)]
struct Counted {
    hits: u64,
    trials: u64,
    wilson: [f64; 2],
    clopper_pearson: [f64; 2],
}

/// Counts of images that hit (both, the members only, the holdout only, neither).
#[derive(Deserialize)]
struct Paired {
    table: [usize; 4],
    value: f64,
    low: f64,
    high: f64,
}

#[derive(Deserialize)]
struct Seeds {
    values: Vec<f64>,
    mean: f64,
    low: f64,
    high: f64,
}

#[track_caller]
fn assert_interval(got: Measured<Estimate>, [low, high]: [f64; 2], tolerance: f64) {
    let got = got.value().unwrap();
    assert_close(got.low, low, tolerance);
    assert_close(got.high, high, tolerance);
}

#[test]
fn intervals_are_those_of_statsmodels_and_scipy() {
    let set: Intervals = fixture("intervals");
    for of in &set.proportions {
        let proportion = Proportion::new(of.hits, of.trials).unwrap();
        assert_interval(proportion.wilson(), of.wilson, 1e-12);
        assert_interval(proportion.clopper_pearson(), of.clopper_pearson, 1e-11);
    }
    for of in &set.seeds {
        let got = student_t(&of.values).unwrap();
        assert_close(got.value().unwrap().value, of.mean, 1e-12);
        assert_interval(got, [of.low, of.high], 1e-9);
    }
    for of in &set.excess {
        let cells = [(true, true), (true, false), (false, true), (false, false)];
        let each = cells.into_iter().zip(of.table);
        let (score, control): (Vec<_>, Vec<_>) = each
            .flat_map(|(cell, count)| std::iter::repeat_n(cell, count))
            .unzip();
        let got = excess(&score, &control).unwrap();
        assert_close(got.value().unwrap().value, of.value, 1e-12);
        assert_interval(got, [of.low, of.high], 1e-12);
    }
    assert_eq!(
        (set.proportions.len(), set.seeds.len(), set.excess.len()),
        (9, 5, 6)
    );
}

#[test]
fn summaries_are_those_of_numpy_and_scipy() {
    let set: Intervals = fixture("intervals");
    let got = percentiles(&set.values, &set.percents)
        .unwrap()
        .value()
        .unwrap();
    for (got, expected) in got.iter().zip(&set.percentiles) {
        assert_close(*got, *expected, 1e-14);
    }
    let histogram = Histogram::new(&set.values, &set.edges).unwrap();
    assert_eq!(histogram.counts, set.histogram);
    let inside: u64 = histogram.counts.iter().sum();
    assert_eq!(
        histogram.below + inside + histogram.above,
        set.values.len() as u64
    );
    // Other draws than scipy's: the ends agree to a tenth of the width.
    let width = set.bootstrap_mean[1] - set.bootstrap_mean[0];
    let bootstrap = Bootstrap {
        resamples: 5000,
        seed: 1,
    };
    assert_interval(
        bootstrap.mean(&set.values).unwrap(),
        set.bootstrap_mean,
        width / 20.0,
    );
    let median = bootstrap.percentile(&set.values, 50.0).unwrap();
    assert_interval(median, set.bootstrap_median, width / 10.0);
}
