//! D*(x; sigma) = sum_i softmax_i(-|x - x_i|^2 / (2 sigma^2)) x_i and its Jacobian, in f64, one
//! row at a time: nothing that a row computes depends on what else is in its batch.

/// The stored images, centred on their mean.
pub(crate) struct ClosedForm {
    pixels: usize,
    mean: Vec<f64>,
    /// `[N, pixels]`.
    centred: Vec<f64>,
    /// |x_i~|^2 / 2, `[N]`.
    half_norms: Vec<f64>,
}

/// A point, its softmax weights, and D there.
pub(crate) struct Denoised {
    /// `[N]`, sum 1.
    weights: Vec<f64>,
    /// D, `[pixels]`.
    pub(crate) image: Vec<f64>,
}

impl ClosedForm {
    /// Over images `[N, pixels]`, at least one.
    pub(crate) fn new(images: &[f64], pixels: usize) -> Self {
        let count = images.len() / pixels;
        let mut mean = vec![0.0; pixels];
        for image in images.chunks_exact(pixels) {
            add_scaled(&mut mean, 1.0, image);
        }
        mean.iter_mut().for_each(|sum| *sum /= count as f64);
        let mut centred = images.to_vec();
        for image in centred.chunks_exact_mut(pixels) {
            add_scaled(image, -1.0, &mean);
        }
        let half_norms = centred
            .chunks_exact(pixels)
            .map(|image| 0.5 * dot(image, image))
            .collect();
        Self {
            pixels,
            mean,
            centred,
            half_norms,
        }
    }

    /// D and the weights at `x`, `[pixels]`, for a sigma above 0. NaN where `x` has NaN.
    pub(crate) fn denoise(&self, x: &[f64], sigma: f64) -> Denoised {
        let x: Vec<f64> = x.iter().zip(&self.mean).map(|(x, m)| x - m).collect();
        let variance = sigma * sigma;
        let mut weights: Vec<f64> = self
            .images()
            .zip(&self.half_norms)
            .map(|(image, half_norm)| (dot(&x, image) - half_norm) / variance)
            .collect();
        softmax(&mut weights);
        let mut image = self.mean.clone();
        self.mix(&weights, &mut image);
        Denoised { weights, image }
    }

    /// The cotangent's product with dD/dx, `[pixels]`: Cov(weights) v / sigma^2, where
    /// Cov v = sum_i w_i (x_i~ . v - sum_j w_j x_j~ . v) x_i~. The Jacobian is symmetric.
    pub(crate) fn vjp(&self, at: &Denoised, sigma: f64, cotangent: &[f64]) -> Vec<f64> {
        let along: Vec<f64> = self.images().map(|image| dot(image, cotangent)).collect();
        let mean = dot(&at.weights, &along);
        let variance = sigma * sigma;
        let coefficients: Vec<f64> = at
            .weights
            .iter()
            .zip(&along)
            .map(|(weight, along)| weight * (along - mean) / variance)
            .collect();
        let mut product = vec![0.0; self.pixels];
        self.mix(&coefficients, &mut product);
        product
    }

    fn images(&self) -> impl Iterator<Item = &[f64]> {
        self.centred.chunks_exact(self.pixels)
    }

    fn mix(&self, coefficients: &[f64], sum: &mut [f64]) {
        for (image, &coefficient) in self.images().zip(coefficients) {
            // Most weights are exactly 0 at small sigma.
            if coefficient != 0.0 {
                add_scaled(sum, coefficient, image);
            }
        }
    }
}

/// The largest logit is subtracted first, so that none overflows and one weight is 1 before the
/// division.
fn softmax(logits: &mut [f64]) {
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut sum = 0.0;
    for logit in logits.iter_mut() {
        *logit = (*logit - largest).exp();
        sum += *logit;
    }
    logits.iter_mut().for_each(|weight| *weight /= sum);
}

