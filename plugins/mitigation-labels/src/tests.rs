#![allow(clippy::unwrap_used)]

use eidetic_sdk::ndarray::Array4;
use eidetic_sdk::registration::{make_mitigation, resolve_options};
use eidetic_sdk::{ErrorCode, conformance};
use proptest::prelude::*;

use super::*;

/// Images of one grey pixel with the identities `index`.
fn curated(options: &str, levels: &[u8], index: &[u64], seed: u64) -> Result<Curation> {
    let images = Array4::from_shape_vec((levels.len(), 1, 1, 1), levels.to_vec()).unwrap();
    let old = vec![0; levels.len()];
    let set = TrainingSet {
        images: images.view(),
        labels: Some(&old),
        index,
        classes: 1,
    };
    let labels = make_mitigation(&registrations()[0], options, set).unwrap();
    let curation = labels.curate(set, seed)?;
    assert_eq!(
        curation.keep,
        (0..levels.len() as u64).collect::<Vec<u64>>()
    );
    Ok(curation)
}

#[test]
fn random_labels_are_uniform_and_follow_the_identity() {
    let index: Vec<u64> = (0..5000).collect();
    let levels = vec![7; 5000];
    let curation = curated("{}", &levels, &index, 3).unwrap();
    let labels = curation.labels.unwrap();
    assert_eq!(curation.classes, 10);
    for class in 0..10 {
        let count = labels.iter().filter(|&&label| label == class).count();
        // Binomial(5000, 0.1): deviation 21.
        assert!((415..585).contains(&count), "{class}: {count}");
    }
    // The same images in another order, or a part of them, keep their labels.
    let turned: Vec<u64> = index.iter().rev().step_by(2).copied().collect();
    let part = curated("{}", &levels[..2500], &turned, 3).unwrap();
    let expected: Vec<i64> = turned.iter().map(|&at| labels[at as usize]).collect();
    assert_eq!(part.labels.unwrap(), expected);
    let other = curated("{}", &levels, &index, 4).unwrap().labels.unwrap();
    let same = labels.iter().zip(&other).filter(|(a, b)| a == b).count();
    assert!((415..585).contains(&same), "{same}");
}

#[test]
fn unique_labels_are_the_rows() {
    let curation = curated(r#"{"labels": "unique"}"#, &[5, 5, 9], &[8, 2, 4], 0).unwrap();
    assert_eq!(curation.labels, Some(vec![0, 1, 2]));
    assert_eq!(curation.classes, 3);
}

#[test]
fn clustered_labels_are_shared_by_like_images() {
    let options = r#"{"labels": "clustered", "classes": 2}"#;
    let index: Vec<u64> = (0..6).collect();
    let levels = [1, 200, 3, 210, 2, 205];
    for seed in 0..10 {
        let curation = curated(options, &levels, &index, seed).unwrap();
        let labels = curation.labels.unwrap();
        assert_eq!(curation.classes, 2);
        let dark = labels[0];
        let expected = [dark, 1 - dark, dark, 1 - dark, dark, 1 - dark];
        assert_eq!(labels, expected);
    }
}

#[test]
fn clusters_need_images_that_differ() {
    let options = r#"{"labels": "clustered", "classes": 3}"#;
    let error = curated(options, &[4, 4, 9], &[0, 1, 2], 0).unwrap_err();
    assert_eq!(error.code, ErrorCode::BadInput);
    assert_eq!(
        error.message,
        "clustered labels need 3 images that differ, got 3 of which fewer do"
    );
    assert!(curated(options, &[], &[], 0).is_err());
}

#[test]
fn no_images_have_no_labels() {
    for (options, classes) in [(r#"{"classes": 3}"#, 3), (r#"{"labels": "unique"}"#, 0)] {
        let curation = curated(options, &[], &[], 0).unwrap();
        assert_eq!(curation.labels, Some(vec![]));
        assert_eq!(curation.classes, classes);
    }
}

proptest! {
    #[test]
    fn labels_are_below_the_classes_and_the_same_again(
        levels in prop::collection::vec(any::<u8>(), 1..40), classes in 1u64..5, seed: u64,
        kind in prop::sample::select(vec!["random", "unique", "clustered"])
    ) {
        let index: Vec<u64> = (0..levels.len() as u64).collect();
        let options = format!(r#"{{"labels": "{kind}", "classes": {classes}}}"#);
        let Ok(curation) = curated(&options, &levels, &index, seed) else {
            prop_assert_eq!(kind, "clustered");
            return Ok(());
        };
        let below = curation.classes as i64;
        let labels = curation.labels.as_ref().unwrap();
        prop_assert!(labels.iter().all(|label| (0..below).contains(label)));
        prop_assert_eq!(curated(&options, &levels, &index, seed).unwrap(), curation);
    }
}

#[test]
fn options_without_sense_are_refused() {
    for (options, message) in [
        (r#"{"classes": 0}"#, "classes: expected 1 to 1000000, got 0"),
        (
            r#"{"classes": 1000001}"#,
            "classes: expected 1 to 1000000, got 1000001",
        ),
        (
            r#"{"labels": "true"}"#,
            "unknown variant `true`, expected one of `random`, `unique`, `clustered`",
        ),
    ] {
        let error = resolve_options(&registrations()[0], options).unwrap_err();
        assert_eq!(error.code, ErrorCode::BadOptions);
        assert_eq!(error.message, message);
    }
}

#[test]
fn it_keeps_the_rules_of_a_plugin() {
    conformance::check(registrations()).unwrap();
}
