//! Values by hand, and what is refused or missing.
#![allow(clippy::unwrap_used)]

use eidetic_metrics::{
    Band, Distinct, Error, Images, Measured, NN_RATIO_MEMORIZED, Proportion, Reason, Scales, Ums,
    ams, duplicate_groups, extraction_scores, l2, memorized, nearest, nearest_excluding,
    nearest_others, nl2, nl2_scales, squared_distance, student_t, ums_l2, ums_scaled_l2,
    unique_extracted,
};

fn images(pixels: &[u8], dim: usize) -> Images<'_> {
    Images::new(pixels, dim).unwrap()
}

#[test]
fn l2_by_hand() {
    assert_eq!(squared_distance(&[0, 10, 255], &[3, 6, 255]), 25);
    assert_eq!(l2(25, 3), (25.0_f64 / 3.0).sqrt() / 255.0);
    assert_eq!(l2(squared_distance(&[0; 784], &[255; 784]), 784), 1.0);
    // 512 x 512 x 3 of the largest difference: past 32 bits.
    let dim = 512 * 512 * 3;
    assert_eq!(
        squared_distance(&vec![0; dim], &vec![255; dim]),
        65_025 * dim as u64
    );
}

#[test]
fn equal_distances_go_to_the_lower_index() {
    let found = nearest(images(&[5], 1), images(&[9, 1, 6, 4, 5, 6], 1), 5).unwrap();
    assert_eq!(found.indices(0), [4, 2, 3, 5, 0]);
    assert_eq!(
        (0..5)
            .map(|rank| found.squared(0, rank))
            .collect::<Vec<_>>(),
        [0, 1, 1, 1, 16]
    );
    assert_eq!(found.mean_l2(0), (3.0 / 255.0 + 4.0 / 255.0) / 5.0);
}

#[test]
fn more_queries_and_references_than_a_block() {
    // Pixel pairs (i mod 256, i / 256) against themselves: each is its own nearest.
    let pixels: Vec<u8> = (0..2000_u32)
        .flat_map(|i| [(i % 256) as u8, (i / 256) as u8])
        .collect();
    let mut wide = vec![0; 2000 * 600];
    for (row, pair) in wide.chunks_mut(600).zip(pixels.chunks(2)) {
        row[3] = pair[0];
        row[599] = pair[1];
    }
    let set = images(&wide, 600);
    let found = nearest(set, set, 2).unwrap();
    assert!((0..2000).all(|i| found.index(i, 0) == i as u32 && found.squared(i, 0) == 0));
    assert!((0..2000).all(|i| found.squared(i, 1) == 1));
    let others = nearest_others(set, 1).unwrap();
    assert!((0..2000).all(|i| others.index(i, 0) == found.index(i, 1)));
}

#[test]
fn sets_that_are_no_images() {
    assert_eq!(Images::new(&[], 0).unwrap_err(), Error::ZeroDim);
    let error = Images::new(&[0; 7], 3).unwrap_err();
    assert_eq!(
        error.to_string(),
        "expected a whole number of images of 3 pixels, got 7 pixels"
    );
    let set = images(&[1, 2], 1);
    assert_eq!(set.select(&[1, 0, 1]).unwrap(), [2, 1, 2]);
    let error = set.select(&[0, 2]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "expected image indices below 2, got 2 at index 1"
    );
}

#[test]
fn searches_that_are_refused() {
    let two = images(&[0, 1, 2, 3], 2);
    let error = nearest(two, two, 3).unwrap_err();
    let message = "expected at least 3 reference images for the 3 nearest, got 2";
    assert_eq!(error.to_string(), message);
    assert_eq!(
        nearest_others(two, 2),
        Err(Error::TooFewReferences {
            k: 2,
            references: 1
        })
    );
    assert_eq!(nearest(two, two, 0), Err(Error::ZeroNeighbours));
    let mismatch = nearest(two, images(&[0; 3], 3), 1);
    assert_eq!(
        mismatch,
        Err(Error::DimMismatch {
            queries: 2,
            reference: 3
        })
    );
    assert!(matches!(
        nearest_excluding(two, two, 1, &[0]),
        Err(Error::Length { got: 1, .. })
    ));
    let outside = nearest_excluding(two, two, 1, &[0, 2]);
    assert!(matches!(
        outside,
        Err(Error::OutOfRange {
            index: 1,
            got: 2,
            bound: 2,
            ..
        })
    ));
}

