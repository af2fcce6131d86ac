//! Rows against rows: what a mitigation took away, and what an attack finds beyond random sampling.

use std::collections::BTreeMap;

use eidetic_metrics::{Estimate, holm};

use super::cells::Cells;
use super::leaderboard::Key;
use super::row::{Row, RowStatus};
use super::sides::{Side, judge};
use crate::plan::PlannedCell;

/// What a row is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Against {
    /// Random sampling of the same model under the same mitigation. Of several the one that makes
    /// the fewest model calls of those that make as many as the row or more; else the one that
    /// makes the most.
    Random,
    /// The same attack on the same model without a mitigation.
    Unmitigated,
}

impl Against {
    /// As it stands in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::Unmitigated => "unmitigated",
        }
    }
}

/// One line of `comparisons.csv`: a row that is ok, less another of the same dataset, model and
/// goal.
///
/// Seeds share the initial noise of a sample index, and the candidates and their destruction,
/// between cells. So findings are pairs where both rows have as many: of shares image i with image
/// i, over all seeds (McNemar's exact test, Newcombe's paired interval), of AUC each candidate with
/// itself (DeLong's covariance, among duplicates a bootstrap over their groups). Where they are
/// not, shares are compared by Fisher's exact test and Newcombe's interval of independent shares,
/// and other figures by MOVER of their intervals.
///
/// Of an AUC over several seeds the difference is the mean, and so is either end of its interval:
/// seeds ask about the same images, so that they are taken to depend on each other entirely.
#[derive(Debug, Clone, PartialEq)]
pub struct ComparisonRow {
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
    /// The metric that is compared.
    pub headline: String,
    /// What the row is compared with.
    pub against: Against,
    /// The other row's mitigation, or of [`Against::Random`] its attack.
    pub against_label: String,
    /// The row's score.
    pub score: Option<f64>,
    /// The other row's score.
    pub other_score: Option<f64>,
    /// Score less other score, with its 95 % interval.
    pub difference: Option<Estimate>,
    /// The two-sided p-value of no difference.
    pub p_value: Option<f64>,
    /// The same, adjusted after Holm for all comparisons of the board of one dataset, goal and
    /// `against`.
    pub p_adjusted: Option<f64>,
    /// Whether image was compared with image, or candidate with candidate.
    pub paired: Option<bool>,
    /// Pairs over all seeds; of what is not paired the findings of both rows.
    pub n: Option<u64>,
    /// Where the p-value is from: `mcnemar-exact`, `fisher-exact`, `delong`, `bootstrap`, `mover`.
    pub test: &'static str,
    /// Why there is no difference, or why it is not paired.
    pub reason: String,
}

impl ComparisonRow {
    /// Sorted by dataset, goal, `against`, model, mitigation, attack.
    pub(super) fn all(
        rows: &[Row],
        groups: &BTreeMap<Key<'_>, Vec<&PlannedCell>>,
        cells: &Cells,
    ) -> Vec<Self> {
        let side = |row| {
            let planned = groups.get(&label(row)).map_or(&[][..], Vec::as_slice);
            Side {
                row,
                planned,
                cells,
            }
        };
        let sides: Vec<Side<'_>> = rows.iter().map(side).collect();
        let mut all = Vec::new();
        for side in sides.iter().filter(|side| side.row.status == RowStatus::Ok) {
            if !side.is_unmitigated() {
                all.push(Self::new(side, Against::Unmitigated, &sides));
            }
            if side.row.goal == "extraction" && !side.is_random() {
                all.push(Self::new(side, Against::Random, &sides));
            }
        }
        all.sort_by(|a, b| a.order().cmp(&b.order()));
        for family in all.chunk_by_mut(|a, b| a.family() == b.family()) {
            adjust(family);
        }
        all
    }

