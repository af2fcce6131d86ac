//! Matrix products.

use ndarray::{ArrayView2, Ix2, IxDyn};

use crate::error::Error;
use crate::gradient::Vjp;
use crate::graph::Graph;
use crate::node::Call;
use crate::proto::AttributeProto;
use crate::value::{Type, Value, broadcast};

use super::Array;
use super::arithmetic::zip;

pub(crate) fn infer_matmul(call: &Call<'_>) -> Result<Vec<Type>, String> {
    let (left, right) = (call.kind(0)?, call.kind(1)?);
    let wrong = || format!("expected matrices with matching inner sizes, got {left} and {right}");
    if left.element != right.element || left.shape.is_empty() || right.shape.is_empty() {
        return Err(wrong());
    }
    let (a, b) = matrices(&left.shape, &right.shape);
    let (rows, inner) = (a[a.len() - 2], a[a.len() - 1]);
    let (other, columns) = (b[b.len() - 2], b[b.len() - 1]);
    if inner != other {
        return Err(wrong());
    }
    let mut shape = broadcast(&a[..a.len() - 2], &b[..b.len() - 2]).ok_or_else(wrong)?;
    if left.shape.len() > 1 {
        shape.push(rows);
    }
    if right.shape.len() > 1 {
        shape.push(columns);
    }
    Ok(vec![Type::new(left.element, &shape)])
}

/// A list is a row on the left and a column on the right.
fn matrices(left: &[usize], right: &[usize]) -> (Vec<usize>, Vec<usize>) {
    let row = |list: &[usize]| vec![1, list[0]];
    let column = |list: &[usize]| vec![list[0], 1];
    (
        if left.len() == 1 {
            row(left)
        } else {
            left.to_vec()
        },
        if right.len() == 1 {
            column(right)
        } else {
            right.to_vec()
        },
    )
}

pub(crate) fn evaluate_matmul(
    call: &Call<'_>,
    inputs: &[Option<&Array>],
) -> Result<Vec<Array>, String> {
    let a = inputs[0].ok_or("expected an input 0, got none")?;
    let b = inputs[1].ok_or("expected an input 1, got none")?;
    let shape = infer_matmul(call)?.remove(0).shape;
    let (left, right) = matrices(a.shape(), b.shape());
    let lead = |shape: &[usize]| shape[..shape.len() - 2].to_vec();
    let batch = broadcast(&lead(&left), &lead(&right)).ok_or("expected batches that broadcast")?;
    let size = |shape: &[usize]| shape[shape.len() - 2..].to_vec();
    let spread = |array: &Array, shape: &[usize]| {
        let whole = [batch.clone(), size(shape)].concat();
        let array = array.clone().into_shape_with_order(IxDyn(shape)).ok()?;
        let wide = array.broadcast(IxDyn(&whole))?;
        Some(wide.iter().copied().collect::<Vec<f64>>())
    };
    let wide_a = spread(a, &left).ok_or("expected batches that broadcast")?;
    let wide_b = spread(b, &right).ok_or("expected batches that broadcast")?;
    let (m, k) = (size(&left)[0], size(&left)[1]);
    let n = size(&right)[1];
    let mut values = Vec::new();
    for item in 0..batch.iter().product() {
        let matrix = |list: &[f64], rows: usize, columns: usize| {
            let part = &list[item * rows * columns..][..rows * columns];
            ArrayView2::from_shape((rows, columns), part)
                .map(|view| view.to_owned())
                .map_err(|error| error.to_string())
        };
        let product = matrix(&wide_a, m, k)?.dot(&matrix(&wide_b, k, n)?);
        values.extend(product.iter());
    }
    Ok(vec![crate::evaluate::array(&shape, values)?])
}

pub(crate) fn vjp_matmul(vjp: &mut Vjp<'_>) -> Result<Vec<Option<Value>>, Error> {
    let (dy, a, b) = (vjp.dy()?, vjp.x(0)?, vjp.x(1)?);
    let needs = [vjp.needs(0), vjp.needs(1)];
    let graph = &mut *vjp.graph;
    let (a_shape, b_shape) = (graph.shape(a).to_vec(), graph.shape(b).to_vec());
    let (left, right) = matrices(&a_shape, &b_shape);
    let (m, k) = (left[left.len() - 2], left[left.len() - 1]);
    let n = right[right.len() - 1];
    let mut made = vec![None, None];
    if right.len() == 2 {
        // One product over all rows: a weight's gradient needs no sum over the batch.
        let rows = left[..left.len() - 1].iter().product();
        let dy = graph.reshape(dy, &[rows, n])?;
        if needs[0] {
            let b = graph.reshape(b, &right)?;
            let da = gemm(graph, dy, b, [false, true], 1.0)?;
            made[0] = Some(graph.reshape(da, &a_shape)?);
        }
        if needs[1] {
            let a = graph.reshape(a, &[rows, k])?;
            let db = gemm(graph, a, dy, [true, false], 1.0)?;
            made[1] = Some(graph.reshape(db, &b_shape)?);
        }
        return Ok(made);
    }
    let lead = broadcast(&left[..left.len() - 2], &right[..right.len() - 2]).unwrap_or_default();
    let dy = graph.reshape(dy, &[lead, vec![m, n]].concat())?;
    if needs[0] {
        let b = turned(graph, b)?;
        let da = graph.op("MatMul", &[dy, b])?;
        let da = graph.sum_to(da, &left)?;
        made[0] = Some(graph.reshape(da, &a_shape)?);
    }
    if needs[1] {
        let a = graph.reshape(a, &left)?;
        let a = turned(graph, a)?;
        let db = graph.op("MatMul", &[a, dy])?;
        made[1] = Some(graph.sum_to(db, &b_shape)?);
    }
    Ok(made)
}

