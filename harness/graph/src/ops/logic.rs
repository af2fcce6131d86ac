//! Comparisons, choices and bounds.

use ndarray::IxDyn;

use crate::error::Error;
use crate::gradient::Vjp;
use crate::node::Call;
use crate::shape::Element;
use crate::value::{Type, Value, broadcast};

use super::Array;
use super::arithmetic::zip;

pub(crate) fn infer_binary(call: &Call<'_>) -> Result<Vec<Type>, String> {
    let (left, right) = (call.kind(0)?, call.kind(1)?);
    if left.element != right.element {
        let what = format!("expected inputs of one element type, got {left} and {right}");
        return Err(what);
    }
    let shape = broadcast(&left.shape, &right.shape).ok_or_else(|| {
        format!("expected inputs that broadcast to each other, got {left} and {right}")
    })?;
    Ok(vec![Type::new(Element::Bool, &shape)])
}

pub(crate) fn evaluate_binary(
    call: &Call<'_>,
    inputs: &[Option<&Array>],
) -> Result<Vec<Array>, String> {
    let function = |a: f64, b: f64| {
        f64::from(u8::from(match call.node.op_type.as_str() {
            "And" => a != 0.0 && b != 0.0,
            "Or" => a != 0.0 || b != 0.0,
            "Xor" => (a != 0.0) != (b != 0.0),
            "Equal" => a == b,
            "Less" => a < b,
            "LessOrEqual" => a <= b,
            "Greater" => a > b,
            _ => a >= b,
        }))
    };
    let a = inputs[0].ok_or("expected an input 0, got none")?;
    let b = inputs[1].ok_or("expected an input 1, got none")?;
    Ok(vec![zip(a, b, function)?])
}

pub(crate) fn infer_unary(call: &Call<'_>) -> Result<Vec<Type>, String> {
    Ok(vec![Type::new(Element::Bool, call.shape(0)?)])
}

pub(crate) fn evaluate_unary(
    call: &Call<'_>,
    inputs: &[Option<&Array>],
) -> Result<Vec<Array>, String> {
    let not = call.node.op_type == "Not";
    let function = |x: f64| f64::from(u8::from(if not { x == 0.0 } else { x.is_nan() }));
    let x = inputs[0].ok_or("expected an input, got none")?;
    Ok(vec![x.mapv(function)])
}

pub(crate) fn infer_where(call: &Call<'_>) -> Result<Vec<Type>, String> {
    let (condition, left, right) = (call.kind(0)?, call.kind(1)?, call.kind(2)?);
    if condition.element != Element::Bool || left.element != right.element {
        return Err(format!(
            "expected a truth value and two of one element type, got {condition}, {left} and \
             {right}"
        ));
    }
    let shape = broadcast(&left.shape, &right.shape)
        .and_then(|shape| broadcast(&shape, &condition.shape))
        .ok_or_else(|| {
            format!("expected inputs that broadcast, got {condition}, {left} and {right}")
        })?;
    Ok(vec![Type::new(left.element, &shape)])
}

pub(crate) fn evaluate_where(
    call: &Call<'_>,
    inputs: &[Option<&Array>],
) -> Result<Vec<Array>, String> {
    let shape = infer_where(call)?.remove(0).shape;
    let spread = |place: usize| {
        inputs[place]
            .and_then(|input| input.broadcast(IxDyn(&shape)))
            .ok_or_else(|| format!("expected an input {place} that broadcasts to {shape:?}"))
    };
    let (condition, left, right) = (spread(0)?, spread(1)?, spread(2)?);
    let chosen = condition
        .iter()
        .zip(left.iter().zip(right.iter()))
        .map(|(&choice, (&left, &right))| if choice == 0.0 { right } else { left })
        .collect();
    Ok(vec![crate::evaluate::array(&shape, chosen)?])
}

pub(crate) fn vjp_where(vjp: &mut Vjp<'_>) -> Result<Vec<Option<Value>>, Error> {
    let (dy, condition) = (vjp.dy()?, vjp.x(0)?);
    let mut made = vec![None];
    for place in 1..3 {
        if !vjp.needs(place) {
            made.push(None);
            continue;
        }
        let x = vjp.x(place)?;
        let graph = &mut *vjp.graph;
        let zero = graph.scalar_like(dy, 0.0)?;
        let choice = match place {
            1 => [condition, dy, zero],
            _ => [condition, zero, dy],
        };
        let chosen = graph.op("Where", &choice)?;
        let shape = graph.shape(x).to_vec();
        made.push(Some(graph.sum_to(chosen, &shape)?));
    }
    Ok(made)
}

pub(crate) fn infer_clip(call: &Call<'_>) -> Result<Vec<Type>, String> {
    let kind = call.kind(0)?;
    for place in (1..3).filter(|&place| call.has(place)) {
        let bound = call.kind(place)?;
        if bound.elements() != 1 || bound.element != kind.element {
            return Err(format!(
                "expected a bound of {} [], got {bound}",
                kind.element
            ));
        }
    }
    Ok(vec![kind.clone()])
}

pub(crate) fn evaluate_clip(_: &Call<'_>, inputs: &[Option<&Array>]) -> Result<Vec<Array>, String> {
    let bound = |place: usize, default: f64| {
        let array = inputs.get(place).copied().flatten();
        array
            .and_then(|array| array.first().copied())
            .unwrap_or(default)
    };
    let (least, most) = (bound(1, f64::NEG_INFINITY), bound(2, f64::INFINITY));
    let x = inputs[0].ok_or("expected an input, got none")?;
    let clip = |x: f64| {
        if x.is_nan() {
            x
        } else {
            x.max(least).min(most)
        }
    };
    Ok(vec![x.mapv(clip)])
}

/// 1 at the bounds themselves, as PyTorch has it.
pub(crate) fn vjp_clip(vjp: &mut Vjp<'_>) -> Result<Vec<Option<Value>>, Error> {
    if vjp.needs(1) || vjp.needs(2) {
        return Err(vjp.fault("expected a gradient of its first input only, got one of a bound"));
    }
    let (mut dx, x) = (vjp.dy()?, vjp.x(0)?);
    for (place, outside) in [(1, "Less"), (2, "Greater")] {
        if !vjp.call().has(place) {
            continue;
        }
        let bound = vjp.x(place)?;
        let graph = &mut *vjp.graph;
        let bound = graph.reshape(bound, &[])?;
        let zero = graph.scalar_like(x, 0.0)?;
        let outside = graph.op(outside, &[x, bound])?;
        dx = graph.op("Where", &[outside, zero, dx])?;
    }
    Ok(vec![Some(dx)])
}
