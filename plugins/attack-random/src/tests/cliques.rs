//! The attack with cliques for its confidence.

use proptest::prelude::*;

use super::*;

/// At 0.05, levels at most 12 apart are near.
fn clique(more: &str) -> String {
    format!(r#"{{"confidence": "clique", "near_l2": 0.05{more}}}"#)
}

fn confidences(levels: &[u8], options: &str) -> Vec<f64> {
    let run = Run::default();
    attack(options, &Service::new(levels, 1000), &run).unwrap();
    found(&run).into_iter().map(|found| found.1).collect()
}

#[test]
fn confidence_is_the_size_of_the_largest_clique() {
    // {0, 5, 10} and {10, 15, 20} share 10; {15, 20, 25} too is one, and 200 alone.
    let levels = [0, 5, 10, 15, 20, 25, 200];
    for batch in [1, 2, 7, 64] {
        let run = Run::default();
        let options = clique(&format!(
            r#", "samples": 7, "batch": {batch}, "clique_at_least": 3"#
        ));
        attack(&options, &Service::new(&levels, 14), &run).unwrap();
        let sizes: Vec<f64> = found(&run).into_iter().map(|found| found.1).collect();
        assert_eq!(sizes, [3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 1.0], "batch {batch}");
        assert_eq!(
            *run.said.lock().unwrap(),
            [
                "6 of 7 samples lie in cliques of at least 3; of 0 there may be a larger clique \
                 than was found"
            ]
        );
    }
}

#[test]
fn a_chain_is_no_clique() {
    // Each is near to the next alone, so that its density is that of a clique's.
    let levels: Vec<u8> = (0..10).map(|i| 10 * i).collect();
    assert_eq!(
        confidences(&levels, &clique(r#", "samples": 10"#)),
        [2.0; 10]
    );
}

#[test]
fn classes_are_searched_apart() {
    // All alike, but drawn under classes 0 1 2 0 1 2 0, which add 0, 10 and 20 levels.
    let run = Run::default();
    let service = Service {
        classes: Some((3, true)),
        ..Service::new(&[0; 7], 14)
    };
    attack(&clique(r#", "samples": 7"#), &service, &run).unwrap();
    let sizes: Vec<f64> = found(&run).into_iter().map(|found| found.1).collect();
    assert_eq!(sizes, [3.0, 2.0, 2.0, 3.0, 2.0, 2.0, 3.0]);
}

#[test]
fn samples_beyond_those_held_are_compared_with_them() {
    let levels = [0, 5, 100, 0, 3, 104, 200];
    for batch in [1, 3, 7] {
        let options = clique(&format!(
            r#", "samples": 7, "density_over": 3, "batch": {batch}"#
        ));
        // 0 and 5 are held, and each later 0 is one more, but not to another.
        assert_eq!(
            confidences(&levels, &options),
            [2.0, 2.0, 1.0, 3.0, 3.0, 2.0, 1.0],
            "batch {batch}"
        );
    }
}

#[test]
fn what_was_found_before_a_failure_has_a_confidence() {
    let run = Run::default();
    let options = clique(r#", "samples": 8, "batch": 2"#);
    let error = attack(&options, &Service::new(&[1, 1, 9, 90, 1, 1, 1, 1], 9), &run);
    assert_eq!(error.unwrap_err().code, ErrorCode::Budget);
    assert_eq!(found(&run), [(1, 3.0), (1, 3.0), (9, 3.0), (90, 1.0)]);
    let none = Run::default();
    assert!(attack(&options, &Service::new(&[], 0), &none).is_err());
    assert!(none.found.lock().unwrap().is_empty());
}

#[test]
fn tiles_have_to_fit_the_image() {
    let options = clique(r#", "samples": 2, "tiles": 2"#);
    let error = attack(&options, &Service::new(&[0, 0], 4), &Run::default()).unwrap_err();
    assert_eq!(error.code, ErrorCode::Unsupported);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn neither_batch_nor_order_matters(
        levels in prop::collection::vec(0_u8..80, 2..30), batch in 1_usize..10, turn in 0_usize..30,
    ) {
        let of = |levels: &[u8], batch| {
            let samples = levels.len();
            confidences(
                levels,
                &clique(&format!(r#", "samples": {samples}, "batch": {batch}"#)),
            )
        };
        let mut sizes = of(&levels, 64);
        prop_assert_eq!(&of(&levels, batch), &sizes);
        // On a line, a clique is all levels in some interval of 12.
        for (at, &level) in levels.iter().enumerate() {
            let within = |low: u8| levels.iter().filter(|&&l| (low..=low + 12).contains(&l)).count();
            let most = (level.saturating_sub(12)..=level).map(within).max().unwrap();
            prop_assert_eq!(sizes[at], most as f64);
        }
        let turn = turn % levels.len();
        let turned = [&levels[turn..], &levels[..turn]].concat();
        sizes.rotate_left(turn);
        prop_assert_eq!(of(&turned, batch), sizes);
    }
}
