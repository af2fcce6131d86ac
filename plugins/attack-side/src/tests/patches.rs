//! Squares of pixels as channels.

use eidetic_sdk::ndarray::{Array4, array};

use crate::patches::{fold, side, unfold};

#[test]
fn a_square_becomes_channels_row_after_row() {
    let x: Array4<f32> = array![[
        [[0.0, 1.0, 2.0, 3.0], [4.0, 5.0, 6.0, 7.0]],
        [[10.0, 11.0, 12.0, 13.0], [14.0, 15.0, 16.0, 17.0]],
    ]];
    let folded = array![[
        [[0.0, 2.0]],
        [[1.0, 3.0]],
        [[4.0, 6.0]],
        [[5.0, 7.0]],
        [[10.0, 12.0]],
        [[11.0, 13.0]],
        [[14.0, 16.0]],
        [[15.0, 17.0]],
    ]];
    assert_eq!(fold(x.view(), 2), folded);
    assert_eq!(unfold(folded.view(), 2), x);
    assert_eq!(fold(x.view(), 1), x);
    assert_eq!(unfold(x.view(), 1), x);
}

#[test]
fn nothing_is_lost() {
    let value =
        |(n, c, y, x): (usize, usize, usize, usize)| (((n * 3 + c) * 6 + y) * 12 + x) as f32;
    let x = Array4::from_shape_fn((2, 3, 6, 12), value);
    for side in [1, 2, 3, 6] {
        let folded = fold(x.view(), side);
        assert_eq!(folded.dim(), (2, 3 * side * side, 6 / side, 12 / side));
        assert_eq!(unfold(folded.view(), side), x, "{side}");
    }
    let none = Array4::zeros((0, 1, 2, 2));
    assert_eq!(unfold(fold(none.view(), 2).view(), 2), none);
}

#[test]
fn a_side_that_does_not_fit_is_1() {
    for (wanted, height, width, expected) in [
        (1, 7, 7, 1),
        (2, 16, 28, 2),
        (2, 16, 7, 1),
        (2, 7, 16, 1),
        (4, 28, 28, 4),
        (32, 16, 16, 1),
    ] {
        assert_eq!(side(wanted, height, width), expected);
    }
}
