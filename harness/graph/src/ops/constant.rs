//! Constants and sizes, which are folded as a graph is built.

use ndarray::IxDyn;

use crate::evaluate::array;
use crate::node::Call;
use crate::proto::TensorProto;
use crate::shape::{Element, element_name};
use crate::value::Type;

use super::Array;

pub(crate) fn infer_constant(call: &Call<'_>) -> Result<Vec<Type>, String> {
    let tensor = literal(call)?;
    let element = Element::of(tensor.data_type)
        .ok_or_else(|| format!("expected numbers, got {}", element_name(tensor.data_type)))?;
    let shape: Vec<usize> = tensor.dims.iter().map(|&size| size as usize).collect();
    Ok(vec![Type::new(element, &shape)])
}

pub(crate) fn evaluate_constant(
    call: &Call<'_>,
    _: &[Option<&Array>],
) -> Result<Vec<Array>, String> {
    let tensor = literal(call)?;
    let shape: Vec<usize> = tensor.dims.iter().map(|&size| size as usize).collect();
    Ok(vec![array(&shape, tensor.values()?)?])
}

fn literal(call: &Call<'_>) -> Result<TensorProto, String> {
    let node = call.node;
    if let Some(tensor) = node.attribute("value").and_then(|entry| entry.t.as_ref()) {
        return match tensor.elements() {
            Some(_) => Ok(tensor.clone()),
            None => Err(format!("expected sizes from 0, got {:?}", tensor.dims)),
        };
    }
    if let Some(entry) = node.attribute("value_int") {
        return Ok(TensorProto::i64("", &[], &[entry.i]));
    }
    if let Some(entry) = node.attribute("value_float") {
        return Ok(TensorProto::f32("", &[], &[entry.f]));
    }
    if let Some(list) = node.ints("value_ints") {
        return Ok(TensorProto::i64("", &[list.len()], list));
    }
    if let Some(entry) = node.attribute("value_floats") {
        return Ok(TensorProto::f32("", &[entry.floats.len()], &entry.floats));
    }
    Err("expected a tensor, integers or floats as its value, got another".to_owned())
}

pub(crate) fn infer_filled(call: &Call<'_>) -> Result<Vec<Type>, String> {
    let element = match call
        .node
        .attribute("value")
        .and_then(|entry| entry.t.as_ref())
    {
        Some(tensor) => Element::of(tensor.data_type)
            .ok_or_else(|| format!("expected numbers, got {}", element_name(tensor.data_type)))?,
        None => Element::F32,
    };
    let sizes = call.constant_ints(0)?;
    let shape: Vec<usize> = sizes
        .iter()
        .map(|&size| usize::try_from(size).map_err(|_| format!("expected sizes, got {sizes:?}")))
        .collect::<Result<_, _>>()?;
    Ok(vec![Type::new(element, &shape)])
}

pub(crate) fn evaluate_filled(call: &Call<'_>, _: &[Option<&Array>]) -> Result<Vec<Array>, String> {
    let value = match call
        .node
        .attribute("value")
        .and_then(|entry| entry.t.as_ref())
    {
        Some(tensor) => *tensor
            .values()?
            .first()
            .ok_or("expected one element, got none")?,
        None => 0.0,
    };
    let shape = infer_filled(call)?.remove(0).shape;
    Ok(vec![Array::from_elem(IxDyn(&shape), value)])
}

pub(crate) fn infer_range(call: &Call<'_>) -> Result<Vec<Type>, String> {
    let count = range(call)?.len();
    Ok(vec![Type::new(call.kind(0)?.element, &[count])])
}

pub(crate) fn evaluate_range(call: &Call<'_>, _: &[Option<&Array>]) -> Result<Vec<Array>, String> {
    let values = range(call)?;
    Ok(vec![array(&[values.len()], values)?])
}

fn range(call: &Call<'_>) -> Result<Vec<f64>, String> {
    let bound = |place: usize| match call.constant(place)?.as_slice() {
        [bound] => Ok(*bound),
        list => Err(format!(
            "expected a scalar as input {place}, got {} elements",
            list.len()
        )),
    };
    let (start, limit, step) = (bound(0)?, bound(1)?, bound(2)?);
    let count = ((limit - start) / step).ceil().max(0.0);
    if count.is_nan() || count > 1e7 {
        return Err(format!(
            "expected a finite range, got {start} to {limit} by {step}"
        ));
    }
    Ok((0..count as usize)
        .map(|place| start + step * place as f64)
        .collect())
}

pub(crate) fn infer_shape(call: &Call<'_>) -> Result<Vec<Type>, String> {
    Ok(vec![Type::new(Element::I64, &[sizes(call)?.len()])])
}

pub(crate) fn evaluate_shape(call: &Call<'_>, _: &[Option<&Array>]) -> Result<Vec<Array>, String> {
    let sizes = sizes(call)?;
    Ok(vec![array(&[sizes.len()], sizes)?])
}

fn sizes(call: &Call<'_>) -> Result<Vec<f64>, String> {
    let shape = call.shape(0)?;
    let rank = shape.len() as i64;
    let place = |at: i64| (if at < 0 { at + rank } else { at }).clamp(0, rank) as usize;
    let start = place(call.node.int("start", 0));
    let end = place(call.node.int("end", rank));
    let range = shape.get(start..end).unwrap_or_default();
    Ok(range.iter().map(|&size| size as f64).collect())
}

pub(crate) fn infer_size(call: &Call<'_>) -> Result<Vec<Type>, String> {
    call.kind(0)?;
    Ok(vec![Type::new(Element::I64, &[])])
}

pub(crate) fn evaluate_size(call: &Call<'_>, _: &[Option<&Array>]) -> Result<Vec<Array>, String> {
    Ok(vec![array(&[], vec![call.kind(0)?.elements() as f64])?])
}
