//! What hides a part of an image.

use eidetic_sdk::ndarray::{Array2, ArrayViewMut2};
use eidetic_sdk::random::Rng;

use crate::boxes::Boxes;
use crate::fourier::Fourier;
use crate::options::{Kind, Options};
use crate::pixels::Pixels;

/// A keep-mask `[H, W]`: 1 where a pixel (or frequency) is shown, 0 where it is hidden.
pub(crate) type Mask = Array2<f32>;

/// A family of orthogonal projections T^-1 diag(mask) T, T an orthonormal change of basis of
/// planes `[H, W]`: the identity where pixels are hidden.
pub(crate) trait Corruption: Send + Sync {
    /// A.
    fn mask(&self, rng: &mut Rng) -> Mask;

    /// A~ = A B, which hides what `mask` hides and more.
    fn further(&self, mask: &Mask, rng: &mut Rng) -> Mask;

    /// Projects a plane.
    fn project(&self, mask: &Mask, plane: ArrayViewMut2<'_, f32>);

    /// Whether T is the identity.
    fn hides_pixels(&self) -> bool;
}

/// The corruption of the options, for planes of `size` `[H, W]`.
pub(crate) fn corruption(options: &Options, size: [usize; 2]) -> Box<dyn Corruption> {
    let (p, delta) = (options.p, options.delta);
    match options.corruption {
        Kind::Pixel => Box::new(Pixels { size, p, delta }),
        Kind::Box => Box::new(Boxes::new(size, p, delta > 0.0)),
        Kind::Fourier => Box::new(Fourier::new(size, p, delta)),
    }
}

/// Writes 0 over what is hidden, so that not even its sign is left, as a product would.
pub(crate) fn hide(mask: &Mask, mut plane: ArrayViewMut2<'_, f32>) {
    plane.zip_mut_with(mask, |value, &keep| {
        if keep == 0.0 {
            *value = 0.0;
        }
    });
}
