//! Sums, means and extremes over axes.

use ndarray::Axis;

use crate::error::Error;
use crate::gradient::Vjp;
use crate::node::Call;
use crate::value::{Type, Value, axis};

use super::Array;

/// The axes that go, in order. Without axes all go, unless `noop_with_empty_axes`.
fn gone(call: &Call<'_>) -> Result<Vec<usize>, String> {
    let rank = call.shape(0)?.len();
    let axes = call.axes(1)?.unwrap_or_default();
    if axes.is_empty() {
        let noop = call.node.int("noop_with_empty_axes", 0) == 1;
        return Ok(if noop {
            Vec::new()
        } else {
            (0..rank).collect()
        });
    }
    let mut gone = axes
        .iter()
        .map(|&at| axis(at, rank))
        .collect::<Result<Vec<_>, _>>()?;
    gone.sort_unstable();
    gone.dedup();
    Ok(gone)
}

pub(crate) fn infer(call: &Call<'_>) -> Result<Vec<Type>, String> {
    let kind = call.kind(0)?;
    let gone = gone(call)?;
    let keep = call.node.int("keepdims", 1) == 1;
    let size = |(at, &size): (usize, &usize)| match gone.contains(&at) {
        true => keep.then_some(1),
        false => Some(size),
    };
    let shape: Vec<usize> = kind.shape.iter().enumerate().filter_map(size).collect();
    Ok(vec![Type::new(kind.element, &shape)])
}

pub(crate) fn evaluate(call: &Call<'_>, inputs: &[Option<&Array>]) -> Result<Vec<Array>, String> {
    let mut y = inputs[0].ok_or("expected an input, got none")?.clone();
    let op = call.node.op_type.as_str();
    let mut count = 1;
    for at in gone(call)? {
        count *= y.shape()[at];
        let (start, join): (f64, fn(f64, f64) -> f64) = match op {
            "ReduceMax" => (f64::NEG_INFINITY, f64::max),
            "ReduceMin" => (f64::INFINITY, f64::min),
            "ReduceProd" => (1.0, |a, b| a * b),
            _ => (0.0, |a, b| a + b),
        };
        y = y
            .fold_axis(Axis(at), start, |&a, &b| join(a, b))
            .insert_axis(Axis(at));
    }
    if op == "ReduceMean" {
        y.mapv_inplace(|sum| sum / count as f64);
    }
    let shape = infer(call)?.remove(0).shape;
    let values = y.iter().copied().collect();
    Ok(vec![crate::evaluate::array(&shape, values)?])
}

pub(crate) fn vjp(vjp: &mut Vjp<'_>) -> Result<Vec<Option<Value>>, Error> {
    let (dy, x) = (vjp.dy()?, vjp.x(0)?);
    let gone = gone(&vjp.call()).map_err(|what| vjp.fault(&what))?;
    let graph = &mut *vjp.graph;
    let shape = graph.shape(x).to_vec();
    let mut kept = shape.clone();
    gone.iter().for_each(|&at| kept[at] = 1);
    let count: usize = gone.iter().map(|&at| shape[at]).product();
    let dy = match vjp.node.op_type.as_str() {
        "ReduceMean" => graph.scale(dy, 1.0 / count as f64)?,
        _ => dy,
    };
    let dy = graph.reshape(dy, &kept)?;
    Ok(vec![Some(graph.expand(dy, &shape)?)])
}
