//! A row of the leaderboard: one (dataset, model, mitigation, attack) over its seeds.

use std::collections::BTreeSet;

use eidetic_metrics::NN_RATIO_MEMORIZED;

use super::cells::Cells;
use super::csv_text::distinct;
use super::figure::{Figure, t_estimate};
use super::utility::Utility;
use crate::cell::{BLIND_AUC, CellSpec, Metric, ModelOrigin, Record, Scores, Status};
use crate::plan::PlannedCell;

const CHANCE_AUC: f64 = 0.5;

/// How a row stands: the worst of its seeds, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RowStatus {
    /// Every seed ended as it should.
    Ok,
    /// The combination cannot run.
    NotApplicable,
    /// A seed has no record, or one that cannot be trusted.
    NotRun,
    /// A seed took too long.
    TimedOut,
    /// A seed failed.
    Failed,
}

impl RowStatus {
    /// As it stands on the board.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotRun => "not run",
            Self::Ok => Status::Ok.as_str(),
            Self::NotApplicable => Status::NotApplicable.as_str(),
            Self::TimedOut => Status::TimedOut.as_str(),
            Self::Failed => Status::Failed.as_str(),
        }
    }
}

impl From<Status> for RowStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Ok => Self::Ok,
            Status::NotApplicable => Self::NotApplicable,
            Status::Failed => Self::Failed,
            Status::TimedOut => Self::TimedOut,
        }
    }
}

/// One row. Counts are totals over the row's seeds; what is missing is absent, never 0.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Place within dataset, model and goal by excess, from 1; ties share the better one. Only
    /// of rows that are ok and have an excess.
    pub rank: Option<u64>,
    /// Label of the dataset.
    pub dataset: String,
    /// Label of the model's base recipe.
    pub model: String,
    /// Label of the mitigation.
    pub mitigation: String,
    /// Label of the attack.
    pub attack: String,
    /// What the attack is after.
    pub goal: String,
    /// What the attack needs.
    pub access: String,
    /// The worst of the seeds.
    pub status: RowStatus,
    /// Seeds that the score is over.
    pub seeds: Option<u64>,
    /// Findings that were scored.
    pub n: Option<u64>,
    /// Images that the model was trained on, where the seeds agree.
    pub n_trained: Option<u64>,
    /// Model calls of the attack; absent where a crash hid those of a seed.
    pub model_calls: Option<u64>,
    /// Model calls that an output stage caused; absent where a crash hid those of a seed.
    pub defence_calls: Option<u64>,
    /// Stages of the mitigation that applied, joined by `+`.
    pub stages_applied: String,
    /// The metric that the score is.
    pub headline: String,
    /// Score and control, over images where it is a share.
    pub figure: Figure,
    /// Score less control.
    pub excess: Option<f64>,
    /// The score of the same attack on the clean twin.
    pub twin_score: Option<f64>,
    /// Lower end of Student's interval of the score over seeds, with two or more.
    pub seed_low: Option<f64>,
    /// Upper end.
    pub seed_high: Option<f64>,
    /// Distinct members (groups of duplicates) that any seed extracted.
    pub unique_extracted: Option<u64>,
    /// The quality of plain samples.
    pub utility: Utility,
    /// What forbids to read the score as the model's doing: a blind baseline that beats chance.
    /// Distinct sentences over seeds, joined by `; `; empty where there is nothing.
    pub flag: String,
    /// Why it is not ok or a figure is missing: distinct reasons, joined by `; `.
    pub reason: String,
    /// Digest of the model as served.
    pub model_sha256: String,
    /// Digest of the attack's plugin.
    pub plugin_sha256: String,
    /// Digests of the mitigation's plugins, innermost first, joined by `+`.
    pub mitigation_sha256: String,
}

impl Row {
    /// The row of `planned`, the seeds of one combination in ascending order, at least one.
    pub(super) fn new(planned: &[&PlannedCell], cells: &Cells) -> Self {
        let spec = &planned[0].spec;
        let mut reasons = Vec::new();
        let mut status = RowStatus::Ok;
        let mut records = Vec::new();
        for cell in planned {
            let (seed_status, reason, record) = seed(cell, cells);
            status = status.max(seed_status);
            reasons.push(reason);
            records.extend(record);
        }
        let scores: Vec<&Scores> = records
            .iter()
            .filter_map(|record| record.scores.as_ref())
            .collect();
        let headlines: BTreeSet<&str> = scores.iter().map(|s| s.headline.as_str()).collect();
        let headline = match headlines.len() {
            1 => headlines.first().copied().unwrap_or_default().to_owned(),
            0 => String::new(),
            _ => {
                let names: Vec<&str> = headlines.iter().copied().collect();
                let names = names.join(", ");
                reasons.push(format!("seeds were scored by different headlines: {names}"));
                String::new()
            }
        };
        let metrics = named(&scores, &headline);
        let values: Vec<f64> = metrics.iter().filter_map(|metric| metric.value).collect();
        if values.len() < metrics.len() {
            reasons.extend(metrics.iter().map(|metric| metric.reason.clone()));
        }
        let figure = Figure::over_seeds(&metrics);
        let over_seeds = t_estimate(&values);
        let unique_extracted = unique_extracted(&scores).unwrap_or_else(|reason| {
            reasons.push(reason);
            None
        });
        let utility = Utility::new(planned, cells);
        reasons.push(utility.reason.clone());
        Self {
            rank: None,
            utility,
            dataset: spec.dataset.label.clone(),
            model: spec.model.label.clone(),
            mitigation: spec.mitigation_label.clone(),
            attack: spec.attack.label.clone(),
            goal: spec.attack.goal.clone(),
            access: spec.attack.access.clone(),
            status,
            seeds: (!values.is_empty()).then_some(values.len() as u64),
            n: sum(records
                .iter()
                .filter(|record| record.scores.is_some())
                .map(|record| Some(record.n))),
            n_trained: agreed(records.iter().filter_map(|record| record.n_trained)),
            model_calls: sum(records.iter().map(|record| record.model_calls)),
            defence_calls: sum(records.iter().map(|record| record.defence_calls)),
            stages_applied: stages_applied(&records),
            figure,
            excess: figure.excess(),
            twin_score: twin_figure(planned, cells, &headline).value,
            headline,
            seed_low: over_seeds.map(|e| e.low),
            seed_high: over_seeds.map(|e| e.high),
            unique_extracted,
            flag: distinct(scores.iter().filter_map(|scores| flag(scores)), "; "),
            reason: distinct(reasons, "; "),
            model_sha256: model_sha256(&records, spec),
            plugin_sha256: spec.attack.plugin.sha256.clone(),
            mitigation_sha256: spec
                .mitigation
                .iter()
                .map(|link| link.sha256.as_str())
                .collect::<Vec<_>>()
                .join("+"),
        }
    }
}

