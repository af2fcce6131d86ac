//! The board's files. A number has 6 significant digits, what is missing is empty, a line ends
//! with LF, and rows come sorted, so that the same cells give the same bytes.

use std::io;
use std::path::Path;

use super::comparisons::ComparisonRow;
use super::csv_text::{Column, count, probability, real, table};
use super::leaderboard::Board;
use super::metrics::MetricRow;
use super::mitigations::MitigationRow;
use super::row::Row;
use super::trends::TrendRow;
use crate::cell::Times;
use crate::files::write_atomic;
use crate::plan::PlannedCell;

const LEADERBOARD: [Column<Row>; 40] = [
    ("rank", |_, row| count(row.rank)),
    ("suite", |board, _| board.suite.clone()),
    ("suite_version", |board, _| board.suite_version.to_string()),
    ("dataset", |_, row| row.dataset.clone()),
    ("model", |_, row| row.model.clone()),
    ("mitigation", |_, row| row.mitigation.clone()),
    ("attack", |_, row| row.attack.clone()),
    ("goal", |_, row| row.goal.clone()),
    ("access", |_, row| row.access.clone()),
    ("status", |_, row| row.status.as_str().into()),
    ("seeds", |_, row| count(row.seeds)),
    ("n", |_, row| count(row.n)),
    ("n_trained", |_, row| count(row.n_trained)),
    ("model_calls", |_, row| count(row.model_calls)),
    ("defence_calls", |_, row| count(row.defence_calls)),
    ("stages_applied", |_, row| row.stages_applied.clone()),
    ("headline", |_, row| row.headline.clone()),
    ("score", |_, row| real(row.figure.value)),
    ("score_low", |_, row| real(row.figure.low)),
    ("score_high", |_, row| real(row.figure.high)),
    ("control", |_, row| real(row.figure.control)),
    ("control_low", |_, row| real(row.figure.control_low)),
    ("control_high", |_, row| real(row.figure.control_high)),
    ("excess", |_, row| real(row.excess)),
    ("twin_score", |_, row| real(row.twin_score)),
    ("seed_low", |_, row| real(row.seed_low)),
    ("seed_high", |_, row| real(row.seed_high)),
    ("unique_extracted", |_, row| count(row.unique_extracted)),
    ("utility_metric", |_, row| row.utility.metric.clone()),
    ("utility", |_, row| real(row.utility.figure.value)),
    ("utility_low", |_, row| real(row.utility.figure.low)),
    ("utility_high", |_, row| real(row.utility.figure.high)),
    ("utility_n", |_, row| count(row.utility.n)),
    ("utility_n_reference", |_, row| {
        count(row.utility.n_reference)
    }),
    ("utility_protocol", |_, row| row.utility.protocol.clone()),
    ("flag", |_, row| row.flag.clone()),
    ("reason", |_, row| row.reason.clone()),
    ("model_sha256", |_, row| row.model_sha256.clone()),
    ("plugin_sha256", |_, row| row.plugin_sha256.clone()),
    ("mitigation_sha256", |_, row| row.mitigation_sha256.clone()),
];

const METRICS: [Column<MetricRow>; 17] = [
    ("cell", |_, row| row.cell.clone().unwrap_or_default()),
    ("dataset", |_, row| row.dataset.clone()),
    ("model", |_, row| row.model.clone()),
    ("mitigation", |_, row| row.mitigation.clone()),
    ("attack", |_, row| row.attack.clone()),
    ("seed", |_, row| count(row.seed)),
    ("metric", |_, row| row.metric.clone()),
    ("value", |_, row| real(row.figure.value)),
    ("low", |_, row| real(row.figure.low)),
    ("high", |_, row| real(row.figure.high)),
    ("control", |_, row| real(row.figure.control)),
    ("control_low", |_, row| real(row.figure.control_low)),
    ("control_high", |_, row| real(row.figure.control_high)),
    ("n", |_, row| row.n.to_string()),
    ("interval", |_, row| row.interval.clone()),
    ("over", |_, row| row.over.into()),
    ("reason", |_, row| row.reason.clone()),
];

const MITIGATIONS: [Column<MitigationRow>; 27] = [
    ("rank", |_, row| count(row.rank)),
    ("suite", |board, _| board.suite.clone()),
    ("suite_version", |board, _| board.suite_version.to_string()),
    ("dataset", |_, row| row.dataset.clone()),
    ("model", |_, row| row.model.clone()),
    ("mitigation", |_, row| row.mitigation.clone()),
    ("goal", |_, row| row.goal.clone()),
    ("complete", |_, row| {
        if row.complete { "yes" } else { "no" }.into()
    }),
    ("attacks_ok", |_, row| row.ran.to_string()),
    ("attacks_n/a", |_, row| row.not_applicable.to_string()),
    ("attacks_failed", |_, row| row.failed.to_string()),
    ("attacks_not_run", |_, row| row.not_run.to_string()),
    ("worst_attack", |_, row| {
        row.worst_attack.clone().unwrap_or_default()
    }),
    ("headline", |_, row| row.headline.clone()),
    ("score", |_, row| real(row.figure.value)),
    ("score_low", |_, row| real(row.figure.low)),
    ("score_high", |_, row| real(row.figure.high)),
    ("control", |_, row| real(row.figure.control)),
    ("control_low", |_, row| real(row.figure.control_low)),
    ("control_high", |_, row| real(row.figure.control_high)),
    ("excess", |_, row| real(row.excess)),
    ("utility_metric", |_, row| row.utility.metric.clone()),
    ("utility", |_, row| real(row.utility.figure.value)),
    ("utility_low", |_, row| real(row.utility.figure.low)),
    ("utility_high", |_, row| real(row.utility.figure.high)),
    ("pareto", |_, row| {
        match row.pareto {
            Some(true) => "yes",
            Some(false) => "no",
            None => "",
        }
        .into()
    }),
    ("reason", |_, row| row.reason.clone()),
];

