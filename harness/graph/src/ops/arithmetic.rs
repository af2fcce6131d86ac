//! Arithmetic of two values that are broadcast to each other.

use ndarray::Zip;

use crate::error::Error;
use crate::gradient::Vjp;
use crate::node::Call;
use crate::value::{Type, Value, broadcast};

use super::Array;

pub(crate) fn infer(call: &Call<'_>) -> Result<Vec<Type>, String> {
    let mut kind = call.kind(0)?.clone();
    for place in 1..call.node.inputs.len() {
        let other = call.kind(place)?;
        // Pow alone takes an exponent of another type.
        if kind.element != other.element && call.node.op_type != "Pow" {
            let what = format!("expected inputs of one element type, got {kind} and {other}");
            return Err(what);
        }
        kind.shape = broadcast(&kind.shape, &other.shape).ok_or_else(|| {
            format!("expected inputs that broadcast to each other, got {kind} and {other}")
        })?;
    }
    let count = call.node.inputs.len();
    let many = matches!(call.node.op_type.as_str(), "Max" | "Min");
    match count {
        2 => Ok(vec![kind]),
        1.. if many => Ok(vec![kind]),
        _ => Err(format!("expected 2 inputs, got {count}")),
    }
}

pub(crate) fn evaluate(call: &Call<'_>, inputs: &[Option<&Array>]) -> Result<Vec<Array>, String> {
    let integer = !call.kind(0)?.element.is_float();
    let fmod = call.node.int("fmod", 0) == 1;
    let function = |a: f64, b: f64| match call.node.op_type.as_str() {
        "Add" => a + b,
        "Sub" => a - b,
        "Mul" => a * b,
        "Div" if integer => (a / b).trunc(),
        "Div" => a / b,
        "Pow" => a.powf(b),
        "Max" => a.max(b),
        "Min" => a.min(b),
        "Mod" if fmod => a % b,
        "Mod" => a - b * (a / b).floor(),
        _ => f64::NAN,
    };
    let mut sum = inputs[0].ok_or("expected an input, got none")?.clone();
    for other in &inputs[1..] {
        sum = zip(&sum, other.ok_or("expected an input, got none")?, function)?;
    }
    Ok(vec![sum])
}

/// A function of two arrays that are broadcast to each other.
pub(crate) fn zip(a: &Array, b: &Array, f: impl Fn(f64, f64) -> f64) -> Result<Array, String> {
    let shape = broadcast(a.shape(), b.shape())
        .ok_or_else(|| format!("cannot broadcast {:?} and {:?}", a.shape(), b.shape()))?;
    let spread = |array: &Array| {
        array
            .broadcast(shape.clone())
            .map(|view| view.to_owned())
            .ok_or_else(|| format!("cannot broadcast {:?} to {shape:?}", array.shape()))
    };
    let (mut left, right) = (spread(a)?, spread(b)?);
    Zip::from(&mut left)
        .and(&right)
        .for_each(|a, &b| *a = f(*a, b));
    Ok(left.as_standard_layout().into_owned())
}

pub(crate) fn vjp(vjp: &mut Vjp<'_>) -> Result<Vec<Option<Value>>, Error> {
    let (dy, y) = (vjp.dy()?, vjp.y()?);
    let operands = [vjp.x(0)?, vjp.x(1)?];
    let [a, b] = operands;
    let needs = [vjp.needs(0), vjp.needs(1)];
    let op = vjp.node.op_type.as_str();
    let graph = &mut *vjp.graph;
    let mut made = vec![None, None];
    for place in 0..2 {
        if !needs[place] {
            continue;
        }
        let slope = match (op, place) {
            ("Add", _) | ("Sub", 0) => dy,
            ("Sub", _) => graph.op("Neg", &[dy])?,
            ("Mul", _) => graph.mul(dy, operands[1 - place])?,
            ("Div", 0) => graph.div(dy, b)?,
            ("Div", _) => {
                let ratio = graph.div(y, b)?;
                let product = graph.mul(dy, ratio)?;
                graph.op("Neg", &[product])?
            }
            ("Pow", 0) => base_of_power(graph, dy, a, b)?,
            ("Pow", _) => {
                let log = graph.op("Log", &[a])?;
                let slope = graph.mul(y, log)?;
                // 0^b is 0 for all b > 0, its logarithm is not finite.
                let zero = graph.scalar_like(a, 0.0)?;
                let positive = graph.op("Greater", &[a, zero])?;
                let slope = graph.op("Where", &[positive, slope, zero])?;
                graph.mul(dy, slope)?
            }
            _ => return Err(vjp.fault("expected an operator with a gradient, got another")),
        };
        let shape = graph.shape(operands[place]).to_vec();
        made[place] = Some(graph.sum_to(slope, &shape)?);
    }
    Ok(made)
}

/// dy * b * a^(b - 1); a square stays a product.
fn base_of_power(
    graph: &mut crate::graph::Graph,
    dy: Value,
    a: Value,
    b: Value,
) -> Result<Value, Error> {
    let element = graph.kind(a).element;
    let exponent = graph.literal(b).and_then(|tensor| tensor.values().ok());
    if let Some([exponent]) = exponent.as_deref() {
        let power = match exponent - 1.0 {
            0.0 => None,
            1.0 => Some(a),
            rest => {
                let rest = graph.scalar_like(a, rest)?;
                Some(graph.op("Pow", &[a, rest])?)
            }
        };
        let scaled = graph.scale(dy, *exponent)?;
        return match power {
            Some(power) => graph.mul(scaled, power),
            // Sizes are those of the result, whatever b's.
            None => Ok(scaled),
        };
    }
    let b = super::cast::to(graph, b, element)?;
    let one = graph.scalar_like(b, 1.0)?;
    let rest = graph.sub(b, one)?;
    let power = graph.op("Pow", &[a, rest])?;
    let slope = graph.mul(power, b)?;
    graph.mul(dy, slope)
}
