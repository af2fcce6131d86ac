//! What is hidden.

use super::*;
use crate::Mask;

fn image(height: u32, width: u32) -> ImageShape {
    ImageShape {
        channels: 3,
        height,
        width,
    }
}

fn known(mask: Mask, candidates: u64, [h, w]: [u32; 2], seed: u64) -> Vec<u8> {
    mask.known(candidates, image(h, w), seed)
}

fn hidden(flags: &[u8]) -> usize {
    flags.iter().filter(|&&flag| flag == 0).count()
}

#[test]
fn halves_by_hand() {
    #[rustfmt::skip]
    let expected = [
        (Mask::LeftHalf, [0, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 1, 1]),
        (Mask::RightHalf, [1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0]),
        (Mask::TopHalf, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1]),
        (Mask::BottomHalf, [1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
    ];
    for (mask, flags) in expected {
        assert_eq!(known(mask, 9, [3, 5], 0), flags, "{mask:?}");
    }
    assert_eq!(known(Mask::LeftHalf, 1, [1, 4], 0), [0, 0, 1, 1]);
    assert_eq!(known(Mask::BottomHalf, 1, [1, 1], 0), [0]);
}

#[test]
fn a_box_lies_in_the_middle_and_has_its_share() {
    // sqrt(0.25) of 4 and of 6: rows 1 and 2, columns 1 to 3.
    let flags = known(Mask::Box(0.25), 2, [4, 6], 0);
    let at = |y: usize, x: usize| (1..3).contains(&y) && (1..4).contains(&x);
    let expected: Vec<u8> = (0..24).map(|i| u8::from(!at(i / 6, i % 6))).collect();
    assert_eq!(flags, expected);
    assert_eq!(hidden(&known(Mask::Box(1e-9), 1, [5, 5], 0)), 1);
    assert_eq!(known(Mask::Box(1e-9), 1, [5, 5], 0)[12], 0);
    assert_eq!(hidden(&known(Mask::Box(1.0), 1, [5, 7], 0)), 35);
}

#[test]
fn drawn_masks_are_each_candidates_own() {
    let boxes = |count| Mask::Boxes { count, share: 0.25 };
    for mask in [boxes(1), boxes(3), Mask::Pixels(0.3)] {
        let all = known(mask, 50, [8, 8], 5);
        assert_eq!(all.len(), 50 * 64);
        assert!(all.iter().all(|&flag| flag <= 1));
        // A candidate's mask does not depend on how many there are, but on the seed.
        assert_eq!(known(mask, 3, [8, 8], 5), all[..3 * 64]);
        assert_ne!(known(mask, 50, [8, 8], 6), all);
        assert_ne!(all[..64], all[64..128]);
        assert!(all.chunks(64).all(|flags| hidden(flags) > 0));
    }
    let one = known(boxes(1), 200, [8, 8], 5);
    let mut corners = std::collections::BTreeSet::new();
    for flags in one.chunks(64) {
        let first = flags.iter().position(|&flag| flag == 0).unwrap();
        let expected = |i: usize| {
            let (y, x) = (i / 8, i % 8);
            (first / 8..first / 8 + 4).contains(&y) && (first % 8..first % 8 + 4).contains(&x)
        };
        assert!((0..64).all(|i| (flags[i] == 0) == expected(i)));
        corners.insert(first);
    }
    assert_eq!(corners.len(), 25, "every place comes up");
    let three = known(boxes(3), 200, [8, 8], 5);
    let counts: Vec<usize> = three.chunks(64).map(hidden).collect();
    assert!(counts.iter().all(|count| (16..=48).contains(count)));
    assert!(
        counts.iter().any(|&count| count > 32),
        "no three boxes apart"
    );
}

#[test]
fn pixels_are_hidden_at_their_rate() {
    let flags = known(Mask::Pixels(0.3), 200, [10, 10], 1);
    // 20,000 of them: a deviation of 0.0032.
    let share = hidden(&flags) as f64 / flags.len() as f64;
    assert!((share - 0.3).abs() < 0.013, "{share}");
    assert_eq!(hidden(&known(Mask::Pixels(1.0), 2, [3, 3], 1)), 18);
    // The harness has nothing to grade where nothing is hidden.
    let rare = known(Mask::Pixels(1e-12), 100, [3, 3], 1);
    assert!(rare.chunks(9).all(|flags| hidden(flags) == 1));
}

#[test]
fn probes_carry_names_that_say_all() {
    let options = r#"{"masks": ["right-half", {"box": 0.25}, {"pixels": 0.5},
        {"boxes": {"count": 4, "share": 0.05}}]}"#;
    for id in IDS {
        let attack = make_attack(&plugin(id), options).unwrap();
        let probes = attack.probes(2, image(4, 4), 0).unwrap();
        let names: Vec<&str> = probes.iter().map(|probe| probe.name.as_str()).collect();
        let expected = ["right-half", "box-0.25", "pixels-0.5", "boxes-4x0.05"];
        assert_eq!(names, expected);
        let flags: Vec<usize> = probes.iter().map(|probe| probe.known.len()).collect();
        assert_eq!(flags, [16, 16, 32, 32]);
    }
}
