//! The adjoint of a convolution with respect to its weight.

use crate::error::Error;
use crate::graph::Graph;
use crate::proto::AttributeProto;
use crate::value::Value;

use super::window::{Window, corners};

/// The weight's gradient from the input and the gradient of the output.
pub(crate) fn weight_gradient(
    graph: &mut Graph,
    x: Value,
    dy: Value,
    window: &Window,
    groups: usize,
) -> Result<Value, Error> {
    match groups == 1 && window.strides.iter().all(|&stride| stride == 1) {
        true => by_rows(graph, x, dy, window),
        false => by_tap(graph, x, dy, window, groups),
    }
}

/// With stride 1 and one group the first axis of the kernel is shifted in the output's gradient and
/// the others in the input: of 3 x 3 taps that leaves three copies of each instead of nine, three
/// products of more rows, and half the time or less of [`by_tap`] in ONNX Runtime.
fn by_rows(graph: &mut Graph, x: Value, dy: Value, window: &Window) -> Result<Value, Error> {
    let x_shape = graph.shape(x).to_vec();
    let y_shape = graph.shape(dy).to_vec();
    let (rank, images) = (window.kernel.len(), x_shape[0]);
    let (c, m) = (x_shape[1], y_shape[1]);
    let mut before = vec![0; 2 + rank];
    let mut after = vec![0; 2 + rank];
    for axis in 0..rank {
        let reach = y_shape[2 + axis] - 1 + window.span(axis);
        before[2 + axis] = window.before[axis];
        after[2 + axis] = reach.saturating_sub(x_shape[2 + axis] + window.before[axis]);
    }
    let channels_first: Vec<usize> = [1, 0].into_iter().chain(2..2 + rank).collect();
    let x = graph.transpose(x, &channels_first)?;
    let x = graph.pad(x, &before, &after)?;
    let dy = graph.transpose(dy, &channels_first)?;
    // Output padding of a transposed convolution is under no tap.
    let rows = y_shape[2] - 1 + window.span(0);
    let x = graph.slice(x, &[(2, 0, rows as i64, 1)])?;
    let all = images * rows * y_shape[3..].iter().product::<usize>();

    let mut shifted = Vec::new();
    for row in 0..window.kernel[0] {
        let mut before = vec![0; 2 + rank];
        let mut after = vec![0; 2 + rank];
        before[2] = row * window.dilations[0];
        after[2] = window.span(0) - 1 - before[2];
        shifted.push(graph.pad(dy, &before, &after)?);
    }
    let shifted = graph.concat(&shifted, 0)?;
    let shifted = graph.reshape(shifted, &[window.kernel[0] * m, all])?;

    let mut columns = Vec::new();
    for tap in corners(&window.kernel[1..]) {
        let range = |axis: usize| {
            let start = tap[axis] * window.dilations[1 + axis];
            (
                3 + axis,
                start as i64,
                (start + y_shape[3 + axis]) as i64,
                1,
            )
        };
        let ranges: Vec<_> = (0..rank - 1).map(range).collect();
        let under = graph.slice(x, &ranges)?;
        let under = graph.reshape(under, &[c, all])?;
        let turn = vec![AttributeProto::int("transB", 1)];
        let product = graph.op_with("Gemm", &[shifted, under], turn)?;
        columns.push(graph.reshape(product, &[window.kernel[0], m, c, 1])?);
    }
    let weight = graph.concat(&columns, 3)?;
    let weight = graph.transpose(weight, &[1, 2, 0, 3])?;
    graph.reshape(weight, &[&[m, c], window.kernel.as_slice()].concat())
}

/// For each tap a product of the gradient with the elements
/// under that tap, over all images and positions at once.
fn by_tap(
    graph: &mut Graph,
    x: Value,
    dy: Value,
    window: &Window,
    groups: usize,
) -> Result<Value, Error> {
    let x_shape = graph.shape(x).to_vec();
    let y_shape = graph.shape(dy).to_vec();
    let (rank, images) = (window.kernel.len(), x_shape[0]);
    let (c, m) = (x_shape[1] / groups, y_shape[1] / groups);
    let (sizes, positions) = (&x_shape[2..], &y_shape[2..]);
    let all: usize = images * positions.iter().product::<usize>();

    let mut before = vec![0; 2 + rank];
    let mut after = vec![0; 2 + rank];
    for axis in 0..rank {
        let reach = (positions[axis] - 1) * window.strides[axis] + window.span(axis);
        before[2 + axis] = window.before[axis];
        after[2 + axis] = reach.saturating_sub(sizes[axis] + window.before[axis]);
    }
    let padded = graph.pad(x, &before, &after)?;
    let padded_sizes = graph.shape(padded)[2..].to_vec();
    let padded = graph.reshape(
        padded,
        &[&[images, groups, c], padded_sizes.as_slice()].concat(),
    )?;
    // Channels last, so that what lies under a tap is a matrix as it stands.
    let perm: Vec<usize> = [1, 0].into_iter().chain(3..3 + rank).chain([2]).collect();
    let padded = graph.transpose(padded, &perm)?;
    let rows = graph.reshape(dy, &[images, groups, m, all / images.max(1)])?;
    let rows = graph.transpose(rows, &[1, 2, 0, 3])?;
    let rows = graph.reshape(rows, &[groups, m, all])?;

    let mut taps = Vec::new();
    for tap in corners(&window.kernel) {
        let range = |axis: usize| {
            let start = tap[axis] * window.dilations[axis];
            let end = start + (positions[axis] - 1) * window.strides[axis] + 1;
            (
                2 + axis,
                start as i64,
                end as i64,
                window.strides[axis] as i64,
            )
        };
        let ranges: Vec<_> = (0..rank).map(range).collect();
        let under = graph.slice(padded, &ranges)?;
        let under = graph.reshape(under, &[groups, all, c])?;
        let product = graph.op("MatMul", &[rows, under])?;
        taps.push(graph.reshape(product, &[groups * m, c, 1])?);
    }
    let weight = graph.concat(&taps, 2)?;
    graph.reshape(
        weight,
        &[&[groups * m, c], window.kernel.as_slice()].concat(),
    )
}
