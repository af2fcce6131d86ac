//! Values passed on: Identity, Dropout as in inference, and casts.

use crate::error::Error;
use crate::gradient::Vjp;
use crate::graph::Graph;
use crate::node::Call;
use crate::proto::AttributeProto;
use crate::shape::{Element, element_name};
use crate::value::{Type, Value};

use super::Array;

pub(crate) fn infer_same(call: &Call<'_>) -> Result<Vec<Type>, String> {
    let kind = call.kind(0)?.clone();
    if call.node.op_type == "Dropout" {
        if call.has(2) && call.constant(2)?.iter().any(|&training| training != 0.0) {
            return Err("expected training_mode false, got true".to_owned());
        }
        let mask = Type::new(Element::Bool, &kind.shape);
        return Ok(vec![kind, mask]);
    }
    Ok(vec![kind])
}

pub(crate) fn evaluate_same(
    call: &Call<'_>,
    inputs: &[Option<&Array>],
) -> Result<Vec<Array>, String> {
    let x = inputs[0].ok_or("expected an input, got none")?;
    match call.node.op_type.as_str() {
        "Dropout" => Ok(vec![x.clone(), Array::ones(x.raw_dim())]),
        _ => Ok(vec![x.clone()]),
    }
}

pub(crate) fn vjp_same(vjp: &mut Vjp<'_>) -> Result<Vec<Option<Value>>, Error> {
    Ok(vec![Some(vjp.dy()?)])
}

pub(crate) fn infer(call: &Call<'_>) -> Result<Vec<Type>, String> {
    let shape = call.shape(0)?;
    let element = match call.node.op_type.as_str() {
        "CastLike" => call.kind(1)?.element,
        _ => {
            let to = call.node.int("to", 0) as i32;
            Element::of(to).ok_or_else(|| {
                format!(
                    "expected a cast to numbers or truth values, got {}",
                    element_name(to)
                )
            })?
        }
    };
    Ok(vec![Type::new(element, shape)])
}

pub(crate) fn evaluate(call: &Call<'_>, inputs: &[Option<&Array>]) -> Result<Vec<Array>, String> {
    let x = inputs[0].ok_or("expected an input, got none")?;
    let element = infer(call)?[0].element;
    Ok(vec![x.mapv(|x| match element {
        Element::F16 | Element::F32 | Element::F64 => x,
        Element::Bool => f64::from(u8::from(x != 0.0)),
        Element::I64 | Element::I32 | Element::U8 => x.trunc(),
    })])
}

pub(crate) fn vjp(vjp: &mut Vjp<'_>) -> Result<Vec<Option<Value>>, Error> {
    let dy = vjp.dy()?;
    let element = vjp.graph.kind(vjp.x(0)?).element;
    Ok(vec![Some(to(vjp.graph, dy, element)?)])
}

/// The value in this element type.
pub(crate) fn to(graph: &mut Graph, value: Value, element: Element) -> Result<Value, Error> {
    if graph.kind(value).element == element {
        return Ok(value);
    }
    let to = AttributeProto::int("to", i64::from(element.data_type()));
    graph.op_with("Cast", &[value], vec![to])
}
