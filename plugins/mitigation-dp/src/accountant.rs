//! The privacy that DP-SGD spends: Renyi differential privacy of the Poisson-sampled Gaussian.
//!
//! Mironov, Talwar and Zhang 2019, "Renyi Differential Privacy of the Sampled Gaussian Mechanism"
//! (arXiv 1908.10530): a step of sampling rate q and noise multiplier s spends, at order a,
//! ln(A_a) / (a - 1) with A_a = E[((1 - q) + q exp((2 z - 1) / (2 s^2)))^a], z ~ N(0, s^2). Steps
//! add up. The spending at an order becomes epsilon at delta by proposition 12 of Canonne, Kamath
//! and Steinke 2020 (arXiv 2004.00010), and the best order counts. Neighbours are training sets of
//! which one has an image more.
//!
//! The figures are Opacus' where its orders are the same. dp-accounting (0.6.0) adds absolute values
//! where the series of an order that is not whole alternates: an upper bound, up to some per cent
//! above where a low order is best.

/// Below this noise multiplier sampling is not counted on: the figure is that of the Gaussian of
/// the whole set, which bounds it.
const LEAST_SAMPLED: f64 = 0.05;

/// Noise multipliers found are multiples of this.
const GRAIN: f64 = 1e-4;

/// Orders that epsilon is the least over: those of dp-accounting.
fn orders() -> impl Iterator<Item = f64> {
    let fine = (11..=109).map(|tenths| f64::from(tenths) / 10.0);
    let whole = (11..=63).map(f64::from);
    fine.chain(whole).chain([128.0, 256.0, 512.0, 1024.0])
}

/// Epsilon at `delta` after `steps` steps of sampling rate `rate` (0 to 1); infinite where the noise
/// multiplier is 0.
pub(crate) fn epsilon(rate: f64, noise_multiplier: f64, steps: u64, delta: f64) -> f64 {
    let spent = |order| (order, steps as f64 * rdp(rate, noise_multiplier, order));
    let converted = orders()
        .map(spent)
        .map(|(order, rdp)| at(order, rdp, delta));
    converted.fold(f64::INFINITY, f64::min).max(0.0)
}

/// The least noise multiplier, in steps of 1e-4 from 0.05 on, that spends at most `target`; None
/// where a million does not.
pub(crate) fn noise_multiplier(rate: f64, steps: u64, delta: f64, target: f64) -> Option<f64> {
    let value = |grains: u64| grains as f64 * GRAIN;
    let enough = |grains| epsilon(rate, value(grains), steps, delta) <= target;
    let mut low = (LEAST_SAMPLED / GRAIN).round() as u64;
    if enough(low) {
        return Some(value(low));
    }
    let most = (1e6 / GRAIN) as u64;
    let mut high = 2 * low;
    while !enough(high) {
        if high > most {
            return None;
        }
        (low, high) = (high, 2 * high);
    }
    while high - low > 1 {
        let middle = low.midpoint(high);
        match enough(middle) {
            true => high = middle,
            false => low = middle,
        }
    }
    Some(value(high))
}

/// Epsilon at delta of a mechanism that spends `rdp` at an order.
fn at(order: f64, rdp: f64, delta: f64) -> f64 {
    // Renyi divergence bounds the one of Kullback and Leibler, KL, and delta <= sqrt(1 - exp(-KL)).
    if delta * delta + (-rdp).exp_m1() > 0.0 {
        return 0.0;
    }
    rdp + (-1.0 / order).ln_1p() - (delta * order).ln() / (order - 1.0)
}

/// What one step spends at an order above 1.
pub(crate) fn rdp(rate: f64, noise_multiplier: f64, order: f64) -> f64 {
    if rate == 0.0 {
        return 0.0;
    }
    if rate >= 1.0 || noise_multiplier < LEAST_SAMPLED {
        return order / (2.0 * noise_multiplier.powi(2));
    }
    let ln_a = match order.fract() == 0.0 {
        true => ln_a_by_sum(rate, noise_multiplier, order),
        false => ln_a_by_integral(rate, noise_multiplier, order),
    };
    ln_a.max(0.0) / (order - 1.0)
}

