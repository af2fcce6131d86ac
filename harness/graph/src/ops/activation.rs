//! Functions of one element: activations, roots, exponentials, trigonometry, rounding.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI, PI};

use crate::error::Error;
use crate::gradient::Vjp;
use crate::node::Call;
use crate::value::{Type, Value};

use super::Array;

pub(crate) fn infer(call: &Call<'_>) -> Result<Vec<Type>, String> {
    Ok(vec![call.kind(0)?.clone()])
}

pub(crate) fn evaluate(call: &Call<'_>, inputs: &[Option<&Array>]) -> Result<Vec<Array>, String> {
    let node = call.node;
    let alpha = node.float("alpha", 0.01);
    let tanh_gelu = node.text("approximate", "none") == "tanh";
    let function = |x: f64| match node.op_type.as_str() {
        "Abs" => x.abs(),
        "Ceil" => x.ceil(),
        "Cos" => x.cos(),
        "Erf" => erf(x),
        "Exp" => x.exp(),
        "Floor" => x.floor(),
        "Gelu" if tanh_gelu => {
            let inner = (2.0 / PI).sqrt() * (x + f64::from(0.044715_f32) * x.powi(3));
            0.5 * x * (1.0 + inner.tanh())
        }
        "Gelu" => 0.5 * x * (1.0 + erf(x * FRAC_1_SQRT_2)),
        "LeakyRelu" if x < 0.0 => alpha * x,
        "LeakyRelu" => x,
        "Log" => x.ln(),
        "Neg" => -x,
        "Reciprocal" => 1.0 / x,
        "Relu" if x.is_nan() => x,
        "Relu" => x.max(0.0),
        "Round" => x.round_ties_even(),
        "Sigmoid" => 1.0 / (1.0 + (-x).exp()),
        "Sign" if x == 0.0 => 0.0,
        "Sign" => x.signum(),
        "Sin" => x.sin(),
        "Sqrt" => x.sqrt(),
        "Tanh" => x.tanh(),
        _ => f64::NAN,
    };
    let x = inputs[0].ok_or("expected an input, got none")?;
    Ok(vec![x.mapv(function)])
}

/// Abramowitz and Stegun 7.1.6, whose terms are all of one sign: exact to rounding.
pub(crate) fn erf(x: f64) -> f64 {
    if x.is_nan() {
        return x;
    }
    if x.abs() > 6.0 {
        return x.signum();
    }
    let (mut term, mut sum) = (x, x);
    let mut n = 0.0;
    while term.abs() > 1e-17 * sum.abs() {
        n += 1.0;
        term *= 2.0 * x * x / (2.0 * n + 1.0);
        sum += term;
    }
    FRAC_2_SQRT_PI * (-x * x).exp() * sum
}

pub(crate) fn vjp(vjp: &mut Vjp<'_>) -> Result<Vec<Option<Value>>, Error> {
    let (dy, x, y) = (vjp.dy()?, vjp.x(0)?, vjp.y()?);
    let node = vjp.node;
    let graph = &mut *vjp.graph;
    let dx = match node.op_type.as_str() {
        "Abs" => {
            let sign = graph.op("Sign", &[x])?;
            graph.mul(dy, sign)?
        }
        "Cos" => {
            let sine = graph.op("Sin", &[x])?;
            let product = graph.mul(dy, sine)?;
            graph.op("Neg", &[product])?
        }
        "Erf" => {
            let density = gauss(graph, x, 1.0, FRAC_2_SQRT_PI)?;
            graph.mul(dy, density)?
        }
        "Exp" => graph.mul(dy, y)?,
        "Gelu" => {
            let slope = match node.text("approximate", "none") {
                "tanh" => tanh_gelu_slope(graph, x)?,
                _ => gelu_slope(graph, x)?,
            };
            graph.mul(dy, slope)?
        }
        "LeakyRelu" => {
            let zero = graph.scalar_like(x, 0.0)?;
            let scaled = graph.scale(dy, node.float("alpha", 0.01))?;
            let below = graph.op("Less", &[x, zero])?;
            graph.op("Where", &[below, scaled, dy])?
        }
        "Log" => graph.div(dy, x)?,
        "Neg" => graph.op("Neg", &[dy])?,
        "Reciprocal" => {
            let square = graph.mul(y, y)?;
            let product = graph.mul(dy, square)?;
            graph.op("Neg", &[product])?
        }
        "Relu" => {
            let zero = graph.scalar_like(x, 0.0)?;
            let above = graph.op("Greater", &[y, zero])?;
            graph.op("Where", &[above, dy, zero])?
        }
        "Sigmoid" => {
            // y (1 - y) = y - y^2
            let square = graph.mul(y, y)?;
            let slope = graph.sub(y, square)?;
            graph.mul(dy, slope)?
        }
        "Sin" => {
            let cosine = graph.op("Cos", &[x])?;
            graph.mul(dy, cosine)?
        }
        "Sqrt" => {
            let half = graph.scale(dy, 0.5)?;
            graph.div(half, y)?
        }
        "Tanh" => {
            let square = graph.mul(y, y)?;
            let loss = graph.mul(dy, square)?;
            graph.sub(dy, loss)?
        }
        _ => return Err(vjp.fault("expected a function that has a derivative, got another")),
    };
    Ok(vec![Some(dx)])
}

/// height * exp(-rate * x^2)
fn gauss(
    graph: &mut crate::graph::Graph,
    x: Value,
    rate: f64,
    height: f64,
) -> Result<Value, Error> {
    let square = graph.mul(x, x)?;
    let exponent = graph.scale(square, -rate)?;
    let bell = graph.op("Exp", &[exponent])?;
    graph.scale(bell, height)
}

/// Phi(x) + x phi(x)
fn gelu_slope(graph: &mut crate::graph::Graph, x: Value) -> Result<Value, Error> {
    let scaled = graph.scale(x, FRAC_1_SQRT_2)?;
    let erf = graph.op("Erf", &[scaled])?;
    let half = graph.scale(erf, 0.5)?;
    let offset = graph.scalar_like(x, 0.5)?;
    let below = graph.add(half, offset)?;
    let density = gauss(graph, x, 0.5, 0.5 * FRAC_2_SQRT_PI * FRAC_1_SQRT_2)?;
    let lever = graph.mul(x, density)?;
    graph.add(below, lever)
}

/// With u = sqrt(2/pi) (x + c x^3) and t = tanh u: (1 + t)/2 + x (1 - t^2) u' / 2.
fn tanh_gelu_slope(graph: &mut crate::graph::Graph, x: Value) -> Result<Value, Error> {
    let (root, cubic) = ((2.0 / PI).sqrt(), f64::from(0.044715_f32));
    let square = graph.mul(x, x)?;
    let linear = graph.scalar_like(x, root)?;
    let rest = graph.scale(square, root * cubic)?;
    let inner = graph.add(rest, linear)?;
    let inner = graph.mul(inner, x)?;
    let tanh = graph.op("Tanh", &[inner])?;
    let rest = graph.scale(square, 3.0 * root * cubic)?;
    let inner_slope = graph.add(rest, linear)?;
    let tanh_square = graph.mul(tanh, tanh)?;
    let one = graph.scalar_like(x, 1.0)?;
    let tanh_slope = graph.sub(one, tanh_square)?;
    let lever = graph.mul(tanh_slope, inner_slope)?;
    let lever = graph.mul(lever, x)?;
    let sum = graph.add(tanh, lever)?;
    let sum = graph.add(sum, one)?;
    graph.scale(sum, 0.5)
}
