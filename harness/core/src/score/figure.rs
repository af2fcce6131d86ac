//! One row of the metrics: a figure against members beside the same against holdout.

use eidetic_metrics::{Distinct, Error, Estimate, Measured, Proportion};

use crate::cell::Metric;

/// Why the figures are missing where an attack found nothing.
pub(super) const NO_FINDINGS: &str = "the attack emitted no findings";

/// One side of a row: a figure, its interval and how that was made.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Side {
    pub(super) value: f64,
    pub(super) interval: Option<(f64, f64)>,
    pub(super) how: &'static str,
}

impl Side {
    pub(super) fn bare(value: f64) -> Self {
        Self {
            value,
            interval: None,
            how: "",
        }
    }

    pub(super) fn with(estimate: Estimate, how: &'static str) -> Self {
        Self {
            value: estimate.value,
            interval: Some((estimate.low, estimate.high)),
            how,
        }
    }
}

/// A figure, or the reason that there is none.
pub(super) type Figure = Result<Side, String>;

/// A share with Wilson's interval.
pub(super) fn wilson(share: Measured<Proportion>) -> Figure {
    with_interval(share.and_then(|share| share.wilson()), "wilson")
}

/// A statistic with the bootstrap's interval; of a single finding the bare `value`.
pub(super) fn bootstrapped(
    value: Measured<f64>,
    estimate: impl FnOnce() -> Result<Measured<Estimate>, Error>,
) -> Result<Figure, Error> {
    let value = match value {
        Measured::Value(value) => value,
        Measured::Missing(reason) => return Ok(Err(reason.to_string())),
    };
    Ok(Ok(match estimate()? {
        Measured::Value(estimate) => Side::with(estimate, "bootstrap"),
        Measured::Missing(_) => Side::bare(value),
    }))
}

/// A figure whose interval has its own name.
pub(super) fn with_interval(estimate: Measured<Estimate>, how: &'static str) -> Figure {
    match estimate {
        Measured::Value(estimate) => Ok(Side::with(estimate, how)),
        Measured::Missing(reason) => Err(reason.to_string()),
    }
}

/// UMS: no interval over images exists, see [`Distinct`].
pub(super) fn per_generated(distinct: Distinct) -> Figure {
    match distinct.per_generated() {
        Measured::Value(value) => Ok(Side::bare(value)),
        Measured::Missing(reason) => Err(reason.to_string()),
    }
}

/// The row of a figure that has no control.
pub(super) fn uncontrolled(name: impl Into<String>, n: usize, of: Figure) -> Metric {
    let mut metric = Metric {
        name: name.into(),
        n: n as u64,
        ..Metric::default()
    };
    match of {
        Ok(side) => {
            metric.value = Some(side.value);
            (metric.low, metric.high) = side.interval.unzip();
            metric.interval = side.how.to_owned();
        }
        Err(reason) => metric.reason = reason,
    }
    metric
}

/// The row. Where only the control is missing, its reason stands in the row all the same.
pub(super) fn metric(name: impl Into<String>, n: usize, of: Figure, control: Figure) -> Metric {
    let mut metric = uncontrolled(name, n, of);
    match control {
        Ok(side) => {
            metric.control = Some(side.value);
            (metric.control_low, metric.control_high) = side.interval.unzip();
        }
        Err(reason) if metric.reason.is_empty() => metric.reason = format!("control: {reason}"),
        Err(_) => {}
    }
    metric
}
