//! What rows of floats have to be, whatever they are rows of.

use crate::Error;

/// Checks that `values` are rows of `dim`, at most `u32::MAX` of them, and finite. Errors call them
/// `values of whole ..` and by their name.
pub(crate) fn check_rows(
    values: &[f32],
    dim: usize,
    whole: &'static str,
    what: &'static str,
) -> Result<(), Error> {
    if dim == 0 {
        return Err(Error::ZeroDim);
    }
    if !values.len().is_multiple_of(dim) {
        return Err(Error::Length {
            what: whole,
            expected: values.len().next_multiple_of(dim),
            got: values.len(),
        });
    }
    let images = values.len() / dim;
    if u32::try_from(images).is_err() {
        return Err(Error::TooManyImages { images });
    }
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(index) => Err(Error::NotFinite {
            what,
            index,
            got: f64::from(values[index]),
        }),
    }
}
