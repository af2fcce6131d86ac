//! What a caller gives to a model for one run.

use ndarray::ArrayViewD;

use crate::Element;

/// One named input of a run.
#[derive(Debug, Clone)]
pub struct Feed<'a> {
    /// Name of the model's input.
    pub name: &'a str,
    /// Its value.
    pub value: Value<'a>,
}

/// The value of an input, borrowed in any memory layout.
#[derive(Debug, Clone)]
pub enum Value<'a> {
    /// One entry a row: shape `[rows, ...]`, cut into microbatches.
    Rows(ArrayViewD<'a, f32>),
    /// Like `Rows`; the last microbatch is filled with zeros instead of the last row.
    RowsThenZeros(ArrayViewD<'a, f32>),
    /// Like `Rows`, of integers.
    RowsI64(ArrayViewD<'a, i64>),
    /// The same for every row, given to the model as it is; rank 0 for a scalar.
    Constant(ArrayViewD<'a, f32>),
    /// Like `Constant`, of integers.
    ConstantI64(ArrayViewD<'a, i64>),
}

impl<'a> Feed<'a> {
    /// One entry a row, `[rows, ...]`.
    pub fn rows(name: &'a str, value: ArrayViewD<'a, f32>) -> Self {
        Self {
            name,
            value: Value::Rows(value),
        }
    }

    /// One entry a row, `[rows, ...]`, and zero for the rows that fill the last microbatch: the
    /// weight of a row in a sum over rows.
    pub fn rows_then_zeros(name: &'a str, value: ArrayViewD<'a, f32>) -> Self {
        Self {
            name,
            value: Value::RowsThenZeros(value),
        }
    }

    /// One integer entry a row, `[rows, ...]`.
    pub fn rows_i64(name: &'a str, value: ArrayViewD<'a, i64>) -> Self {
        Self {
            name,
            value: Value::RowsI64(value),
        }
    }

    /// The same for every row.
    pub fn constant(name: &'a str, value: ArrayViewD<'a, f32>) -> Self {
        Self {
            name,
            value: Value::Constant(value),
        }
    }

    /// The same integers for every row: a rank-0 timestep.
    pub fn constant_i64(name: &'a str, value: ArrayViewD<'a, i64>) -> Self {
        Self {
            name,
            value: Value::ConstantI64(value),
        }
    }
}

impl Value<'_> {
    pub(crate) fn element(&self) -> Element {
        match self {
            Self::Rows(_) | Self::RowsThenZeros(_) | Self::Constant(_) => Element::F32,
            Self::RowsI64(_) | Self::ConstantI64(_) => Element::I64,
        }
    }

    pub(crate) fn shape(&self) -> &[usize] {
        match self {
            Self::Rows(value) | Self::RowsThenZeros(value) | Self::Constant(value) => value.shape(),
            Self::RowsI64(value) | Self::ConstantI64(value) => value.shape(),
        }
    }

    pub(crate) fn is_batched(&self) -> bool {
        !matches!(self, Self::Constant(_) | Self::ConstantI64(_))
    }
}
