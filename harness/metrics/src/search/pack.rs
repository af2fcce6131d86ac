//! References laid out for the scan.

use std::ops::Range;

use rayon::prelude::*;

use super::cloud::Cloud;
use super::kernel::PANEL;
use super::leaves::{self, BOX_COLUMNS, Boxes};

/// The references of a search in panels, leaf after leaf.
#[derive(Debug, Clone, Default)]
pub(crate) struct Packed {
    pub(crate) columns: usize,
    pub(crate) tail_columns: usize,
    /// Head coordinates, [panels][columns][PANEL].
    pub(crate) panels: Vec<f32>,
    /// -|head|^2 / 2, and infinitely little for the places that are empty, [panels][PANEL].
    pub(crate) init: Vec<f32>,
    /// Tail coordinates, [rows][tail_columns].
    pub(crate) tail: Vec<f32>,
    /// The reference at each row.
    pub(crate) order: Vec<u32>,
    /// Rows of each leaf; each starts a panel.
    pub(crate) leaves: Vec<Range<usize>>,
    pub(crate) boxes: Boxes,
    /// The largest |head|.
    pub(crate) norm: f64,
    /// The largest error of a row.
    pub(crate) error: f64,
}

impl Packed {
    /// Packs references, given the leading coordinates of all of them ([rows][lead columns]) and
    /// a function that gives the points of some.
    pub(crate) fn new(
        lead: Vec<f32>,
        lead_columns: usize,
        points: impl Fn(&[u32]) -> Cloud + Sync,
    ) -> Self {
        let (order, leaves) = leaves::order(&lead, lead_columns);
        drop(lead);
        let Some(first) = order.first() else {
            return Self::default();
        };
        let shape = points(&[*first]);
        let (columns, tail_columns) = (shape.columns, shape.tail_columns);
        let padded = order.len().next_multiple_of(PANEL);
        let mut packed = Self {
            columns,
            tail_columns,
            panels: vec![0.0; padded * columns],
            init: vec![f32::NEG_INFINITY; padded],
            tail: vec![0.0; order.len() * tail_columns],
            order,
            boxes: Boxes::new(leaves.len(), columns.min(BOX_COLUMNS)),
            leaves,
            norm: 0.0,
            error: 0.0,
        };
        packed.fill(points);
        packed
    }

    fn fill(&mut self, points: impl Fn(&[u32]) -> Cloud + Sync) {
        let (columns, tail_columns) = (self.columns, self.tail_columns);
        let mut rest = (&mut self.panels[..], &mut self.init[..], &mut self.tail[..]);
        let mut tasks = Vec::with_capacity(self.leaves.len());
        for leaf in &self.leaves {
            let padded = leaf.len().next_multiple_of(PANEL);
            let (panels, init, tail) = rest;
            let (panels, panels_rest) = panels.split_at_mut(padded * columns);
            let (init, init_rest) = init.split_at_mut(padded);
            let (tail, tail_rest) = tail.split_at_mut(leaf.len() * tail_columns);
            tasks.push((&self.order[leaf.clone()], panels, init, tail));
            rest = (panels_rest, init_rest, tail_rest);
        }
        let extents: Vec<_> = tasks
            .into_par_iter()
            .map(|(rows, panels, init, tail)| {
                let cloud = points(rows);
                let mut boxes = Boxes::new(1, columns.min(BOX_COLUMNS));
                let (mut norm, mut error) = (0.0_f64, 0.0_f64);
                for (row, init) in init.iter_mut().enumerate().take(cloud.len()) {
                    let start = row / PANEL * columns * PANEL + row % PANEL;
                    for (column, &x) in cloud.head(row).iter().enumerate() {
                        panels[start + column * PANEL] = x;
                    }
                    let squared = cloud.squared_norm(row);
                    *init = (-squared / 2.0) as f32;
                    norm = norm.max(squared.sqrt());
                    error = error.max(cloud.errors[row]);
                    boxes.widen(0, &cloud.head(row)[..columns.min(BOX_COLUMNS)]);
                }
                tail.copy_from_slice(&cloud.tail);
                (boxes, norm, error)
            })
            .collect();
        for (leaf, (boxes, norm, error)) in extents.iter().enumerate() {
            self.boxes.take(leaf, boxes);
            self.norm = self.norm.max(*norm);
            self.error = self.error.max(*error);
        }
    }

    /// The last head coordinate of a row.
    pub(crate) fn last(&self, row: usize) -> f32 {
        let panel = (row / PANEL + 1) * self.columns * PANEL;
        self.panels[panel - PANEL + row % PANEL]
    }

    pub(crate) fn tail(&self, row: usize) -> &[f32] {
        &self.tail[row * self.tail_columns..(row + 1) * self.tail_columns]
    }

    /// Bytes that it holds.
    pub(crate) fn bytes(&self) -> usize {
        let floats = self.panels.len() + self.init.len() + self.tail.len();
        4 * (floats + self.order.len()) + self.boxes.bytes()
    }
}
