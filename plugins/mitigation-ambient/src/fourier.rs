//! Frequencies hidden.

use std::f64::consts::TAU;

use eidetic_sdk::ndarray::{Array2, ArrayViewMut2};
use eidetic_sdk::random::Rng;

use crate::corruption::{Corruption, Mask};
use crate::pixels::scattered;

/// Fourier subsampling as in MRI, which keeps the lowest frequencies and a random share of the
/// others, for real images of any size.
///
/// T is the Hartley transform along both axes, of the symmetric orthonormal matrices
/// cas(2 pi k n / N) / sqrt(N) with cas = cos + sin, each its own inverse. Place (ky, kx) of a mask
/// is that of the discrete Fourier transform's coefficient, frequency 0 first, and the four
/// (+-ky, +-kx), which Hartley coefficients mix, are shown or hidden together: then the projection
/// is the one that keeps those Fourier coefficients.
pub(crate) struct Fourier {
    /// The matrices of both axes.
    axes: [Array2<f64>; 2],
    p: f64,
    delta: f64,
}

fn hartley(n: usize) -> Array2<f64> {
    let scale = 1.0 / (n as f64).sqrt();
    Array2::from_shape_fn((n, n), |(k, x)| {
        // k x modulo n keeps the angle exact.
        let angle = TAU * ((k * x) % n) as f64 / n as f64;
        scale * (angle.cos() + angle.sin())
    })
}

/// |k| of a place of a transform.
fn frequency(place: usize, n: usize) -> usize {
    place.min(n - place)
}

impl Fourier {
    pub(crate) fn new(size: [usize; 2], p: f64, delta: f64) -> Self {
        Self {
            axes: size.map(hartley),
            p,
            delta,
        }
    }

    fn size(&self) -> [usize; 2] {
        [self.axes[0].nrows(), self.axes[1].nrows()]
    }

    /// Hides frequencies with probability `share`, but for the lowest sixteenth of each axis: 9 of
    /// 256 at 16 x 16.
    fn subsample(&self, share: f64, rng: &mut Rng) -> Mask {
        let [height, width] = self.size();
        let drawn = scattered([height / 2 + 1, width / 2 + 1], share, rng);
        Array2::from_shape_fn((height, width), |(y, x)| {
            let (ky, kx) = (frequency(y, height), frequency(x, width));
            match 16 * ky <= height && 16 * kx <= width {
                true => 1.0,
                false => drawn[[ky, kx]],
            }
        })
    }

    fn transform(&self, plane: &Array2<f64>) -> Array2<f64> {
        self.axes[0].dot(plane).dot(&self.axes[1])
    }
}

impl Corruption for Fourier {
    fn mask(&self, rng: &mut Rng) -> Mask {
        self.subsample(self.p, rng)
    }

    fn further(&self, mask: &Mask, rng: &mut Rng) -> Mask {
        mask * &self.subsample(self.delta, rng)
    }

    fn project(&self, mask: &Mask, mut plane: ArrayViewMut2<'_, f32>) {
        let coefficients = self.transform(&plane.mapv(f64::from));
        let kept = coefficients * mask.mapv(f64::from);
        plane.zip_mut_with(&self.transform(&kept), |value, &shown| {
            *value = shown as f32;
        });
    }

