//! Resize, nearest and linear: along each axis a product with a constant matrix.

use ndarray::{Array2, Axis};

use crate::error::Error;
use crate::gradient::Vjp;
use crate::node::Call;
use crate::proto::AttributeProto;
use crate::value::{Type, Value, axis};

use super::Array;
use super::pad::along;

/// Elements of an axis' matrix at most: 8192 by 8192.
const MOST_MATRIX: usize = 1 << 26;

/// Size and scale on each axis.
fn target(call: &Call<'_>) -> Result<Vec<(usize, f64)>, String> {
    let old = call.shape(0)?;
    let policy = call.node.text("keep_aspect_ratio_policy", "stretch");
    if policy != "stretch" || call.node.int("antialias", 0) != 0 {
        return Err("expected a stretch without antialias, got another".to_owned());
    }
    let axes: Vec<usize> = match call.node.ints("axes") {
        Some(axes) => axes
            .iter()
            .map(|&at| axis(at, old.len()))
            .collect::<Result<_, _>>()?,
        None => (0..old.len()).collect(),
    };
    let list = |place: usize| match call.has(place) {
        true => call.constant(place),
        false => Ok(Vec::new()),
    };
    let (scales, sizes) = (list(2)?, list(3)?);
    let mut target: Vec<(usize, f64)> = old.iter().map(|&size| (size, 1.0)).collect();
    for (place, &at) in axes.iter().enumerate() {
        let size = old[at] as f64;
        target[at] = match (scales.get(place), sizes.get(place)) {
            (Some(&scale), _) if scale > 0.0 => ((size * scale).floor() as usize, scale),
            (None, Some(&to)) if to > 0.0 => (to as usize, to / size),
            _ => {
                return Err(format!(
                    "expected a scale or a size for {} axes, got {scales:?} and {sizes:?}",
                    axes.len()
                ));
            }
        };
        let matrix = old[at].saturating_mul(target[at].0);
        if matrix > MOST_MATRIX {
            return Err(format!(
                "expected a size of axis {at} that can be, got {:?}",
                target[at]
            ));
        }
    }
    Ok(target)
}

/// What each element of the result is made of, a row each.
fn matrix(call: &Call<'_>, old: usize, new: usize, scale: f64) -> Result<Array2<f64>, String> {
    let place = call
        .node
        .text("coordinate_transformation_mode", "half_pixel");
    let rounding = call.node.text("nearest_mode", "round_prefer_floor");
    let mut matrix = Array2::zeros((new, old));
    for row in 0..new {
        let x = row as f64;
        let centred = (x + 0.5) / scale - 0.5;
        let source = match place {
            "half_pixel" => centred,
            "pytorch_half_pixel" if new == 1 => 0.0,
            "pytorch_half_pixel" => centred,
            "half_pixel_symmetric" => {
                let adjusted = new as f64 / (scale * old as f64);
                old as f64 / 2.0 * (1.0 - adjusted) + centred
            }
            "align_corners" if new == 1 => 0.0,
            "align_corners" => x * (old as f64 - 1.0) / (new as f64 - 1.0),
            "asymmetric" => x / scale,
            _ => return Err(format!("expected a mode that is known here, got {place:?}")),
        };
        let last = old as f64 - 1.0;
        match call.node.text("mode", "nearest") {
            "nearest" => {
                let near = match rounding {
                    "round_prefer_floor" => (source - 0.5).ceil(),
                    "round_prefer_ceil" => (source + 0.5).floor(),
                    "floor" => source.floor(),
                    "ceil" => source.ceil(),
                    _ => return Err(format!("expected a nearest_mode, got {rounding:?}")),
                };
                matrix[[row, near.clamp(0.0, last) as usize]] = 1.0;
            }
            "linear" => {
                let source = source.clamp(0.0, last);
                let (low, share) = (source.floor(), source - source.floor());
                matrix[[row, low as usize]] += 1.0 - share;
                matrix[[row, (low + 1.0).min(last) as usize]] += share;
            }
            mode => return Err(format!("expected the mode nearest or linear, got {mode:?}")),
        }
    }
    Ok(matrix)
}

/// The matrix of each axis that changes.
fn matrices(call: &Call<'_>) -> Result<Vec<(usize, Array2<f64>)>, String> {
    let old = call.shape(0)?;
    target(call)?
        .into_iter()
        .enumerate()
        .filter(|(at, (new, _))| *new != old[*at])
        .map(|(at, (new, scale))| Ok((at, matrix(call, old[at], new, scale)?)))
        .collect()
}

pub(crate) fn infer(call: &Call<'_>) -> Result<Vec<Type>, String> {
    let shape: Vec<usize> = target(call)?.into_iter().map(|(size, _)| size).collect();
    if shape.contains(&0) || call.kind(0)?.elements() == 0 {
        return Err(format!("expected sizes from 1, got {shape:?}"));
    }
    // The modes are known.
    matrix(call, 1, 1, 1.0)?;
    Ok(vec![Type::new(call.kind(0)?.element, &shape)])
}

pub(crate) fn evaluate(call: &Call<'_>, inputs: &[Option<&Array>]) -> Result<Vec<Array>, String> {
    let mut y = inputs[0].ok_or("expected an input, got none")?.clone();
    for (at, matrix) in matrices(call)? {
        let mut shape = y.raw_dim();
        shape[at] = matrix.nrows();
        let mut wide = Array::zeros(shape);
        let lanes = y.lanes(Axis(at)).into_iter();
        for (from, mut to) in lanes.zip(wide.lanes_mut(Axis(at))) {
            to.assign(&matrix.dot(&from));
        }
        y = wide;
    }
    Ok(vec![y])
}

/// How often each element is repeated, where that is all that is done and every image's axes grow
/// by a whole factor; `None` otherwise.
fn repeats(call: &Call<'_>, matrices: &[(usize, Array2<f64>)]) -> Option<Vec<usize>> {
    let rank = call.shape(0).ok()?.len();
    let mut factors = vec![1; rank.checked_sub(2)?];
    for (at, matrix) in matrices {
        let factor = matrix.nrows() / matrix.ncols();
        let repeated = |((row, column), &x): ((usize, usize), &f64)| {
            x == f64::from(u8::from(row / factor.max(1) == column))
        };
        let whole = factor > 0 && factor * matrix.ncols() == matrix.nrows();
        if !whole || !matrix.indexed_iter().all(repeated) {
            return None;
        }
        *factors.get_mut(at.checked_sub(2)?)? = factor;
    }
    Some(factors)
}

pub(crate) fn vjp(vjp: &mut Vjp<'_>) -> Result<Vec<Option<Value>>, Error> {
    let mut dx = vjp.dy()?;
    let matrices = matrices(&vjp.call()).map_err(|what| vjp.fault(&what))?;
    // A sum over each element's copies, which pooling does faster than a product.
    if let Some(factors) = repeats(&vjp.call(), &matrices) {
        let sizes: Vec<i64> = factors.iter().map(|&factor| factor as i64).collect();
        let attributes = vec![
            AttributeProto::ints("kernel_shape", &sizes),
            AttributeProto::ints("strides", &sizes),
        ];
        let mean = vjp.graph.op_with("AveragePool", &[dx], attributes)?;
        let copies: usize = factors.iter().product();
        let sum = vjp.graph.scale(mean, copies as f64)?;
        return Ok(vec![Some(sum), None, None, None]);
    }
    for (at, matrix) in matrices {
        let turned: Vec<f64> = matrix.t().iter().copied().collect();
        dx = along(vjp.graph, dx, at, matrix.ncols(), &turned)?;
    }
    Ok(vec![Some(dx), None, None, None])
}
