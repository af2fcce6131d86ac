//! Two rows side by side: what their cells say of the difference of their scores.

use std::collections::BTreeMap;

use eidetic_metrics::{
    Bootstrap, Candidates, Comparison, Estimate, Measured, NN_RATIO_MEMORIZED, Proportion,
    difference, excess, fisher, mcnemar, mover, normal_p_value,
};

use super::cells::Cells;
use super::figure::{Figure, pooled};
use super::row::Row;
use crate::cell::{Metric, PerImage, Scores};
use crate::plan::PlannedCell;

/// Id of the plugin that only samples.
const RANDOM: &str = "random";
/// The only label of no mitigation. A cell's own list is empty too where a recipe trains under one.
const NONE: &str = "none";
/// As the candidates' own intervals have it.
const BOOTSTRAP: Bootstrap = Bootstrap {
    resamples: 1000,
    seed: 0,
};

/// A row with its cells.
#[derive(Clone, Copy)]
pub(super) struct Side<'a> {
    pub(super) row: &'a Row,
    pub(super) planned: &'a [&'a PlannedCell],
    pub(super) cells: &'a Cells,
}

/// A difference as it was found.
pub(super) struct Judged {
    pub(super) of: Comparison,
    pub(super) n: u64,
    pub(super) test: &'static str,
    /// Why it is not paired.
    pub(super) unpaired: Option<String>,
}

pub(super) fn judge(side: &Side<'_>, other: &Side<'_>) -> Result<Judged, String> {
    for of in [side, other] {
        if of.row.figure.value.is_none() {
            let Row {
                mitigation, attack, ..
            } = of.row;
            return Err(format!("{mitigation} x {attack} has no score"));
        }
    }
    if side.row.headline != other.row.headline {
        let (own, other) = (&side.row.headline, &other.row.headline);
        return Err(format!("scored by {own} and by {other}"));
    }
    if let Some(shares) = side.pooled().zip(other.pooled()) {
        return compare_shares(side, other, shares);
    }
    match compare_areas(side, other) {
        Ok(judged) => Ok(judged),
        Err(unpaired) => compare_figures(side, other, unpaired),
    }
}

fn compare_shares(
    side: &Side<'_>,
    other: &Side<'_>,
    (own, others): (Proportion, Proportion),
) -> Result<Judged, String> {
    let missing = |error: eidetic_metrics::Error| error.to_string();
    let (difference, p_value, n, test, unpaired) = match paired_hits(side, other) {
        Ok((own, others)) => {
            let of = excess(&own, &others).map_err(missing)?;
            let p_value = mcnemar(&own, &others).map_err(missing)?;
            (of, p_value, own.len() as u64, "mcnemar-exact", None)
        }
        Err(unpaired) => {
            let n = own.trials() + others.trials();
            let of = difference(own, others);
            (of, fisher(own, others), n, "fisher-exact", Some(unpaired))
        }
    };
    let both = difference.value().zip(p_value.value());
    let (difference, p_value) = both.ok_or("nothing was scored")?;
    Ok(Judged {
        of: Comparison {
            difference,
            p_value,
        },
        n,
        test,
        unpaired,
    })
}

/// Whether each image counts, of both rows in the same order over all seeds.
fn paired_hits(side: &Side<'_>, other: &Side<'_>) -> Result<(Vec<bool>, Vec<bool>), String> {
    let (mut own, mut others) = (Vec::new(), Vec::new());
    for (of, than) in seeds(side, other)? {
        let (of, than) = (hits(of)?, hits(than)?);
        if of.len() != than.len() {
            let (own, other) = (of.len(), than.len());
            return Err(format!("{own} images and {other}"));
        }
        own.extend(of);
        others.extend(than);
    }
    Ok((own, others))
}

/// The images that count for the headline, where it is the share of those with a low nn_ratio.
fn hits((scores, headline): Seed<'_>) -> Result<Vec<bool>, String> {
    let ratios = scores.per_image.value.get("nn_ratio");
    let hits: Vec<bool> = ratios
        .ok_or("the records do not say which images count")?
        .iter()
        .map(|&ratio| ratio < NN_RATIO_MEMORIZED)
        .collect();
    let own = Proportion::count(hits.iter().copied());
    match headline
        .value
        .and_then(|value| pooled(&[headline], &[value]))
    {
        Some(share) if share == own => Ok(hits),
        _ => Err("the records do not say which images count".into()),
    }
}

fn compare_areas(side: &Side<'_>, other: &Side<'_>) -> Result<Judged, String> {
    let mut compared = Vec::new();
    let (mut n, mut test) = (0, "delong");
    for (of, than) in seeds(side, other)? {
        let (own, others) = (Asked::new(of)?, Asked::new(than)?);
        if !own.same_candidates(&others) {
            return Err("asked about other candidates".into());
        }
        n += own.candidate.len() as u64;
        let (difference, duplicates) = own.less(&others)?;
        compared.push(difference);
        if duplicates {
            test = "bootstrap";
        }
    }
    Ok(Judged {
        of: over_seeds(&compared).ok_or("no seed has been scored")?,
        n,
        test,
        unpaired: None,
    })
}

