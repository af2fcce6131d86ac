//! Normalisations: by batch (inference), image, group and layer.

use crate::error::Error;
use crate::evaluate::array;
use crate::gradient::Vjp;
use crate::graph::{Graph, Source};
use crate::node::Call;
use crate::proto::AttributeProto;
use crate::shape::Element;
use crate::value::{Type, Value, axis, broadcast};

use super::Array;
use super::arithmetic::zip;

fn list(call: &Call<'_>, place: usize, size: usize) -> Result<(), String> {
    match call.shape(place)? {
        [only] if *only == size => Ok(()),
        shape => Err(format!("expected input {place} of [{size}], got {shape:?}")),
    }
}

fn get<'a>(inputs: &[Option<&'a Array>], place: usize) -> Result<&'a Array, String> {
    let input = inputs.get(place).copied().flatten();
    input.ok_or_else(|| format!("expected an input {place}, got none"))
}

/// A list for each channel, as it broadcasts over `[N, C, ...]`.
fn by_channel(list: &Array, rank: usize) -> Result<Array, String> {
    let mut shape = vec![1; rank - 1];
    shape[0] = list.len();
    array(&shape, list.iter().copied().collect())
}

pub(crate) fn infer_batch(call: &Call<'_>) -> Result<Vec<Type>, String> {
    let kind = call.kind(0)?;
    if call.node.int("training_mode", 0) != 0 {
        return Err("expected training_mode 0, got 1".to_owned());
    }
    let channels = call.shape_from(0, 2)?[1];
    (1..5).try_for_each(|place| list(call, place, channels))?;
    Ok(vec![kind.clone()])
}

pub(crate) fn evaluate_batch(
    call: &Call<'_>,
    inputs: &[Option<&Array>],
) -> Result<Vec<Array>, String> {
    let x = get(inputs, 0)?;
    let epsilon = call.node.float("epsilon", 1e-5);
    let channel = |place: usize| by_channel(get(inputs, place)?, x.ndim());
    let deviation = channel(4)?.mapv(|variance| (variance + epsilon).sqrt());
    let centred = zip(x, &channel(3)?, |x, mean| x - mean)?;
    let normal = zip(&centred, &deviation, |x, deviation| x / deviation)?;
    let scaled = zip(&normal, &channel(1)?, |x, scale| x * scale)?;
    Ok(vec![zip(&scaled, &channel(2)?, |x, bias| x + bias)?])
}

pub(crate) fn vjp_batch(vjp: &mut Vjp<'_>) -> Result<Vec<Option<Value>>, Error> {
    if vjp.needs(3) || vjp.needs(4) {
        return Err(vjp.fault("expected constant statistics, got ones that need a gradient"));
    }
    let (dy, x, scale) = (vjp.dy()?, vjp.x(0)?, vjp.x(1)?);
    let (mean, variance) = (vjp.x(3)?, vjp.x(4)?);
    let needs = [vjp.needs(0), vjp.needs(1), vjp.needs(2)];
    let epsilon = vjp.node.float("epsilon", 1e-5);
    let graph = &mut *vjp.graph;
    let shape = graph.shape(x).to_vec();
    let mut column = vec![1; shape.len() - 1];
    column[0] = shape[1];
    let epsilon = graph.scalar_like(variance, epsilon)?;
    let variance = graph.add(variance, epsilon)?;
    let deviation = graph.op("Sqrt", &[variance])?;
    let others: Vec<usize> = (0..shape.len()).filter(|&axis| axis != 1).collect();
    let mut made = vec![None; 5];
    if needs[0] {
        let slope = graph.div(scale, deviation)?;
        let slope = graph.reshape(slope, &column)?;
        made[0] = Some(graph.mul(dy, slope)?);
    }
    if needs[1] {
        let mean = graph.reshape(mean, &column)?;
        let centred = graph.sub(x, mean)?;
        let product = graph.mul(dy, centred)?;
        let sum = graph.sum(product, &others, false)?;
        made[1] = Some(graph.div(sum, deviation)?);
    }
    if needs[2] {
        made[2] = Some(graph.sum(dy, &others, false)?);
    }
    Ok(made)
}

/// The number of groups, and of the elements of scale and bias.
fn groups(call: &Call<'_>) -> Result<(usize, usize), String> {
    let channels = call.shape_from(0, 3)?[1];
    if call.node.op_type == "InstanceNormalization" {
        return Ok((channels, channels));
    }
    let groups = call.node.int("num_groups", 0);
    let groups = usize::try_from(groups)
        .ok()
        .filter(|&groups| groups > 0 && channels.is_multiple_of(groups))
        .ok_or_else(|| format!("expected groups of {channels} channels, got {groups}"))?;
    // Opset 18 scales groups, opset 21 channels.
    Ok((
        groups,
        if call.graph.opset < 21 {
            groups
        } else {
            channels
        },
    ))
}

