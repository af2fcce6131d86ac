//! Every metric of every cell, and its mean over the seeds of a row.

use std::collections::{BTreeMap, BTreeSet};

use eidetic_metrics::Reason;

use super::cells::Cells;
use super::figure::Figure;
use super::leaderboard::{Key, key};
use super::row::named;
use crate::cell::{Metric, Scores};
use crate::plan::{Plan, PlannedCell};

/// One line of `metrics.csv`.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricRow {
    /// Id of the cell; absent for a mean over seeds.
    pub cell: Option<String>,
    /// Label of the dataset.
    pub dataset: String,
    /// Label of the model.
    pub model: String,
    /// Label of the mitigation.
    pub mitigation: String,
    /// Label of the attack.
    pub attack: String,
    /// Seed of the cell; absent for a mean over seeds.
    pub seed: Option<u64>,
    /// Name of the metric.
    pub metric: String,
    /// The figure and its control.
    pub figure: Figure,
    /// How many `over`.
    pub n: u64,
    /// How the interval was made; empty without one.
    pub interval: String,
    /// What was counted: `images`, `candidates` or `seeds`.
    pub over: &'static str,
    /// Why the figure is missing.
    pub reason: String,
}

impl MetricRow {
    /// All of the plan's cells, clean twins included, and the means of rows with two or more
    /// seeds.
    pub(super) fn all(
        plan: &Plan,
        groups: &BTreeMap<Key<'_>, Vec<&PlannedCell>>,
        cells: &Cells,
    ) -> Vec<Self> {
        let mut rows = Vec::new();
        for cell in &plan.cells {
            if let Some(scores) = scores(cell, cells) {
                of_cell(cell, scores, &mut rows);
            }
            if let Some(quality) = cells.qualities.get(&cell.id) {
                listed(cell, &quality.metrics, "images", &mut rows);
            }
        }
        for seeds in groups.values() {
            means(seeds, cells, &mut rows);
        }
        rows.sort_by(|a, b| order(a).cmp(&order(b)));
        rows
    }

    fn of(cell: &PlannedCell, metric: &str, figure: Figure) -> Self {
        let (dataset, model, mitigation, attack) = key(cell);
        Self {
            cell: None,
            dataset: dataset.into(),
            model: model.into(),
            mitigation: mitigation.into(),
            attack: attack.into(),
            seed: None,
            metric: metric.into(),
            figure,
            n: 0,
            interval: String::new(),
            over: "seeds",
            reason: String::new(),
        }
    }
}

fn scores<'a>(cell: &PlannedCell, cells: &'a Cells) -> Option<&'a Scores> {
    if cell.not_applicable.is_some() {
        return None;
    }
    cells.records.get(&cell.id)?.scores.as_ref()
}

fn of_cell(cell: &PlannedCell, scores: &Scores, rows: &mut Vec<MetricRow>) {
    let over = if cell.spec.attack.goal == "extraction" {
        "images"
    } else {
        "candidates"
    };
    listed(cell, &scores.metrics, over, rows);
}

fn listed(cell: &PlannedCell, metrics: &[Metric], over: &'static str, rows: &mut Vec<MetricRow>) {
    rows.extend(metrics.iter().map(|metric| MetricRow {
        cell: Some(cell.id.clone()),
        seed: Some(cell.spec.seed),
        n: metric.n,
        interval: metric.interval.clone(),
        over,
        reason: metric.reason.clone(),
        ..MetricRow::of(cell, &metric.name, Figure::of(metric))
    }));
}

fn means(seeds: &[&PlannedCell], cells: &Cells, rows: &mut Vec<MetricRow>) {
    let scores: Vec<&Scores> = seeds.iter().filter_map(|c| scores(c, cells)).collect();
    if scores.len() < 2 {
        return;
    }
    let names: BTreeSet<&str> = scores
        .iter()
        .flat_map(|scores| scores.metrics.iter().map(|metric| metric.name.as_str()))
        .collect();
    for name in names {
        let metrics = named(&scores, name);
        let figure = Figure::mean_over_seeds(&metrics);
        let got = metrics.iter().filter(|m| m.value.is_some()).count();
        let few = Reason::TooFew {
            what: "seeds",
            needed: 2,
            got,
        };
        let (interval, reason) = match figure.value {
            Some(_) => ("student-t".into(), String::new()),
            None => (String::new(), few.to_string()),
        };
        rows.push(MetricRow {
            n: got as u64,
            interval,
            reason,
            ..MetricRow::of(seeds[0], name, figure)
        });
    }
}

fn order(row: &MetricRow) -> impl Ord + '_ {
    let labels = (&row.dataset, &row.model, &row.mitigation, &row.attack);
    (labels, row.seed.is_none(), row.seed, &row.cell, &row.metric)
}
