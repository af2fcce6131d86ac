//! Many comparisons at once.

use crate::Error;

/// Holm's step-down adjusted p-values (Holm 1979, Scandinavian Journal of Statistics 6:65), in
/// the order given: rejecting what is at most 0.05 keeps the chance of any false rejection among
/// all of them at 5 %, however they depend on each other. The least of m is multiplied by m, the
/// next by m - 1, and so on, none below the one before it, and none above 1.
///
/// ```
/// use eidetic_metrics::holm;
///
/// assert_eq!(holm(&[0.04, 0.01, 0.03])?, [0.06, 0.03, 0.06]);
/// # Ok::<(), eidetic_metrics::Error>(())
/// ```
///
/// # Errors
/// Something that is not a p-value: NaN, below 0, above 1.
pub fn holm(p_values: &[f64]) -> Result<Vec<f64>, Error> {
    if let Some(&got) = p_values.iter().find(|p| !(0.0..=1.0).contains(*p)) {
        return Err(Error::Parameter {
            name: "p-values",
            expected: "in 0 to 1",
            got,
        });
    }
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let mut adjusted = vec![0.0; p_values.len()];
    let mut least = 0.0_f64;
    for (rank, &at) in order.iter().enumerate() {
        least = least.max((p_values.len() - rank) as f64 * p_values[at]);
        adjusted[at] = least.min(1.0);
    }
    Ok(adjusted)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ties_one_and_none() {
        assert_eq!(holm(&[]).unwrap(), []);
        assert_eq!(holm(&[0.2]).unwrap(), [0.2]);
        assert_eq!(holm(&[0.25, 0.25]).unwrap(), [0.5, 0.5]);
        assert_eq!(holm(&[0.5, 0.0, 0.75]).unwrap(), [1.0, 0.0, 1.0]);
    }

    #[test]
    fn what_is_no_p_value_is_refused() {
        for bad in [f64::NAN, -1e-9, 1.0 + 1e-9, f64::INFINITY] {
            let error = holm(&[0.5, bad]).unwrap_err();
            assert!(error.to_string().contains("p-values in 0 to 1"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn between_the_raw_one_and_bonferroni(
            p in prop::collection::vec(0.0..=1.0_f64, 1..20)
        ) {
            let adjusted = holm(&p).unwrap();
            for (i, (&raw, &adjusted)) in p.iter().zip(&adjusted).enumerate() {
                prop_assert!(raw <= adjusted && adjusted <= (raw * p.len() as f64).min(1.0), "{i}");
            }
            for (i, j) in (0..p.len()).flat_map(|i| (0..p.len()).map(move |j| (i, j))) {
                prop_assert!(p[i] > p[j] || adjusted[i] <= adjusted[j]);
            }
        }
    }
}
