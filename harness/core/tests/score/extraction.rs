use eidetic_harness::cell::{Findings, PerImage};
use eidetic_harness::files::sha256_hex;
use eidetic_harness::score::{Error, revision, score, scores_id};

use crate::{close, extracted, metric, pair, score_images, tiny};

/// Members at 0, 100 and 200, holdout at 50, 150 and 250, of one pixel: l2 is the difference
/// over 255.
const PIXELS: [u8; 6] = [0, 100, 200, 50, 150, 250];
/// d1 and d2 to members: 10 90, 50 50, 0 100, 30 70; to holdout: 40 140, 0 100, 50 50, 20 80.
const FOUND: [u8; 4] = [10, 50, 200, 130];

#[test]
fn figures_by_hand() {
    let (dataset, split) = tiny([1, 1, 1], PIXELS.to_vec(), 3);
    let mut found = extracted(&FOUND);
    found.confidence = Some(vec![0.9, 0.1, 0.5, 0.2]);
    let scores = score_images(&found, &dataset, &split);
    assert_eq!(scores.headline, "nn_ratio_below_0.333");
    assert_eq!(pair(&scores, "nn_ratio_below_0.333"), (0.5, 0.75));
    assert_eq!(scores.unique_extracted, Some(2));
    assert_eq!(pair(&scores, "unique_extracted"), (2.0, 2.0));
    assert_eq!(pair(&scores, "ams_l2_below_0.02"), (0.25, 0.25));
    assert_eq!(pair(&scores, "ams_l2_below_0.05"), (0.5, 0.25));
    assert_eq!(pair(&scores, "ams_l2_0.02_to_0.05"), (0.25, 0.0));
    assert_eq!(pair(&scores, "ams_l2_below_0.15"), (0.75, 0.5));
    assert_eq!(pair(&scores, "ums_l2_below_0.05"), (0.5, 0.25));
    assert_eq!(pair(&scores, "ums_l2_below_0.15"), (0.75, 0.5));
    assert_eq!(pair(&scores, "ums_l2_0.1_to_0.15"), (0.25, 0.0));
    let (mean, control) = pair(&scores, "l2_mean");
    assert!(close(mean, 22.5 / 255.0) && close(control, 27.5 / 255.0));
    let (median, control) = pair(&scores, "l2_p50");
    assert!(close(median, 20.0 / 255.0) && close(control, 30.0 / 255.0));
    let (p95, _) = pair(&scores, "nn_ratio_p95");
    assert!(close(p95, 3.0 / 7.0 + 0.85 * (1.0 - 3.0 / 7.0)));
    let top = metric(&scores, "nn_ratio_below_0.333_top_10_percent");
    assert_eq!((top.value, top.control, top.n), (Some(1.0), Some(1.0), 1));
    let headline = metric(&scores, "nn_ratio_below_0.333");
    assert_eq!((headline.interval.as_str(), headline.n), ("wilson", 4));
    // Wilson of 2 in 4: 0.5 -+ z / 2 / sqrt(4 + z^2).
    assert!((headline.low.unwrap() - 0.150_038_988).abs() < 1e-8);
    assert!(metric(&scores, "ums_l2_below_0.05").interval.is_empty());
    assert_eq!(scores.per_image.index["matched"], [0, 0, 2, 1]);
    assert_eq!(scores.per_image.index["matched_control"], [3, 3, 4, 4]);
    let ratio = &scores.per_image.value["nn_ratio_control"];
    assert!(close(ratio[0], 40.0 / 140.0) && close(ratio[3], 0.25));
    assert!(!scores.per_image.value.contains_key("nl2_generated"));
    let reason = "too few training images for nl2: 3, expected at least 500";
    assert_eq!(metric(&scores, "ams_nl2_matched_below_1.4").reason, reason);
    for name in ["ums_nl2_generated_below_1.4", "ums_nl2_matched_below_1.4"] {
        let missing = metric(&scores, name);
        assert_eq!((missing.value, missing.control), (None, None));
        assert_eq!(missing.reason, reason);
    }
    assert!(scores.metrics.is_sorted_by(|a, b| a.name < b.name));
}

#[test]
fn duplicates_do_not_spoil_the_ratio() {
    // Images 0 and 1 are one; a planted member has copies in the training set alone.
    let (dataset, mut split) = tiny([1, 1, 1], vec![7, 7, 100, 200, 50, 60, 70, 80], 4);
    split.planted = vec![2];
    let scores = score_images(&extracted(&[7, 100]), &dataset, &split);
    assert_eq!(scores.per_image.value["nn_ratio"], [0.0, 0.0]);
    assert_eq!(scores.per_image.index["matched"], [0, 2]);
    assert_eq!(pair(&scores, "nn_ratio_below_0.333").0, 1.0);
    // Three groups of members, so the first three of holdout: 80 is not among them.
    let scores = score_images(&extracted(&[80]), &dataset, &split);
    assert_eq!(scores.per_image.index["matched_control"], [6]);
}

