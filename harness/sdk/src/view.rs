//! Between ndarray views and the boundary's tensors, without a copy.

use eidetic_abi::tensor::{Element, Shape, TensorMut, TensorRef};
use ndarray::{ArrayView, ArrayView4, ArrayViewMut, ArrayViewMut4, Dimension, Ix4};

use crate::error::{Error, Result};

fn not_contiguous(name: &str) -> Error {
    Error::bad_input(format!(
        "{name}: expected contiguous row-major elements, got a strided view"
    ))
    .with_help("call as_standard_layout() or to_owned() first")
}

fn too_many_dimensions(name: &str, dims: &[usize]) -> Error {
    Error::bad_input(format!("{name}: shape {dims:?} has more than 8 dimensions"))
}

/// A tensor over a view.
pub(crate) fn tensor<'a, T: Element, D: Dimension>(
    view: ArrayView<'a, T, D>,
    name: &str,
) -> Result<TensorRef<'a>> {
    let data = view.to_slice().ok_or_else(|| not_contiguous(name))?;
    TensorRef::new(data, view.shape()).ok_or_else(|| too_many_dimensions(name, view.shape()))
}

/// A writable tensor over a view.
pub(crate) fn tensor_mut<'a, T: Element, D: Dimension>(
    view: ArrayViewMut<'a, T, D>,
    name: &str,
) -> Result<TensorMut<'a>> {
    let dims = view.raw_dim();
    let data = view.into_slice().ok_or_else(|| not_contiguous(name))?;
    TensorMut::new(data, dims.slice()).ok_or_else(|| too_many_dimensions(name, dims.slice()))
}

/// A view over a tensor.
pub(crate) fn read<'a, T: Element, D: Dimension>(
    tensor: &TensorRef<'a>,
    dims: D,
    name: &str,
) -> Result<ArrayView<'a, T, D>> {
    let data = tensor.as_slice::<T>().ok_or_else(|| {
        let (got, want) = (tensor.element(), T::TYPE);
        Error::bad_input(format!("{name}: expected {want:?} elements, got {got:?}"))
    })?;
    Ok(ArrayView::from_shape(dims, data)?)
}

fn four(shape: Shape, name: &str) -> Result<Ix4> {
    let mut dims = shape.dims();
    let four = [dims.next(), dims.next(), dims.next(), dims.next()];
    let ([Some(b), Some(c), Some(h), Some(w)], None) = (four, dims.next()) else {
        let dims: Vec<usize> = shape.dims().collect();
        return Err(Error::bad_input(format!(
            "{name}: expected [B, C, H, W], got shape {dims:?}"
        )));
    };
    Ok(ndarray::Dim([b, c, h, w]))
}

/// A view `[B, C, H, W]` over a tensor.
pub(crate) fn read4<'a, T: Element>(
    tensor: &TensorRef<'a>,
    name: &str,
) -> Result<ArrayView4<'a, T>> {
    read(tensor, four(tensor.shape(), name)?, name)
}

/// A writable view of any fixed rank over a tensor.
pub(crate) fn write<'a, T: Element, D: Dimension>(
    tensor: TensorMut<'a>,
    dims: D,
    name: &str,
) -> Result<ArrayViewMut<'a, T, D>> {
    let got = tensor.element();
    let data = tensor.into_slice::<T>().ok_or_else(|| {
        Error::bad_input(format!(
            "{name}: expected {:?} elements, got {got:?}",
            T::TYPE
        ))
    })?;
    Ok(ArrayViewMut::from_shape(dims, data)?)
}

/// A writable view `[B, C, H, W]` over a tensor.
pub(crate) fn write4<'a, T: Element>(
    tensor: TensorMut<'a>,
    name: &str,
) -> Result<ArrayViewMut4<'a, T>> {
    let dims = four(tensor.shape(), name)?;
    write(tensor, dims, name)
}
