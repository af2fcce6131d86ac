//! Mitigations by their worst attack: a defence is worth what the best attack leaves of it.

use std::collections::BTreeMap;

use super::csv_text::{distinct, rounded};
use super::figure::Figure;
use super::row::{Row, RowStatus};
use super::utility::Utility;

/// One line of `mitigations.csv`: a (dataset, model, goal, mitigation) over its attacks.
#[derive(Debug, Clone, PartialEq)]
pub struct MitigationRow {
    /// Place within dataset, model and goal, from 1: the lowest worst excess first, those that
    /// are not complete after all that are; ties share the better one.
    pub rank: Option<u64>,
    /// Label of the dataset.
    pub dataset: String,
    /// Label of the model's base recipe.
    pub model: String,
    /// Label of the mitigation.
    pub mitigation: String,
    /// What the attacks are after.
    pub goal: String,
    /// Whether every attack that can run has run.
    pub complete: bool,
    /// Attacks that ended as they should.
    pub ran: u64,
    /// Attacks that cannot run against it.
    pub not_applicable: u64,
    /// Attacks that failed or timed out.
    pub failed: u64,
    /// Attacks that have not run, or not for every seed.
    pub not_run: u64,
    /// Label of the attack with the highest excess; of equal ones the first by label. What an
    /// attack found before it failed counts too.
    pub worst_attack: Option<String>,
    /// The metric that its score is.
    pub headline: String,
    /// Its score and control.
    pub figure: Figure,
    /// Its score less its control.
    pub excess: Option<f64>,
    /// The quality of plain samples under it.
    pub utility: Utility,
    /// Whether no other mitigation of the same dataset, model and goal leaves at most as much excess
    /// at a utility at least as good, and betters one of the two. Absent where it is not complete or
    /// a figure is missing.
    pub pareto: Option<bool>,
    /// Why attacks did not run: distinct reasons, joined by `; `.
    pub reason: String,
}

impl MitigationRow {
    pub(super) fn all(rows: &[Row]) -> Vec<Self> {
        let mut groups: BTreeMap<_, Vec<&Row>> = BTreeMap::new();
        for row in rows {
            let key = (&row.dataset, &row.goal, &row.model, &row.mitigation);
            groups.entry(key).or_default().push(row);
        }
        let mut all: Vec<Self> = groups.values().map(|rows| Self::of(rows)).collect();
        let ranks: Vec<Option<u64>> = all.iter().map(|row| row.place(&all)).collect();
        for (row, rank) in all.iter_mut().zip(ranks) {
            row.rank = rank;
        }
        let pareto: Vec<Option<bool>> = all.iter().map(|row| row.is_pareto(&all)).collect();
        for (row, pareto) in all.iter_mut().zip(pareto) {
            row.pareto = pareto;
        }
        all.sort_by(|a, b| a.order().cmp(&b.order()));
        all
    }

    fn of(rows: &[&Row]) -> Self {
        let mut rows = rows.to_vec();
        rows.sort_by(|a, b| a.attack.cmp(&b.attack));
        let count = |of: &[RowStatus]| {
            let counted = rows.iter().filter(|row| of.contains(&row.status));
            counted.count() as u64
        };
        let worst = rows
            .iter()
            .filter_map(|row| Some((rounded(row.excess?), *row)))
            .reduce(|worst, other| if other.0 > worst.0 { other } else { worst })
            .map(|(_, row)| row);
        let failed = count(&[RowStatus::Failed, RowStatus::TimedOut]);
        let not_run = count(&[RowStatus::NotRun]);
        let reasons = rows
            .iter()
            .filter(|row| row.status != RowStatus::Ok && !row.reason.is_empty())
            .map(|row| format!("{}: {}", row.attack, row.reason));
        Self {
            rank: None,
            dataset: rows[0].dataset.clone(),
            model: rows[0].model.clone(),
            mitigation: rows[0].mitigation.clone(),
            goal: rows[0].goal.clone(),
            complete: failed == 0 && not_run == 0,
            ran: count(&[RowStatus::Ok]),
            not_applicable: count(&[RowStatus::NotApplicable]),
            failed,
            not_run,
            worst_attack: worst.map(|row| row.attack.clone()),
            headline: worst.map_or(String::new(), |row| row.headline.clone()),
            figure: worst.map_or(Figure::default(), |row| row.figure),
            excess: worst.and_then(|row| row.excess),
            // The same plain samples whatever the attack.
            utility: rows[0].utility.clone(),
            pareto: None,
            reason: distinct(reasons, "; "),
        }
    }

    fn is_pareto(&self, all: &[Self]) -> Option<bool> {
        let own = self.price()?;
        let beats = |(excess, utility): (f64, f64)| {
            excess <= own.0 && utility <= own.1 && (excess, utility) != own
        };
        let rivals = all.iter().filter(|other| {
            (&other.dataset, &other.model, &other.goal) == (&self.dataset, &self.model, &self.goal)
        });
        Some(!rivals.filter_map(Self::price).any(beats))
    }

    /// What the worst attack leaves, and what it costs; of both less is better.
    fn price(&self) -> Option<(f64, f64)> {
        let utility = self.utility.figure.value?;
        Some((rounded(self.excess?), rounded(utility))).filter(|_| self.complete)
    }

    fn place(&self, all: &[Self]) -> Option<u64> {
        let own = self.standing()?;
        let better = all.iter().filter(|other| {
            (&other.dataset, &other.model, &other.goal) == (&self.dataset, &self.model, &self.goal)
                && other.standing().is_some_and(|standing| standing < own)
        });
        Some(1 + better.count() as u64)
    }

    /// Lower is better.
    fn standing(&self) -> Option<(bool, f64)> {
        Some((!self.complete, rounded(self.excess?)))
    }

    fn order(&self) -> (&str, &str, &str, u64, &str) {
        (
            &self.dataset,
            &self.goal,
            &self.model,
            self.rank.unwrap_or(u64::MAX),
            &self.mitigation,
        )
    }
}
