//! Rows through a network: each row where its id says, noise levels as the network takes them.

use std::collections::BTreeMap;

use eidetic_runtime::{Feed, Sessions};
use ndarray::{Array1, ArrayD, ArrayView1, ArrayView4, Axis};

use super::convention::{Noise, Point};
use super::network::{CLASS_LABELS, NoiseInput, SIGMA, TIMESTEP};
use super::places::{slots, spread};

/// What rows are fed, in the network's own terms.
pub(super) struct Pass<'a> {
    /// `[B, ...]` each, by the name of the network's input.
    pub(super) images: &'a [(&'static str, ArrayView4<'a, f32>)],
    pub(super) points: &'a [Point],
    pub(super) labels: Option<&'a Array1<i64>>,
    pub(super) row_id: &'a [u64],
    pub(super) noise: NoiseInput,
}

/// The noise levels of rows as the network takes them.
enum Levels {
    Real(Array1<f32>),
    Whole(Array1<i64>),
}

impl Pass<'_> {
    /// An output of the network, `[B, ...]`, B at least 1. A network that takes one timestep for
    /// all rows is run once for each distinct one, in ascending order.
    pub(super) fn run(
        &self,
        sessions: &Sessions,
        output: &str,
    ) -> eidetic_sdk::Result<ArrayD<f32>> {
        if !matches!(self.noise, NoiseInput::Timestep { scalar: true, .. }) {
            let rows: Vec<usize> = (0..self.points.len()).collect();
            return self.run_rows(sessions, output, &rows);
        }
        let mut whole = None;
        for rows in self.groups() {
            let part = self.run_rows(sessions, output, &rows)?;
            let mut dims = part.shape().to_vec();
            dims[0] = self.points.len();
            let whole = whole.get_or_insert_with(|| ArrayD::zeros(dims));
            for (part, row) in part.outer_iter().zip(rows) {
                whole.index_axis_mut(Axis(0), row).assign(&part);
            }
        }
        whole.ok_or_else(|| eidetic_sdk::Error::bad_input("expected at least one row, got 0"))
    }

    /// The output of these rows, in their order.
    fn run_rows(
        &self,
        sessions: &Sessions,
        output: &str,
        rows: &[usize],
    ) -> eidetic_sdk::Result<ArrayD<f32>> {
        let ids: Vec<u64> = rows.iter().map(|&row| self.row_id[row]).collect();
        let slots = slots(&ids, sessions.microbatch());
        let placed = match &slots {
            Some(slots) => spread(ArrayView1::from(rows), slots).to_vec(),
            None => rows.to_vec(),
        };
        let images = self.images.iter();
        let images: Vec<_> = images
            .map(|(name, image)| (*name, image.select(Axis(0), &placed)))
            .collect();
        let levels = Levels::of(placed.iter().map(|&row| self.points[row]));
        let labels = self.labels.map(|labels| labels.select(Axis(0), &placed));

        let mut feeds: Vec<Feed<'_>> = images
            .iter()
            .map(|(name, image)| Feed::rows(name, image.view().into_dyn()))
            .collect();
        feeds.push(levels.feed(self.noise));
        if let Some(labels) = &labels {
            feeds.push(Feed::rows_i64(CLASS_LABELS, labels.view().into_dyn()));
        }
        let outputs = sessions.run(placed.len(), &feeds, &[output]);
        let mut outputs = outputs.map_err(|error| eidetic_sdk::Error::from(error.to_string()))?;
        let output = outputs.swap_remove(0);
        Ok(match slots {
            Some(slots) => output.select(Axis(0), &slots),
            None => output,
        })
    }

    /// Rows of one level, by ascending level. Timesteps are from 0, where the order of the bits of
    /// floats is that of the numbers.
    fn groups(&self) -> impl Iterator<Item = Vec<usize>> {
        let mut groups: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for (row, point) in self.points.iter().enumerate() {
            let key = match point.noise {
                Noise::Real(level) => u64::from((level as f32).to_bits()),
                Noise::Step(step) => step as u64,
            };
            groups.entry(key).or_default().push(row);
        }
        groups.into_values()
    }
}

impl Levels {
    /// All points of one network are of one kind.
    fn of(points: impl Iterator<Item = Point> + Clone) -> Self {
        let whole = |point: Point| match point.noise {
            Noise::Step(step) => Some(step as i64),
            Noise::Real(_) => None,
        };
        if let Some(steps) = points.clone().map(whole).collect() {
            return Self::Whole(steps);
        }
        let real = |point: Point| match point.noise {
            Noise::Real(level) => level as f32,
            Noise::Step(step) => step as f32,
        };
        Self::Real(points.map(real).collect())
    }

    /// One level a row, or that of the first for all.
    fn feed(&self, noise: NoiseInput) -> Feed<'_> {
        let (name, scalar) = match noise {
            NoiseInput::Sigma => (SIGMA, false),
            NoiseInput::Timestep { scalar, .. } => (TIMESTEP, scalar),
        };
        match (self, scalar) {
            (Self::Real(levels), false) => Feed::rows(name, levels.view().into_dyn()),
            (Self::Whole(levels), false) => Feed::rows_i64(name, levels.view().into_dyn()),
            (Self::Real(levels), true) => {
                Feed::constant(name, levels.index_axis(Axis(0), 0).into_dyn())
            }
            (Self::Whole(levels), true) => {
                Feed::constant_i64(name, levels.index_axis(Axis(0), 0).into_dyn())
            }
        }
    }
}