#[test]
fn no_queries_no_neighbours() {
    let found = nearest(images(&[], 2), images(&[0, 0], 2), 1).unwrap();
    assert!(found.is_empty());
    assert_eq!(found.len(), 0);
}

#[test]
fn complete_linkage_does_not_chain() {
    // 0, 10, 20, 30 with threshold 10: single linkage would swallow all four.
    let groups = duplicate_groups(images(&[0, 10, 20, 30], 1), 10.0 / 255.0).unwrap();
    assert_eq!(groups.as_slice(), [0, 0, 2, 2]);
    // The nearer pair goes first: 11 joins 15, and then neither 5 nor 20 has all within 10.
    let groups = duplicate_groups(images(&[5, 11, 20, 15], 1), 9.0 / 255.0).unwrap();
    assert_eq!(groups.as_slice(), [0, 1, 1, 1]);
    assert_eq!(
        (groups.representatives(), groups.sizes()),
        (vec![0, 1], vec![1, 3])
    );
    assert_eq!(groups.non_singletons(), 1);
}

#[test]
fn the_threshold_includes_itself() {
    let set = images(&[0, 51], 1);
    assert_eq!(duplicate_groups(set, 0.2).unwrap().non_singletons(), 1);
    assert_eq!(
        duplicate_groups(set, 0.199_999).unwrap().non_singletons(),
        0
    );
    assert_eq!(
        duplicate_groups(images(&[0, 255], 1), 1.0)
            .unwrap()
            .non_singletons(),
        1
    );
    assert_eq!(
        duplicate_groups(images(&[0, 255], 1), f64::INFINITY)
            .unwrap()
            .sizes(),
        [2]
    );
}

#[test]
fn groups_of_nothing_one_and_all_alike() {
    let none = duplicate_groups(images(&[], 4), 0.1).unwrap();
    assert!(none.is_empty() && none.representatives().is_empty() && none.sizes().is_empty());
    assert_eq!(
        duplicate_groups(images(&[7; 4], 4), 0.1)
            .unwrap()
            .as_slice(),
        [0]
    );
    let alike = duplicate_groups(images(&[7; 40], 4), 0.0).unwrap();
    assert_eq!((alike.sizes(), alike.len()), (vec![10], 10));
    for threshold in [-0.1, f64::NAN] {
        let error = duplicate_groups(images(&[7; 4], 4), threshold).unwrap_err();
        assert!(matches!(
            error,
            Error::Parameter {
                name: "threshold_l2",
                ..
            }
        ));
    }
}

#[test]
fn nn_ratio_of_one_and_of_equal_training_images() {
    let single = extraction_scores(images(&[3], 1), images(&[5], 1)).unwrap();
    let reason = Reason::TooFew {
        what: "training images for nn_ratio",
        needed: 2,
        got: 1,
    };
    assert_eq!(single[0].nn_ratio, Measured::Missing(reason));
    assert_eq!(
        memorized(&single, NN_RATIO_MEMORIZED).unwrap().reason(),
        Some(reason)
    );
    assert_eq!(
        unique_extracted(&single, NN_RATIO_MEMORIZED)
            .unwrap()
            .reason(),
        Some(reason)
    );
    let doubled = extraction_scores(images(&[5], 1), images(&[5, 5], 1)).unwrap();
    assert_eq!(
        (doubled[0].l2, doubled[0].nn_ratio),
        (0.0, Measured::Value(1.0))
    );
    let none = extraction_scores(images(&[5], 1), images(&[], 1)).unwrap_err();
    assert_eq!(
        none,
        Error::TooFewReferences {
            k: 1,
            references: 0
        }
    );
    assert_eq!(
        extraction_scores(images(&[], 1), images(&[5], 1)).unwrap(),
        []
    );
}

