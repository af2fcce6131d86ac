//! Borrowed tensors: a pointer, an element type and up to eight dimensions. Nothing is copied.
#![allow(
    unsafe_code,
    reason = "views over raw parts; each use has its SAFETY line"
)]

use std::marker::PhantomData;

use abi_stable::StableAbi;

/// The largest number of dimensions that crosses the boundary.
pub const MAX_RANK: usize = 8;

/// Element type of a tensor.
#[repr(u8)]
#[derive(StableAbi, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElementType {
    /// IEEE 754 single precision.
    F32,
    /// Signed 64-bit integer.
    I64,
    /// Unsigned byte: image levels 0..=255, or a mask of 0 and 1.
    U8,
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for i64 {}
    impl Sealed for u8 {}
}

/// A Rust type that a tensor may hold.
pub trait Element: Copy + sealed::Sealed + 'static {
    /// Its name on the boundary.
    const TYPE: ElementType;
}

impl Element for f32 {
    const TYPE: ElementType = ElementType::F32;
}
impl Element for i64 {
    const TYPE: ElementType = ElementType::I64;
}
impl Element for u8 {
    const TYPE: ElementType = ElementType::U8;
}

/// Rank and dimensions, outermost first; elements are contiguous in row-major order.
#[repr(C)]
#[derive(StableAbi, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    rank: u8,
    dims: [u64; MAX_RANK],
}

impl Shape {
    /// `None` where there are more than [`MAX_RANK`] dimensions or their product overflows.
    pub fn new(dims: &[usize]) -> Option<Self> {
        let mut all = [1; MAX_RANK];
        let mut product = 1usize;
        for (slot, &dim) in all.get_mut(..dims.len())?.iter_mut().zip(dims) {
            *slot = dim as u64;
            product = product.checked_mul(dim)?;
        }
        Some(Self {
            rank: dims.len() as u8,
            dims: all,
        })
    }

    /// The dimensions. A rank that a foreign library set too high is read as [`MAX_RANK`].
    pub fn dims(&self) -> impl Iterator<Item = usize> + '_ {
        self.dims
            .iter()
            .take(usize::from(self.rank))
            .map(|&dim| dim as usize)
    }

    /// Number of elements; `None` where a foreign library's dimensions overflow.
    pub fn elements(&self) -> Option<usize> {
        self.dims().try_fold(1usize, usize::checked_mul)
    }
}

/// A tensor that is read.
#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct TensorRef<'a> {
    data: *const u8,
    element: ElementType,
    shape: Shape,
    life: PhantomData<&'a u8>,
}

// SAFETY: a TensorRef is a shared borrow of plain numbers.
unsafe impl Send for TensorRef<'_> {}
// SAFETY: as above; nothing can be written through it.
unsafe impl Sync for TensorRef<'_> {}

impl<'a> TensorRef<'a> {
    /// `None` where `dims` does not describe exactly `data`.
    pub fn new<T: Element>(data: &'a [T], dims: &[usize]) -> Option<Self> {
        let shape = Shape::new(dims)?;
        (shape.elements()? == data.len()).then_some(Self {
            data: data.as_ptr().cast(),
            element: T::TYPE,
            shape,
            life: PhantomData,
        })
    }

    /// The element type.
    pub fn element(&self) -> ElementType {
        self.element
    }

    /// The dimensions.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The elements; `None` where they are of another type, or the pointer cannot hold them.
    pub fn as_slice<T: Element>(&self) -> Option<&'a [T]> {
        let len = self.shape.elements()?;
        let data = self.data.cast::<T>();
        if self.element != T::TYPE || data.is_null() || !data.is_aligned() {
            return None;
        }
        // SAFETY: `new` took the pointer from a slice of `T` with `len` elements that lives for 'a;
        // a plugin builds it through the same constructor, and the element type was checked.
        Some(unsafe { std::slice::from_raw_parts(data, len) })
    }
}

/// A tensor that is written: the caller owns it, the callee fills all of it.
#[repr(C)]
#[derive(StableAbi)]
pub struct TensorMut<'a> {
    data: *mut u8,
    element: ElementType,
    shape: Shape,
    life: PhantomData<&'a mut u8>,
}

// SAFETY: a TensorMut is a unique borrow of plain numbers.
unsafe impl Send for TensorMut<'_> {}

impl<'a> TensorMut<'a> {
    /// `None` where `dims` does not describe exactly `data`.
    pub fn new<T: Element>(data: &'a mut [T], dims: &[usize]) -> Option<Self> {
        let shape = Shape::new(dims)?;
        (shape.elements()? == data.len()).then_some(Self {
            data: data.as_mut_ptr().cast(),
            element: T::TYPE,
            shape,
            life: PhantomData,
        })
    }

    /// The element type.
    pub fn element(&self) -> ElementType {
        self.element
    }

    /// The dimensions.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The elements; `None` where they are of another type, or the pointer cannot hold them.
    pub fn into_slice<T: Element>(self) -> Option<&'a mut [T]> {
        let len = self.shape.elements()?;
        let data = self.data.cast::<T>();
        if self.element != T::TYPE || data.is_null() || !data.is_aligned() {
            return None;
        }
        // SAFETY: as in `TensorRef::as_slice`; the borrow is unique and `self` is consumed.
        Some(unsafe { std::slice::from_raw_parts_mut(data, len) })
    }
}