/// Eight sums side by side, added up in a fixed order: as fast as the processor's vectors, and the
/// same bits on all of them.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    const LANES: usize = 8;
    let mut lanes = [0.0; LANES];
    let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = a_chunks.remainder().iter().zip(b_chunks.remainder());
    let rest: f64 = rest.map(|(a, b)| a * b).sum();
    for (a, b) in a_chunks.zip(b_chunks) {
        for lane in 0..LANES {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    lanes.iter().sum::<f64>() + rest
}

fn add_scaled(sum: &mut [f64], factor: f64, values: &[f64]) {
    for (sum, value) in sum.iter_mut().zip(values) {
        *sum += factor * value;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn two_pixels_by_hand() {
        // x is 0.5 from -1 and 1.5 from 1: logits -1/8 and -9/8 at sigma 1, weights 1/(1 + e^-1).
        let model = ClosedForm::new(&[-1.0, 1.0], 1);
        let near = 1.0 / (1.0 + (-1.0_f64).exp());
        let denoised = model.denoise(&[-0.5], 1.0);
        assert!((denoised.weights[0] - near).abs() < 1e-15);
        assert!((denoised.image[0] - (1.0 - 2.0 * near)).abs() < 1e-15);
        // D = -tanh(-x / sigma^2) between -1 and 1, its derivative (1 - D^2) / sigma^2.
        let slope = model.vjp(&denoised, 1.0, &[1.0])[0];
        assert!((denoised.image[0] - (-0.5_f64).tanh()).abs() < 1e-15);
        assert!((slope - (1.0 - denoised.image[0].powi(2))).abs() < 1e-15);
    }

    #[test]
    fn one_image_is_all_there_is() {
        let model = ClosedForm::new(&[0.25, -0.5, 1.0], 3);
        for sigma in [1e-6, 1.0, 1e6] {
            let denoised = model.denoise(&[9.0, 9.0, -9.0], sigma);
            assert_eq!(denoised.image, [0.25, -0.5, 1.0]);
            assert_eq!(model.vjp(&denoised, sigma, &[1.0, 2.0, 3.0]), [0.0; 3]);
        }
    }

    #[test]
    fn a_row_that_is_there_three_times_weighs_three_times() {
        let model = ClosedForm::new(&[-1.0, 1.0, 1.0, 1.0], 1);
        let denoised = model.denoise(&[0.0], 2.0);
        assert!((denoised.image[0] - 0.5).abs() < 1e-15);
    }

    #[test]
    fn the_smallest_and_largest_sigma_give_the_nearest_image_and_the_mean() {
        let model = ClosedForm::new(&[-1.0, -1.0, 0.0, 0.5, 1.0, 1.0], 2);
        assert_eq!(model.denoise(&[0.4, 0.4], 1e-9).image, [0.0, 0.5]);
        let blurred = model.denoise(&[0.4, 0.4], 1e9).image;
        assert!((blurred[0] - 0.0).abs() < 1e-12 && (blurred[1] - 1.0 / 6.0).abs() < 1e-12);
        // Half way between two images at a sigma where neither exponent would fit.
        let tie = model.denoise(&[-0.5, -0.25], 1e-3).image;
        assert!((tie[0] + 0.5).abs() < 1e-9 && (tie[1] + 0.25).abs() < 1e-9);
    }

    #[test]
    fn not_a_number_stays_one() {
        let model = ClosedForm::new(&[-1.0, -1.0, 1.0, 1.0], 2);
        assert!(
            model
                .denoise(&[f64::NAN, 0.0], 1.0)
                .image
                .iter()
                .all(|x| x.is_nan())
        );
    }

    #[test]
    fn the_vjp_is_the_slope_by_central_differences() {
        let (pixels, count) = (11, 7);
        let mut state = 1_u32;
        let mut draw = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(state >> 8) / f64::from(1 << 23) - 1.0
        };
        let images: Vec<f64> = (0..pixels * count).map(|_| draw()).collect();
        let x: Vec<f64> = (0..pixels).map(|_| draw()).collect();
        let cotangent: Vec<f64> = (0..pixels).map(|_| draw()).collect();
        let model = ClosedForm::new(&images, pixels);
        for sigma in [0.3, 1.0, 4.0] {
            let vjp = model.vjp(&model.denoise(&x, sigma), sigma, &cotangent);
            let largest = vjp.iter().fold(0.0_f64, |most, v| most.max(v.abs()));
            for pixel in 0..pixels {
                let step = 1e-5 * sigma;
                let moved = |by: f64| {
                    let mut x = x.clone();
                    x[pixel] += by;
                    dot(&model.denoise(&x, sigma).image, &cotangent)
                };
                let slope = (moved(step) - moved(-step)) / (2.0 * step);
                assert!(
                    (vjp[pixel] - slope).abs() < 1e-8 * largest.max(1.0),
                    "sigma {sigma}, pixel {pixel}: {} against {slope}",
                    vjp[pixel]
                );
            }
        }
    }
}