    fn hides_pixels(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use eidetic_sdk::random::rng;
    use rand::RngExt;

    use super::*;

    fn random(size: [usize; 2], seed: u64) -> Array2<f32> {
        let mut stream = rng(seed, "plane", 0);
        Array2::from_shape_simple_fn(size, || stream.random_range(-1.0..1.0))
    }

    fn product(a: &Array2<f32>, b: &Array2<f32>) -> f64 {
        let pairs = a.iter().zip(b);
        pairs.map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
    }

    fn projected(fourier: &Fourier, mask: &Mask, plane: &Array2<f32>) -> Array2<f32> {
        let mut out = plane.clone();
        fourier.project(mask, out.view_mut());
        out
    }

    fn worst(a: &Array2<f32>, b: &Array2<f32>) -> f32 {
        (a - b).iter().fold(0.0, |worst, off| off.abs().max(worst))
    }

    const SIZES: [[usize; 2]; 5] = [[16, 16], [28, 28], [32, 32], [7, 12], [1, 1]];

    #[test]
    fn the_transform_is_its_own_inverse_and_keeps_lengths() {
        for size in SIZES {
            let fourier = Fourier::new(size, 0.5, 0.1);
            let plane = random(size, 1).mapv(f64::from);
            let there = fourier.transform(&plane);
            let back = fourier.transform(&there);
            assert!((&back - &plane).iter().all(|off| off.abs() < 1e-12));
            let energy = |plane: &Array2<f64>| plane.iter().map(|x| x * x).sum::<f64>();
            assert!((energy(&there) / energy(&plane) - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn the_projection_is_idempotent_and_self_adjoint() {
        for size in SIZES {
            let fourier = Fourier::new(size, 0.5, 0.1);
            let mask = fourier.mask(&mut rng(2, "test", 0));
            let (a, b) = (random(size, 3), random(size, 4));
            let (pa, pb) = (
                projected(&fourier, &mask, &a),
                projected(&fourier, &mask, &b),
            );
            assert!(worst(&projected(&fourier, &mask, &pa), &pa) < 1e-6);
            assert!((product(&pa, &b) - product(&a, &pb)).abs() < 1e-5);
            // Pythagoras: what is shown and what is hidden are at right angles.
            let rest = product(&(&a - &pa), &(&a - &pa));
            assert!((product(&pa, &pa) + rest - product(&a, &a)).abs() < 1e-4);
        }
    }

    #[test]
    fn it_keeps_the_fourier_coefficients_of_the_mask_and_no_others() {
        let size = [6, 5];
        let fourier = Fourier::new(size, 0.5, 0.1);
        let mask = fourier.mask(&mut rng(5, "test", 0));
        assert!(mask.iter().any(|&keep| keep == 0.0) && mask.sum() > 1.0);
        let plane = random(size, 6);
        let shown = projected(&fourier, &mask, &plane);
        // The discrete Fourier transform by its definition.
        let coefficient = |plane: &Array2<f32>, ky: usize, kx: usize| {
            let terms = plane.indexed_iter().map(|((y, x), &value)| {
                let angle = -TAU * (ky * y) as f64 / 6.0 - TAU * (kx * x) as f64 / 5.0;
                [angle.cos(), angle.sin()].map(|part| f64::from(value) * part)
            });
            terms.fold([0.0, 0.0], |sum, term| [sum[0] + term[0], sum[1] + term[1]])
        };
        for ((ky, kx), &keep) in mask.indexed_iter() {
            let (was, is) = (coefficient(&plane, ky, kx), coefficient(&shown, ky, kx));
            for part in 0..2 {
                assert!((is[part] - f64::from(keep) * was[part]).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn the_lowest_frequencies_are_seen_and_a_share_of_the_others() {
        let size = [32, 32];
        let fourier = Fourier::new(size, 0.4, 0.25);
        let (mut shown, mut further, mut others) = (0.0, 0.0, 0.0);
        for index in 0..200 {
            let mut stream = rng(7, "test", index);
            let mask = fourier.mask(&mut stream);
            let more = fourier.further(&mask, &mut stream);
            for ((y, x), &keep) in mask.indexed_iter() {
                let mirrored = [(32 - y) % 32, (32 - x) % 32];
                assert_eq!((keep, more[[y, x]]), (mask[mirrored], more[mirrored]));
                assert_eq!(keep, mask[[y, mirrored[1]]]);
                assert!(more[[y, x]] <= keep);
                if frequency(y, 32) <= 2 && frequency(x, 32) <= 2 {
                    assert_eq!(more[[y, x]], 1.0);
                } else {
                    shown += f64::from(keep);
                    further += f64::from(more[[y, x]]);
                    others += 1.0;
                }
            }
        }
        // 289 draws a mask: five standard deviations are below 0.015.
        assert!((shown / others - 0.6).abs() < 0.015);
        assert!((further / others - 0.6 * 0.75).abs() < 0.015);
    }

    #[test]
    fn where_nothing_is_hidden_a_plane_stays_as_it_is() {
        let fourier = Fourier::new([9, 8], 0.0, 0.0);
        let mut stream = rng(8, "test", 0);
        let mask = fourier.mask(&mut stream);
        assert_eq!(mask, Array2::<f32>::ones((9, 8)));
        assert_eq!(fourier.further(&mask, &mut stream), mask);
        let plane = random([9, 8], 9);
        assert!(worst(&projected(&fourier, &mask, &plane), &plane) < 1e-6);
        // A constant is frequency 0 and passes any mask.
        let fourier = Fourier::new([9, 8], 0.99, 0.0);
        let mask = fourier.mask(&mut stream);
        let constant = Array2::from_elem((9, 8), 0.7);
        assert!(worst(&projected(&fourier, &mask, &constant), &constant) < 1e-6);
    }
}
