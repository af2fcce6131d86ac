//! What a denoiser works on, as ndarray views.

use eidetic_abi::model as abi;
use ndarray::{ArrayView, ArrayView4, ArrayViewD, Dimension, IxDyn};

pub use eidetic_abi::model::Condition;

use crate::error::{Error, Result};
use crate::view;
use eidetic_abi::tensor::{Element, ElementType, TensorRef};

/// B rows that do not know of each other.
#[derive(Clone, Copy)]
pub struct Batch<'a> {
    /// `[B, C (+ extra), H, W]`, variance exploding: x0 + sigma n, x0 in [-1, 1].
    pub x: ArrayView4<'a, f32>,
    /// Noise level of each row, `[B]`.
    pub sigma: &'a [f32],
    /// Identity of each row, `[B]`: the same sample keeps its id in any batch.
    pub row_id: &'a [u64],
    /// Named conditions; none means unconditional.
    pub conditions: &'a [Condition<'a>],
}

impl<'a> Batch<'a> {
    /// Rows without conditions.
    pub fn unconditional(x: ArrayView4<'a, f32>, sigma: &'a [f32], row_id: &'a [u64]) -> Self {
        Self {
            x,
            sigma,
            row_id,
            conditions: &[],
        }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.sigma.len()
    }

    /// The condition of a name.
    pub fn condition(&self, name: &str) -> Option<&'a Condition<'a>> {
        self.conditions
            .iter()
            .find(|condition| condition.name.as_str() == name)
    }

    pub(crate) fn from_abi(batch: &abi::Batch<'a>) -> Result<Self> {
        let batch = Self {
            x: view::read4(&batch.x, "x")?,
            sigma: batch.sigma.as_slice(),
            row_id: batch.row_id.as_slice(),
            conditions: batch.conditions.as_slice(),
        };
        batch.check()?;
        Ok(batch)
    }

    pub(crate) fn to_abi(self) -> Result<abi::Batch<'a>> {
        self.check()?;
        Ok(abi::Batch {
            x: view::tensor(self.x, "x")?,
            sigma: self.sigma.into(),
            row_id: self.row_id.into(),
            conditions: self.conditions.into(),
        })
    }

    fn check(&self) -> Result<()> {
        let rows = self.x.shape()[0];
        if self.sigma.len() != rows || self.row_id.len() != rows {
            return Err(Error::bad_input(format!(
                "expected {rows} sigmas and row ids, one a row of x, got {} and {}",
                self.sigma.len(),
                self.row_id.len()
            )));
        }
        for condition in self.conditions {
            let shape = condition.value.shape();
            if shape.dims().next() != Some(rows) || condition.null.len() != rows {
                let dims: Vec<usize> = shape.dims().collect();
                return Err(Error::bad_input(format!(
                    "condition {}: expected {rows} rows and null flags, got shape {dims:?} and {}",
                    condition.name,
                    condition.null.len()
                )));
            }
        }
        Ok(())
    }
}

/// A condition over borrowed values `[B, dims...]` and null flags `[B]`.
///
/// # Errors
/// Values that are not contiguous in row-major order.
pub fn condition<'a, T: Element, D: Dimension>(
    name: &'a str,
    value: ArrayView<'a, T, D>,
    null: &'a [u8],
) -> Result<Condition<'a>> {
    Ok(Condition {
        name: name.into(),
        value: view::tensor(value, name)?,
        null: null.into(),
    })
}

/// The values of a condition, `[B, dims...]`.
///
/// # Errors
/// Values of another element type.
pub fn condition_values<'a, T: Element>(condition: &Condition<'a>) -> Result<ArrayViewD<'a, T>> {
    let dims: Vec<usize> = condition.value.shape().dims().collect();
    view::read(&condition.value, IxDyn(&dims), condition.name.as_str())
}

/// Some rows of a condition, owned.
pub struct ConditionRows {
    name: String,
    dims: Vec<usize>,
    values: Values,
    null: Vec<u8>,
}

enum Values {
    F32(Vec<f32>),
    I64(Vec<i64>),
    U8(Vec<u8>),
}

impl ConditionRows {
    /// Borrowed as a condition of a batch of these rows.
    ///
    /// # Errors
    /// None where the rows came from [`condition_rows`].
    pub fn as_condition(&self) -> Result<Condition<'_>> {
        let value = match &self.values {
            Values::F32(values) => TensorRef::new(values, &self.dims),
            Values::I64(values) => TensorRef::new(values, &self.dims),
            Values::U8(values) => TensorRef::new(values, &self.dims),
        };
        let value = value.ok_or_else(|| Error::bad_input("a condition without its rows"))?;
        Ok(Condition {
            name: self.name.as_str().into(),
            value,
            null: self.null.as_slice().into(),
        })
    }
}

/// The rows `rows` of a condition, in that order.
///
/// # Errors
/// A row that is not there.
pub fn condition_rows(condition: &Condition<'_>, rows: &[usize]) -> Result<ConditionRows> {
    let mut dims: Vec<usize> = condition.value.shape().dims().collect();
    let count = dims.first().copied().unwrap_or(0);
    if let Some(row) = rows
        .iter()
        .find(|&&row| row >= count.min(condition.null.len()))
    {
        let name = &condition.name;
        return Err(Error::bad_input(format!(
            "condition {name}: row {row} of {count}"
        )));
    }
    fn pick<T: Element>(condition: &Condition<'_>, rows: &[usize], count: usize) -> Result<Vec<T>> {
        let values = condition_values::<T>(condition)?;
        let flat = values.to_slice().unwrap_or_default();
        let each = flat.len().checked_div(count).unwrap_or(0);
        Ok(rows
            .iter()
            .flat_map(|&row| &flat[row * each..(row + 1) * each])
            .copied()
            .collect())
    }
    let values = match condition.value.element() {
        ElementType::F32 => Values::F32(pick(condition, rows, count)?),
        ElementType::I64 => Values::I64(pick(condition, rows, count)?),
        ElementType::U8 => Values::U8(pick(condition, rows, count)?),
    };
    if let Some(first) = dims.first_mut() {
        *first = rows.len();
    }
    let null = rows.iter().map(|&row| condition.null[row]).collect();
    Ok(ConditionRows {
        name: condition.name.to_string(),
        dims,
        values,
        null,
    })
}
