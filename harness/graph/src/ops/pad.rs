//! Pad in its four modes; a negative count crops.

use crate::error::Error;
use crate::evaluate::array;
use crate::gradient::Vjp;
use crate::graph::Graph;
use crate::node::Call;
use crate::value::{Type, Value, axis};

use super::Array;
use super::window::{MOST_COUNT, corners};

/// How many elements come before and after, by axis.
fn counts(call: &Call<'_>) -> Result<Vec<(i64, i64)>, String> {
    let rank = call.shape(0)?.len();
    let pads = call.constant_ints(1)?;
    let axes: Vec<usize> = match call.has(3) {
        true => call
            .constant_ints(3)?
            .iter()
            .map(|&at| axis(at, rank))
            .collect::<Result<_, _>>()?,
        false => (0..rank).collect(),
    };
    if pads.len() != 2 * axes.len() {
        return Err(format!(
            "expected pads for {} axes, got {pads:?}",
            axes.len()
        ));
    }
    let most = MOST_COUNT as i64;
    if pads.iter().any(|pad| !(-most..=most).contains(pad)) {
        return Err(format!("expected pads of at most {most}, got {pads:?}"));
    }
    let mut counts = vec![(0, 0); rank];
    for (place, &at) in axes.iter().enumerate() {
        counts[at] = (pads[place], pads[place + axes.len()]);
    }
    Ok(counts)
}

/// For each element of the result along an axis, the one that it is from; `None` for the constant.
fn sources(call: &Call<'_>) -> Result<Vec<Vec<Option<usize>>>, String> {
    let mode = call.node.text("mode", "constant");
    let on_axis = |(&size, (before, after)): (&usize, (i64, i64))| {
        let size = size as i64;
        let source = |place: i64| {
            let inside = match mode {
                "constant" => place,
                "edge" => place.clamp(0, size - 1),
                "wrap" => place.rem_euclid(size),
                "reflect" => (size - 1) - ((size - 1) - place.abs()).abs(),
                _ => return Err(format!("expected a mode of padding, got {mode:?}")),
            };
            Ok((0..size).contains(&inside).then_some(inside as usize))
        };
        let range = match mode {
            // What is cropped is no edge and is not reflected.
            "constant" => -before..size + after,
            _ if before < 0 || after < 0 || size == 0 => {
                return Err(format!(
                    "expected pads from 0 for the mode {mode}, got less"
                ));
            }
            "reflect" if before.max(after) >= size => {
                return Err(format!(
                    "expected pads below {size} for the mode reflect, got {before} and {after}"
                ));
            }
            _ => -before..size + after,
        };
        range.map(source).collect()
    };
    call.shape(0)?
        .iter()
        .zip(counts(call)?)
        .map(on_axis)
        .collect()
}

pub(crate) fn infer(call: &Call<'_>) -> Result<Vec<Type>, String> {
    let shape: Vec<usize> = sources(call)?.iter().map(Vec::len).collect();
    Ok(vec![Type::new(call.kind(0)?.element, &shape)])
}

pub(crate) fn evaluate(call: &Call<'_>, inputs: &[Option<&Array>]) -> Result<Vec<Array>, String> {
    let x = inputs[0].ok_or("expected an input, got none")?;
    let constant = inputs.get(2).copied().flatten();
    let constant = constant
        .and_then(|array| array.first().copied())
        .unwrap_or(0.0);
    let sources = sources(call)?;
    let shape: Vec<usize> = sources.iter().map(Vec::len).collect();
    let value = |place: Vec<usize>| {
        let from: Option<Vec<usize>> = place
            .iter()
            .zip(&sources)
            .map(|(&at, sources)| sources[at])
            .collect();
        from.map_or(constant, |from| x[from.as_slice()])
    };
    Ok(vec![array(
        &shape,
        corners(&shape).into_iter().map(value).collect(),
    )?])
}

pub(crate) fn vjp(vjp: &mut Vjp<'_>) -> Result<Vec<Option<Value>>, Error> {
    if vjp.needs(2) {
        return Err(vjp.fault("expected a gradient of its first input only, got another"));
    }
    let (mut dx, x) = (vjp.dy()?, vjp.x(0)?);
    let shape = vjp.graph.shape(x).to_vec();
    let counts = counts(&vjp.call()).map_err(|what| vjp.fault(&what))?;
    let sources = sources(&vjp.call()).map_err(|what| vjp.fault(&what))?;
    let graph = &mut *vjp.graph;
    if vjp.node.text("mode", "constant") == "constant" {
        let crop = |(at, &(before, _)): (usize, &(i64, i64))| {
            let start = before.max(0);
            let first = (-before).max(0);
            let kept = sources[at].iter().flatten().count() as i64;
            (
                (at, start, start + kept, 1),
                first as usize,
                shape[at] - (first + kept) as usize,
            )
        };
        let plan: Vec<_> = counts.iter().enumerate().map(crop).collect();
        let ranges: Vec<_> = plan.iter().map(|part| part.0).collect();
        let before: Vec<_> = plan.iter().map(|part| part.1).collect();
        let after: Vec<_> = plan.iter().map(|part| part.2).collect();
        dx = graph.slice(dx, &ranges)?;
        dx = graph.pad(dx, &before, &after)?;
        return Ok(vec![Some(dx), None, None, None]);
    }
    for (at, sources) in sources.iter().enumerate() {
        if counts[at] == (0, 0) {
            continue;
        }
        let size = shape[at];
        let mut matrix = vec![0.0; size * sources.len()];
        for (place, source) in sources.iter().enumerate() {
            if let Some(source) = source {
                matrix[source * sources.len() + place] = 1.0;
            }
        }
        dx = along(graph, dx, at, size, &matrix)?;
    }
    Ok(vec![Some(dx), None, None, None])
}

/// The product of a constant matrix of `rows` rows with the elements along one axis.
pub(crate) fn along(
    graph: &mut Graph,
    value: Value,
    at: usize,
    rows: usize,
    matrix: &[f64],
) -> Result<Value, Error> {
    let kind = graph.kind(value).clone();
    let columns = kind.shape[at];
    let before: usize = kind.shape[..at].iter().product();
    let after: usize = kind.shape[at + 1..].iter().product();
    let product = if after == 1 {
        let turned: Vec<f64> = (0..rows * columns)
            .map(|place| matrix[place % rows * columns + place / rows])
            .collect();
        let matrix = graph.made(&Type::new(kind.element, &[columns, rows]), &turned)?;
        let lanes = graph.reshape(value, &[before, columns])?;
        graph.op("MatMul", &[lanes, matrix])?
    } else {
        let matrix = graph.made(&Type::new(kind.element, &[rows, columns]), matrix)?;
        let lanes = graph.reshape(value, &[before, columns, after])?;
        graph.op("MatMul", &[matrix, lanes])?
    };
    let mut shape = kind.shape;
    shape[at] = rows;
    graph.reshape(product, &shape)
}
