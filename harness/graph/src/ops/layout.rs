//! The same elements in other sizes or order, or repeated.

use ndarray::IxDyn;

use crate::error::Error;
use crate::gradient::Vjp;
use crate::node::Call;
use crate::value::{Type, Value, axis, broadcast, elements};

use super::Array;

/// Reshape, Flatten, Squeeze and Unsqueeze.
pub(crate) fn infer_reshape(call: &Call<'_>) -> Result<Vec<Type>, String> {
    let kind = call.kind(0)?;
    let shape = match call.node.op_type.as_str() {
        "Reshape" => reshaped(call)?,
        "Flatten" => {
            let rank = kind.shape.len() as i64;
            let at = call.node.int("axis", 1);
            let at = if at < 0 { at + rank } else { at };
            if !(0..=rank).contains(&at) {
                return Err(format!("expected an axis of {rank} dimensions, got {at}"));
            }
            let (outer, inner) = kind.shape.split_at(at as usize);
            vec![elements(outer), elements(inner)]
        }
        "Squeeze" => squeezed(call)?,
        _ => unsqueezed(call)?,
    };
    if elements(&shape) != kind.elements() {
        return Err(format!("expected sizes for {kind}, got {shape:?}"));
    }
    Ok(vec![Type::new(kind.element, &shape)])
}

fn reshaped(call: &Call<'_>) -> Result<Vec<usize>, String> {
    let old = call.shape(0)?;
    let sizes = call.constant_ints(1)?;
    let literal = call.node.int("allowzero", 0) == 1;
    let wrong = || format!("expected sizes for {old:?}, got {sizes:?}");
    let mut shape = Vec::new();
    for (place, &size) in sizes.iter().enumerate() {
        shape.push(match size {
            0 if !literal => *old.get(place).ok_or_else(wrong)?,
            -1 => 1,
            _ => usize::try_from(size).map_err(|_| wrong())?,
        });
    }
    if let Some(open) = sizes.iter().position(|&size| size == -1) {
        let rest = elements(&shape);
        let all = elements(old);
        if rest == 0 || !all.is_multiple_of(rest) {
            return Err(wrong());
        }
        shape[open] = all / rest;
    }
    Ok(shape)
}

fn squeezed(call: &Call<'_>) -> Result<Vec<usize>, String> {
    let old = call.shape(0)?;
    let gone: Vec<usize> = match call.axes(1)? {
        Some(axes) => axes
            .iter()
            .map(|&at| axis(at, old.len()))
            .collect::<Result<_, _>>()?,
        None => (0..old.len()).filter(|&at| old[at] == 1).collect(),
    };
    if let Some(&at) = gone.iter().find(|&&at| old[at] != 1) {
        return Err(format!("expected size 1 on axis {at}, got {old:?}"));
    }
    let kept = old.iter().enumerate().filter(|(at, _)| !gone.contains(at));
    Ok(kept.map(|(_, &size)| size).collect())
}

fn unsqueezed(call: &Call<'_>) -> Result<Vec<usize>, String> {
    let old = call.shape(0)?;
    let axes = call.axes(1)?.ok_or("expected axes, got none")?;
    let rank = old.len() + axes.len();
    let new: Vec<usize> = axes
        .iter()
        .map(|&at| axis(at, rank))
        .collect::<Result<_, _>>()?;
    let mut rest = old.iter();
    let size = |at: usize| match new.contains(&at) {
        true => Some(1),
        false => rest.next().copied(),
    };
    let shape: Option<Vec<usize>> = (0..rank).map(size).collect();
    shape.ok_or_else(|| format!("expected axes that are there once each, got {axes:?}"))
}

pub(crate) fn evaluate_reshape(
    call: &Call<'_>,
    inputs: &[Option<&Array>],
) -> Result<Vec<Array>, String> {
    let x = inputs[0].ok_or("expected an input, got none")?;
    let shape = infer_reshape(call)?.remove(0).shape;
    let values = x.iter().copied().collect();
    Ok(vec![crate::evaluate::array(&shape, values)?])
}

pub(crate) fn vjp_reshape(vjp: &mut Vjp<'_>) -> Result<Vec<Option<Value>>, Error> {
    let (dy, x) = (vjp.dy()?, vjp.x(0)?);
    let shape = vjp.graph.shape(x).to_vec();
    Ok(vec![Some(vjp.graph.reshape(dy, &shape)?)])
}

fn order(call: &Call<'_>) -> Result<Vec<usize>, String> {
    let rank = call.shape(0)?.len();
    let Some(perm) = call.node.ints("perm") else {
        return Ok((0..rank).rev().collect());
    };
    let order: Vec<usize> = perm.iter().map(|&axis| axis as usize).collect();
    let mut sorted = order.clone();
    sorted.sort_unstable();
    if !sorted.into_iter().eq(0..rank) {
        return Err(format!("expected an order of {rank} axes, got {perm:?}"));
    }
    Ok(order)
}

