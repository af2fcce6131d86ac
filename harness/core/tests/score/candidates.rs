use eidetic_harness::cell::{Findings, Inferred, Reconstructed, Scores};
use eidetic_harness::dataset::{Dataset, Split};
use eidetic_harness::score::{Error, Truth, score, similarity_csv};
use eidetic_sdk::Probe;

use crate::{close, metric, pair, tiny};

/// As many members as holdout images of two pixels, all candidates, members first.
fn candidates(parts: u32) -> (Dataset, Split, Truth) {
    let images = (0..2 * parts).flat_map(|i| [(i / 256) as u8, (i % 256) as u8]);
    let (dataset, split) = tiny([1, 1, 2], images.collect(), parts);
    let member = (0..2 * parts).map(|i| i < parts).collect();
    let truth = Truth::new(&dataset, (0..2 * parts).collect(), member, vec![]).unwrap();
    (dataset, split, truth)
}

fn infer(parts: u32, scores: &[(u64, f64)]) -> Result<Scores, Error> {
    let (dataset, split, truth) = candidates(parts);
    let (candidate, values) = scores.iter().copied().unzip();
    let found = Findings::Membership(Inferred {
        candidate,
        score: values,
    });
    score(&found, "cell", "digest", &dataset, &split, Some(&truth))
}

#[test]
fn auc_by_hand() {
    let scores = infer(2, &[(0, 0.9), (1, 0.3), (2, 0.5), (3, 0.1)]).unwrap();
    assert_eq!(scores.headline, "auc");
    assert_eq!(pair(&scores, "auc"), (0.75, 0.5));
    assert_eq!(metric(&scores, "auc").interval, "delong");
    assert_eq!(pair(&scores, "answered"), (1.0, 1.0));
    assert_eq!(scores.per_image.index["member"], [1, 1, 0, 0]);
    assert_eq!(scores.per_image.value["roc_tpr"], [0.0, 0.5, 0.5, 1.0, 1.0]);
    assert_eq!(scores.per_image.value["roc_fpr"], [0.0, 0.0, 0.5, 0.5, 1.0]);
    let reason = &metric(&scores, "tpr_at_fpr_0.01").reason;
    assert_eq!(reason, "too few non-members: 2, expected at least 1000");
}

#[test]
fn a_candidate_without_a_score_counts_as_the_least_likely() {
    // The member without a score loses against both: 2 of 4 pairs.
    let scores = infer(2, &[(0, 0.9), (2, 0.5), (3, -0.1)]).unwrap();
    assert_eq!(pair(&scores, "auc").0, 0.5);
    assert_eq!(pair(&scores, "answered"), (0.5, 1.0));
    assert_eq!(scores.per_image.index["answered"], [1, 0, 1, 1]);
}

#[test]
fn low_false_positive_rates_by_hand() {
    let value = |i: u64| match i {
        0..300 => 2.0,
        300..1000 => 0.0,
        1000..1005 => 3.0,
        _ => 1.0,
    };
    let answers: Vec<_> = (0..2000).map(|i| (i, value(i))).collect();
    let scores = infer(1000, &answers).unwrap();
    assert_eq!(pair(&scores, "tpr_at_fpr_0.01"), (0.3, 0.005));
    assert_eq!(pair(&scores, "fpr_at_fpr_0.01"), (0.005, 0.01));
    let reason = &metric(&scores, "tpr_at_fpr_0.001").reason;
    assert_eq!(reason, "too few non-members: 1000, expected at least 10000");
    // At 2: about (0.3 + 0.995) / 2, on the half that did not choose.
    let asr = metric(&scores, "asr");
    assert!((asr.value.unwrap() - 0.6475).abs() < 0.03, "{asr:?}");
    assert!(asr.low.unwrap() < asr.value.unwrap() && asr.value < asr.high);
}

#[test]
fn certain_and_clueless_attacks() {
    let certain: Vec<_> = (0..400)
        .map(|i| (i, f64::from(u8::from(i < 200))))
        .collect();
    let scores = infer(200, &certain).unwrap();
    assert_eq!(pair(&scores, "auc"), (1.0, 0.5));
    assert_eq!(pair(&scores, "asr"), (1.0, 0.5));
    let clueless: Vec<_> = (0..400).map(|i| (i, 7.0)).collect();
    let scores = infer(200, &clueless).unwrap();
    assert_eq!(pair(&scores, "asr"), (0.5, 0.5));
    let auc = metric(&scores, "auc");
    assert_eq!((auc.value, auc.control), (None, Some(0.5)));
    assert_eq!(auc.reason, "no spread: the scores are all the same");
}

