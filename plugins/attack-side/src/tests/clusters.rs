//! Features, k-means and what is kept, by hand.

use eidetic_sdk::ndarray::{Array2, Array4, array};
use eidetic_sdk::random::rng;

use crate::features::{Features, with_contrast};
use crate::kept::Kept;
use crate::kmeans::{Clusters, clusters, dot};

/// Vectors of length 1 at these angles in degrees.
fn at(degrees: &[f64]) -> Features {
    let unit = |degrees: &f64| {
        let (sine, cosine) = degrees.to_radians().sin_cos();
        [cosine as f32, sine as f32]
    };
    Features {
        dim: 2,
        values: degrees.iter().flat_map(unit).collect(),
        sample: (0..degrees.len()).collect(),
    }
}

fn of(features: &Features, count: usize, seed: u64) -> Clusters {
    clusters(features, count, &mut rng(seed, "test", 0))
}

#[test]
fn pixels_are_compared_by_their_correlation() {
    // Less their mean: (-1, 1), (0, 0), (2, -2), (-0.5, 0.5).
    let images: Array4<u8> = array![[[[0, 2]]], [[[9, 9]]], [[[14, 10]]], [[[254, 255]]]];
    let samples = with_contrast(&images);
    assert_eq!(samples, [0, 2, 3]);
    let features = Features::pixels(&images, &samples);
    let half = 0.5f32.sqrt();
    assert_eq!(features.sample, [0, 2, 3]);
    assert_eq!(features.values, [-half, half, half, -half, -half, half]);
    let flat = Array4::zeros((3, 1, 2, 2));
    assert!(with_contrast(&flat).is_empty());
    let none = Features::pixels(&flat, &[0, 1, 2]);
    assert_eq!((none.len(), none.rows().count()), (0, 0));
    let nothing = Array4::zeros((0, 1, 2, 2));
    assert!(with_contrast(&nothing).is_empty());
    assert_eq!(Features::pixels(&nothing, &[]).len(), 0);
    // A vector without length has no direction.
    let vectors = array![[3.0, 4.0], [0.0, 0.0], [0.0, -2.0]];
    let features = Features::embedded(&vectors, &[4, 6, 9]);
    assert_eq!(features.sample, [4, 9]);
    assert_eq!(features.values, [0.6, 0.8, 0.0, -1.0]);
}

#[test]
fn angles_apart_are_found_whatever_the_seed() {
    let features = at(&[0.0, 90.0, 10.0, 100.0, 200.0]);
    for seed in 0..20 {
        let found = of(&features, 3, seed);
        assert_eq!(found.of[0], found.of[2], "{seed}");
        assert_eq!(found.of[1], found.of[3], "{seed}");
        let mut distinct = vec![found.of[0], found.of[1], found.of[4]];
        distinct.sort_unstable();
        assert_eq!(distinct, [0, 1, 2], "{seed}");
        // The direction of the mean lies in the middle.
        for (row, degrees) in [(0, 5.0f64), (1, 95.0), (4, 200.0)] {
            let (sine, cosine) = degrees.to_radians().sin_cos();
            let centre = &found.centres[found.of[row]];
            assert!((f64::from(centre[0]) - cosine).abs() < 1e-6, "{centre:?}");
            assert!((f64::from(centre[1]) - sine).abs() < 1e-6, "{centre:?}");
        }
    }
}

#[test]
fn there_are_no_more_clusters_than_vectors_that_differ() {
    let found = of(&at(&[30.0, 30.0, 30.0]), 3, 0);
    assert_eq!((found.centres.len(), found.of), (1, vec![0, 0, 0]));
    let found = of(&at(&[30.0, 50.0, 30.0]), 3, 0);
    assert_eq!(found.centres.len(), 2);
    for none in [of(&at(&[]), 2, 0), of(&at(&[1.0]), 0, 0)] {
        assert_eq!((none.centres.len(), none.of.len()), (0, 0));
    }
}

#[test]
fn loose_thin_and_empty_clusters_are_dropped() {
    // Mean cosines: of 0 and 10 to 5 degrees cos 5 = 0.9962, of 80 and 120 to 100 cos 20 = 0.9397,
    // of 180 alone 1; nothing is nearest to 270.
    let features = at(&[0.0, 80.0, 10.0, 120.0, 180.0]);
    let centres = at(&[5.0, 100.0, 180.0, 270.0]);
    let found = Clusters {
        centres: centres.rows().map(<[f32]>::to_vec).collect(),
        of: vec![0, 1, 0, 1, 2],
    };
    let kept = |tau, thin| {
        let kept = Kept::of(&features, &found, tau, thin);
        assert_eq!(kept.formed, 3);
        (kept.classes, kept.labels)
    };
    assert_eq!(kept(0.5, 1), (3, vec![0, 1, 0, 1, 2]));
    // 120 is nearer to 100 than to 180; 180 is nearer to 100 than to 5.
    assert_eq!(kept(0.5, 2), (2, vec![0, 1, 0, 1, 1]));
    // 80 is nearer to 5 than to 180, 120 the other way round.
    assert_eq!(kept(0.95, 1), (2, vec![0, 0, 0, 1, 1]));
    assert_eq!(kept(0.9961, 2), (1, vec![0; 5]));
    assert_eq!(kept(0.9963, 2), (0, vec![]));
    assert_eq!(kept(0.5, 3), (0, vec![]));
    // Neither tau nor thin keeps what is empty.
    assert_eq!(kept(-1.0, 0).0, 3);
}

#[test]
fn thin_classes_of_a_given_classifier_are_dropped() {
    // Greatest: 0, 2, 2, 0 (the lower of two equal ones), 3.
    let logits = array![
        [5.0, 1.0, 2.0, 0.0],
        [3.0, 1.0, 9.0, 0.0],
        [1.0, 2.0, 3.0, 0.0],
        [5.0, 5.0, 2.0, 0.0],
        [-4.0, -1.0, -2.0, 7.0],
    ];
    let kept = |thin| {
        let kept = Kept::labelled(&logits, thin);
        assert_eq!(kept.formed, 3);
        (kept.classes, kept.labels)
    };
    assert_eq!(kept(0), (3, vec![0, 1, 1, 0, 2]));
    assert_eq!(kept(1), kept(0));
    // The last one's best of what is left is the third class.
    assert_eq!(kept(2), (2, vec![0, 1, 1, 0, 1]));
    assert_eq!(kept(3), (0, vec![]));
    let none = Kept::labelled(&Array2::zeros((2, 0)), 1);
    assert_eq!((none.classes, none.labels), (0, vec![]));
}

#[test]
fn a_product_is_the_sum_of_all_places() {
    for count in [0, 1, 7, 8, 9, 20] {
        let a: Vec<f32> = (0..count).map(|place| place as f32).collect();
        let b: Vec<f32> = (0..count).map(|place| 2.0 - place as f32).collect();
        let sum: f32 = (0..count).map(|place| (place * (2 - place)) as f32).sum();
        assert_eq!(dot(&a, &b), sum);
    }
}