/// GroupNormalization and InstanceNormalization.
pub(crate) fn infer_first(call: &Call<'_>) -> Result<Vec<Type>, String> {
    let (_, scales) = groups(call)?;
    list(call, 1, scales)?;
    list(call, 2, scales)?;
    Ok(vec![call.kind(0)?.clone()])
}

/// Each run of `size` elements less its mean, over its deviation; and both.
fn standardise(values: &[f64], size: usize, epsilon: f64) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let (mut normal, mut means, mut inverses) = (Vec::new(), Vec::new(), Vec::new());
    for run in values.chunks(size.max(1)) {
        let mean = run.iter().sum::<f64>() / size as f64;
        let variance = run.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / size as f64;
        let inverse = 1.0 / (variance + epsilon).sqrt();
        normal.extend(run.iter().map(|x| (x - mean) * inverse));
        means.push(mean);
        inverses.push(inverse);
    }
    (normal, means, inverses)
}

pub(crate) fn evaluate_group(
    call: &Call<'_>,
    inputs: &[Option<&Array>],
) -> Result<Vec<Array>, String> {
    let (x, scale, bias) = (get(inputs, 0)?, get(inputs, 1)?, get(inputs, 2)?);
    let (groups, scales) = groups(call)?;
    let image: usize = x.shape()[1..].iter().product();
    let values = x.as_slice().ok_or("expected a row-major input")?;
    let epsilon = call.node.float("epsilon", 1e-5);
    let (normal, _, _) = standardise(values, image / groups, epsilon);
    let scaled = normal
        .iter()
        .enumerate()
        .map(|(place, x)| {
            let at = place % image / (image / scales);
            x * scale[[at]] + bias[[at]]
        })
        .collect();
    Ok(vec![array(x.shape(), scaled)?])
}

pub(crate) fn evaluate_instance(
    call: &Call<'_>,
    inputs: &[Option<&Array>],
) -> Result<Vec<Array>, String> {
    evaluate_group(call, inputs)
}

pub(crate) fn vjp_instance(vjp: &mut Vjp<'_>) -> Result<Vec<Option<Value>>, Error> {
    vjp_group(vjp)
}

pub(crate) fn vjp_group(vjp: &mut Vjp<'_>) -> Result<Vec<Option<Value>>, Error> {
    let (dy, x, scale) = (vjp.dy()?, vjp.x(0)?, vjp.x(1)?);
    let needs = [vjp.needs(0), vjp.needs(1), vjp.needs(2)];
    let (groups, scales) = groups(&vjp.call()).map_err(|what| vjp.fault(&what))?;
    let epsilon = vjp.node.attribute("epsilon").map_or(1e-5, |entry| entry.f);
    let graph = &mut *vjp.graph;
    let kind = graph.kind(x).clone();
    let images = kind.shape[0];
    let image: usize = kind.shape[1..].iter().product();
    let by_group = [images, groups, image / groups];
    let by_scale = [images, scales, image / scales];

    // One operator gives what is normal and the inverse deviation of each group.
    let ones = Type::new(kind.element, &by_group[2..]);
    let ones = graph.made(&ones, &vec![1.0; ones.elements()])?;
    let flat = graph.reshape(x, &by_group)?;
    let attributes = vec![
        AttributeProto::int("axis", -1),
        AttributeProto::float("epsilon", epsilon),
    ];
    let inputs = [Some(flat), Some(ones)];
    let parts = graph.op_many("LayerNormalization", &inputs, attributes, 3)?;
    let (normal, inverse) = (parts[0], parts[2]);

    let rows = graph.reshape(dy, &by_scale)?;
    let mut made = vec![None; 3];
    if needs[0] {
        let scale = graph.reshape(scale, &[scales, 1])?;
        let slope = graph.mul(rows, scale)?;
        let slope = graph.reshape(slope, &by_group)?;
        let dx = through(graph, slope, normal, inverse, &[2])?;
        made[0] = Some(graph.reshape(dx, &kind.shape)?);
    }
    if needs[1] {
        let normal = graph.reshape(normal, &by_scale)?;
        let product = graph.mul(rows, normal)?;
        made[1] = Some(graph.sum(product, &[0, 2], false)?);
    }
    if needs[2] {
        made[2] = Some(graph.sum(rows, &[0, 2], false)?);
    }
    Ok(made)
}