pub(crate) fn infer_transpose(call: &Call<'_>) -> Result<Vec<Type>, String> {
    let kind = call.kind(0)?;
    let shape: Vec<usize> = order(call)?.iter().map(|&axis| kind.shape[axis]).collect();
    Ok(vec![Type::new(kind.element, &shape)])
}

pub(crate) fn evaluate_transpose(
    call: &Call<'_>,
    inputs: &[Option<&Array>],
) -> Result<Vec<Array>, String> {
    let x = inputs[0].ok_or("expected an input, got none")?;
    let turned = x.view().permuted_axes(IxDyn(&order(call)?));
    Ok(vec![turned.as_standard_layout().into_owned()])
}

pub(crate) fn vjp_transpose(vjp: &mut Vjp<'_>) -> Result<Vec<Option<Value>>, Error> {
    let dy = vjp.dy()?;
    let order = order(&vjp.call()).map_err(|what| vjp.fault(&what))?;
    let mut back = vec![0; order.len()];
    for (place, axis) in order.into_iter().enumerate() {
        back[axis] = place;
    }
    Ok(vec![Some(vjp.graph.transpose(dy, &back)?)])
}

pub(crate) fn infer_expand(call: &Call<'_>) -> Result<Vec<Type>, String> {
    let kind = call.kind(0)?;
    let sizes = call.constant_ints(1)?;
    let wrong = || format!("expected sizes that {kind} broadcasts to, got {sizes:?}");
    let target: Vec<usize> = sizes
        .iter()
        .map(|&size| usize::try_from(size).map_err(|_| wrong()))
        .collect::<Result<_, _>>()?;
    let shape = broadcast(&kind.shape, &target).ok_or_else(wrong)?;
    Ok(vec![Type::new(kind.element, &shape)])
}

pub(crate) fn evaluate_expand(
    call: &Call<'_>,
    inputs: &[Option<&Array>],
) -> Result<Vec<Array>, String> {
    let x = inputs[0].ok_or("expected an input, got none")?;
    let shape = infer_expand(call)?.remove(0).shape;
    let wide = x
        .broadcast(IxDyn(&shape))
        .ok_or_else(|| format!("cannot broadcast {:?} to {shape:?}", x.shape()))?;
    let values = wide.iter().copied().collect();
    Ok(vec![crate::evaluate::array(&shape, values)?])
}

pub(crate) fn vjp_expand(vjp: &mut Vjp<'_>) -> Result<Vec<Option<Value>>, Error> {
    let (dy, x) = (vjp.dy()?, vjp.x(0)?);
    let shape = vjp.graph.shape(x).to_vec();
    Ok(vec![Some(vjp.graph.sum_to(dy, &shape)?)])
}

fn repeats(call: &Call<'_>) -> Result<Vec<usize>, String> {
    let rank = call.shape(0)?.len();
    let repeats = call.constant_ints(1)?;
    let wrong = || format!("expected {rank} repeats from 0, got {repeats:?}");
    if repeats.len() != rank {
        return Err(wrong());
    }
    repeats
        .iter()
        .map(|&count| usize::try_from(count).map_err(|_| wrong()))
        .collect()
}

pub(crate) fn infer_tile(call: &Call<'_>) -> Result<Vec<Type>, String> {
    let kind = call.kind(0)?;
    let shape: Vec<usize> = kind
        .shape
        .iter()
        .zip(repeats(call)?)
        .map(|(size, count)| size.saturating_mul(count))
        .collect();
    Ok(vec![Type::new(kind.element, &shape)])
}

pub(crate) fn evaluate_tile(
    call: &Call<'_>,
    inputs: &[Option<&Array>],
) -> Result<Vec<Array>, String> {
    let x = inputs[0].ok_or("expected an input, got none")?;
    let shape = infer_tile(call)?.remove(0).shape;
    Ok(vec![Array::from_shape_fn(IxDyn(&shape), |place| {
        let source: Vec<usize> = x
            .shape()
            .iter()
            .enumerate()
            .map(|(axis, size)| place[axis] % size)
            .collect();
        x[IxDyn(&source)]
    })])
}

pub(crate) fn vjp_tile(vjp: &mut Vjp<'_>) -> Result<Vec<Option<Value>>, Error> {
    let (dy, x) = (vjp.dy()?, vjp.x(0)?);
    let repeats = repeats(&vjp.call()).map_err(|what| vjp.fault(&what))?;
    let shape = vjp.graph.shape(x).to_vec();
    let split: Vec<usize> = repeats
        .iter()
        .zip(&shape)
        .flat_map(|(&count, &size)| [count, size])
        .collect();
    let axes: Vec<usize> = (0..shape.len()).map(|axis| 2 * axis).collect();
    let split = vjp.graph.reshape(dy, &split)?;
    let sum = vjp.graph.sum(split, &axes, false)?;
    Ok(vec![Some(vjp.graph.reshape(sum, &shape)?)])
}
