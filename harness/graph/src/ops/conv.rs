//! Convolutions and transposed convolutions, with stride, padding, dilation and groups.

use crate::error::Error;
use crate::evaluate::array;
use crate::gradient::Vjp;
use crate::graph::Graph;
use crate::node::Call;
use crate::proto::AttributeProto;
use crate::value::{Type, Value};

use super::Array;
use super::conv_weight::weight_gradient;
use super::window::{MOST_COUNT, Window};

fn groups(call: &Call<'_>) -> Result<usize, String> {
    let groups = call.node.int("group", 1);
    usize::try_from(groups)
        .ok()
        .filter(|&groups| (1..=MOST_COUNT).contains(&groups))
        .ok_or_else(|| format!("expected 1 group or more, got {groups}"))
}

/// Window, number of groups and sizes of the output.
fn plan(call: &Call<'_>) -> Result<(Window, usize, Vec<usize>), String> {
    let (x, w) = (call.shape_from(0, 3)?, call.shape_from(1, 3)?);
    let groups = groups(call)?;
    if x[1] != w[1] * groups || !w[0].is_multiple_of(groups) {
        return Err(format!(
            "expected channels that fit {groups} groups, got input {x:?} and weight {w:?}"
        ));
    }
    bias(call, w[0])?;
    let window = Window::of(call.node, &w[2..], &x[2..])?;
    let positions = window.positions(&x[2..], false)?;
    Ok((
        window,
        groups,
        [&[x[0], w[0]], positions.as_slice()].concat(),
    ))
}

/// As [`plan`]; a transposed convolution's window slides over its output.
fn plan_transposed(call: &Call<'_>) -> Result<(Window, usize, Vec<usize>), String> {
    let (x, w) = (call.shape_from(0, 3)?, call.shape_from(1, 3)?);
    let groups = groups(call)?;
    if x[1] != w[0] || !w[0].is_multiple_of(groups) {
        return Err(format!(
            "expected channels that fit {groups} groups, got input {x:?} and weight {w:?}"
        ));
    }
    bias(call, w[1] * groups)?;
    let rank = x.len() - 2;
    let mut window = Window::of(call.node, &w[2..], &x[2..])?;
    let extra = call.node.ints("output_padding").unwrap_or_default();
    let extra = |axis: usize| {
        extra
            .get(axis)
            .map_or(0, |&count| count.clamp(0, MOST_COUNT as i64) as usize)
    };
    let full = |window: &Window, axis: usize| {
        (x[2 + axis] - 1) * window.strides[axis] + window.span(axis) + extra(axis)
    };
    let said = call.node.ints("output_shape");
    let auto = call.node.text("auto_pad", "NOTSET");
    let mut sizes = Vec::new();
    for axis in 0..rank {
        let full = full(&window, axis);
        let target = match (said, auto) {
            (Some(said), _) => said
                .get(said.len() - rank + axis)
                .map(|&size| size as usize),
            (None, "SAME_UPPER" | "SAME_LOWER") => Some(x[2 + axis] * window.strides[axis]),
            _ => None,
        };
        if let Some(target) = target {
            window.share(axis, full.saturating_sub(target), auto == "SAME_UPPER");
        }
        let size = full.checked_sub(window.before[axis] + window.after[axis]);
        sizes.push(
            size.filter(|&size| target.is_none_or(|target| target == size))
                .ok_or_else(|| {
                    format!(
                        "expected padding that leaves an output, got {:?}",
                        call.node.ints("pads")
                    )
                })?,
        );
    }
    Ok((
        window,
        groups,
        [&[x[0], w[1] * groups], sizes.as_slice()].concat(),
    ))
}

fn bias(call: &Call<'_>, channels: usize) -> Result<(), String> {
    match call.has(2).then(|| call.shape(2)).transpose()? {
        Some(shape) if shape != [channels] => {
            Err(format!("expected a bias of [{channels}], got {shape:?}"))
        }
        _ => Ok(()),
    }
}

pub(crate) fn infer(call: &Call<'_>) -> Result<Vec<Type>, String> {
    Ok(vec![Type::new(call.kind(0)?.element, &plan(call)?.2)])
}