/// The mean difference, its ends the means of the seeds' ends.
fn over_seeds(compared: &[Comparison]) -> Option<Comparison> {
    if let [] | [_] = compared {
        return compared.first().copied();
    }
    let mean = |of: fn(&Estimate) -> f64| {
        let sum: f64 = compared.iter().map(|seed| of(&seed.difference)).sum();
        sum / compared.len() as f64
    };
    let difference = Estimate {
        value: mean(|of| of.value),
        low: mean(|of| of.low),
        high: mean(|of| of.high),
    };
    Some(Comparison {
        difference,
        p_value: normal_p_value(difference),
    })
}

/// The candidates of one cell and what the attack made of them.
struct Asked<'a> {
    candidate: &'a [u64],
    member: Vec<bool>,
    group: Vec<u32>,
    /// Higher means more likely a member.
    scores: Vec<f64>,
}

impl<'a> Asked<'a> {
    fn new((scores, headline): Seed<'a>) -> Result<Self, String> {
        let PerImage { index, value } = &scores.per_image;
        let column = |name: &str| index.get(name).ok_or(format!("the records lack {name}"));
        let candidate = column("candidate")?;
        let group = match index.get("group") {
            Some(group) => group.iter().map(|&group| group as u32).collect(),
            // An interval by DeLong is only given where no candidate has a duplicate.
            None if headline.interval == "delong" => (0..candidate.len() as u32).collect(),
            None => return Err("scored before groups of duplicates were recorded".into()),
        };
        let scores = match (value.get("score"), value.get("l2")) {
            (Some(score), _) => score.clone(),
            (None, Some(l2)) => l2.iter().map(|l2| -l2).collect(),
            (None, None) => return Err("the records lack the scores of candidates".into()),
        };
        Ok(Self {
            candidate,
            member: column("member")?
                .iter()
                .map(|&member| member != 0)
                .collect(),
            group,
            scores,
        })
    }

    fn same_candidates(&self, other: &Self) -> bool {
        (self.candidate, &self.member) == (other.candidate, &other.member)
    }

    fn candidates(&self) -> Result<Candidates<'_>, String> {
        Candidates::new(&self.scores, &self.member, &self.group).map_err(|error| error.to_string())
    }

    /// The difference of areas, and whether some candidates are duplicates.
    fn less(&self, other: &Self) -> Result<(Comparison, bool), String> {
        let (own, others) = (self.candidates()?, other.candidates()?);
        match own.auc_difference(&others, &BOOTSTRAP) {
            Ok(Measured::Value(of)) => Ok((of, own.has_duplicates())),
            Ok(Measured::Missing(reason)) => Err(reason.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// By the intervals of both, as if they were independent.
fn compare_figures(side: &Side<'_>, other: &Side<'_>, unpaired: String) -> Result<Judged, String> {
    let estimate = |figure: Figure| {
        let (value, low, high) = (figure.value?, figure.low?, figure.high?);
        Some(Estimate { value, low, high })
    };
    let [own, others] = [side, other].map(|of| estimate(of.row.figure));
    let Some((own, others)) = own.zip(others) else {
        return Err(format!("{unpaired}; and no interval of a score"));
    };
    let difference = mover(own, others, 1);
    let p_value = normal_p_value(difference);
    let Estimate { value, low, high } = difference;
    let (low, high) = (low.max(-1.0), high.min(1.0));
    Ok(Judged {
        of: Comparison {
            difference: Estimate { value, low, high },
            p_value,
        },
        n: [side, other].iter().filter_map(|of| of.row.n).sum(),
        test: "mover",
        unpaired: Some(unpaired),
    })
}

/// What one cell scored, and its headline.
type Seed<'a> = (&'a Scores, &'a Metric);

/// The cells of both rows, seed by seed.
fn seeds<'a>(side: &Side<'a>, other: &Side<'a>) -> Result<Vec<(Seed<'a>, Seed<'a>)>, String> {
    let (own, others) = (side.seeds(), other.seeds());
    if !own.keys().eq(others.keys()) {
        return Err("scored over other seeds".into());
    }
    Ok(own.into_values().zip(others.into_values()).collect())
}

impl<'a> Side<'a> {
    pub(super) fn is_unmitigated(&self) -> bool {
        self.row.mitigation == NONE
    }

    pub(super) fn is_random(&self) -> bool {
        let first = self.planned.first();
        first.is_some_and(|cell| cell.spec.attack.plugin.id == RANDOM)
    }

    /// What was scored by the headline, by seed.
    fn seeds(&self) -> BTreeMap<u64, Seed<'a>> {
        let cells = self.cells;
        let scored = |cell: &&PlannedCell| {
            let scores = cells.records.get(&cell.id)?.scores.as_ref()?;
            let named = |metric: &&Metric| metric.name == self.row.headline;
            let headline = scores.metrics.iter().find(named)?;
            headline.value?;
            Some((cell.spec.seed, (scores, headline)))
        };
        self.planned.iter().filter_map(scored).collect()
    }

    /// Hits and trials over all seeds, where the headline is a share.
    fn pooled(&self) -> Option<Proportion> {
        let headlines: Vec<&Metric> = self.seeds().into_values().map(|(_, of)| of).collect();
        let values: Vec<f64> = headlines.iter().filter_map(|of| of.value).collect();
        pooled(&headlines, &values)
    }
}
