//! Values put together and taken apart along axes.

use ndarray::{Axis, Slice, concatenate};

use crate::error::Error;
use crate::gradient::Vjp;
use crate::graph::Graph;
use crate::node::Call;
use crate::value::{Type, Value, axis};

use super::Array;

pub(crate) fn infer_concat(call: &Call<'_>) -> Result<Vec<Type>, String> {
    let mut kind = call.kind(0)?.clone();
    let at = axis(call.node.int("axis", 0), kind.shape.len())?;
    for place in 1..call.node.inputs.len() {
        let other = call.kind(place)?;
        let fits = other.element == kind.element
            && other.shape.len() == kind.shape.len()
            && (0..kind.shape.len()).all(|i| i == at || other.shape[i] == kind.shape[i]);
        if !fits {
            return Err(format!(
                "expected inputs that fit but for axis {at}, got {kind} and {other}"
            ));
        }
        kind.shape[at] += other.shape[at];
    }
    Ok(vec![kind])
}

pub(crate) fn evaluate_concat(
    call: &Call<'_>,
    inputs: &[Option<&Array>],
) -> Result<Vec<Array>, String> {
    let at = axis(call.node.int("axis", 0), call.shape(0)?.len())?;
    let views: Vec<_> = inputs.iter().flatten().map(|array| array.view()).collect();
    let whole = concatenate(Axis(at), &views).map_err(|error| error.to_string())?;
    Ok(vec![whole.as_standard_layout().into_owned()])
}

pub(crate) fn vjp_concat(vjp: &mut Vjp<'_>) -> Result<Vec<Option<Value>>, Error> {
    let dy = vjp.dy()?;
    let rank = vjp.graph.shape(dy).len();
    let at = axis(vjp.node.int("axis", 0), rank).map_err(|what| vjp.fault(&what))?;
    let mut start = 0;
    let mut made = Vec::new();
    for place in 0..vjp.node.inputs.len() {
        let x = vjp.x(place)?;
        let end = start + vjp.graph.shape(x)[at] as i64;
        made.push(match vjp.needs(place) {
            true => Some(vjp.graph.slice(dy, &[(at, start, end, 1)])?),
            false => None,
        });
        start = end;
    }
    Ok(made)
}

/// What a slice takes along one axis: `count` elements from `start` on, `step` apart.
#[derive(Debug, Clone, Copy)]
struct Range {
    at: usize,
    start: usize,
    count: usize,
    step: i64,
}

fn ranges(call: &Call<'_>) -> Result<Vec<Range>, String> {
    let shape = call.shape(0)?;
    let (starts, ends) = (call.constant_ints(1)?, call.constant_ints(2)?);
    let axes = match call.has(3) {
        true => call.constant_ints(3)?,
        false => (0..starts.len() as i64).collect(),
    };
    let steps = match call.has(4) {
        true => call.constant_ints(4)?,
        false => vec![1; starts.len()],
    };
    if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] || steps.contains(&0) {
        return Err(format!(
            "expected an end, an axis and a step for each start, got {starts:?}, {ends:?}, \
             {axes:?}, {steps:?}"
        ));
    }
    let range = |place: usize| {
        let at = axis(axes[place], shape.len())?;
        let (size, step) = (shape[at] as i64, steps[place]);
        let from_front = |bound: i64| {
            if bound < 0 {
                bound.saturating_add(size)
            } else {
                bound
            }
        };
        let (start, end) = (from_front(starts[place]), from_front(ends[place]));
        let (start, end) = match step > 0 {
            true => (start.clamp(0, size), end.clamp(0, size)),
            false => (start.clamp(-1, size - 1), end.clamp(-1, size - 1)),
        };
        let count = match step > 0 {
            true => (end - start).max(0).div_ceil_of(step),
            false => (start - end).max(0).div_ceil_of(step.saturating_neg()),
        };
        Ok(Range {
            at,
            start: start.max(0) as usize,
            count: count as usize,
            step,
        })
    };
    (0..starts.len()).map(range).collect()
}

trait DivCeil {
    fn div_ceil_of(self, by: i64) -> i64;
}

impl DivCeil for i64 {
    fn div_ceil_of(self, by: i64) -> i64 {
        self / by + i64::from(self % by != 0)
    }
}

pub(crate) fn infer_slice(call: &Call<'_>) -> Result<Vec<Type>, String> {
    let mut kind = call.kind(0)?.clone();
    for range in ranges(call)? {
        kind.shape[range.at] = range.count;
    }
    Ok(vec![kind])
}

pub(crate) fn evaluate_slice(
    call: &Call<'_>,
    inputs: &[Option<&Array>],
) -> Result<Vec<Array>, String> {
    let mut y = inputs[0].ok_or("expected an input, got none")?.clone();
    for Range {
        at,
        start,
        count,
        step,
    } in ranges(call)?
    {
        let places: Vec<usize> = (0..count as i64)
            .map(|place| (start as i64 + place * step) as usize)
            .collect();
        y = y.select(Axis(at), &places);
    }
    Ok(vec![y.as_standard_layout().into_owned()])
}

