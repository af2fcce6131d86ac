//! Points in the coordinates of an embedding, row after row.

use super::kernel::GROUP;

/// The largest relative rounding of one operation in f32.
pub(crate) const UNIT_ROUNDOFF: f64 = 1.0 / (1_u64 << 24) as f64;

/// Rows of `head` coordinates, which a first bound compares, and of `tail` coordinates, which
/// take the place of the last one of the head in a second, tighter one (none: no second bound).
///
/// What is bounded are the distances between exact points; a row lies within `errors` of its own.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cloud {
    pub(crate) columns: usize,
    pub(crate) tail_columns: usize,
    pub(crate) head: Vec<f32>,
    pub(crate) tail: Vec<f32>,
    pub(crate) errors: Vec<f64>,
}

impl Cloud {
    /// The rows of clouds of one shape, one after the other; of none, none.
    pub(crate) fn joined(clouds: Vec<Self>) -> Self {
        let mut joined = Self::default();
        for cloud in clouds {
            joined.columns = cloud.columns;
            joined.tail_columns = cloud.tail_columns;
            joined.head.extend_from_slice(&cloud.head);
            joined.tail.extend_from_slice(&cloud.tail);
            joined.errors.extend_from_slice(&cloud.errors);
        }
        joined
    }

    pub(crate) fn len(&self) -> usize {
        self.errors.len()
    }

    pub(crate) fn head(&self, row: usize) -> &[f32] {
        &self.head[row * self.columns..(row + 1) * self.columns]
    }

    pub(crate) fn tail(&self, row: usize) -> &[f32] {
        &self.tail[row * self.tail_columns..(row + 1) * self.tail_columns]
    }

    /// |head|^2, its own rounding far below that of f32.
    pub(crate) fn squared_norm(&self, row: usize) -> f64 {
        self.head(row).iter().map(|&x| f64::from(x).powi(2)).sum()
    }

    /// The heads of up to [`GROUP`] rows as [columns][GROUP], zeros where there are fewer.
    pub(crate) fn write_group(&self, rows: &[usize], group: &mut [f32]) {
        group.fill(0.0);
        for (place, &row) in rows.iter().enumerate() {
            for (column, &x) in self.head(row).iter().enumerate() {
                group[column * GROUP + place] = x;
            }
        }
    }
}
