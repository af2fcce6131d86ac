//! Likeness of two images apart from brightness and contrast.

/// The cosine of two images of the same length, each less its own mean (Pearson's correlation of
/// the pixels), in [-1, 1]. Of a constant image, which has no direction, it is 0, and 1 to an equal
/// one. From exact integers, so no order of summation changes it.
///
/// ```
/// use eidetic_metrics::centred_cosine;
///
/// assert_eq!(centred_cosine(&[0, 10, 20], &[100, 150, 200]), 1.0);
/// assert_eq!(centred_cosine(&[0, 10, 20], &[9, 9, 9]), 0.0);
/// ```
pub fn centred_cosine(a: &[u8], b: &[u8]) -> f64 {
    if a == b {
        return 1.0;
    }
    let sum = |of: &[u8]| of.iter().map(|&pixel| i128::from(pixel)).sum::<i128>();
    let (sum_a, sum_b) = (sum(a), sum(b));
    let centred = |x: &[u8], y: &[u8], means: i128| {
        a.len().min(b.len()) as i128 * i128::from(product(x, y)) - means
    };
    let of_a = centred(a, a, sum_a * sum_a);
    let of_b = centred(b, b, sum_b * sum_b);
    if of_a == 0 || of_b == 0 {
        return 0.0;
    }
    let both = centred(a, b, sum_a * sum_b);
    (both as f64 / (of_a as f64 * of_b as f64).sqrt()).clamp(-1.0, 1.0)
}

/// The sum of products of pixels, exact.
pub(crate) fn product(a: &[u8], b: &[u8]) -> i64 {
    // 4,096 pixels add at most 4,096 * 255^2 < 2^29, inside the i32 that SIMD adds in.
    const STEP: usize = 4096;
    let step = |(a, b): (&[u8], &[u8])| -> i64 {
        let products = a.iter().zip(b).map(|(&a, &b)| i32::from(a) * i32::from(b));
        i64::from(products.sum::<i32>())
    };
    a.chunks(STEP).zip(b.chunks(STEP)).map(step).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        // Less their means: (-1, 0, 1) and (-4, 2, 2): 6 / (sqrt 2 * sqrt 24).
        let cosine = centred_cosine(&[1, 2, 3], &[1, 7, 7]);
        assert!((cosine - 6.0 / 48.0_f64.sqrt()).abs() < 1e-15);
        assert_eq!(centred_cosine(&[0, 255], &[255, 0]), -1.0);
        assert_eq!(centred_cosine(&[5, 5], &[5, 5]), 1.0);
        assert_eq!(centred_cosine(&[5, 5], &[6, 6]), 0.0);
        assert_eq!(centred_cosine(&[], &[]), 1.0);
    }

    #[test]
    fn large_images_are_exact() {
        let a = vec![255; 1 << 20];
        assert_eq!(product(&a, &a), (1 << 20) * 65_025);
        let mut b = a.clone();
        b[0] = 0;
        assert!(centred_cosine(&b, &b) == 1.0 && centred_cosine(&a, &b) == 0.0);
    }
}