/// Zeros where nothing was taken.
pub(crate) fn vjp_slice(vjp: &mut Vjp<'_>) -> Result<Vec<Option<Value>>, Error> {
    let (mut dx, x) = (vjp.dy()?, vjp.x(0)?);
    let ranges = ranges(&vjp.call()).map_err(|what| vjp.fault(&what))?;
    let graph = &mut *vjp.graph;
    let whole = graph.shape(x).to_vec();
    if graph.kind(dx).elements() == 0 {
        let kind = graph.kind(x).clone();
        return Ok(vec![Some(graph.zeros(&kind)?)]);
    }
    let mut before = vec![0; whole.len()];
    let mut after = vec![0; whole.len()];
    for Range {
        at,
        start,
        count,
        step,
    } in ranges
    {
        let apart = step.unsigned_abs() as usize;
        if step < 0 {
            dx = graph.slice(dx, &[(at, -1, i64::MIN, -1)])?;
        }
        if apart > 1 && count > 1 {
            dx = spread(graph, dx, at, apart)?;
        }
        let reach = (count - 1) * apart;
        let first = if step < 0 { start - reach } else { start };
        before[at] = first;
        after[at] = whole[at] - first - reach - 1;
    }
    Ok(vec![Some(graph.pad(dx, &before, &after)?)])
}

/// Zeros between elements, so that they are `apart` places apart.
fn spread(graph: &mut Graph, value: Value, at: usize, apart: usize) -> Result<Value, Error> {
    let mut shape = graph.shape(value).to_vec();
    let count = shape[at];
    let reach = (count - 1) * apart + 1;
    shape.insert(at + 1, 1);
    let column = graph.reshape(value, &shape)?;
    let mut after = vec![0; shape.len()];
    after[at + 1] = apart - 1;
    let wide = graph.pad(column, &vec![0; shape.len()], &after)?;
    shape.remove(at + 1);
    shape[at] = count * apart;
    let wide = graph.reshape(wide, &shape)?;
    graph.slice(wide, &[(at, 0, reach as i64, 1)])
}

/// The axis, and where each piece begins and ends.
fn parts(call: &Call<'_>) -> Result<(usize, Vec<(usize, usize)>), String> {
    let shape = call.shape(0)?;
    let at = axis(call.node.int("axis", 0), shape.len())?;
    let sizes: Vec<usize> = match call.has(1) {
        true => call
            .constant_ints(1)?
            .iter()
            .map(|&size| usize::try_from(size).unwrap_or(usize::MAX))
            .collect(),
        false => {
            let count = call.node.outputs.len();
            let each = shape[at].div_ceil(count.max(1));
            (0..count)
                .map(|place| shape[at].saturating_sub(place * each).min(each))
                .collect()
        }
    };
    if sizes
        .iter()
        .fold(0, |sum: usize, &size| sum.saturating_add(size))
        != shape[at]
    {
        return Err(format!(
            "expected parts of axis {at} of {shape:?}, got {sizes:?}"
        ));
    }
    let mut end = 0;
    let part = |size: usize| {
        end += size;
        (end - size, end)
    };
    Ok((at, sizes.into_iter().map(part).collect()))
}

pub(crate) fn infer_split(call: &Call<'_>) -> Result<Vec<Type>, String> {
    let kind = call.kind(0)?;
    let (at, parts) = parts(call)?;
    let part = |(start, end): (usize, usize)| {
        let mut part = kind.clone();
        part.shape[at] = end - start;
        part
    };
    Ok(parts.into_iter().map(part).collect())
}

pub(crate) fn evaluate_split(
    call: &Call<'_>,
    inputs: &[Option<&Array>],
) -> Result<Vec<Array>, String> {
    let x = inputs[0].ok_or("expected an input, got none")?;
    let (at, parts) = parts(call)?;
    let part = |(start, end): (usize, usize)| {
        let part = x.slice_axis(Axis(at), Slice::from(start..end));
        part.as_standard_layout().into_owned()
    };
    Ok(parts.into_iter().map(part).collect())
}

pub(crate) fn vjp_split(vjp: &mut Vjp<'_>) -> Result<Vec<Option<Value>>, Error> {
    let kind = vjp.graph.kind(vjp.x(0)?).clone();
    let (at, parts) = parts(&vjp.call()).map_err(|what| vjp.fault(&what))?;
    let mut cotangents = Vec::new();
    for (place, (start, end)) in parts.into_iter().enumerate() {
        cotangents.push(match vjp.cotangent(place) {
            Some(cotangent) => cotangent,
            None => {
                let mut part = kind.clone();
                part.shape[at] = end - start;
                vjp.graph.zeros(&part)?
            }
        });
    }
    Ok(vec![Some(vjp.graph.concat(&cotangents, at)?), None])
}