#[test]
fn another_order_permutes_the_images_alone() {
    let (dataset, split) = tiny([1, 1, 1], PIXELS.to_vec(), 3);
    let mut found = extracted(&FOUND);
    found.confidence = Some(vec![0.9, 0.1, 0.1, 0.2]);
    let one = score_images(&found, &dataset, &split);
    found.images.reverse();
    found.confidence.as_mut().unwrap().reverse();
    let other = score_images(&found, &dataset, &split);
    assert_eq!(one.metrics, other.metrics);
    let mut turned = other.per_image.clone();
    turned
        .value
        .values_mut()
        .for_each(|column| column.reverse());
    turned
        .index
        .values_mut()
        .for_each(|column| column.reverse());
    assert_eq!(one.per_image, turned);
    assert_ne!(one.per_image, other.per_image);
}

#[test]
fn nothing_found_has_every_figure_with_the_reason() {
    let (dataset, split) = tiny([1, 1, 1], PIXELS.to_vec(), 3);
    let nothing = score_images(&extracted(&[]), &dataset, &split);
    let something = score_images(&extracted(&[3]), &dataset, &split);
    let names = |of: &eidetic_harness::cell::Scores| -> Vec<String> {
        of.metrics
            .iter()
            .map(|metric| metric.name.clone())
            .collect()
    };
    assert_eq!(names(&nothing), names(&something));
    for metric in &nothing.metrics {
        assert_eq!((metric.value, metric.control, metric.n), (None, None, 0));
        assert_eq!(metric.reason, "the attack emitted no findings");
    }
    assert_eq!(nothing.unique_extracted, None);
    assert_eq!(nothing.per_image, PerImage::default());
}

#[test]
fn one_member_and_one_finding() {
    let (dataset, split) = tiny([1, 1, 1], vec![0, 255], 1);
    let scores = score_images(&extracted(&[51]), &dataset, &split);
    let headline = metric(&scores, "nn_ratio_below_0.333");
    assert_eq!(headline.value, None);
    assert_eq!(
        headline.reason,
        "too few training images for nn_ratio: 1, expected at least 2"
    );
    assert_eq!(scores.unique_extracted, None);
    assert_eq!(pair(&scores, "l2_p05"), (0.2, 0.8));
    // No interval over a single image.
    assert_eq!(metric(&scores, "l2_p05").low, None);
}

#[test]
fn a_small_holdout_leaves_the_control_missing() {
    let (dataset, split) = tiny([1, 1, 1], vec![0, 100, 200, 50, 50, 50], 3);
    let scores = score_images(&extracted(&FOUND), &dataset, &split);
    let headline = metric(&scores, "nn_ratio_below_0.333");
    assert_eq!((headline.value, headline.control), (Some(0.5), None));
    assert_eq!(
        headline.reason,
        "control: too few groups in holdout: 1, expected at least 3"
    );
    assert!(!scores.per_image.value.contains_key("l2_control"));
}

#[test]
fn findings_that_do_not_fit_are_refused() {
    let (dataset, split) = tiny([1, 1, 2], (0..8).collect(), 2);
    let refused = |images: &[u8], confidence| {
        let mut found = extracted(images);
        found.count = images.len() / 2;
        found.confidence = confidence;
        score(&Findings::Extraction(found), "", "", &dataset, &split, None).unwrap_err()
    };
    assert!(matches!(refused(&[1, 2, 3], None), Error::Metric(_)));
    let error = refused(&[1, 2], Some(vec![0.5, 0.5])).to_string();
    assert_eq!(error, "expected 1 confidences, got 2");
    assert!(matches!(
        refused(&[1, 2], Some(vec![f64::NAN])),
        Error::Metric(_)
    ));
}

#[test]
fn the_id_follows_from_findings_and_revision() {
    let (dataset, split) = tiny([1, 1, 1], PIXELS.to_vec(), 3);
    let scores = score_images(&extracted(&FOUND), &dataset, &split);
    assert_eq!(scores.id, scores_id("cell", "digest"));
    assert_eq!(scores.id.len(), 32);
    assert_ne!(scores.id, scores_id("cell", "other"));
    assert_ne!(scores.id, scores_id("other", "digest"));
}

/// Whoever changes a value raises its revision, and then this digest.
#[test]
fn values_are_those_of_the_revision() {
    let (dataset, split) = tiny([1, 1, 1], PIXELS.to_vec(), 3);
    let mut found = extracted(&FOUND);
    found.confidence = Some(vec![0.9, 0.1, 0.5, 0.2]);
    let scores = score_images(&found, &dataset, &split);
    let json = serde_json::to_vec(&(&scores.metrics, &scores.per_image)).unwrap();
    assert_eq!(
        (revision().as_str(), &sha256_hex(&json)[..16]),
        ("de92ae5e219ea733", "933a3b5412ce87e6")
    );
}
