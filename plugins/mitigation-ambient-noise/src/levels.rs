//! The regression at levels above the fixed noise.

/// sigma^2 is at least (1 + MARGIN) sigma_n^2.
const MARGIN: f64 = 1e-3;

/// A level at or above `sigma_n`, raised where it is too near.
pub(crate) fn level(sigma: f32, sigma_n: f64) -> f32 {
    sigma.max((sigma_n * (1.0 + MARGIN).sqrt()) as f32)
}

/// Factors of the regression of D on x_n and the fresh noise n.
pub(crate) struct Regression {
    /// s = sqrt(sigma^2 - sigma_n^2): x_t = x_n + s n.
    pub(crate) spread: f64,
    /// sigma_n^2 / s: the target is x_n - back n.
    pub(crate) back: f64,
    /// a^2.
    pub(crate) weight: f64,
}

/// With a = s^2 / sigma^2 and b = sigma_n^2 / sigma^2 = 1 - a, the loss |a D + b x_t - x_n|^2 is
/// a^2 |D - t|^2 for t = (x_n - b x_t) / a. Since x_t = x_n + s n,
///
/// t = ((1 - b) x_n - b s n) / a = x_n - (b / a) s n = x_n - (sigma_n^2 / s^2) s n
///   = x_n - (sigma_n^2 / s) n.
///
/// `sigma` as [`level`] gives it: above `sigma_n`, or any where that is 0.
pub(crate) fn regression(sigma: f32, sigma_n: f64) -> Regression {
    let square = f64::from(sigma).powi(2);
    let rest = square - sigma_n * sigma_n;
    let spread = rest.sqrt();
    Regression {
        spread,
        back: if sigma_n == 0.0 {
            0.0
        } else {
            sigma_n * sigma_n / spread
        },
        weight: if sigma_n == 0.0 {
            1.0
        } else {
            (rest / square).powi(2)
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_by_hand() {
        // sigma^2 = 25, sigma_n^2 = 9: s = 4, 9 / 4, (16 / 25)^2.
        let terms = regression(5.0, 3.0);
        assert_eq!((terms.spread, terms.back), (4.0, 2.25));
        assert!((terms.weight - 0.4096).abs() < 1e-15);
        let terms = regression(2.0, 0.0);
        assert_eq!((terms.spread, terms.back, terms.weight), (2.0, 0.0, 1.0));
    }

    #[test]
    fn a_level_at_the_fixed_noise_is_raised() {
        assert_eq!(level(3.0, 2.0), 3.0);
        for sigma in [2.0, 2.0005] {
            let raised = f64::from(level(sigma, 2.0));
            assert!((raised * raised / 4.0 - 1.001).abs() < 1e-6);
        }
        let terms = regression(level(2.0, 2.0), 2.0);
        assert!((terms.back / (2.0 / 1e-3_f64.sqrt()) - 1.0).abs() < 1e-3);
        assert!((terms.weight / 1e-6 - 1.0).abs() < 5e-3);
    }
}
