//! Borrowed images: rows of u8 pixels, and the distance between two of them.

use crate::Error;

/// A set of images, one row of `dim` u8 pixels (C * H * W) each, borrowed.
///
/// ```
/// use eidetic_metrics::Images;
///
/// let images = Images::new(&[0, 0, 255, 255, 0, 255], 2)?;
/// assert_eq!(images.len(), 3);
/// assert_eq!(images.row(1), [255, 255]);
/// assert!(Images::new(&[0, 0, 0], 2).is_err());
/// # Ok::<(), eidetic_metrics::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Images<'a> {
    pixels: &'a [u8],
    dim: usize,
}

impl<'a> Images<'a> {
    /// Takes `pixels` as rows of `dim`; an empty slice is a set of no images.
    ///
    /// # Errors
    /// `dim` is 0, the pixels are no whole number of rows, or more than `u32::MAX` of them.
    pub fn new(pixels: &'a [u8], dim: usize) -> Result<Self, Error> {
        if dim == 0 {
            return Err(Error::ZeroDim);
        }
        if !pixels.len().is_multiple_of(dim) {
            return Err(Error::Ragged {
                pixels: pixels.len(),
                dim,
            });
        }
        let images = pixels.len() / dim;
        if u32::try_from(images).is_err() {
            return Err(Error::TooManyImages { images });
        }
        Ok(Self { pixels, dim })
    }

    /// The number of images.
    pub fn len(&self) -> usize {
        self.pixels.len() / self.dim
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.pixels.is_empty()
    }

    /// Pixels of one image.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// All pixels, row after row.
    pub fn pixels(&self) -> &'a [u8] {
        self.pixels
    }

    /// The pixels of image `i`. Panics if `i >= len()`.
    pub fn row(&self, i: usize) -> &'a [u8] {
        &self.pixels[i * self.dim..(i + 1) * self.dim]
    }

    /// The images in order.
    pub fn rows(&self) -> std::slice::ChunksExact<'a, u8> {
        self.pixels.chunks_exact(self.dim)
    }

    /// Copies the pixels of the images at `rows`, in that order: the representatives of
    /// [`Groups`](crate::Groups), say.
    ///
    /// # Errors
    /// An entry of `rows` is no image of this set.
    pub fn select(&self, rows: &[u32]) -> Result<Vec<u8>, Error> {
        let mut pixels = Vec::with_capacity(rows.len() * self.dim);
        for (index, &row) in rows.iter().enumerate() {
            if row as usize >= self.len() {
                let (got, bound) = (u64::from(row), self.len());
                return Err(Error::OutOfRange {
                    what: "image indices",
                    index,
                    got,
                    bound,
                });
            }
            pixels.extend_from_slice(self.row(row as usize));
        }
        Ok(pixels)
    }
}

/// The sum of squared differences of two images of the same length: an exact integer, so no
/// order of summation changes it.
pub fn squared_distance(a: &[u8], b: &[u8]) -> u64 {
    squared_within(a, b, u64::MAX).unwrap_or(u64::MAX)
}

/// l2 = sqrt(mean((a - b)^2)) with pixels in [0, 1], from the sum of squares of u8 pixels.
/// 0 for equal images, 1 for black against white. Increasing in `squared`.
///
/// ```
/// use eidetic_metrics::{l2, squared_distance};
///
/// assert_eq!(l2(squared_distance(&[0, 0, 0, 0], &[255, 0, 0, 0]), 4), 0.5);
/// ```
pub fn l2(squared: u64, dim: usize) -> f64 {
    (squared as f64 / dim as f64).sqrt() / 255.0
}

/// The largest sum of squares whose [`l2`] is at most `limit_l2`; `None` below 0.
pub(crate) fn squared_limit(limit_l2: f64, dim: usize) -> Option<u64> {
    if limit_l2 < 0.0 {
        return None;
    }
    let largest = 255 * 255 * dim as u64;
    if limit_l2 >= 1.0 {
        return Some(largest);
    }
    // The estimate is off by rounding at most; settle it by the very function that is quoted.
    let mut limit = ((limit_l2 * 255.0).powi(2) * dim as f64) as u64;
    while limit > 0 && l2(limit, dim) > limit_l2 {
        limit -= 1;
    }
    while limit < largest && l2(limit + 1, dim) <= limit_l2 {
        limit += 1;
    }
    Some(limit)
}

/// The squared distance if it is at most `limit`; gives up early where it is not.
pub(crate) fn squared_within(a: &[u8], b: &[u8], limit: u64) -> Option<u64> {
    // 256 pixels add at most 256 * 255^2 < 2^25, far inside the i32 that SIMD adds in.
    const STEP: usize = 256;
    let mut total = 0_u64;
    for (a, b) in a.chunks(STEP).zip(b.chunks(STEP)) {
        let sum: i32 = a
            .iter()
            .zip(b)
            .map(|(&a, &b)| {
                let difference = i32::from(a) - i32::from(b);
                difference * difference
            })
            .sum();
        total += sum as u64;
        if total > limit {
            return None;
        }
    }
    Some(total)
}
