//! The whole board, ranked and sorted.

use std::collections::BTreeMap;

use super::cells::Cells;
use super::comparisons::ComparisonRow;
use super::csv_text::rounded;
use super::metrics::MetricRow;
use super::mitigations::MitigationRow;
use super::row::{Row, RowStatus, twin_figure};
use super::trends::TrendRow;
use crate::cell::Times;
use crate::plan::{Plan, PlannedCell};

/// Everything that a suite's tables show.
#[derive(Debug, Clone)]
pub struct Board {
    /// The suite's name.
    pub suite: String,
    /// The suite's version.
    pub suite_version: u64,
    /// One a (dataset, model, mitigation, attack) of the plan, whether it ran or not. Sorted by
    /// dataset, goal, model, rank (those without last), mitigation, attack.
    pub rows: Vec<Row>,
    /// Mitigations by their worst attack. Sorted by dataset, goal, model, rank (those without
    /// last), mitigation.
    pub mitigations: Vec<MitigationRow>,
    /// Rows less the same without a mitigation, and less random sampling. Sorted by dataset, goal,
    /// what is compared with, model, mitigation, attack.
    pub comparisons: Vec<ComparisonRow>,
    /// The suite's claims, in its order.
    pub trends: Vec<TrendRow>,
    /// Every metric of every cell, and its means over seeds. Sorted by dataset, model,
    /// mitigation, attack, cells before means, seed, metric.
    pub metrics: Vec<MetricRow>,
    /// The cell and its seconds and host facts, in the order of `metrics`.
    pub times: Vec<(PlannedCell, Times)>,
}

/// What makes a row, by label.
pub(super) type Key<'a> = (&'a str, &'a str, &'a str, &'a str);

/// Dataset, model, mitigation, attack.
pub(super) fn key(cell: &PlannedCell) -> Key<'_> {
    let spec = &cell.spec;
    (
        &spec.dataset.label,
        &spec.model.label,
        &spec.mitigation_label,
        &spec.attack.label,
    )
}

impl Board {
    /// The board of `plan`, from what `cells` holds of it. Labels are the plan's, since a record
    /// may have been written under another suite's.
    pub fn new(plan: &Plan, cells: &Cells) -> Self {
        let groups = groups(plan);
        let mut rows: Vec<Row> = groups
            .values()
            .map(|cells_of_row| Row::new(cells_of_row, cells))
            .collect();
        rank(&mut rows);
        rows.sort_by(|a, b| order(a).cmp(&order(b)));
        let twin = |row: &Row| {
            let key = (&*row.dataset, &*row.model, &*row.mitigation, &*row.attack);
            let planned = groups.get(&key).map_or(&[][..], Vec::as_slice);
            twin_figure(planned, cells, &row.headline)
        };
        let trends = plan.trends.iter();
        let trends = trends.map(|trend| TrendRow::new(trend, &rows, twin));
        Self {
            trends: trends.collect(),
            suite: plan.suite.clone(),
            suite_version: plan.suite_version,
            mitigations: MitigationRow::all(&rows),
            comparisons: ComparisonRow::all(&rows, &groups, cells),
            rows,
            metrics: MetricRow::all(plan, &groups, cells),
            times: times(plan, cells),
        }
    }
}

/// The listed cells of each row, by ascending seed.
fn groups(plan: &Plan) -> BTreeMap<Key<'_>, Vec<&PlannedCell>> {
    let mut groups: BTreeMap<Key<'_>, Vec<&PlannedCell>> = BTreeMap::new();
    for cell in plan.cells.iter().filter(|cell| cell.listed) {
        groups.entry(key(cell)).or_default().push(cell);
    }
    for cells in groups.values_mut() {
        cells.sort_by_key(|cell| cell.spec.seed);
    }
    groups
}

/// Ranks by the excess as it is printed, so that rows that read the same rank the same.
fn rank(rows: &mut [Row]) {
    let excess = |row: &Row| {
        let counts = row.status == RowStatus::Ok;
        row.excess.filter(|_| counts).map(rounded)
    };
    let ranks: Vec<Option<u64>> = rows
        .iter()
        .map(|row| {
            let own = excess(row)?;
            let better = rows.iter().filter(|other| {
                (&other.dataset, &other.model, &other.goal) == (&row.dataset, &row.model, &row.goal)
                    && excess(other).is_some_and(|excess| excess > own)
            });
            Some(1 + better.count() as u64)
        })
        .collect();
    for (row, rank) in rows.iter_mut().zip(ranks) {
        row.rank = rank;
    }
}

fn order(row: &Row) -> (&str, &str, &str, u64, &str, &str) {
    (
        &row.dataset,
        &row.goal,
        &row.model,
        row.rank.unwrap_or(u64::MAX),
        &row.mitigation,
        &row.attack,
    )
}

fn times(plan: &Plan, cells: &Cells) -> Vec<(PlannedCell, Times)> {
    let mut times: Vec<(PlannedCell, Times)> = plan
        .cells
        .iter()
        .filter_map(|cell| Some((cell.clone(), cells.times.get(&cell.id)?.clone())))
        .collect();
    times.sort_by(|(a, _), (b, _)| (key(a), a.spec.seed, &a.id).cmp(&(key(b), b.spec.seed, &b.id)));
    times
}