#[test]
fn nl2_needs_500_training_images_and_a_spread() {
    let ramp: Vec<u8> = (0..500_u32)
        .flat_map(|i| [(i / 2) as u8, (i % 2) as u8 * 9])
        .collect();
    let short = extraction_scores(images(&[1, 1], 2), images(&ramp[..998], 2)).unwrap();
    let reason = Reason::TooFew {
        what: "training images for nl2",
        needed: 500,
        got: 499,
    };
    assert_eq!(short[0].nl2_generated, Measured::Missing(reason));
    assert_eq!(short[0].nl2_matched, Measured::Missing(reason));
    let full = extraction_scores(images(&[1, 1], 2), images(&ramp, 2)).unwrap();
    assert!(full[0].nl2_generated.value().unwrap() > 0.0);
    assert!(full[0].nl2_matched.value().unwrap() > 0.0);
    let flat = extraction_scores(images(&[7], 1), images(&[7; 500], 1)).unwrap();
    let reason = Reason::NoSpread {
        what: "the training images around",
    };
    assert_eq!(flat[0].nl2_generated, Measured::Missing(reason));
    assert_eq!(flat[0].nl2_matched, Measured::Missing(reason));
    // 499 at distance 1 / 255 and a match at 0: d1 = 0 whatever the spread.
    assert_eq!(nl2(0.0, 0.1), Measured::Value(0.0));
    assert_eq!(nl2(0.1, 0.1), Measured::Value(2.0));
}

#[test]
fn duplicates_extracted_twice_count_once() {
    let training = [0, 100, 200];
    let scores = extraction_scores(images(&[1, 2, 98, 150, 0], 1), images(&training, 1)).unwrap();
    let hits = memorized(&scores, NN_RATIO_MEMORIZED)
        .unwrap()
        .value()
        .unwrap();
    assert_eq!(hits, Proportion::new(4, 5).unwrap());
    let unique = unique_extracted(&scores, NN_RATIO_MEMORIZED)
        .unwrap()
        .value()
        .unwrap();
    assert_eq!(
        unique,
        Distinct {
            distinct: 2,
            generated: 5
        }
    );
    assert_eq!(unique.per_generated(), Measured::Value(0.4));
    assert!(memorized(&scores, f64::NAN).is_err());
    let none = unique_extracted(&[], NN_RATIO_MEMORIZED)
        .unwrap()
        .value()
        .unwrap();
    assert!(none.per_generated().reason().is_some());
}

#[test]
fn ums_is_not_bounded_by_one_nor_by_ams() {
    // One generated image, three training images in the band, the best one outside it.
    let (generated, training) = (images(&[0], 1), images(&[0, 51, 52, 53], 1));
    let band = Band::new(0.2, 0.3).unwrap();
    assert_eq!(ams(&[0.0], band).unwrap().hits(), 0);
    let ums = ums_l2(generated, training, &[band]).unwrap();
    assert_eq!(ums[0].per_generated(), Measured::Value(3.0));
    let scaled = ums_scaled_l2(generated, training, Scales::Generated(&[2.0]), &[band]).unwrap();
    assert_eq!(scaled[0].distinct, 0);
    let below = ums_l2(generated, training, &[Band::at_most(-1.0).unwrap()]).unwrap();
    assert_eq!(below[0].distinct, 0);
    assert_eq!(ums_l2(generated, training, &[]).unwrap(), []);
}

#[test]
fn ums_in_nl2_by_hand() {
    // In l2: generated at 0 and 0.8, training at 0.2, 0.4 and 1.
    let (generated, training) = (images(&[0, 204], 1), images(&[51, 102, 255], 1));
    // Distances: 0.2 0.4 1.0 and 0.6 0.4 0.2. The nearest two training images are at means of
    // 0.3 and 0.3 (0.2 and 0.4), the nearest two others at 0.5, 0.4 and 0.7; alpha halves them.
    let on_generated = nl2_scales(&nearest(generated, training, 2).unwrap());
    let on_generated = on_generated.value().unwrap();
    let on_training = nl2_scales(&nearest_others(training, 2).unwrap());
    let on_training = on_training.value().unwrap();
    for (scales, expected) in [
        (&on_generated, &[0.15, 0.15][..]),
        (&on_training, &[0.25, 0.2, 0.35]),
    ] {
        assert_eq!(scales.len(), expected.len());
        let near = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-12;
        assert!(scales.iter().zip(expected).all(near), "{scales:?}");
    }
    // On the generated: 1.33 2.67 6.67 and 4 2.67 1.33; on training: 0.8 2 2.86 and 2.4 2 0.57.
    let bands = [(0.0, 0.6), (0.0, 1.0), (1.0, 1.5), (1.9, 2.1), (2.3, 2.5)]
        .map(|(low, high)| Band::new(low, high).unwrap());
    let distinct = |scales| -> Vec<u64> {
        let ums = ums_scaled_l2(generated, training, scales, &bands).unwrap();
        ums.iter().map(|of| of.distinct).collect()
    };
    let on_generated = distinct(Scales::Generated(&on_generated));
    assert_eq!(on_generated, [0, 0, 2, 0, 0]);
    assert_eq!(distinct(Scales::Training(&on_training)), [1, 2, 0, 1, 1]);
}

