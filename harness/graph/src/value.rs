//! Handles of values, and their types.

use std::fmt;

use crate::shape::Element;

/// A value of one graph: an input, a constant or an output of an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Value(pub(crate) usize);

/// Element type and sizes of a value: `f32 [64, 1, 28, 28]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Type {
    /// Its elements.
    pub element: Element,
    /// Its sizes, outermost first; none for a scalar.
    pub shape: Vec<usize>,
}

impl Type {
    /// A type of these elements and sizes.
    pub fn new(element: Element, shape: &[usize]) -> Self {
        Self {
            element,
            shape: shape.to_vec(),
        }
    }

    /// Number of elements.
    pub fn elements(&self) -> usize {
        elements(&self.shape)
    }
}

/// Number of elements; at most `usize::MAX`, so that a damaged file overflows nothing.
pub(crate) fn elements(shape: &[usize]) -> usize {
    let product = |product: usize, &size: &usize| product.saturating_mul(size);
    if shape.contains(&0) {
        return 0;
    }
    shape.iter().fold(1, product)
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.element, self.shape)
    }
}

/// The shape of both together by NumPy's rules; `None` where they do not fit.
pub(crate) fn broadcast(left: &[usize], right: &[usize]) -> Option<Vec<usize>> {
    let rank = left.len().max(right.len());
    let at = |shape: &[usize], axis: usize| match (axis + shape.len()).checked_sub(rank) {
        Some(place) => shape[place],
        None => 1,
    };
    (0..rank)
        .map(|axis| match (at(left, axis), at(right, axis)) {
            (a, b) if a == b => Some(a),
            (1, size) | (size, 1) => Some(size),
            _ => None,
        })
        .collect()
}

/// An axis counted from the front; negative ones count from the back.
pub(crate) fn axis(axis: i64, rank: usize) -> Result<usize, String> {
    let from_front = if axis < 0 { axis + rank as i64 } else { axis };
    usize::try_from(from_front)
        .ok()
        .filter(|&axis| axis < rank)
        .ok_or_else(|| format!("expected an axis of {rank} dimensions, got {axis}"))
}