#[test]
fn wrong_and_missing_scores() {
    let error = infer(2, &[(4, 0.1)]).unwrap_err().to_string();
    assert_eq!(error, "expected candidates below 4, got 4");
    assert!(infer(2, &[(0, f64::NAN)]).is_err());
    let nothing = infer(2, &[]).unwrap();
    assert_eq!(nothing.headline, "auc");
    for metric in &nothing.metrics {
        assert_eq!((metric.value, metric.control), (None, None));
        assert_eq!(metric.reason, "the attack emitted no findings");
    }
    let (dataset, split, _) = candidates(2);
    let found = Findings::Membership(Inferred::default());
    let error = score(&found, "", "", &dataset, &split, None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "expected the candidates of a membership attack, got none"
    );
}

#[test]
fn the_table_of_a_membership_attack_counts_every_candidate() {
    let scores = infer(2, &[(0, 0.9), (1, 0.3), (2, 0.5), (3, 0.1)]).unwrap();
    let table = similarity_csv(&scores).unwrap();
    let count = |column: usize| -> u64 {
        let rows = table.lines().skip(1);
        rows.map(|row| row.split(',').nth(column).unwrap().parse::<u64>().unwrap())
            .sum()
    };
    assert_eq!((count(3), count(4)), (2, 2));
    assert!(table.lines().nth(1).unwrap().starts_with("score,0.1,"));
}

fn probe(name: &str, known: &[u8], sigma: f32) -> Probe {
    Probe {
        name: name.to_owned(),
        known: known.to_vec(),
        sigma,
    }
}

#[test]
fn reconstruction_by_hand() {
    // Members 0 0 and 0 255, holdout 255 0 and 255 255; only the second pixel was destroyed.
    let (dataset, split) = tiny([1, 1, 2], vec![0, 0, 0, 255, 255, 0, 255, 255], 2);
    let probes = vec![probe("half", &[1, 0], 0.0), probe("noise", &[], 1.0)];
    let member = vec![true, true, false, false];
    let truth = Truth::new(&dataset, vec![0, 1, 2, 3], member, probes).unwrap();
    let found = Reconstructed {
        // Errors on the second pixel: 0, 0.04, 0.2, and none for the last.
        images: vec![99, 0, 0, 255 - 10, 255, 51, 0, 0],
        probe: vec![0, 0, 0, 1],
        candidate: vec![0, 1, 2, 0],
    };
    let findings = Findings::Reconstruction(found.clone());
    let of = |findings: &Findings| score(findings, "", "", &dataset, &split, Some(&truth));
    let scores = of(&findings).unwrap();
    assert_eq!(pair(&scores, "half_auc"), (1.0, 0.5));
    assert_eq!(pair(&scores, "half_l2_below_0.02"), (0.5, 0.0));
    assert_eq!(pair(&scores, "half_l2_below_0.05"), (1.0, 0.0));
    let (median, control) = pair(&scores, "half_l2_p50");
    assert!(close(median, 5.0 / 255.0) && close(control, 0.6));
    // Whole image under noise; what was not answered has the error 1.
    assert_eq!(scores.per_image.value["l2_noise"], [0.0, 1.0, 1.0, 1.0]);
    assert_eq!(pair(&scores, "answered"), (0.5, 0.0));
    assert_eq!(scores.headline, "auc");
    assert_eq!(pair(&scores, "auc").0, 1.0);
    let twice = Reconstructed {
        candidate: vec![0, 1, 1, 0],
        ..found
    };
    let error = of(&Findings::Reconstruction(twice)).unwrap_err();
    assert!(matches!(error, Error::Twice { candidate: 1, .. }));
}

#[test]
fn probes_that_make_no_sense_are_refused() {
    let (dataset, _) = tiny([1, 1, 2], (0..8).collect(), 2);
    let refused = |probes| {
        let truth = Truth::new(&dataset, vec![0, 2], vec![true, false], probes);
        truth.unwrap_err().to_string()
    };
    assert!(refused(vec![probe("a", &[1, 1, 0], 0.0)]).contains("got 3"));
    assert!(refused(vec![probe("a", &[1, 2], 0.0)]).contains("got 2 at place 1"));
    let whole = refused(vec![probe("a", &[1, 0, 1, 1], 0.0)]);
    assert!(whole.contains("got candidate 1 whole"), "{whole}");
    assert!(refused(vec![probe("a", &[], 0.0)]).contains("candidate 0 whole"));
    let same = vec![probe("a", &[0, 0], 0.0), probe("a", &[0, 1], 0.0)];
    assert!(refused(same).contains("\"a\" twice"));
    let error = Truth::new(&dataset, vec![4], vec![true], vec![]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "expected images of the dataset below 4, got 4"
    );
    assert!(Truth::new(&dataset, vec![1], vec![], vec![]).is_err());
}
