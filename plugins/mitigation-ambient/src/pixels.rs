//! Pixels hidden one by one.

use eidetic_sdk::ndarray::{Array2, ArrayViewMut2};
use eidetic_sdk::random::Rng;
use rand::RngExt;

use crate::corruption::{Corruption, Mask, hide};

/// A hides each pixel with probability p, B each with probability delta.
pub(crate) struct Pixels {
    pub(crate) size: [usize; 2],
    pub(crate) p: f64,
    pub(crate) delta: f64,
}

/// Ones, each made 0 with probability `share`.
pub(crate) fn scattered(size: [usize; 2], share: f64, rng: &mut Rng) -> Mask {
    Array2::from_shape_simple_fn(size, || f32::from(u8::from(!rng.random_bool(share))))
}

impl Corruption for Pixels {
    fn mask(&self, rng: &mut Rng) -> Mask {
        scattered(self.size, self.p, rng)
    }

    fn further(&self, mask: &Mask, rng: &mut Rng) -> Mask {
        mask * &scattered(self.size, self.delta, rng)
    }

    fn project(&self, mask: &Mask, plane: ArrayViewMut2<'_, f32>) {
        hide(mask, plane);
    }

    fn hides_pixels(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use eidetic_sdk::random::rng;

    use super::*;

    #[test]
    fn the_shares_are_those_asked_for() {
        let size = [32, 32];
        let (p, delta) = (0.3, 0.1);
        let pixels = Pixels { size, p, delta };
        let (mut shown, mut further) = (0.0, 0.0);
        for index in 0..100 {
            let mut stream = rng(1, "test", index);
            let mask = pixels.mask(&mut stream);
            let more = pixels.further(&mask, &mut stream);
            assert!(more.iter().zip(&mask).all(|(more, mask)| more <= mask));
            assert!(mask.iter().all(|&keep| keep == 0.0 || keep == 1.0));
            shown += f64::from(mask.sum());
            further += f64::from(more.sum());
        }
        let count = 102_400.0;
        // Five standard deviations of a share of this many draws are below 0.008.
        assert!((shown / count - (1.0 - p)).abs() < 0.008);
        assert!((further / count - (1.0 - p) * (1.0 - delta)).abs() < 0.008);
    }

    #[test]
    fn nothing_is_hidden_where_nothing_is_asked_for() {
        let (size, p, delta) = ([4, 6], 0.0, 0.0);
        let pixels = Pixels { size, p, delta };
        let mut stream = rng(1, "test", 0);
        let mask = pixels.mask(&mut stream);
        assert_eq!(mask, Array2::<f32>::ones((4, 6)));
        assert_eq!(pixels.further(&mask, &mut stream), mask);
    }

    #[test]
    fn a_hidden_pixel_leaves_nothing_not_even_a_sign() {
        let mask = Array2::from_shape_vec((1, 4), vec![0.0, 0.0, 1.0, 0.0]);
        let (Ok(mask), size) = (mask, [1, 4]) else {
            panic!("expected four values");
        };
        let (p, delta) = (0.5, 0.0);
        let mut plane = Array2::from_shape_fn((1, 4), |(_, x)| [-3.0, 2.0, -5.0, f32::NAN][x]);
        Pixels { size, p, delta }.project(&mask, plane.view_mut());
        let bits: Vec<u32> = plane.iter().map(|value| value.to_bits()).collect();
        assert_eq!(bits, [0, 0, (-5.0_f32).to_bits(), 0]);
    }
}
