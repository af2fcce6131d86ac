//! Softmax and its logarithm along one axis.

use ndarray::Axis;

use crate::error::Error;
use crate::gradient::Vjp;
use crate::node::Call;
use crate::value::{Type, Value, axis};

use super::Array;

fn along(call: &Call<'_>) -> Result<usize, String> {
    axis(call.node.int("axis", -1), call.shape(0)?.len())
}

pub(crate) fn infer(call: &Call<'_>) -> Result<Vec<Type>, String> {
    along(call)?;
    Ok(vec![call.kind(0)?.clone()])
}

pub(crate) fn evaluate(call: &Call<'_>, inputs: &[Option<&Array>]) -> Result<Vec<Array>, String> {
    let mut y = inputs[0].ok_or("expected an input, got none")?.clone();
    let log = call.node.op_type == "LogSoftmax";
    for mut lane in y.lanes_mut(Axis(along(call)?)) {
        let most = lane.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = lane.iter().map(|x| (x - most).exp()).sum();
        lane.mapv_inplace(|x| match log {
            true => x - most - sum.ln(),
            false => (x - most).exp() / sum,
        });
    }
    Ok(vec![y])
}

/// Softmax: y (dy - sum dy y). Its logarithm: dy - exp(y) sum dy.
pub(crate) fn vjp(vjp: &mut Vjp<'_>) -> Result<Vec<Option<Value>>, Error> {
    let (dy, y) = (vjp.dy()?, vjp.y()?);
    let axis = along(&vjp.call()).map_err(|what| vjp.fault(&what))?;
    let graph = &mut *vjp.graph;
    let dx = if vjp.node.op_type == "LogSoftmax" {
        let sum = graph.sum(dy, &[axis], true)?;
        let shares = graph.op("Exp", &[y])?;
        let back = graph.mul(shares, sum)?;
        graph.sub(dy, back)?
    } else {
        let weighted = graph.mul(dy, y)?;
        let sum = graph.sum(weighted, &[axis], true)?;
        let back = graph.mul(y, sum)?;
        graph.sub(weighted, back)?
    };
    Ok(vec![Some(dx)])
}
