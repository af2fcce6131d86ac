//! Features of images, borrowed.

use crate::Error;
use crate::rows::check_rows;

/// What an embedder makes of a set of images: one row of `dim` floats each. Unlike
/// [`Embeddings`](crate::Embeddings), which are compared by direction, a row may be all zeros.
#[derive(Debug, Clone, Copy)]
pub struct Features<'a> {
    values: &'a [f32],
    dim: usize,
}

impl<'a> Features<'a> {
    /// Takes `values` as rows of `dim`; an empty slice is a set of none.
    ///
    /// # Errors
    /// `dim` is 0, the values are no whole number of rows or more than `u32::MAX` of them, or one
    /// is not finite.
    pub fn new(values: &'a [f32], dim: usize) -> Result<Self, Error> {
        check_rows(values, dim, "values of whole rows of features", "features")?;
        Ok(Self { values, dim })
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.values.len() / self.dim
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Values of one row.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The features of image `i`. Panics if `i >= len()`.
    pub fn row(&self, i: usize) -> &'a [f32] {
        &self.values[i * self.dim..(i + 1) * self.dim]
    }

    /// All rows, one after the other.
    pub(super) fn values(&self) -> &'a [f32] {
        self.values
    }

    /// Refuses two sets of different dimensions.
    pub(super) fn check_dim(&self, dim: usize) -> Result<(), Error> {
        if self.dim == dim {
            return Ok(());
        }
        Err(Error::Length {
            what: "features a row, as in the other set",
            expected: dim,
            got: self.dim,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn rows_and_refusals() {
        let features = Features::new(&[0.0, 0.0, 1.0, 2.0], 2).unwrap();
        assert_eq!((features.len(), features.dim()), (2, 2));
        assert_eq!(features.row(1), [1.0, 2.0]);
        assert!(Features::new(&[], 3).unwrap().is_empty());
        assert_eq!(Features::new(&[], 0).unwrap_err(), Error::ZeroDim);
        assert!(matches!(
            Features::new(&[1.0; 5], 2).unwrap_err(),
            Error::Length {
                expected: 6,
                got: 5,
                ..
            }
        ));
        for bad in [f32::NAN, f32::INFINITY] {
            assert!(matches!(
                Features::new(&[0.0, bad], 1).unwrap_err(),
                Error::NotFinite { index: 1, .. }
            ));
        }
    }
}