    fn new(side: &Side<'_>, against: Against, sides: &[Side<'_>]) -> Self {
        let row = side.row;
        let mut compared = Self {
            dataset: row.dataset.clone(),
            model: row.model.clone(),
            mitigation: row.mitigation.clone(),
            attack: row.attack.clone(),
            goal: row.goal.clone(),
            headline: row.headline.clone(),
            against,
            against_label: String::new(),
            score: row.figure.value,
            other_score: None,
            difference: None,
            p_value: None,
            p_adjusted: None,
            paired: None,
            n: None,
            test: "",
            reason: String::new(),
        };
        let other = match against {
            Against::Random => random(side, sides),
            Against::Unmitigated => unmitigated(side, sides),
        };
        let judged = other.and_then(|other| {
            compared.against_label = match against {
                Against::Random => other.row.attack.clone(),
                Against::Unmitigated => other.row.mitigation.clone(),
            };
            compared.other_score = other.row.figure.value;
            judge(side, other)
        });
        match judged {
            Ok(judged) => Self {
                difference: Some(judged.of.difference),
                p_value: Some(judged.of.p_value),
                paired: Some(judged.unpaired.is_none()),
                n: Some(judged.n),
                test: judged.test,
                reason: judged.unpaired.unwrap_or_default(),
                ..compared
            },
            Err(reason) => Self { reason, ..compared },
        }
    }

    fn family(&self) -> (&str, &str, Against) {
        (&self.dataset, &self.goal, self.against)
    }

    fn order(&self) -> impl Ord + '_ {
        (self.family(), &self.model, &self.mitigation, &self.attack)
    }
}

fn label(row: &Row) -> Key<'_> {
    (&row.dataset, &row.model, &row.mitigation, &row.attack)
}

fn adjust(family: &mut [ComparisonRow]) {
    let p_values: Vec<f64> = family.iter().filter_map(|row| row.p_value).collect();
    let mut adjusted = holm(&p_values)
        .expect("every test gives a p-value")
        .into_iter();
    for row in family.iter_mut().filter(|row| row.p_value.is_some()) {
        row.p_adjusted = adjusted.next();
    }
}

/// The same attack without a mitigation, or why there is none to compare with.
fn unmitigated<'a>(side: &Side<'_>, sides: &'a [Side<'a>]) -> Result<&'a Side<'a>, String> {
    let row = side.row;
    let mut fits = sides.iter().filter(|other| {
        let other_row = other.row;
        (&other_row.dataset, &other_row.model, &other_row.attack)
            == (&row.dataset, &row.model, &row.attack)
            && other.is_unmitigated()
    });
    let other = fits
        .next()
        .ok_or("the suite does not run this attack without a mitigation")?;
    match other.row.status {
        RowStatus::Ok => Ok(other),
        status => Err(format!("without a mitigation: {}", status.as_str())),
    }
}

/// Random sampling of the same model and mitigation, or why there is none to compare with.
fn random<'a>(side: &Side<'_>, sides: &'a [Side<'a>]) -> Result<&'a Side<'a>, String> {
    let row = side.row;
    let fits = |other: &&Side<'_>| {
        let other_row = other.row;
        (&other_row.dataset, &other_row.model, &other_row.mitigation)
            == (&row.dataset, &row.model, &row.mitigation)
            && other.is_random()
    };
    let all: Vec<&Side<'_>> = sides.iter().filter(fits).collect();
    let first = all
        .first()
        .ok_or("the suite has no random sampling of this model under this mitigation")?;
    let enough = |calls: u64| row.model_calls.is_some_and(|own| calls >= own);
    let counted = all
        .iter()
        .filter(|other| other.row.status == RowStatus::Ok)
        .filter_map(|other| Some((other.row.model_calls?, *other)));
    // The least of those that are enough; else the most.
    counted
        .min_by_key(|&(calls, other)| {
            let short = !enough(calls);
            let place = if short { u64::MAX - calls } else { calls };
            (short, place, &other.row.attack)
        })
        .map(|(_, other)| other)
        .ok_or_else(|| format!("{}: {}", first.row.attack, first.row.status.as_str()))
}