/// From the cotangent g of n = (x - mean) * inverse to that of x:
/// inverse (g - mean(g) - n mean(g n)), means over these axes.
fn through(
    graph: &mut Graph,
    slope: Value,
    normal: Value,
    inverse: Value,
    axes: &[usize],
) -> Result<Value, Error> {
    let mean = graph.mean(slope, axes)?;
    let product = graph.mul(slope, normal)?;
    let share = graph.mean(product, axes)?;
    let along = graph.mul(normal, share)?;
    let rest = graph.sub(slope, mean)?;
    let rest = graph.sub(rest, along)?;
    graph.mul(rest, inverse)
}

/// Whether a value is a constant of ones.
fn is_one(graph: &Graph, value: Value) -> bool {
    match &graph.entries[value.0].source {
        Source::Constant(tensor) => tensor
            .values()
            .is_ok_and(|values| values.iter().all(|&x| x == 1.0)),
        Source::Input | Source::Parameter(_) | Source::Node => false,
    }
}

/// The first axis that is normalised over.
fn first(call: &Call<'_>) -> Result<usize, String> {
    axis(call.node.int("axis", -1), call.shape(0)?.len())
}

pub(crate) fn infer_layer(call: &Call<'_>) -> Result<Vec<Type>, String> {
    let kind = call.kind(0)?;
    let first = first(call)?;
    for place in 1..3 {
        if place == 2 && !call.has(2) {
            continue;
        }
        let scale = call.shape(place)?;
        if broadcast(&kind.shape, scale).as_ref() != Some(&kind.shape) {
            return Err(format!(
                "expected a scale that broadcasts to {kind}, got {scale:?}"
            ));
        }
    }
    let mut shape = kind.shape.clone();
    shape[first..].fill(1);
    // Statistics are kept in f32 for f16 as well.
    let element = if kind.element == Element::F16 {
        Element::F32
    } else {
        kind.element
    };
    let statistic = Type::new(element, &shape);
    Ok(vec![kind.clone(), statistic.clone(), statistic])
}

pub(crate) fn evaluate_layer(
    call: &Call<'_>,
    inputs: &[Option<&Array>],
) -> Result<Vec<Array>, String> {
    let x = get(inputs, 0)?;
    let size: usize = x.shape()[first(call)?..].iter().product();
    let values = x.as_slice().ok_or("expected a row-major input")?;
    let epsilon = call.node.float("epsilon", 1e-5);
    let (normal, means, inverses) = standardise(values, size, epsilon);
    let normal = array(x.shape(), normal)?;
    let mut y = zip(&normal, get(inputs, 1)?, |x, scale| x * scale)?;
    if let Some(bias) = inputs.get(2).copied().flatten() {
        y = zip(&y, bias, |x, bias| x + bias)?;
    }
    let shape = infer_layer(call)?.remove(1).shape;
    Ok(vec![y, array(&shape, means)?, array(&shape, inverses)?])
}

/// The statistics of the forward pass are outputs of its node, and used again.
pub(crate) fn vjp_layer(vjp: &mut Vjp<'_>) -> Result<Vec<Option<Value>>, Error> {
    let (dy, x, scale) = (vjp.dy()?, vjp.x(0)?, vjp.x(1)?);
    let needs = [vjp.needs(0), vjp.needs(1), vjp.needs(2)];
    let first = first(&vjp.call()).map_err(|what| vjp.fault(&what))?;
    let bias = if needs[2] { Some(vjp.x(2)?) } else { None };
    let place = vjp.place;
    let graph = &mut *vjp.graph;
    let mean = graph.output_of(place, 1)?;
    let inverse = graph.output_of(place, 2)?;
    let element = graph.kind(x).element;
    let mean = super::cast::to(graph, mean, element)?;
    let inverse = super::cast::to(graph, inverse, element)?;
    let axes: Vec<usize> = (first..graph.shape(x).len()).collect();
    let centred = graph.sub(x, mean)?;
    let mut made = vec![None; 3];
    if needs[0] {
        let slope = match is_one(graph, scale) {
            true => dy,
            false => graph.mul(dy, scale)?,
        };
        // `through` with what is one number a row taken out of the products.
        let product = graph.mul(slope, centred)?;
        let share = graph.mean(product, &axes)?;
        let square = graph.mul(inverse, inverse)?;
        let share = graph.mul(share, square)?;
        let along = graph.mul(centred, share)?;
        let mean = graph.mean(slope, &axes)?;
        let rest = graph.sub(slope, mean)?;
        let rest = graph.sub(rest, along)?;
        made[0] = Some(graph.mul(rest, inverse)?);
    }
    if needs[1] {
        let normal = graph.mul(centred, inverse)?;
        let product = graph.mul(dy, normal)?;
        let shape = graph.shape(scale).to_vec();
        made[1] = Some(graph.sum_to(product, &shape)?);
    }
    if let Some(bias) = bias {
        let shape = graph.shape(bias).to_vec();
        made[2] = Some(graph.sum_to(dy, &shape)?);
    }
    Ok(made)
}