/// ln(A_a) of a whole order: the binomial sum of section 3.3,
/// A_a = sum_k C(a, k) (1 - q)^(a - k) q^k exp((k^2 - k) / (2 s^2)).
fn ln_a_by_sum(rate: f64, noise_multiplier: f64, order: f64) -> f64 {
    let mut ln_choose = 0.0;
    let terms = (0..=order as u32).map(|k| {
        let k = f64::from(k);
        let ln_weight = ln_choose + k * rate.ln() + (order - k) * (-rate).ln_1p();
        ln_choose += ((order - k) / (k + 1.0)).ln();
        ln_weight + (k * k - k) / (2.0 * noise_multiplier.powi(2))
    });
    ln_sum(terms)
}

/// ln(A_a) of any order above 1: the integral itself by the trapezoid rule, which converges
/// exponentially for a smooth integrand that vanishes at both ends. All terms are positive: the
/// alternating series that section 3.3 has instead settles slowly, or not, at small orders.
///
/// The integrand lies between humps at 0 and `order`, both of deviation s. Its poles are pi s^2
/// away from the real line.
fn ln_a_by_integral(rate: f64, noise_multiplier: f64, order: f64) -> f64 {
    let variance = noise_multiplier.powi(2);
    let margin = 13.0 * noise_multiplier;
    let width = noise_multiplier.min(variance) / 8.0;
    let count = ((order + 2.0 * margin) / width).ceil() as u64;
    let (ln_rate, ln_rest) = (rate.ln(), (-rate).ln_1p());
    let terms = (0..=count).map(|place| {
        let z = place as f64 * width - margin;
        let ln_ratio = ln_add(ln_rest, ln_rate + (2.0 * z - 1.0) / (2.0 * variance));
        order * ln_ratio - z * z / (2.0 * variance)
    });
    ln_sum(terms) + (width / (noise_multiplier * std::f64::consts::TAU.sqrt())).ln()
}

/// ln(exp(a) + exp(b)).
fn ln_add(a: f64, b: f64) -> f64 {
    a.max(b) + (-(a - b).abs()).exp().ln_1p()
}