pub(crate) fn infer_transposed(call: &Call<'_>) -> Result<Vec<Type>, String> {
    Ok(vec![Type::new(
        call.kind(0)?.element,
        &plan_transposed(call)?.2,
    )])
}

pub(crate) fn evaluate(call: &Call<'_>, inputs: &[Option<&Array>]) -> Result<Vec<Array>, String> {
    let (window, groups, shape) = plan(call)?;
    slide(inputs, &window, groups, &shape, false)
}

pub(crate) fn evaluate_transposed(
    call: &Call<'_>,
    inputs: &[Option<&Array>],
) -> Result<Vec<Array>, String> {
    let (window, groups, shape) = plan_transposed(call)?;
    slide(inputs, &window, groups, &shape, true)
}

/// The definition: for each image, pair of channels of one group, and tap, the products of the
/// pairs of a position and the element under the tap; a transposed convolution adds from positions
/// to elements.
fn slide(
    inputs: &[Option<&Array>],
    window: &Window,
    groups: usize,
    shape: &[usize],
    transposed: bool,
) -> Result<Vec<Array>, String> {
    let x = inputs[0].ok_or("expected an input 0, got none")?;
    let w = inputs[1].ok_or("expected an input 1, got none")?;
    let (x_values, w_values) = (x.as_slice(), w.as_slice());
    let (x_values, w_values) = x_values.zip(w_values).ok_or("expected row-major inputs")?;
    let taps = match transposed {
        false => window.taps(&x.shape()[2..], &shape[2..]),
        true => window.taps(&shape[2..], &x.shape()[2..]),
    };
    let x_size: usize = x.shape()[2..].iter().product();
    let y_size: usize = shape[2..].iter().product();
    let (x_channels, y_channels) = (x.shape()[1], shape[1]);
    let (x_group, y_group) = (x_channels / groups, y_channels / groups);
    let mut values = vec![0.0; shape.iter().product()];
    for image in 0..shape[0] {
        for to in 0..y_channels {
            let y = &mut values[(image * y_channels + to) * y_size..][..y_size];
            for within in 0..x_group {
                let from = to / y_group * x_group + within;
                let x = &x_values[(image * x_channels + from) * x_size..][..x_size];
                let kernel = match transposed {
                    false => to * x_group + within,
                    true => from * y_group + to % y_group,
                };
                for (tap, pairs) in taps.iter().enumerate() {
                    let weight = w_values[kernel * taps.len() + tap];
                    for &(position, element) in pairs {
                        match transposed {
                            false => y[position] += weight * x[element],
                            true => y[element] += weight * x[position],
                        }
                    }
                }
            }
            if let Some(bias) = inputs.get(2).copied().flatten() {
                y.iter_mut().for_each(|y| *y += bias[[to]]);
            }
        }
    }
    Ok(vec![array(shape, values)?])
}

pub(crate) fn vjp(vjp: &mut Vjp<'_>) -> Result<Vec<Option<Value>>, Error> {
    let (dy, x, w) = (vjp.dy()?, vjp.x(0)?, vjp.x(1)?);
    let (window, groups, _) = plan(&vjp.call()).map_err(|what| vjp.fault(&what))?;
    let needs = [vjp.needs(0), vjp.needs(1), vjp.needs(2)];
    let graph = &mut *vjp.graph;
    let mut made = vec![None; 3];
    if needs[0] {
        let sizes = graph.shape(x)[2..].to_vec();
        made[0] = Some(input_gradient(graph, dy, w, &window, groups, &sizes)?);
    }
    if needs[1] {
        made[1] = Some(weight_gradient(graph, x, dy, &window, groups)?);
    }
    if needs[2] {
        made[2] = Some(bias_gradient(graph, dy)?);
    }
    Ok(made)
}

