//! The line for the model's card.

/// What was spent. Epsilon is rounded up: no less may be claimed.
pub(crate) fn spent(epsilon: f64, delta: f64, steps: u64, rate: f64, noise: f64) -> String {
    if epsilon.is_infinite() {
        return format!("no privacy (noise multiplier {noise})");
    }
    format!(
        "epsilon {} at delta {delta:e} after {} steps (RDP accountant, sampling rate {}, noise \
         multiplier {noise})",
        rounded_up(epsilon),
        thousands(steps),
        significant(rate),
    )
}

/// Nothing can be said.
pub(crate) fn none(noise: f64) -> String {
    format!("no epsilon: batches are not Poisson samples (noise multiplier {noise})")
}

/// Three significant digits, and no fewer than are before the point.
fn rounded_up(value: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    let decimals = (2 - value.log10().floor() as i32).clamp(0, 12);
    let scale = 10f64.powi(decimals);
    // A value that has so few digits by itself is not lifted by its last bit.
    let lifted = (value * scale * (1.0 - 1e-14)).ceil() / scale;
    format!("{lifted:.*}", decimals as usize)
}

/// Four significant digits at most.
fn significant(value: f64) -> f64 {
    let scale = 10f64.powi(3 - value.log10().floor() as i32);
    (value * scale).round() / scale
}

fn thousands(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_rounded_up() {
        for (value, text) in [
            (0.0, "0"),
            (9.974, "9.98"),
            (9.98, "9.98"),
            (0.012341, "0.0124"),
            (10.0, "10.0"),
            (99.91, "100.0"),
            (40.0547, "40.1"),
            (123456.2, "123457"),
        ] {
            assert_eq!(rounded_up(value), text);
        }
    }

    #[test]
    fn steps_have_commas_and_rates_few_digits() {
        for (value, text) in [
            (0, "0"),
            (999, "999"),
            (3000, "3,000"),
            (1234567, "1,234,567"),
        ] {
            assert_eq!(thousands(value), text);
        }
        assert_eq!(significant(64.0 / 60000.0), 0.001067);
        assert_eq!(significant(1.0), 1.0);
        assert_eq!(significant(0.1), 0.1);
    }
}
