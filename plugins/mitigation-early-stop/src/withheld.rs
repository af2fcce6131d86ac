//! Which images are withheld, and which of the others are measured beside them.

use eidetic_sdk::ndarray::{Array4, Axis};
use eidetic_sdk::pixels::{standard_deviation, to_unit};
use eidetic_sdk::random::rng;
use eidetic_sdk::{Error, Result, TrainingSet};
use rand::RngExt;

/// Withheld at least.
const LEAST: usize = 8;

/// EDM's sd, where the images do not tell.
const SIGMA_DATA: f64 = 0.5;

/// Images that are measured.
pub(crate) struct Part {
    /// `[N, C, H, W]` in [-1, 1].
    pub(crate) images: Array4<f32>,
    pub(crate) index: Vec<u64>,
    pub(crate) labels: Option<Vec<i64>>,
}

impl Part {
    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    fn of(data: &TrainingSet<'_>, rows: &[usize]) -> Self {
        Self {
            images: data.images.select(Axis(0), rows).mapv(to_unit),
            index: rows.iter().map(|&row| data.index[row]).collect(),
            labels: data
                .labels
                .map(|labels| rows.iter().map(|&row| labels[row]).collect()),
        }
    }
}

/// Two parts of the same size.
pub(crate) struct Split {
    pub(crate) withheld: Part,
    pub(crate) training: Part,
    /// Standard deviation of the pixels of the whole set in [-1, 1].
    pub(crate) sigma_data: f64,
}

impl Split {
    /// The split, and the rows that are left to train on. Which image goes where depends on the
    /// seed and the identities alone.
    pub(crate) fn of(data: &TrainingSet<'_>, share: f64, seed: u64) -> Result<(Self, Vec<u64>)> {
        let rows = data.index.len();
        let count = ((rows as f64 * share).round() as usize).max(LEAST);
        if rows < 2 * count {
            return Err(Error::bad_input(format!(
                "early-stop: expected at least {} images to withhold {count} of, got {rows}",
                2 * count
            ))
            .with_help("without `patience`, `at_step` withholds none"));
        }
        let key = |&row: &usize| {
            let index = data.index[row];
            (rng(seed, "withheld", index).random::<u64>(), index)
        };
        let mut order: Vec<usize> = (0..rows).collect();
        order.sort_by_cached_key(key);
        let mut keep: Vec<u64> = order[count..].iter().map(|&row| row as u64).collect();
        keep.sort_unstable();
        let levels = data.images.as_standard_layout();
        let sigma_data = match standard_deviation(levels.as_slice().unwrap_or(&[])) {
            0.0 => SIGMA_DATA,
            deviation => deviation,
        };
        let split = Self {
            withheld: Part::of(data, &order[..count]),
            training: Part::of(data, &order[count..2 * count]),
            sigma_data,
        };
        Ok((split, keep))
    }
}
