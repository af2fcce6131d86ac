//! What a model under a mitigation is still good for: the quality of its plain samples.

use std::collections::BTreeSet;

use super::cells::Cells;
use super::csv_text::distinct;
use super::figure::Figure;
use crate::cell::{Metric, Quality};
use crate::plan::PlannedCell;

/// The utility of a row: one figure of plain samples of the same model under the same mitigation,
/// against the holdout, over the row's seeds. Lower is better.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Utility {
    /// The metric; empty where nothing was examined.
    pub metric: String,
    /// The figure, without a control.
    pub figure: Figure,
    /// Samples, summed over seeds.
    pub n: Option<u64>,
    /// Images of the holdout.
    pub n_reference: Option<u64>,
    /// [`Quality::protocol`]; empty where seeds differ in it, and then there is no figure.
    pub protocol: String,
    /// Why there is no figure.
    pub reason: String,
}

impl Utility {
    /// Of `planned`, the seeds of one row.
    pub(super) fn new(planned: &[&PlannedCell], cells: &Cells) -> Self {
        let able = planned.iter().filter(|cell| cell.not_applicable.is_none());
        let ids: BTreeSet<&String> = able.filter_map(|cell| cell.quality.as_ref()).collect();
        let of_seeds: Vec<&Quality> = ids
            .iter()
            .filter_map(|id| cells.qualities.get(*id))
            .collect();
        let Some(first) = of_seeds.first() else {
            let missing = "utility: the plain samples were not examined";
            return Self {
                reason: if ids.is_empty() { "" } else { missing }.into(),
                ..Self::default()
            };
        };
        let same = |of: &&Quality| {
            (&of.protocol, &of.headline, of.n_reference)
                == (&first.protocol, &first.headline, first.n_reference)
        };
        if !of_seeds.iter().all(same) {
            return Self {
                reason: "utility: seeds were examined by different protocols".into(),
                ..Self::default()
            };
        }
        let metrics: Vec<&Metric> = of_seeds.iter().filter_map(|of| of.utility()).collect();
        let figure = Figure::over_seeds(&metrics);
        let missing = metrics.iter().filter(|metric| metric.value.is_none());
        let reasons = missing.map(|metric| format!("utility: {}", metric.reason));
        Self {
            metric: first.headline.clone(),
            figure,
            n: Some(of_seeds.iter().map(|of| of.n).sum()),
            n_reference: Some(first.n_reference),
            protocol: first.protocol.clone(),
            reason: distinct(reasons, "; "),
        }
    }
}
