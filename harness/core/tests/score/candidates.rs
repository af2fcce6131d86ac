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
    // Both halves choose 2: (0.3 + 0.995) / 2.
    for (name, value) in [("asr", 0.6475), ("tpr_at_fpr_0.01", 0.3)] {
        let of = metric(&scores, name);
        assert!(close(of.value.unwrap(), value), "{of:?}");
        assert!(of.low.unwrap() < value && value < of.high.unwrap());
        assert_eq!(of.interval, "bootstrap");
    }
}

#[test]
fn no_threshold_is_judged_on_what_it_was_chosen_on() {
    // Scores that say nothing: in hindsight the best threshold has TPR > FPR all the same.
    let answers: Vec<_> = (0..2000).map(|i| (i, mixed(i) as f64)).collect();
    let scores = infer(1000, &answers).unwrap();
    let asr = metric(&scores, "asr");
    assert!(asr.low.unwrap() < 0.5 && asr.high.unwrap() > 0.5, "{asr:?}");
    let fpr = metric(&scores, "fpr_at_fpr_0.01");
    assert!(
        fpr.low.unwrap() < 0.01 && fpr.high.unwrap() > 0.01,
        "{fpr:?}"
    );
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
    for name in ["auc", "asr"] {
        let of = metric(&scores, name);
        assert_eq!((of.value, of.control), (None, Some(0.5)));
        assert_eq!(of.reason, "no spread: the scores are all the same");
    }
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

/// SplitMix64: of each number one that looks random.
fn mixed(i: u64) -> u64 {
    let mut x = i.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// The blind AUC and its lower end on a dataset whose members are brighter by `more`.
fn blind(more: u8) -> (f64, f64) {
    const PARTS: u32 = 100;
    // An image's brightness, and noise on top.
    let pixels = (0..2 * PARTS * 16).map(|i| {
        let member = i < PARTS * 16;
        let level = mixed(u64::from(i / 16) + (1 << 20)) % 60 + mixed(i.into()) % 40;
        level as u8 + if member { more } else { 0 }
    });
    let (dataset, split) = tiny([1, 4, 4], pixels.collect(), PARTS);
    let member = (0..2 * PARTS).map(|i| i < PARTS).collect();
    let truth = Truth::new(&dataset, (0..2 * PARTS).collect(), member, vec![]).unwrap();
    let found = Findings::Membership(Inferred {
        candidate: (0..200).collect(),
        score: (0..200).map(f64::from).collect(),
    });
    let scores = score(&found, "", "", &dataset, &split, Some(&truth)).unwrap();
    let of = metric(&scores, "blind_auc");
    assert_eq!((of.control, of.n), (Some(0.5), 200));
    assert!(of.low < of.value && of.value < of.high);
    (of.value.unwrap(), of.low.unwrap())
}

#[test]
fn a_split_that_pixels_give_away_has_a_blind_baseline_above_chance() {
    let (value, low) = blind(40);
    assert!(value > 0.7 && low > 0.6, "{value} {low}");
    let (value, low) = blind(0);
    assert!(value < 0.65 && low < 0.5, "{value} {low}");
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
fn near_its_own_and_like_it_by_hand() {
    // The first pixel is known; members 0 and 1, holdout 2 and 3.
    let images = [
        [9, 0, 100, 200],
        [9, 200, 100, 0],
        [9, 0, 0, 90],
        [9, 90, 0, 0],
    ];
    let (dataset, split) = tiny([1, 1, 4], images.concat(), 2);
    let member = vec![true, true, false, false];
    let probes = vec![probe("most", &[1, 0, 0, 0], 0.0)];
    let truth = Truth::new(&dataset, vec![0, 1, 2, 3], member, probes).unwrap();
    let found = Findings::Reconstruction(Reconstructed {
        // 0 nearly, with another known pixel; 1 as 0; 2 as far from itself as from 3; 3 not.
        images: [[50, 0, 100, 190], [9, 0, 100, 200], [9, 90, 0, 90]].concat(),
        probe: vec![0, 0, 0],
        candidate: vec![0, 1, 2],
    });
    let scores = score(&found, "", "", &dataset, &split, Some(&truth)).unwrap();
    let column = |name: &str| &scores.per_image.value[name];
    let ratio = column("nn_ratio_most");
    let far = (200.0_f64 * 200.0 + 190.0 * 190.0).sqrt();
    assert!(close(ratio[0], 10.0 / far));
    assert_eq!(ratio[1..], [1.0, 1.0, 1.0]);
    let similarity = column("similarity_most");
    // (-100, 0, 100) and a third of (-290, 10, 280).
    let norms = 20_000.0_f64 * (290.0 * 290.0 + 10.0 * 10.0 + 280.0 * 280.0);
    assert!(close(similarity[0], 57_000.0 / norms.sqrt()));
    assert!(close(similarity[1], -1.0) && close(similarity[2], 0.5));
    assert_eq!(similarity[3], 0.0);
    for name in ["most_nn_ratio_below_0.333", "most_similarity_above_0.99"] {
        assert_eq!(pair(&scores, name), (0.5, 0.0));
        assert_eq!(metric(&scores, name).interval, "wilson");
        let excess = metric(&scores, &format!("{name}_excess"));
        assert_eq!((excess.value, excess.control), (Some(0.5), Some(0.0)));
        assert!(excess.low.unwrap() < 0.5 && excess.high.unwrap() > 0.5);
        assert_eq!(excess.interval, "newcombe");
    }
    assert!(metric(&scores, "blind_auc").reason.contains("too few"));
}

#[test]
fn a_duplicate_is_no_other() {
    // Members 0 and 1 are one image; so are holdout images 3 and 4.
    let (dataset, split) = tiny([1, 1, 1], vec![10, 10, 90, 200, 200, 150], 3);
    let member = (0..6).map(|i| i < 3).collect();
    let probes = vec![probe("noise", &[], 1.0)];
    let truth = Truth::new(&dataset, (0..6).collect(), member, probes).unwrap();
    let found = Findings::Reconstruction(Reconstructed {
        images: vec![10, 20, 60, 200, 190, 150],
        probe: vec![0; 6],
        candidate: (0..6).collect(),
    });
    let of = |split: &Split| score(&found, "", "", &dataset, split, Some(&truth)).unwrap();
    let scores = of(&split);
    let ratio = &scores.per_image.value["nn_ratio_noise"];
    let expected = [0.0, 10.0 / 70.0, 30.0 / 50.0, 0.0, 10.0 / 40.0, 0.0];
    assert!(
        ratio
            .iter()
            .zip(expected)
            .all(|(&of, by_hand)| close(of, by_hand))
    );
    assert_eq!(pair(&scores, "noise_nn_ratio_below_0.333").0, 2.0 / 3.0);
    assert_eq!(metric(&scores, "auc").interval, "bootstrap");

    // Only one image of holdout for two groups of members.
    let mut short = split.clone();
    short.holdout.truncate(2);
    let scores = of(&short);
    let share = metric(&scores, "noise_nn_ratio_below_0.333");
    assert_eq!((share.value, share.control), (Some(2.0 / 3.0), None));
    let reason = "too few groups in holdout: 1, expected at least 2";
    assert_eq!(share.reason, format!("control: {reason}"));
    let excess = metric(&scores, "noise_nn_ratio_below_0.333_excess");
    assert_eq!((excess.value, &excess.reason[..]), (None, reason));
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