pub(crate) fn vjp_transposed(vjp: &mut Vjp<'_>) -> Result<Vec<Option<Value>>, Error> {
    let (dy, x, w) = (vjp.dy()?, vjp.x(0)?, vjp.x(1)?);
    let (window, groups, _) = plan_transposed(&vjp.call()).map_err(|what| vjp.fault(&what))?;
    let needs = [vjp.needs(0), vjp.needs(1), vjp.needs(2)];
    let graph = &mut *vjp.graph;
    let mut made = vec![None; 3];
    if needs[0] {
        let dx = graph.op_with("Conv", &[dy, w], attributes(&window, groups))?;
        // Output padding may leave room for more positions than there were.
        let sizes = graph.shape(x)[2..].to_vec();
        let ranges: Vec<_> = (0..sizes.len())
            .map(|axis| (2 + axis, 0, sizes[axis] as i64, 1))
            .collect();
        made[0] = Some(graph.slice(dx, &ranges)?);
    }
    if needs[1] {
        made[1] = Some(weight_gradient(graph, dy, x, &window, groups)?);
    }
    if needs[2] {
        made[2] = Some(bias_gradient(graph, dy)?);
    }
    Ok(made)
}

fn bias_gradient(graph: &mut Graph, dy: Value) -> Result<Value, Error> {
    let rank = graph.shape(dy).len();
    let axes: Vec<usize> = (0..rank).filter(|&axis| axis != 1).collect();
    graph.sum(dy, &axes, false)
}

fn attributes(window: &Window, groups: usize) -> Vec<AttributeProto> {
    let list = |name: &str, values: &[usize]| {
        let values: Vec<i64> = values.iter().map(|&x| x as i64).collect();
        AttributeProto::ints(name, &values)
    };
    vec![
        list("kernel_shape", &window.kernel),
        list("strides", &window.strides),
        list("dilations", &window.dilations),
        list("pads", &[window.before.as_slice(), &window.after].concat()),
        AttributeProto::int("group", groups as i64),
    ]
}

/// The adjoint of a convolution with respect to its input of these spatial sizes.
pub(crate) fn input_gradient(
    graph: &mut Graph,
    dy: Value,
    w: Value,
    window: &Window,
    groups: usize,
    sizes: &[usize],
) -> Result<Value, Error> {
    let rank = sizes.len();
    let least = |axis: usize| window.span(axis) - 1;
    let fits = |axis: usize| least(axis) >= window.before[axis].max(window.after[axis]);
    if window.strides.iter().all(|&stride| stride == 1) && (0..rank).all(fits) {
        return flipped(graph, dy, w, window, groups);
    }
    let positions = graph.shape(dy)[2..].to_vec();
    let mut back = window.clone();
    let mut extra = vec![0; rank];
    for axis in 0..rank {
        let full = (positions[axis] - 1) * window.strides[axis] + window.span(axis);
        let end = window.before[axis] + sizes[axis];
        back.after[axis] = full.saturating_sub(end);
        extra[axis] = end.saturating_sub(full) as i64;
    }
    let mut attributes = attributes(&back, groups);
    attributes.push(AttributeProto::ints("output_padding", &extra));
    graph.op_with("ConvTranspose", &[dy, w], attributes)
}

/// With stride 1 the adjoint is a convolution with the kernel flipped and its channels exchanged,
/// which ONNX Runtime does several times faster than a transposed one.
fn flipped(
    graph: &mut Graph,
    dy: Value,
    w: Value,
    window: &Window,
    groups: usize,
) -> Result<Value, Error> {
    let shape = graph.shape(w).to_vec();
    let (m, c, rank) = (shape[0] / groups, shape[1], window.kernel.len());
    let ranges: Vec<_> = (0..rank)
        .filter(|&axis| window.kernel[axis] > 1)
        .map(|axis| (2 + axis, -1, i64::MIN, -1))
        .collect();
    let w = graph.slice(w, &ranges)?;
    let w = graph.reshape(w, &[&[groups, m, c], window.kernel.as_slice()].concat())?;
    let perm: Vec<usize> = [0, 2, 1].into_iter().chain(3..3 + rank).collect();
    let w = graph.transpose(w, &perm)?;
    let w = graph.reshape(w, &[&[groups * c, m], window.kernel.as_slice()].concat())?;
    let mut back = window.clone();
    for axis in 0..rank {
        back.before[axis] = window.span(axis) - 1 - window.before[axis];
        back.after[axis] = window.span(axis) - 1 - window.after[axis];
    }
    graph.op_with("Conv", &[dy, w], attributes(&back, groups))
}
