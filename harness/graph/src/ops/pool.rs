//! Pools over windows and over whole images.

use ndarray::Axis;

use crate::error::Error;
use crate::evaluate::array;
use crate::gradient::Vjp;
use crate::node::Call;
use crate::proto::AttributeProto;
use crate::shape::Element;
use crate::value::{Type, Value, elements};

use super::Array;
use super::conv::input_gradient;
use super::window::{MOST_COUNT, Window};

/// The window, and the sizes of the output.
fn plan(call: &Call<'_>) -> Result<(Window, Vec<usize>), String> {
    let x = call.shape_from(0, 3)?;
    let kernel = call
        .node
        .ints("kernel_shape")
        .ok_or("expected a kernel_shape, got none")?;
    let sizes: Option<Vec<usize>> = kernel
        .iter()
        .map(|&size| usize::try_from(size).ok().filter(|&size| size > 0))
        .collect();
    let sizes = sizes
        .filter(|sizes| elements(sizes) <= MOST_COUNT)
        .ok_or_else(|| format!("expected sizes of a kernel, got {kernel:?}"))?;
    let window = Window::of(call.node, &sizes, &x[2..])?;
    let positions = window.positions(&x[2..], call.node.int("ceil_mode", 0) == 1)?;
    Ok((window, [&x[..2], positions.as_slice()].concat()))
}

pub(crate) fn infer(call: &Call<'_>) -> Result<Vec<Type>, String> {
    Ok(vec![Type::new(call.kind(0)?.element, &plan(call)?.1)])
}

/// How many elements are averaged at each position.
fn counts(call: &Call<'_>, window: &Window, positions: &[usize]) -> Result<Vec<f64>, String> {
    let sizes = &call.shape(0)?[2..];
    let mut inner = window.clone();
    let mut sizes = sizes.to_vec();
    if call.node.int("count_include_pad", 0) == 1 {
        // Before opset 19 what lies beyond the padding counts as well, as ONNX Runtime has it.
        if call.graph.opset < 19 {
            let kernel: usize = window.kernel.iter().product();
            return Ok(vec![kernel as f64; positions.iter().product()]);
        }
        for (axis, size) in sizes.iter_mut().enumerate() {
            *size += window.before[axis] + window.after[axis];
            inner.before[axis] = 0;
        }
    }
    let mut counts = vec![0.0; positions.iter().product()];
    for (position, _) in inner.taps(&sizes, positions).into_iter().flatten() {
        counts[position] += 1.0;
    }
    Ok(counts)
}

pub(crate) fn evaluate_average(
    call: &Call<'_>,
    inputs: &[Option<&Array>],
) -> Result<Vec<Array>, String> {
    let x = inputs[0].ok_or("expected an input, got none")?;
    let (window, shape) = plan(call)?;
    let taps = window.taps(&x.shape()[2..], &shape[2..]);
    let counts = counts(call, &window, &shape[2..])?;
    let size: usize = x.shape()[2..].iter().product();
    let mut values = Vec::new();
    for image in x
        .as_slice()
        .ok_or("expected a row-major input")?
        .chunks(size)
    {
        let mut sums = vec![0.0; counts.len()];
        for &(position, element) in taps.iter().flatten() {
            sums[position] += image[element];
        }
        values.extend(sums.iter().zip(&counts).map(|(sum, count)| sum / count));
    }
    Ok(vec![array(&shape, values)?])
}

pub(crate) fn vjp_average(vjp: &mut Vjp<'_>) -> Result<Vec<Option<Value>>, Error> {
    let (dy, x) = (vjp.dy()?, vjp.x(0)?);
    let (window, shape) = plan(&vjp.call()).map_err(|what| vjp.fault(&what))?;
    let counts = counts(&vjp.call(), &window, &shape[2..]).map_err(|what| vjp.fault(&what))?;
    let graph = &mut *vjp.graph;
    let kind = graph.kind(x).clone();
    let (positions, sizes) = (&shape[2..], &kind.shape[2..]);
    let shares: Vec<f64> = counts.iter().map(|count| 1.0 / count).collect();
    let shares = graph.made(&Type::new(kind.element, positions), &shares)?;
    let shared = graph.mul(dy, shares)?;
    let images = kind.shape[0] * kind.shape[1];
    let shared = graph.reshape(shared, &[&[images, 1], positions].concat())?;
    let ones = Type::new(kind.element, &[&[1, 1], window.kernel.as_slice()].concat());
    let ones = graph.made(&ones, &vec![1.0; ones.elements()])?;
    let dx = input_gradient(graph, shared, ones, &window, 1, sizes)?;
    Ok(vec![Some(graph.reshape(dx, &kind.shape)?)])
}

