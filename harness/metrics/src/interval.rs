//! 95 % intervals in closed form: of a proportion, and of a mean over seeds.

use statrs::distribution::{ContinuousCDF, StudentsT};
use statrs::function::beta::beta_reg;

use crate::error::refuse_non_finite;
use crate::{Error, Estimate, Measured, Reason};

/// The share of an interval that covers the truth, the same everywhere in this crate.
pub const CONFIDENCE: f64 = 0.95;

/// The 97.5 % quantile of the standard normal distribution.
pub(crate) const Z: f64 = 1.959_963_984_540_054;

/// Hits among trials.
///
/// ```
/// use eidetic_metrics::Proportion;
///
/// let extracted = Proportion::new(0, 100)?;
/// let share = extracted.wilson().value().unwrap();
/// assert_eq!((share.value, share.low), (0.0, 0.0));
/// assert!((share.high - 0.0370).abs() < 1e-4);
/// assert!(Proportion::new(0, 0)?.wilson().reason().is_some());
/// # Ok::<(), eidetic_metrics::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proportion {
    hits: u64,
    trials: u64,
}

impl Proportion {
    /// `hits` of `trials`.
    ///
    /// # Errors
    /// More hits than trials.
    pub fn new(hits: u64, trials: u64) -> Result<Self, Error> {
        if hits > trials {
            return Err(Error::Proportion { hits, trials });
        }
        Ok(Self { hits, trials })
    }

    /// For counts that are known to be a part and its whole.
    pub(crate) fn of(hits: u64, trials: u64) -> Self {
        debug_assert!(hits <= trials);
        Self { hits, trials }
    }

    /// Counts the trials that hit.
    pub fn count(trials: impl IntoIterator<Item = bool>) -> Self {
        let mut counted = Self { hits: 0, trials: 0 };
        for hit in trials {
            counted.hits += u64::from(hit);
            counted.trials += 1;
        }
        counted
    }

    /// Trials that hit.
    pub fn hits(&self) -> u64 {
        self.hits
    }

    /// All trials.
    pub fn trials(&self) -> u64 {
        self.trials
    }

    /// Hits over trials, missing without trials.
    pub fn share(&self) -> Measured<f64> {
        self.enough()
            .map(|()| self.hits as f64 / self.trials as f64)
    }

    /// The share with Wilson's score interval (Wilson 1927): close to 95 % coverage for any
    /// share, and never empty at 0 or 1. Missing without trials.
    pub fn wilson(&self) -> Measured<Estimate> {
        self.share().map(|value| {
            let n = self.trials as f64;
            let scale = 1.0 / (1.0 + Z * Z / n);
            let centre = scale * (value + Z * Z / (2.0 * n));
            let half = scale * Z * (value * (1.0 - value) / n + Z * Z / (4.0 * n * n)).sqrt();
            // Exact at the ends, where rounding would leave 1e-18 or 1 - 1e-16.
            let low = if self.hits == 0 {
                0.0
            } else {
                (centre - half).max(0.0)
            };
            let high = if self.hits == self.trials {
                1.0
            } else {
                (centre + half).min(1.0)
            };
            Estimate { value, low, high }
        })
    }

    /// The share with the exact interval of Clopper and Pearson (1934): at least 95 % coverage,
    /// wider than Wilson's. Missing without trials.
    pub fn clopper_pearson(&self) -> Measured<Estimate> {
        let (hits, misses) = (self.hits as f64, (self.trials - self.hits) as f64);
        let tail = (1.0 - CONFIDENCE) / 2.0;
        self.share().map(|value| Estimate {
            value,
            low: if hits == 0.0 {
                0.0
            } else {
                beta_quantile(hits, misses + 1.0, tail)
            },
            high: if misses == 0.0 {
                1.0
            } else {
                beta_quantile(hits + 1.0, misses, 1.0 - tail)
            },
        })
    }

    fn enough(&self) -> Measured<()> {
        Reason::unless_enough("trials", 1, self.trials as usize)
    }
}

/// The x with I_x(a, b) = q, by bisection down to neighbouring floats.
fn beta_quantile(a: f64, b: f64, q: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    loop {
        let middle = f64::midpoint(low, high);
        if middle <= low || middle >= high {
            return middle;
        }
        if beta_reg(a, b, middle) < q {
            low = middle;
        } else {
            high = middle;
        }
    }
}

/// The mean over independent repetitions (one value a seed) with Student's t interval; missing
/// for fewer than two. The interval is not cut to the range of the figure.
///
/// ```
/// use eidetic_metrics::student_t;
///
/// let over_seeds = student_t(&[0.2, 0.4])?.value().unwrap();
/// assert!((over_seeds.value - 0.3).abs() < 1e-12);
/// assert!((over_seeds.high - 0.3 - 12.7062 * 0.1).abs() < 1e-5);
/// assert!(student_t(&[0.2])?.reason().is_some());
/// # Ok::<(), eidetic_metrics::Error>(())
/// ```
///
/// # Errors
/// A value is not finite.
pub fn student_t(values: &[f64]) -> Result<Measured<Estimate>, Error> {
    refuse_non_finite("values over seeds", values)?;
    let n = values.len() as f64;
    Ok(Reason::unless_enough("seeds", 2, values.len()).map(|()| {
        let value = mean(values);
        let squares: f64 = values.iter().map(|x| (x - value).powi(2)).sum();
        let half = t_quantile(n - 1.0) * (squares / (n - 1.0) / n).sqrt();
        Estimate {
            value,
            low: value - half,
            high: value + half,
        }
    }))
}

fn t_quantile(degrees: f64) -> f64 {
    StudentsT::new(0.0, 1.0, degrees)
        .expect("one or more degrees of freedom")
        .inverse_cdf(f64::midpoint(1.0, CONFIDENCE))
}

/// The mean in order; NaN without values.
pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