const COMPARISONS: [Column<ComparisonRow>; 21] = [
    ("suite", |board, _| board.suite.clone()),
    ("suite_version", |board, _| board.suite_version.to_string()),
    ("dataset", |_, row| row.dataset.clone()),
    ("model", |_, row| row.model.clone()),
    ("mitigation", |_, row| row.mitigation.clone()),
    ("attack", |_, row| row.attack.clone()),
    ("goal", |_, row| row.goal.clone()),
    ("headline", |_, row| row.headline.clone()),
    ("against", |_, row| row.against.as_str().into()),
    ("against_label", |_, row| row.against_label.clone()),
    ("score", |_, row| real(row.score)),
    ("other_score", |_, row| real(row.other_score)),
    ("difference", |_, row| real(row.difference.map(|d| d.value))),
    ("difference_low", |_, row| {
        real(row.difference.map(|d| d.low))
    }),
    ("difference_high", |_, row| {
        real(row.difference.map(|d| d.high))
    }),
    ("p_value", |_, row| probability(row.p_value)),
    ("p_adjusted", |_, row| probability(row.p_adjusted)),
    ("paired", |_, row| {
        let told = row.paired.map(|paired| if paired { "yes" } else { "no" });
        told.unwrap_or_default().into()
    }),
    ("n", |_, row| count(row.n)),
    ("test", |_, row| row.test.into()),
    ("reason", |_, row| row.reason.clone()),
];

const TRENDS: [Column<TrendRow>; 9] = [
    ("suite", |board, _| board.suite.clone()),
    ("trend", |_, row| row.trend.clone()),
    ("claim", |_, row| row.claim.into()),
    ("holds", |_, row| row.verdict().into()),
    ("value", |_, row| real(row.value)),
    ("low", |_, row| real(row.low)),
    ("high", |_, row| real(row.high)),
    ("rows", |_, row| row.rows.clone()),
    ("reason", |_, row| row.reason.clone()),
];

const TIMES: [Column<(PlannedCell, Times)>; 12] = [
    ("cell", |_, (cell, _)| cell.id.clone()),
    ("dataset", |_, (cell, _)| cell.spec.dataset.label.clone()),
    ("model", |_, (cell, _)| cell.spec.model.label.clone()),
    ("mitigation", |_, (cell, _)| {
        cell.spec.mitigation_label.clone()
    }),
    ("attack", |_, (cell, _)| cell.spec.attack.label.clone()),
    ("seed", |_, (cell, _)| cell.spec.seed.to_string()),
    ("seconds", |_, (_, times)| real(Some(times.seconds))),
    ("attack_seconds", |_, (_, times)| {
        real(times.spent.map(|spent| spent.attack_seconds))
    }),
    ("model_seconds", |_, (_, times)| {
        real(times.spent.map(|spent| spent.model_seconds))
    }),
    ("harness", |_, (_, times)| times.harness.clone()),
    ("processor", |_, (_, times)| times.processor.clone()),
    ("threads", |_, (_, times)| times.threads.to_string()),
];

impl Board {
    /// Every file of the board with its bytes: `leaderboard.csv`, `metrics.csv`,
    /// `mitigations.csv`, `comparisons.csv`, `trends.csv` where the suite has claims, and `times.csv`, which alone
    /// differs from run to run.
    ///
    /// # Errors
    /// None that the caller can cause: writing to memory.
    pub fn files(&self) -> io::Result<Vec<(&'static str, Vec<u8>)>> {
        let mut files = vec![
            ("leaderboard.csv", table(self, &LEADERBOARD, &self.rows)?),
            ("metrics.csv", table(self, &METRICS, &self.metrics)?),
            (
                "mitigations.csv",
                table(self, &MITIGATIONS, &self.mitigations)?,
            ),
            (
                "comparisons.csv",
                table(self, &COMPARISONS, &self.comparisons)?,
            ),
            ("times.csv", table(self, &TIMES, &self.times)?),
        ];
        if !self.trends.is_empty() {
            files.push(("trends.csv", table(self, &TRENDS, &self.trends)?));
        }
        Ok(files)
    }

    /// Writes [`Board::files`] into a results folder, each atomically.
    ///
    /// # Errors
    /// The system's: disk full, read-only folder; with the path.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        for (name, bytes) in self.files()? {
            write_atomic(&folder.join(name), &bytes)?;
        }
        Ok(())
    }
}
