//! Whether a suite's claims hold on its board.

use eidetic_metrics::{Estimate, mover};

use super::csv_text::rounded;
use super::figure::Figure;
use super::row::{Row, RowStatus};
use crate::suite::{Claim, Selector, Trend};

/// One line of `trends.csv`.
#[derive(Debug, Clone, PartialEq)]
pub struct TrendRow {
    /// The claim in words.
    pub trend: String,
    /// What kind it is: `falls`, `rises`, `peaks`, `above_control` or `at_control`.
    pub claim: &'static str,
    /// Whether it holds; `None` where a row that it needs has no score.
    pub holds: Option<bool>,
    /// What was judged: of `falls` and `rises` the difference of the ends, of `peaks` the smaller
    /// difference to an end, of the controls the excess that is nearest to breaking the claim.
    pub value: Option<f64>,
    /// Lower end of its interval, 95 % over all comparisons of the claim together.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// The rows with their scores, in the claim's order.
    pub rows: String,
    /// What breaks the claim, or why it could not be judged.
    pub reason: String,
}

impl TrendRow {
    /// `pass`, `fail`, or `missing` where it could not be judged.
    pub fn verdict(&self) -> &'static str {
        match self.holds {
            Some(true) => "pass",
            Some(false) => "fail",
            None => "missing",
        }
    }
}

/// What a selector stands for.
struct Chosen {
    title: String,
    score: Estimate,
    control: Estimate,
    /// Rows that it was chosen among.
    among: usize,
}

/// The interval and whether it says what is claimed; and why not.
struct Judgement {
    judged: Estimate,
    broken: Option<String>,
}

impl TrendRow {
    /// Judges `trend` on `rows`; `twin` gives the figure of a row's clean twin.
    pub(super) fn new(trend: &Trend, rows: &[Row], twin: impl Fn(&Row) -> Figure) -> Self {
        let chosen: Result<Vec<Chosen>, String> = trend
            .claim
            .selectors()
            .iter()
            .map(|selector| choose(selector, rows, &twin))
            .collect();
        let row = Self {
            trend: trend.name.clone(),
            claim: trend.claim.key(),
            holds: None,
            value: None,
            low: None,
            high: None,
            rows: String::new(),
            reason: String::new(),
        };
        let chosen = match chosen {
            Ok(chosen) => chosen,
            Err(reason) => return Self { reason, ..row },
        };
        let Judgement { judged, broken } = match &trend.claim {
            Claim::Falls(_) => falls(&chosen.iter().collect::<Vec<_>>()),
            Claim::Rises(_) => falls(&chosen.iter().rev().collect::<Vec<_>>()),
            Claim::Peaks(_) => peaks(&chosen),
            Claim::AboveControl(_) => above_control(&chosen),
            Claim::AtControl(_) => at_control(&chosen, trend.within.unwrap_or_default()),
        };
        let told = |of: &Chosen| {
            let Estimate { value, low, high } = of.score;
            format!("{} {value:.3} [{low:.3}, {high:.3}]", of.title)
        };
        Self {
            holds: Some(broken.is_none()),
            value: Some(judged.value),
            low: Some(judged.low),
            high: Some(judged.high),
            rows: chosen.iter().map(told).collect::<Vec<_>>().join("; "),
            reason: broken.unwrap_or_default(),
            ..row
        }
    }
}

