//! Against Pillow: tests/embed/make_fixtures.py.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use serde::Deserialize;

use super::resize::{Filter, Resizer};

const FILTERS: [(&str, Filter); 6] = [
    ("nearest", Filter::Nearest),
    ("box", Filter::Box),
    ("bilinear", Filter::Bilinear),
    ("hamming", Filter::Hamming),
    ("bicubic", Filter::Bicubic),
    ("lanczos", Filter::Lanczos),
];

#[derive(Deserialize)]
struct Case {
    from: [usize; 3],
    to: [usize; 2],
    /// The rows of the result that are kept.
    rows: Vec<usize>,
    pixels: String,
    results: std::collections::BTreeMap<String, String>,
}

fn levels(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks_exact(2);
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.map(pair).collect()
}

#[test]
fn every_filter_gives_pillows_levels() {
    let cases: Vec<Case> =
        serde_json::from_str(include_str!("../../tests/embed/resize.json")).unwrap();
    assert_eq!(cases.len(), 13);
    for case in &cases {
        let [channels, height, width] = case.from;
        let pixels = levels(&case.pixels);
        assert_eq!(pixels.len(), channels * height * width);
        for (name, filter) in FILTERS {
            let resizer = Resizer::new([height, width], case.to, filter);
            let mut got = Vec::new();
            for plane in pixels.chunks_exact(height * width) {
                let plane = resizer.plane(plane);
                assert_eq!(plane.len(), case.to[0] * case.to[1]);
                for row in &case.rows {
                    got.extend_from_slice(&plane[row * case.to[1]..][..case.to[1]]);
                }
            }
            let expected = levels(&case.results[name]);
            let differ = got.iter().zip(&expected).filter(|(a, b)| a != b).count();
            assert_eq!(got.len(), expected.len());
            assert_eq!(differ, 0, "{:?} -> {:?} by {name}", case.from, case.to);
        }
    }
}

proptest! {
    #[test]
    fn a_flat_image_stays_flat(
        level: u8,
        from in prop::array::uniform2(1_usize..40),
        to in prop::array::uniform2(1_usize..40),
    ) {
        for (name, filter) in FILTERS {
            let plane = Resizer::new(from, to, filter).plane(&vec![level; from[0] * from[1]]);
            prop_assert_eq!(plane, vec![level; to[0] * to[1]], "{}", name);
        }
    }

    #[test]
    fn a_turned_image_is_resized_to_the_same_along_one_axis(
        pixels in prop::collection::vec(any::<u8>(), 12 * 7),
        to in 1_usize..40,
    ) {
        let turned: Vec<u8> = (0..84).map(|i| pixels[i % 12 * 7 + i / 12]).collect();
        for (name, filter) in FILTERS {
            let plane = Resizer::new([12, 7], [to, 7], filter).plane(&pixels);
            let turned = Resizer::new([7, 12], [7, to], filter).plane(&turned);
            let back: Vec<u8> = (0..to * 7).map(|i| turned[i % 7 * to + i / 7]).collect();
            prop_assert_eq!(plane, back, "{}", name);
        }
    }
}
