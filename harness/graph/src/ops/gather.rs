//! Elements by index: Gather, and ScatterElements, which gradients are made of.

use crate::error::Error;
use crate::evaluate::array;
use crate::gradient::Vjp;
use crate::graph::Graph;
use crate::node::Call;
use crate::shape::Element;
use crate::value::{Type, Value, axis};

use super::Array;
use super::cast;
use super::window::corners;

/// The axis, and the sizes before and after it.
fn around(call: &Call<'_>) -> Result<(usize, Vec<usize>, Vec<usize>), String> {
    let shape = call.shape(0)?;
    let at = axis(call.node.int("axis", 0), shape.len())?;
    Ok((at, shape[..at].to_vec(), shape[at + 1..].to_vec()))
}

/// An index counted from the front.
fn index(index: f64, size: usize) -> Result<usize, String> {
    axis(index as i64, size).map_err(|_| format!("expected an index below {size}, got {index}"))
}

pub(crate) fn infer(call: &Call<'_>) -> Result<Vec<Type>, String> {
    let (_, before, after) = around(call)?;
    let shape = [before.as_slice(), call.shape(1)?, &after].concat();
    Ok(vec![Type::new(call.kind(0)?.element, &shape)])
}

pub(crate) fn evaluate(call: &Call<'_>, inputs: &[Option<&Array>]) -> Result<Vec<Array>, String> {
    let x = inputs[0].ok_or("expected an input 0, got none")?;
    let indices = inputs[1].ok_or("expected an input 1, got none")?;
    let (at, before, after) = around(call)?;
    let shape = infer(call)?.remove(0).shape;
    let mut values = Vec::new();
    for lead in corners(&before) {
        for &place in indices {
            let place = index(place, x.shape()[at])?;
            for tail in corners(&after) {
                values.push(x[[lead.as_slice(), &[place], &tail].concat().as_slice()]);
            }
        }
    }
    Ok(vec![array(&shape, values)?])
}

/// Rows are added where they were taken: a product with the indices' one-hot rows, which gives the
/// same bits whatever the number of threads.
pub(crate) fn vjp(vjp: &mut Vjp<'_>) -> Result<Vec<Option<Value>>, Error> {
    let (dy, x, indices) = (vjp.dy()?, vjp.x(0)?, vjp.x(1)?);
    let (at, before, after) = around(&vjp.call()).map_err(|what| vjp.fault(&what))?;
    let graph = &mut *vjp.graph;
    let kind = graph.kind(x).clone();
    let size = kind.shape[at];
    let count = graph.kind(indices).elements();
    let (lead, tail) = (before.iter().product(), after.iter().product());
    let rows = graph.reshape(dy, &[lead, count, tail])?;
    let one = graph
        .literal(indices)
        .and_then(|tensor| tensor.values().ok());
    let sum = if let Some([place]) = one.as_deref() {
        let place = index(*place, size).map_err(|what| graph.operator_fault(vjp.node, what))?;
        graph.pad(rows, &[0, place, 0], &[0, size - 1 - place, 0])?
    } else {
        let chosen = one_hot(graph, indices, size)?;
        let rows_of = cast::to(graph, chosen, kind.element)?;
        graph.op("MatMul", &[rows_of, rows])?
    };
    Ok(vec![Some(graph.reshape(sum, &kind.shape)?), None])
}

/// Truth values `[size, count]`: whether the index is that of the row.
fn one_hot(graph: &mut Graph, indices: Value, size: usize) -> Result<Value, Error> {
    let count = graph.kind(indices).elements();
    let indices = cast::to(graph, indices, Element::I64)?;
    let indices = graph.reshape(indices, &[1, count])?;
    let zero = graph.scalar_like(indices, 0.0)?;
    let whole = graph.scalar_like(indices, size as f64)?;
    let negative = graph.op("Less", &[indices, zero])?;
    let from_front = graph.add(indices, whole)?;
    let indices = graph.op("Where", &[negative, from_front, indices])?;
    let places: Vec<f64> = (0..size).map(|place| place as f64).collect();
    let places = graph.made(&Type::new(Element::I64, &[size, 1]), &places)?;
    graph.op("Equal", &[indices, places])
}

pub(crate) fn infer_scatter(call: &Call<'_>) -> Result<Vec<Type>, String> {
    let (data, updates) = (call.kind(0)?, call.kind(2)?);
    if call.shape(1)? != updates.shape || data.shape.len() != updates.shape.len() {
        return Err(format!(
            "expected an index for each update of {updates}, got {:?} into {data}",
            call.shape(1)?
        ));
    }
    if !matches!(call.node.text("reduction", "none"), "none" | "add") {
        return Err("expected the reduction none or add, got another".to_owned());
    }
    Ok(vec![data.clone()])
}

pub(crate) fn evaluate_scatter(
    call: &Call<'_>,
    inputs: &[Option<&Array>],
) -> Result<Vec<Array>, String> {
    let mut data = inputs[0].ok_or("expected an input 0, got none")?.clone();
    let indices = inputs[1].ok_or("expected an input 1, got none")?;
    let updates = inputs[2].ok_or("expected an input 2, got none")?;
    let at = axis(call.node.int("axis", 0), data.ndim())?;
    let add = call.node.text("reduction", "none") == "add";
    for mut place in corners(updates.shape()) {
        let update = updates[place.as_slice()];
        place[at] = index(indices[place.as_slice()], data.shape()[at])?;
        let element = &mut data[place.as_slice()];
        *element = if add { *element + update } else { update };
    }
    Ok(vec![data])
}