#[test]
fn nl2_scales_of_nothing_and_without_spread() {
    let none = nearest(images(&[], 1), images(&[7, 8], 1), 1).unwrap();
    assert_eq!(nl2_scales(&none), Measured::Value(vec![]));
    // The first two are one another's nearest at distance 0.
    let flat = nearest_others(images(&[7, 7, 9], 1), 1).unwrap();
    let reason = Reason::NoSpread {
        what: "the training images around",
    };
    assert_eq!(nl2_scales(&flat), Measured::Missing(reason));
}

#[test]
fn bands_and_sets_that_are_refused() {
    assert!(Band::new(0.5, 0.4).is_err() && Band::new(f64::NAN, 1.0).is_err());
    assert!(Band::at_least(f64::NAN).is_err() && Band::at_most(f64::NAN).is_err());
    let band = Band::at_least(0.5).unwrap();
    let error = ams(&[0.1, 0.2, f64::NAN], band).unwrap_err();
    let message = "expected finite numbers, got NaN at index 2 of the best values";
    assert_eq!(error.to_string(), message);
    assert!(ams(&[], band).unwrap().share().reason().is_some());
    let mut ums = Ums::new(2, &[band]);
    assert!(matches!(
        ums.add(&[0.9]),
        Err(Error::Length {
            expected: 2,
            got: 1,
            ..
        })
    ));
    assert!(matches!(
        ums.add(&[0.9, f64::NAN]),
        Err(Error::NotFinite { index: 1, .. })
    ));
    assert_eq!(
        ums.finish().next(),
        Some(Distinct {
            distinct: 0,
            generated: 0
        })
    );
    let (one, two) = (images(&[0], 1), images(&[0, 1], 1));
    let refused = |scales: Scales<'_>| ums_scaled_l2(one, two, scales, &[band]).unwrap_err();
    for scale in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        for scales in [Scales::Generated(&[scale]), Scales::Training(&[1.0, scale])] {
            assert!(matches!(
                refused(scales),
                Error::Parameter { name: "scale", .. }
            ));
        }
    }
    let message = "expected 1 scales of generated images, got 2";
    assert_eq!(refused(Scales::Generated(&[1.0; 2])).to_string(), message);
    let message = "expected 2 scales of training images, got 1";
    assert_eq!(refused(Scales::Training(&[1.0])).to_string(), message);
    let other = images(&[0, 1], 2);
    assert!(ums_scaled_l2(one, other, Scales::Training(&[1.0]), &[band]).is_err());
}

#[test]
fn intervals_of_too_little() {
    assert!(Proportion::new(2, 1).is_err());
    let none = Proportion::new(0, 0).unwrap();
    let reason = Some(Reason::TooFew {
        what: "trials",
        needed: 1,
        got: 0,
    });
    assert_eq!(none.wilson().reason(), reason);
    assert_eq!(none.clopper_pearson().reason(), reason);
    let reason = student_t(&[0.5]).unwrap().reason().unwrap();
    assert_eq!(reason.to_string(), "too few seeds: 1, expected at least 2");
    let error = student_t(&[0.5, f64::NAN]).unwrap_err();
    assert!(matches!(error, Error::NotFinite { index: 1, .. }));
    let same = student_t(&[0.5; 3]).unwrap().value().unwrap();
    assert_eq!((same.low, same.high), (0.5, 0.5));
}