pub(crate) fn infer_max(call: &Call<'_>) -> Result<Vec<Type>, String> {
    let kind = infer(call)?.remove(0);
    if call.node.int("storage_order", 0) != 0 {
        return Err("expected storage_order 0, got another".to_owned());
    }
    let indices = Type::new(Element::I64, &kind.shape);
    Ok(vec![kind, indices])
}

/// The maxima, and where in the whole input the first of each is.
pub(crate) fn evaluate_max(
    call: &Call<'_>,
    inputs: &[Option<&Array>],
) -> Result<Vec<Array>, String> {
    let x = inputs[0].ok_or("expected an input, got none")?;
    let (window, shape) = plan(call)?;
    let taps = window.taps(&x.shape()[2..], &shape[2..]);
    let size: usize = x.shape()[2..].iter().product();
    let positions: usize = shape[2..].iter().product();
    let (mut values, mut places) = (Vec::new(), Vec::new());
    let images = x
        .as_slice()
        .ok_or("expected a row-major input")?
        .chunks(size);
    for (image, elements) in images.enumerate() {
        let mut most = vec![f64::NEG_INFINITY; positions];
        let mut place = vec![0; positions];
        for &(position, element) in taps.iter().flatten() {
            if elements[element] > most[position] {
                most[position] = elements[element];
                place[position] = element;
            }
        }
        values.extend(most);
        places.extend(place.iter().map(|element| (image * size + element) as f64));
    }
    Ok(vec![array(&shape, values)?, array(&shape, places)?])
}

pub(crate) fn vjp_max(vjp: &mut Vjp<'_>) -> Result<Vec<Option<Value>>, Error> {
    let (dy, x) = (vjp.dy()?, vjp.x(0)?);
    let place = vjp.place;
    let graph = &mut *vjp.graph;
    let indices = graph.output_of(place, 1)?;
    let kind = graph.kind(x).clone();
    let flat = Type::new(kind.element, &[kind.elements()]);
    let taken = graph.kind(dy).elements();
    let zeros = graph.zeros(&flat)?;
    let indices = graph.reshape(indices, &[taken])?;
    let updates = graph.reshape(dy, &[taken])?;
    let add = AttributeProto::string("reduction", "add");
    let dx = graph.op_with("ScatterElements", &[zeros, indices, updates], vec![add])?;
    Ok(vec![Some(graph.reshape(dx, &kind.shape)?)])
}

pub(crate) fn infer_global(call: &Call<'_>) -> Result<Vec<Type>, String> {
    let mut kind = call.kind(0)?.clone();
    call.shape_from(0, 3)?;
    kind.shape[2..].fill(1);
    Ok(vec![kind])
}

pub(crate) fn evaluate_global(
    _: &Call<'_>,
    inputs: &[Option<&Array>],
) -> Result<Vec<Array>, String> {
    let x = inputs[0].ok_or("expected an input, got none")?;
    let mut y = x.clone();
    for axis in 2..x.ndim() {
        let mean = y
            .mean_axis(Axis(axis))
            .ok_or("expected images of 1 pixel or more")?;
        y = mean.insert_axis(Axis(axis));
    }
    Ok(vec![y.as_standard_layout().into_owned()])
}

pub(crate) fn vjp_global(vjp: &mut Vjp<'_>) -> Result<Vec<Option<Value>>, Error> {
    let (dy, x) = (vjp.dy()?, vjp.x(0)?);
    let graph = &mut *vjp.graph;
    let shape = graph.shape(x).to_vec();
    let pixels: usize = shape[2..].iter().product();
    let share = graph.scale(dy, 1.0 / pixels as f64)?;
    Ok(vec![Some(graph.expand(share, &shape)?)])
}