/// How one seed stands, why, and what counts of it.
fn seed<'a>(cell: &PlannedCell, cells: &'a Cells) -> (RowStatus, String, Option<&'a Record>) {
    if let Some(reason) = &cell.not_applicable {
        return (RowStatus::NotApplicable, reason.clone(), None);
    }
    let seed = cell.spec.seed;
    match cells.records.get(&cell.id) {
        None if cells.damaged.contains(&cell.id) => {
            let reason = format!("the file of seed {seed} cannot be trusted");
            (RowStatus::NotRun, reason, None)
        }
        None => (RowStatus::NotRun, format!("seed {seed} has not run"), None),
        Some(record) => (
            record.status.into(),
            record.reason.clone(),
            (record.status != Status::NotApplicable).then_some(record),
        ),
    }
}

/// The metric `name` of each, where it is there.
pub(super) fn named<'a>(scores: &[&'a Scores], name: &str) -> Vec<&'a Metric> {
    scores
        .iter()
        .filter_map(|scores| scores.metrics.iter().find(|metric| metric.name == name))
        .collect()
}

/// Says so where members are told without the model by more than chance.
fn flag(scores: &Scores) -> Option<String> {
    let blind = scores.metrics.iter().find(|of| of.name == BLIND_AUC)?;
    let (value, low, high) = (blind.value?, blind.low?, blind.high?);
    (low > CHANCE_AUC)
        .then(|| format!("blind baseline beats chance: AUC {value:.2} [{low:.2}, {high:.2}]"))
}

/// The figure of the clean twin's cells.
pub(super) fn twin_figure(planned: &[&PlannedCell], cells: &Cells, headline: &str) -> Figure {
    let twins: BTreeSet<&String> = planned.iter().filter_map(|c| c.twin.as_ref()).collect();
    let scores: Vec<&Scores> = twins
        .into_iter()
        .filter_map(|id| cells.records.get(id)?.scores.as_ref())
        .collect();
    Figure::over_seeds(&named(&scores, headline))
}

/// The size of the union over seeds: `matched` is one representative a group, so that equal
/// indices are equal groups. Err says why it cannot be told.
fn unique_extracted(scores: &[&Scores]) -> Result<Option<u64>, String> {
    let counted: Vec<(u64, &Scores)> = scores
        .iter()
        .filter_map(|scores| Some((scores.unique_extracted?, *scores)))
        .collect();
    if let [] | [_] = counted[..] {
        return Ok(counted.first().map(|(count, _)| *count));
    }
    let mut union = BTreeSet::new();
    for (count, scores) in counted {
        let of_seed = extracted(scores)
            .filter(|groups| groups.len() as u64 == count)
            .ok_or("unique_extracted: the scores of single images do not add up to its count")?;
        union.extend(of_seed);
    }
    Ok(Some(union.len() as u64))
}

fn extracted(scores: &Scores) -> Option<BTreeSet<u64>> {
    let matched = scores.per_image.index.get("matched")?;
    let nn_ratio = scores.per_image.value.get("nn_ratio")?;
    (matched.len() == nn_ratio.len()).then(|| {
        matched
            .iter()
            .zip(nn_ratio)
            .filter(|(_, ratio)| **ratio < NN_RATIO_MEMORIZED)
            .map(|(group, _)| *group)
            .collect()
    })
}

/// The sum, absent where there is nothing or a part of it is unknown.
fn sum(values: impl Iterator<Item = Option<u64>>) -> Option<u64> {
    let values: Vec<u64> = values.collect::<Option<_>>()?;
    (!values.is_empty()).then(|| values.iter().sum())
}

/// The one value that all have.
fn agreed(mut values: impl Iterator<Item = u64>) -> Option<u64> {
    let first = values.next()?;
    values.all(|value| value == first).then_some(first)
}

/// In the order in which they apply.
fn stages_applied(records: &[&Record]) -> String {
    ["data", "training", "sampling", "output"]
        .into_iter()
        .filter(|stage| {
            records
                .iter()
                .any(|record| record.stages_applied.iter().any(|applied| applied == stage))
        })
        .collect::<Vec<_>>()
        .join("+")
}

fn model_sha256(records: &[&Record], spec: &CellSpec) -> String {
    let served = distinct(records.iter().map(|r| r.model_sha256.clone()), "; ");
    if !served.is_empty() {
        return served;
    }
    match &spec.model.origin {
        ModelOrigin::Folder { sha256, .. } => sha256.clone(),
        ModelOrigin::Plugin(plugin) => plugin.sha256.clone(),
        ModelOrigin::MemorizerOnnx | ModelOrigin::Recipe { .. } | ModelOrigin::Images { .. } => {
            String::new()
        }
    }
}