/// ln of the sum of exp over terms, of which there is one at least.
fn ln_sum(terms: impl Iterator<Item = f64>) -> f64 {
    let terms: Vec<f64> = terms.collect();
    let most = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    most + terms
        .iter()
        .map(|term| (term - most).exp())
        .sum::<f64>()
        .ln()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    /// Made by Opacus, dp-accounting and mpmath: `tests/fixtures/accountant.py`.
    fn fixture(list: &str) -> Vec<Value> {
        let text = include_str!("../tests/fixtures/accountant.json");
        let whole: Value = serde_json::from_str(text).unwrap();
        whole[list].as_array().unwrap().clone()
    }

    fn near(got: f64, want: f64, relative: f64, absolute: f64) -> bool {
        (got - want).abs() <= relative * want.abs() + absolute
    }

    #[test]
    fn each_order_is_that_of_opacus_and_of_quadrature() {
        let orders = fixture("orders");
        assert_eq!(orders.len(), 54);
        for row in orders {
            let field = |name: &str| row[name].as_f64().unwrap();
            let order = field("order");
            let got = rdp(field("sampling_rate"), field("noise_multiplier"), order);
            assert!(near(got, field("rdp_exact"), 1e-11, 1e-13), "{row} {got}");
            if let Some(opacus) = row["rdp_opacus"].as_f64() {
                // Its series stops where a term is below e^-30.
                assert!(near(got, opacus, 1e-9, 1e-11), "{row} {got}");
            }
        }
    }

    #[test]
    fn epsilon_is_that_of_opacus_and_no_less_than_could_be_claimed() {
        for row in fixture("runs") {
            let field = |name: &str| row[name].as_f64().unwrap();
            let (rate, multiplier) = (field("sampling_rate"), field("noise_multiplier"));
            let got = epsilon(rate, multiplier, field("steps") as u64, field("delta"));
            // At orders that are not whole Opacus stops its series where a term is below e^-30.
            let opacus = field("opacus_same_orders");
            assert!(near(got, opacus, 1e-9, 0.0), "{row} {got}");
            let at_order = |order: u32| {
                let order = f64::from(order);
                at(
                    order,
                    field("steps") * rdp(rate, multiplier, order),
                    field("delta"),
                )
            };
            let whole = (2..64).map(at_order).fold(f64::INFINITY, f64::min);
            assert!(
                near(whole, field("opacus_whole_orders"), 1e-11, 0.0),
                "{row} {whole}"
            );
            // dp-accounting 0.6.0 leaves the signs of that series out: an upper bound.
            let bound = field("dp_accounting_rdp");
            assert!(
                got <= bound * (1.0 + 1e-12) && got > 0.97 * bound,
                "{row} {got}"
            );
            // Numerical composition of the privacy loss: the least that could be claimed.
            assert!(got >= field("dp_accounting_pld"), "{row} {got}");
        }
    }

    #[test]
    fn values_by_hand() {
        // Order 2: A = (1 - q)^2 + 2 q (1 - q) + q^2 e^(1 / s^2).
        let by_hand = (0.75 + 0.25 * 0.25_f64.exp()).ln();
        assert!(near(rdp(0.5, 2.0, 2.0), by_hand, 1e-14, 0.0));
        assert_eq!(rdp(1.0, 2.0, 3.0), 3.0 / 8.0);
        assert_eq!(rdp(0.0, 2.0, 3.0), 0.0);
        // Both ways at a whole order.
        for order in [2.0, 5.0, 10.0] {
            let (sum, integral) = (
                ln_a_by_sum(0.3, 1.1, order),
                ln_a_by_integral(0.3, 1.1, order),
            );
            assert!(near(integral, sum, 1e-13, 1e-14), "{sum} {integral}");
        }
        // Order 11 with 0.01 spent: 0.01 + ln(10 / 11) - ln(1.1e-4) / 10.
        let by_hand = 0.01 + (10.0_f64 / 11.0).ln() - 1.1e-4_f64.ln() / 10.0;
        assert!(near(at(11.0, 0.01, 1e-5), by_hand, 1e-14, 0.0));
    }

    #[test]
    fn ends_of_the_range() {
        assert_eq!(epsilon(0.1, 0.0, 10, 1e-5), f64::INFINITY);
        assert_eq!(epsilon(0.1, 1.0, 0, 1e-5), 0.0);
        assert_eq!(epsilon(0.0, 1.0, 100, 1e-5), 0.0);
        // Hardly any noise: not infinite, and not less than a little more noise.
        let (little, more) = (epsilon(0.1, 0.049, 10, 1e-5), epsilon(0.1, 0.051, 10, 1e-5));
        assert!(little.is_finite() && little > more, "{little} {more}");
        assert_eq!(noise_multiplier(0.1, 10, 1e-5, 1e6), Some(0.05));
        assert_eq!(noise_multiplier(1.0, u64::MAX, 1e-5, 1e-3), None);
    }

    #[test]
    fn the_noise_multiplier_is_the_least_that_keeps_the_target() {
        for (rate, steps, target) in [(0.1, 3000, 10.0), (1.0, 3000, 1.0), (0.01, 3000, 0.2)] {
            let found = noise_multiplier(rate, steps, 1e-5, target).unwrap();
            assert!(epsilon(rate, found, steps, 1e-5) <= target);
            assert!(epsilon(rate, found - GRAIN, steps, 1e-5) > target);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn less_noise_more_steps_and_a_higher_rate_spend_more(
            rate in 0.001f64..0.9, multiplier in 0.4f64..20.0, steps in 1u64..5000,
        ) {
            let at = |rate, multiplier, steps| epsilon(rate, multiplier, steps, 1e-5);
            let spent = at(rate, multiplier, steps);
            prop_assert!(spent >= 0.0);
            prop_assert!(at(rate, multiplier * 1.1, steps) <= spent);
            prop_assert!(at(rate, multiplier, 2 * steps) >= spent);
            prop_assert!(at(rate * 1.1, multiplier, steps) >= spent);
        }
    }
}
