//! Squares of pixels as channels, so that a network works at a fraction of height and width.

use eidetic_sdk::ndarray::{Array4, ArrayView4};

/// The side of the squares: the one that is wanted where it divides height and width, else 1.
pub(crate) fn side(wanted: usize, height: usize, width: usize) -> usize {
    let divides = height.is_multiple_of(wanted) && width.is_multiple_of(wanted);
    if divides { wanted } else { 1 }
}

/// `[N, C, H, W]` to `[N, C side^2, H / side, W / side]`: the pixels of a square, row after row,
/// are channels beside one another (space to depth).
pub(crate) fn fold(x: ArrayView4<'_, f32>, side: usize) -> Array4<f32> {
    let (rows, channels, height, width) = x.dim();
    let folded = (rows, channels * side * side, height / side, width / side);
    Array4::from_shape_fn(folded, |(row, channel, y, x_at)| {
        let (down, along) = (channel / side % side, channel % side);
        x[[
            row,
            channel / (side * side),
            y * side + down,
            x_at * side + along,
        ]]
    })
}

/// [`fold`] backwards.
pub(crate) fn unfold(x: ArrayView4<'_, f32>, side: usize) -> Array4<f32> {
    let (rows, channels, height, width) = x.dim();
    let whole = (rows, channels / (side * side), height * side, width * side);
    Array4::from_shape_fn(whole, |(row, channel, y, x_at)| {
        let within = y % side * side + x_at % side;
        x[[row, channel * side * side + within, y / side, x_at / side]]
    })
}
