//! The operators that networks and gradients are mostly made of, by short names.

use crate::error::Error;
use crate::graph::Graph;
use crate::proto::AttributeProto;
use crate::shape::Element;
use crate::value::{Type, Value};

/// Each fails with [`Error::Operator`] where sizes do not fit.
#[allow(clippy::missing_errors_doc, reason = "said once, above")]
impl Graph {
    /// left + right.
    pub fn add(&mut self, left: Value, right: Value) -> Result<Value, Error> {
        self.op("Add", &[left, right])
    }

    /// left - right.
    pub fn sub(&mut self, left: Value, right: Value) -> Result<Value, Error> {
        self.op("Sub", &[left, right])
    }

    /// left * right.
    pub fn mul(&mut self, left: Value, right: Value) -> Result<Value, Error> {
        self.op("Mul", &[left, right])
    }

    /// left / right.
    pub fn div(&mut self, left: Value, right: Value) -> Result<Value, Error> {
        self.op("Div", &[left, right])
    }

    /// factor * value.
    pub fn scale(&mut self, value: Value, factor: f64) -> Result<Value, Error> {
        if factor == 1.0 {
            return Ok(value);
        }
        let factor = self.scalar_like(value, factor)?;
        self.mul(value, factor)
    }

    /// A scalar of the other value's element type.
    pub fn scalar_like(&mut self, other: Value, scalar: f64) -> Result<Value, Error> {
        let kind = Type::new(self.kind(other).element, &[]);
        self.made(&kind, &[scalar])
    }

    /// A list of i64.
    pub fn integers(&mut self, list: &[i64]) -> Result<Value, Error> {
        let values: Vec<f64> = list.iter().map(|&x| x as f64).collect();
        self.made(&Type::new(Element::I64, &[list.len()]), &values)
    }

    /// The same elements in other sizes; the value itself where they are its own.
    pub fn reshape(&mut self, value: Value, shape: &[usize]) -> Result<Value, Error> {
        if self.shape(value) == shape {
            return Ok(value);
        }
        let sizes: Vec<i64> = shape.iter().map(|&size| size as i64).collect();
        let sizes = self.integers(&sizes)?;
        // A size of 0 is 0, not that of the input.
        let literal = match shape.contains(&0) {
            true => vec![AttributeProto::int("allowzero", 1)],
            false => Vec::new(),
        };
        self.op_with("Reshape", &[value, sizes], literal)
    }

    /// Axis `i` of the result is axis `perm[i]` of the value.
    pub fn transpose(&mut self, value: Value, perm: &[usize]) -> Result<Value, Error> {
        if perm.iter().enumerate().all(|(place, &axis)| place == axis) {
            return Ok(value);
        }
        let perm: Vec<i64> = perm.iter().map(|&axis| axis as i64).collect();
        self.op_with(
            "Transpose",
            &[value],
            vec![AttributeProto::ints("perm", &perm)],
        )
    }

    /// The sum over these axes, which stay with size 1 if `keep`.
    pub fn sum(&mut self, value: Value, axes: &[usize], keep: bool) -> Result<Value, Error> {
        if axes.is_empty() {
            return Ok(value);
        }
        let axes: Vec<i64> = axes.iter().map(|&axis| axis as i64).collect();
        let axes = self.integers(&axes)?;
        let keep = AttributeProto::int("keepdims", i64::from(keep));
        self.op_with("ReduceSum", &[value, axes], vec![keep])
    }

    /// The mean over these axes, which stay with size 1.
    pub fn mean(&mut self, value: Value, axes: &[usize]) -> Result<Value, Error> {
        let axes: Vec<i64> = axes.iter().map(|&axis| axis as i64).collect();
        if self.opset < 18 {
            let axes = AttributeProto::ints("axes", &axes);
            return self.op_with("ReduceMean", &[value], vec![axes]);
        }
        let axes = self.integers(&axes)?;
        self.op("ReduceMean", &[value, axes])
    }

    /// A value broadcast from `shape`, summed back to it.
    pub fn sum_to(&mut self, value: Value, shape: &[usize]) -> Result<Value, Error> {
        let got = self.shape(value).to_vec();
        let lead = got.len().saturating_sub(shape.len());
        let axes: Vec<usize> = (0..got.len())
            .filter(|&axis| axis < lead || (shape[axis - lead] == 1 && got[axis] != 1))
            .collect();
        let sum = self.sum(value, &axes, true)?;
        self.reshape(sum, shape)
    }

    /// A value repeated to `shape` by NumPy's rules.
    pub fn expand(&mut self, value: Value, shape: &[usize]) -> Result<Value, Error> {
        if self.shape(value) == shape {
            return Ok(value);
        }
        let sizes: Vec<i64> = shape.iter().map(|&size| size as i64).collect();
        let sizes = self.integers(&sizes)?;
        self.op("Expand", &[value, sizes])
    }

    /// Zeros of this type.
    pub fn zeros(&mut self, kind: &Type) -> Result<Value, Error> {
        let zero = self.made(&Type::new(kind.element, &[]), &[0.0])?;
        self.expand(zero, &kind.shape)
    }

    /// Zeros around a value: so many before and after, by axis.
    pub fn pad(&mut self, value: Value, before: &[usize], after: &[usize]) -> Result<Value, Error> {
        if before.iter().chain(after).all(|&count| count == 0) {
            return Ok(value);
        }
        let pads: Vec<i64> = before.iter().chain(after).map(|&x| x as i64).collect();
        let pads = self.integers(&pads)?;
        self.op("Pad", &[value, pads])
    }

    /// Every `step`th element from `start` on, before `end`, along these axes: `(axis, start, end,
    /// step)`.
    pub fn slice(
        &mut self,
        value: Value,
        ranges: &[(usize, i64, i64, i64)],
    ) -> Result<Value, Error> {
        let shape = self.shape(value);
        let whole = |&(axis, start, end, step): &(usize, i64, i64, i64)| {
            start == 0 && step == 1 && usize::try_from(end).is_ok_and(|end| end >= shape[axis])
        };
        let ranges: Vec<_> = ranges.iter().filter(|range| !whole(range)).collect();
        if ranges.is_empty() {
            return Ok(value);
        }
        let starts: Vec<i64> = ranges.iter().map(|range| range.1).collect();
        let ends: Vec<i64> = ranges.iter().map(|range| range.2).collect();
        let axes: Vec<i64> = ranges.iter().map(|range| range.0 as i64).collect();
        let steps: Vec<i64> = ranges.iter().map(|range| range.3).collect();
        let starts = self.integers(&starts)?;
        let ends = self.integers(&ends)?;
        let axes = self.integers(&axes)?;
        let steps = self.integers(&steps)?;
        self.op("Slice", &[value, starts, ends, axes, steps])
    }

    /// Values one after the other along an axis.
    pub fn concat(&mut self, values: &[Value], axis: usize) -> Result<Value, Error> {
        match values {
            [only] => Ok(*only),
            _ => {
                let axis = AttributeProto::int("axis", axis as i64);
                self.op_with("Concat", values, vec![axis])
            }
        }
    }
}