/// The row with the highest score of those that fit; an error says what is missing.
fn choose(
    selector: &Selector,
    rows: &[Row],
    twin: impl Fn(&Row) -> Figure,
) -> Result<Chosen, String> {
    let fits = |row: &&Row| {
        selector.matches(&row.dataset, &row.model, &row.mitigation, &row.attack)
            && row.status != RowStatus::NotApplicable
    };
    let mut best: Option<Chosen> = None;
    let mut among = 0;
    for row in rows.iter().filter(fits) {
        let mut title = format!("{} x {} x {}", row.model, row.mitigation, row.attack);
        let figure = match selector.twin {
            true => twin(row),
            false => row.figure,
        };
        if selector.twin {
            title += ", clean twin";
        }
        let score = match (row.status, estimate(figure.value, figure.low, figure.high)) {
            (RowStatus::Ok, Some(score)) => score,
            (RowStatus::Ok, None) => return Err(format!("{title}: no score")),
            (status, _) => return Err(format!("{title}: {}", status.as_str())),
        };
        let control = estimate(figure.control, figure.control_low, figure.control_high);
        let control = control.ok_or_else(|| format!("{title}: no control"))?;
        among += 1;
        if best
            .as_ref()
            .is_none_or(|best| rounded(score.value) > rounded(best.score.value))
        {
            best = Some(Chosen {
                title,
                score,
                control,
                among: 1,
            });
        }
    }
    let best = best.ok_or_else(|| {
        let (model, mitigation) = (selector.model.as_str(), selector.mitigation.as_str());
        let attack = selector.attack.as_str();
        format!("no row of {model} x {mitigation} x {attack} can run")
    })?;
    Ok(Chosen { among, ..best })
}

/// A value with its interval; one that is known, such as a chance of 0.5, is its own.
fn estimate(value: Option<f64>, low: Option<f64>, high: Option<f64>) -> Option<Estimate> {
    let value = value?;
    Some(Estimate {
        value,
        low: low.unwrap_or(value),
        high: high.unwrap_or(value),
    })
}

fn falls(of: &[&Chosen]) -> Judgement {
    let chosen = |rows: &[&Chosen]| rows.iter().map(|row| row.among).max().unwrap_or(1);
    let difference = |from: &Chosen, to: &Chosen, comparisons: usize| {
        mover(from.score, to.score, comparisons * chosen(&[from, to]))
    };
    // Selectors come in twos or more.
    let (first, last) = (of[0], of[of.len() - 1]);
    let judged = difference(first, last, 1);
    let steps = of.len() - 1;
    let against = of
        .windows(2)
        .find(|pair| difference(pair[0], pair[1], steps).high < 0.0);
    let broken = match against {
        Some(pair) => Some(format!("{} is above {}", pair[1].title, pair[0].title)),
        None if judged.low <= 0.0 => Some("the interval holds 0".to_owned()),
        None => None,
    };
    Judgement { judged, broken }
}

fn peaks(of: &[Chosen]) -> Judgement {
    let (first, last) = (&of[0], &of[of.len() - 1]);
    let between = &of[1..of.len() - 1];
    let top = between
        .iter()
        .reduce(|top, other| match other.score.value > top.score.value {
            true => other,
            false => top,
        })
        .unwrap_or(first);
    // Either end, from the best of those between.
    let comparisons = 2 * between.len();
    let judged = [first, last]
        .map(|end| mover(top.score, end.score, comparisons))
        .into_iter()
        .reduce(|least, other| match other.low < least.low {
            true => other,
            false => least,
        })
        .unwrap_or(top.score);
    let broken =
        (judged.low <= 0.0).then(|| format!("{} is not above both ends beyond chance", top.title));
    Judgement { judged, broken }
}

/// Each excess, all read together.
fn excesses(of: &[Chosen]) -> impl Iterator<Item = (&Chosen, Estimate)> {
    let all = of.len();
    of.iter()
        .map(move |row| (row, mover(row.score, row.control, all * row.among)))
}

fn above_control(of: &[Chosen]) -> Judgement {
    let (row, judged) = excesses(of)
        .reduce(|least, other| match other.1.low < least.1.low {
            true => other,
            false => least,
        })
        .expect("a claim has rows");
    let broken = (judged.low <= 0.0).then(|| format!("{} is not above its control", row.title));
    Judgement { judged, broken }
}

fn at_control(of: &[Chosen], within: f64) -> Judgement {
    let (row, judged) = excesses(of)
        .reduce(|most, other| match other.1.high > most.1.high {
            true => other,
            false => most,
        })
        .expect("a claim has rows");
    let title = &row.title;
    let above = excesses(of).find(|(_, excess)| excess.low > 0.0);
    let broken = match above {
        Some((row, _)) => Some(format!("{} is above its control", row.title)),
        None if judged.high > within => Some(format!(
            "{title} may be further than {within} above its control"
        )),
        None => None,
    };
    Judgement { judged, broken }
}
