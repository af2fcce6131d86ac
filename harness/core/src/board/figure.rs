//! One figure of a row: a metric over the row's seeds.

use eidetic_metrics::{Estimate, Proportion, student_t};

use crate::cell::Metric;

/// A figure and its control, each with its 95 % interval; what is missing is absent.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Figure {
    /// Against members.
    pub value: Option<f64>,
    /// Lower end.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// Against holdout.
    pub control: Option<f64>,
    /// Lower end of the control.
    pub control_low: Option<f64>,
    /// Upper end of the control.
    pub control_high: Option<f64>,
}

impl Figure {
    /// One metric over seeds.
    ///
    /// Shares (interval `wilson`) are pooled: hits and trials are summed, with Wilson's interval
    /// over all images. Seeds only repeat the draw from one and the same model, so given the
    /// model all images are independent, whichever seed they are from. All else, such as an AUC,
    /// whose candidates are the same in every seed, is the mean over seeds with Student's t; with
    /// one seed its own interval.
    ///
    /// Seeds without the figure are left out; the control is given only where all the others have
    /// it, so that figure and control are over the same findings.
    pub(super) fn over_seeds(seeds: &[&Metric]) -> Self {
        let seeds: Vec<&Metric> = seeds
            .iter()
            .copied()
            .filter(|metric| metric.value.is_some())
            .collect();
        if let [only] = seeds[..] {
            return Self::of(only);
        }
        let (value, low, high) = side(&seeds, |metric| (metric.value, metric.low));
        let (control, control_low, control_high) =
            side(&seeds, |metric| (metric.control, metric.control_low));
        Self {
            value,
            low,
            high,
            control,
            control_low,
            control_high,
        }
    }

    /// The mean over seeds with Student's t, for shares too.
    pub(super) fn mean_over_seeds(seeds: &[&Metric]) -> Self {
        let values = |of: fn(&Metric) -> Option<f64>| -> Option<Vec<f64>> {
            seeds
                .iter()
                .filter(|metric| metric.value.is_some())
                .map(|metric| of(metric))
                .collect()
        };
        let value = values(|metric| metric.value).and_then(|values| t_estimate(&values));
        let control = values(|metric| metric.control).and_then(|values| t_estimate(&values));
        Self {
            value: value.map(|e| e.value),
            low: value.map(|e| e.low),
            high: value.map(|e| e.high),
            control: control.map(|e| e.value),
            control_low: control.map(|e| e.low),
            control_high: control.map(|e| e.high),
        }
    }

    /// The figure of one cell.
    pub(super) fn of(metric: &Metric) -> Self {
        Self {
            value: metric.value,
            low: metric.low,
            high: metric.high,
            control: metric.control,
            control_low: metric.control_low,
            control_high: metric.control_high,
        }
    }

    /// Figure less control.
    pub fn excess(&self) -> Option<f64> {
        Some(self.value? - self.control?)
    }
}

/// Student's t over two or more finite values.
pub(super) fn t_estimate(values: &[f64]) -> Option<Estimate> {
    student_t(values).ok()?.value()
}

type Ends = (Option<f64>, Option<f64>, Option<f64>);

fn side(seeds: &[&Metric], of: fn(&Metric) -> (Option<f64>, Option<f64>)) -> Ends {
    let values: Option<Vec<f64>> = seeds.iter().map(|metric| of(metric).0).collect();
    let Some(values) = values.filter(|values| !values.is_empty()) else {
        return (None, None, None);
    };
    if let Some(e) = pooled(seeds, &values).and_then(|share| share.wilson().value()) {
        return (Some(e.value), Some(e.low), Some(e.high));
    }
    let Some(e) = t_estimate(&values) else {
        return (None, None, None);
    };
    // A control that is known, such as an AUC's chance of 0.5, has no interval.
    if seeds.iter().all(|metric| of(metric).1.is_none()) {
        return (Some(e.value), None, None);
    }
    (Some(e.value), Some(e.low), Some(e.high))
}

/// Hits and trials summed, where every value is a share of its metric's `n`.
pub(super) fn pooled(seeds: &[&Metric], values: &[f64]) -> Option<Proportion> {
    let (mut hits, mut trials) = (0, 0);
    for (metric, value) in seeds.iter().zip(values) {
        if metric.interval != "wilson" {
            return None;
        }
        let exact = value * metric.n as f64;
        let whole = exact.round();
        if (exact - whole).abs() > 1e-6 || !(0.0..=1.0).contains(value) {
            return None;
        }
        hits += whole as u64;
        trials += metric.n;
    }
    Proportion::new(hits, trials).ok()
}
