//! An order that puts near points together, cut into leaves with a box around each.

use std::ops::Range;

use super::kernel::{PANEL, add_squared_outside};

/// Leading coordinates that the order and the boxes look at.
pub(crate) const BOX_COLUMNS: usize = 16;
/// Points of a leaf at most: with 64 coordinates in f32 its panels stay in the first-level cache
/// or near it while all queries of a block pass.
const LEAF: usize = 4 * PANEL;

/// Orders `rows` points of `columns` coordinates by halving at the median of the coordinate of
/// largest variance. Ranges of the order, all of whole panels but for the last point's.
pub(crate) fn order(coordinates: &[f32], columns: usize) -> (Vec<u32>, Vec<Range<usize>>) {
    let rows = coordinates.len() / columns;
    let mut order: Vec<u32> = (0..rows as u32).collect();
    let mut leaves = Vec::new();
    halve(coordinates, columns, &mut order, 0, &mut leaves);
    (order, leaves)
}

fn halve(
    coordinates: &[f32],
    columns: usize,
    order: &mut [u32],
    start: usize,
    leaves: &mut Vec<Range<usize>>,
) {
    if order.len() <= LEAF {
        if !order.is_empty() {
            order.sort_unstable();
            leaves.push(start..start + order.len());
        }
        return;
    }
    let at = |row: u32, column: usize| coordinates[row as usize * columns + column];
    let widest = (0..columns)
        .map(|column| (variance(order.iter().map(|&row| at(row, column))), column))
        .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)))
        .map_or(0, |(_, column)| column);
    let half = (order.len() / 2).next_multiple_of(PANEL);
    order.select_nth_unstable_by(half, |&a, &b| {
        at(a, widest).total_cmp(&at(b, widest)).then(a.cmp(&b))
    });
    let (left, right) = order.split_at_mut(half);
    halve(coordinates, columns, left, start, leaves);
    halve(coordinates, columns, right, start + half, leaves);
}

fn variance(values: impl Iterator<Item = f32>) -> f64 {
    let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
    for value in values.map(f64::from) {
        count += 1.0;
        sum += value;
        squares += value * value;
    }
    squares - sum * sum / count
}

/// The ranges of the leading coordinates of each leaf, [BOX_COLUMNS or fewer][leaves].
#[derive(Debug, Clone, Default)]
pub(crate) struct Boxes {
    low: Vec<f32>,
    high: Vec<f32>,
    leaves: usize,
}

impl Boxes {
    pub(crate) fn new(leaves: usize, columns: usize) -> Self {
        Self {
            low: vec![f32::INFINITY; leaves * columns],
            high: vec![f32::NEG_INFINITY; leaves * columns],
            leaves,
        }
    }

    /// Widens the box of `leaf` to hold a point, given its leading coordinates.
    pub(crate) fn widen(&mut self, leaf: usize, point: &[f32]) {
        for (column, &x) in point.iter().enumerate() {
            let place = column * self.leaves + leaf;
            self.low[place] = self.low[place].min(x);
            self.high[place] = self.high[place].max(x);
        }
    }

    /// Takes the only box of `from` as that of `leaf`.
    pub(crate) fn take(&mut self, leaf: usize, from: &Self) {
        let columns = from.low.iter().zip(&from.high).enumerate();
        for (column, (&low, &high)) in columns {
            self.low[column * self.leaves + leaf] = low;
            self.high[column * self.leaves + leaf] = high;
        }
    }

    /// Bytes that they hold.
    pub(crate) fn bytes(&self) -> usize {
        4 * (self.low.len() + self.high.len())
    }

    /// The squared distance of a point to each box, in f32: relative to the exact one it is off
    /// by less than 2^-18.
    pub(crate) fn squared_distances(&self, point: &[f32], out: &mut [f32]) {
        out.fill(0.0);
        let low = self.low.chunks_exact(self.leaves);
        for ((&x, low), high) in point
            .iter()
            .zip(low)
            .zip(self.high.chunks_exact(self.leaves))
        {
            add_squared_outside(x, low, high, out);
        }
    }
}
