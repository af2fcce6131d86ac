//! Random streams against the same written in Python, and that they do not touch each other.
#![allow(clippy::unwrap_used)]

use eidetic_sdk::random::rng;
use rand::RngExt;
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    seed: u64,
    purpose: String,
    index: u64,
    first: Vec<u64>,
    hundredth: u64,
}

#[test]
fn streams_are_those_of_another_implementation() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("fixtures/rng.json")).unwrap();
    assert_eq!(cases.len(), 4);
    for case in cases {
        let mut stream = rng(case.seed, &case.purpose, case.index);
        let drawn: Vec<u64> = (0..100).map(|_| stream.random()).collect();
        assert_eq!(drawn[..3], case.first);
        assert_eq!(drawn[99], case.hundredth);
    }
}

#[test]
fn no_two_of_seed_purpose_and_index_share_a_stream() {
    let mut first = std::collections::BTreeSet::new();
    for seed in 0..8 {
        // The purposes' lengths are in the key: none runs over into the index.
        for purpose in ["", "a", "a\0", "aa", "b", "\0\0\0\0\0\0\0\0"] {
            for index in [0, 1, 2, 97, 1 << 8, 1 << 56] {
                assert!(first.insert(rng(seed, purpose, index).random::<u64>()));
            }
        }
    }
}

#[test]
fn streams_do_not_correlate() {
    // The correlation of 4,096 uniform pairs has a standard deviation of 1/64.
    let drawn = |seed, index| -> Vec<f64> {
        let mut stream = rng(seed, "sample", index);
        (0..4096).map(|_| stream.random::<f64>() - 0.5).collect()
    };
    let base = drawn(0, 0);
    for other in [drawn(0, 1), drawn(1, 0), drawn(1, 1)] {
        let product: f64 = base.iter().zip(&other).map(|(a, b)| a * b).sum();
        assert!((product * 12.0 / 4096.0).abs() < 5.0 / 64.0);
    }
}