/// The last two axes change places.
fn turned(graph: &mut Graph, value: Value) -> Result<Value, Error> {
    let rank = graph.shape(value).len();
    let mut perm: Vec<usize> = (0..rank).collect();
    perm.swap(rank - 1, rank - 2);
    graph.transpose(value, &perm)
}

/// alpha a' b', where a dash is a transposition where `turn` says so.
fn gemm(
    graph: &mut Graph,
    a: Value,
    b: Value,
    turn: [bool; 2],
    alpha: f64,
) -> Result<Value, Error> {
    let mut attributes = Vec::new();
    for (name, turn) in ["transA", "transB"].into_iter().zip(turn) {
        if turn {
            attributes.push(AttributeProto::int(name, 1));
        }
    }
    if alpha != 1.0 {
        attributes.push(AttributeProto::float("alpha", alpha as f32));
    }
    graph.op_with("Gemm", &[a, b], attributes)
}

fn turns(call: &Call<'_>) -> [bool; 2] {
    ["transA", "transB"].map(|name| call.node.int(name, 0) != 0)
}

pub(crate) fn infer_gemm(call: &Call<'_>) -> Result<Vec<Type>, String> {
    let (left, right) = (call.kind(0)?, call.kind(1)?);
    let wrong =
        || format!("expected two matrices with matching inner sizes, got {left} and {right}");
    let [turn_a, turn_b] = turns(call);
    let pair = |shape: &[usize], turn: bool| match *shape {
        [a, b] if turn => Some([b, a]),
        [a, b] => Some([a, b]),
        _ => None,
    };
    let [m, k] = pair(&left.shape, turn_a).ok_or_else(wrong)?;
    let [other, n] = pair(&right.shape, turn_b).ok_or_else(wrong)?;
    if k != other || left.element != right.element {
        return Err(wrong());
    }
    if call.has(2) {
        let bias = call.kind(2)?;
        if broadcast(&bias.shape, &[m, n]).as_deref() != Some(&[m, n]) {
            return Err(format!(
                "expected a bias that broadcasts to [{m}, {n}], got {bias}"
            ));
        }
    }
    Ok(vec![Type::new(left.element, &[m, n])])
}

pub(crate) fn evaluate_gemm(
    call: &Call<'_>,
    inputs: &[Option<&Array>],
) -> Result<Vec<Array>, String> {
    let [turn_a, turn_b] = turns(call);
    let matrix = |place: usize, turn: bool| {
        let array = inputs[place].ok_or_else(|| format!("expected an input {place}, got none"))?;
        let view = array.view().into_dimensionality::<Ix2>();
        let view = view.map_err(|error| error.to_string())?;
        Ok::<_, String>(if turn { view.reversed_axes() } else { view })
    };
    let product = matrix(0, turn_a)?.dot(&matrix(1, turn_b)?);
    let product = (product * call.node.float("alpha", 1.0)).into_dyn();
    let beta = call.node.float("beta", 1.0);
    let y = match inputs.get(2).copied().flatten() {
        Some(bias) => zip(&product, bias, |product, bias| product + beta * bias)?,
        None => product,
    };
    Ok(vec![y.as_standard_layout().into_owned()])
}

pub(crate) fn vjp_gemm(vjp: &mut Vjp<'_>) -> Result<Vec<Option<Value>>, Error> {
    let (dy, a, b) = (vjp.dy()?, vjp.x(0)?, vjp.x(1)?);
    let needs = [vjp.needs(0), vjp.needs(1), vjp.needs(2)];
    let [turn_a, turn_b] = turns(&vjp.call());
    let alpha = vjp.node.float("alpha", 1.0);
    let beta = vjp.node.float("beta", 1.0);
    let bias = if needs[2] { Some(vjp.x(2)?) } else { None };
    let graph = &mut *vjp.graph;
    let mut made = vec![None; 3];
    if needs[0] {
        made[0] = Some(match turn_a {
            false => gemm(graph, dy, b, [false, !turn_b], alpha)?,
            true => gemm(graph, b, dy, [turn_b, true], alpha)?,
        });
    }
    if needs[1] {
        made[1] = Some(match turn_b {
            false => gemm(graph, a, dy, [!turn_a, false], alpha)?,
            true => gemm(graph, dy, a, [true, turn_a], alpha)?,
        });
    }
    if let Some(bias) = bias {
        let scaled = graph.scale(dy, beta)?;
        let shape = graph.shape(bias).to_vec();
        made[2] = Some(graph.sum_to(scaled, &shape)?);
    }
    Ok(made)
}
