//! Between levels 0..=255 and the [-1, 1] of models: the one place where this is done.

/// A level as a value in [-1, 1]: level / 127.5 - 1.
pub fn to_unit(level: u8) -> f32 {
    (f64::from(level) / 127.5 - 1.0) as f32
}

/// The level nearest to a value, halves away from 0, clamped to 0..=255; the inverse of [`to_unit`]
/// on its values. NaN gives 0: values that are not finite are refused before they get here.
pub fn to_u8(unit: f32) -> u8 {
    // A cast from float to integer saturates.
    ((f64::from(unit) + 1.0) * 127.5).round() as u8
}

/// The standard deviation of levels in [-1, 1], over all of them (divisor n): sigma_data. Sums are
/// of integers, so the order of images does not matter. 0 for no levels and for equal ones.
pub fn standard_deviation(levels: &[u8]) -> f64 {
    let (mut sum, mut squares) = (0_u128, 0_u128);
    for &level in levels {
        sum += u128::from(level);
        squares += u128::from(level) * u128::from(level);
    }
    let n = levels.len() as u128;
    if n == 0 {
        return 0.0;
    }
    ((n * squares - sum * sum) as f64).sqrt() / n as f64 / 127.5
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_ends_are_exact_and_every_level_comes_back() {
        assert_eq!(to_unit(0), -1.0);
        assert_eq!(to_unit(255), 1.0);
        for level in 0..=255 {
            assert_eq!(to_u8(to_unit(level)), level);
        }
    }

    #[test]
    fn values_round_to_the_nearest_level_halves_up() {
        // 0 is 127.5 exactly; -1 + 1/127.5 is level 1.
        assert_eq!(to_u8(0.0), 128);
        assert_eq!(to_u8(-1.0e-6), 127);
        assert_eq!(to_u8(-1.0 + 0.49 / 127.5), 0);
        assert_eq!(to_u8(-1.0 + 0.51 / 127.5), 1);
        assert_eq!(to_u8(-1.0 + 1.0 / 127.5), 1);
    }

    #[test]
    fn values_outside_are_clamped() {
        assert_eq!([-1.5, f32::NEG_INFINITY, f32::MIN].map(to_u8), [0; 3]);
        assert_eq!([1.5, f32::INFINITY, f32::MAX].map(to_u8), [255; 3]);
        assert_eq!(to_u8(f32::NAN), 0);
    }

    #[test]
    fn the_deviation_is_that_of_the_values() {
        // Half at -1 and half at 1.
        assert_eq!(standard_deviation(&[0, 255, 255, 0]), 1.0);
        // -1, -1, 1: mean -1/3, variance 8/9.
        assert!((standard_deviation(&[0, 0, 255]) - (8.0_f64 / 9.0).sqrt()).abs() < 1e-15);
        assert_eq!(standard_deviation(&[7; 100]), 0.0);
        assert_eq!(standard_deviation(&[]), 0.0);
    }
}
