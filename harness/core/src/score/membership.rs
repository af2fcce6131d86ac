//! Membership: the scores of candidates that are members against those that are holdout.
//!
//! A candidate without a score counts as the least likely member: an attack must not gain by
//! leaving out what it is unsure of. `answered` says how many had one. Figures by name:
//!
//! - `auc`, the headline (DeLong; among duplicates a bootstrap over their groups; both on the scale
//!   of logits), its control chance, 0.5.
//! - `tpr_at_fpr_0.01`, `tpr_at_fpr_0.001`: on each half of the candidates at the threshold that
//!   is best on the other, its FPR at most the bound there; the counts of both halves are pooled.
//!   The control is the FPR that comes of it, since a guess has TPR = FPR. That is also
//!   `fpr_at_fpr_0.01`, whose control is the bound. Missing below 10 expected false positives.
//! - `asr` (attack success rate): balanced accuracy, its thresholds chosen and judged likewise; its
//!   control chance, 0.5.
//! - `answered` (Wilson), its control the same of holdout.
//! - `blind_auc`, see [`super::blind`].
//!
//! No other threshold is quoted. Intervals without a name are a bootstrap's over groups of
//! duplicates within each half, with thresholds chosen anew. The whole curve is kept, as the
//! columns `roc_fpr` and `roc_tpr`.

use eidetic_metrics::{Bootstrap, Candidates, Measured, Proportion, Roc};

use super::blind::blind;
use super::figure::{Figure, Side, metric, wilson, with_interval};
use super::halves::{groups, halves};
use super::revision::BOOTSTRAP_SEED;
use super::scoring::Scored;
use super::{Error, Truth};
use crate::cell::{Inferred, Metric, PerImage};
use crate::dataset::{Dataset, Split};

pub(super) const HEADLINE: &str = "auc";
pub(super) const RESAMPLES: u32 = 1000;
/// What a guess reaches.
pub(super) const CHANCE: Figure = Ok(Side {
    value: 0.5,
    interval: None,
    how: "",
});

pub(super) fn score(
    found: &Inferred,
    dataset: &Dataset,
    split: &Split,
    truth: &Truth,
) -> Result<Scored, Error> {
    let answers = answers(found, truth.len())?;
    let scores = lowest_where_missing(&answers);
    let n = truth.len();
    let half = halves(truth.index(), dataset, split);
    let group = groups(truth.index(), split);
    let bootstrap = Bootstrap {
        resamples: RESAMPLES,
        seed: BOOTSTRAP_SEED,
    };
    let (area, roc) = auc(&scores, truth, &group, &bootstrap)?;
    let judged = Candidates::new(&scores, truth.member(), &group)?;
    let asr = with_interval(judged.asr(&half, &bootstrap)?, "bootstrap");

    let mut metrics = vec![
        metric("auc", n, area, CHANCE),
        metric("asr", n, asr, CHANCE),
        answered(answers.iter().map(Option::is_some), truth),
        blind(dataset, split)?,
    ];
    for (name, max_fpr) in [("0.01", 0.01), ("0.001", 0.001)] {
        let rates = judged.tpr_at_fpr(&half, max_fpr, &bootstrap)?;
        let tpr = with_interval(rates.map(|rates| rates.tpr), "bootstrap");
        let fpr = with_interval(rates.map(|rates| rates.fpr), "bootstrap");
        metrics.push(metric(format!("tpr_at_fpr_{name}"), n, tpr, fpr.clone()));
        let bound = Ok(Side::bare(max_fpr));
        metrics.push(metric(format!("fpr_at_fpr_{name}"), n, fpr, bound));
    }

    let mut per_image = candidates(truth, &group);
    per_image.value.insert("score".into(), scores);
    let answered = answers.iter().map(|a| u64::from(a.is_some())).collect();
    per_image.index.insert("answered".into(), answered);
    curve(&mut per_image, roc.value().as_ref(), "roc");
    Ok(Scored {
        headline: HEADLINE,
        metrics,
        unique_extracted: None,
        per_image,
    })
}

/// The columns that say what each candidate was, and which are duplicates: of one `group`.
pub(super) fn candidates(truth: &Truth, group: &[u32]) -> PerImage {
    let mut per_image = PerImage::default();
    let index = truth.index().iter().map(|&i| i.into()).collect();
    let member = truth.member().iter().map(|&m| m.into()).collect();
    per_image.index.insert("candidate".into(), index);
    per_image.index.insert("member".into(), member);
    let group = group.iter().map(|&group| group.into()).collect();
    per_image.index.insert("group".into(), group);
    per_image
}

/// The curve as the columns `<name>_fpr` and `<name>_tpr`, a point a different score.
pub(super) fn curve(per_image: &mut PerImage, roc: Option<&Roc>, name: &str) {
    let Some(roc) = roc else { return };
    let rate = |share: Proportion| share.share().value().unwrap_or_default();
    let points = roc.points();
    let (fpr, tpr) = points.iter().map(|p| (rate(p.fpr), rate(p.tpr))).unzip();
    per_image.value.insert(format!("{name}_fpr"), fpr);
    per_image.value.insert(format!("{name}_tpr"), tpr);
}

/// The share of members that have a finding, against that of holdout.
pub(super) fn answered(answered: impl Iterator<Item = bool>, truth: &Truth) -> Metric {
    let answered: Vec<bool> = answered.collect();
    let of = |member: bool| {
        let of: Vec<bool> = (0..truth.len())
            .filter(|&i| truth.member()[i] == member)
            .map(|i| answered[i])
            .collect();
        wilson(Measured::Value(Proportion::count(of)))
    };
    metric("answered", truth.len(), of(true), of(false))
}

/// The area under the curve of candidates with these scores and groups, and the curve.
pub(super) fn auc(
    scores: &[f64],
    truth: &Truth,
    group: &[u32],
    bootstrap: &Bootstrap,
) -> Result<(Figure, Measured<Roc>), Error> {
    let candidates = Candidates::new(scores, truth.member(), group)?;
    let how = if candidates.has_duplicates() {
        "bootstrap"
    } else {
        "delong"
    };
    let figure = with_interval(candidates.auc(bootstrap)?, how);
    Ok((figure, candidates.roc()?))
}

fn answers(found: &Inferred, candidates: usize) -> Result<Vec<Option<f64>>, Error> {
    if found.score.len() != found.candidate.len() {
        return Err(Error::Count {
            what: "scores of candidates",
            expected: found.candidate.len(),
            got: found.score.len(),
        });
    }
    let mut answers = vec![None; candidates];
    for (&candidate, &score) in found.candidate.iter().zip(&found.score) {
        match answers.get_mut(candidate as usize) {
            Some(answer) => *answer = Some(score),
            None => {
                return Err(Error::OutOfRange {
                    what: "candidates",
                    bound: candidates,
                    got: candidate,
                });
            }
        }
    }
    Ok(answers)
}

fn lowest_where_missing(answers: &[Option<f64>]) -> Vec<f64> {
    let lowest = answers.iter().flatten().copied().fold(0.0, f64::min);
    let below = lowest.next_down().max(f64::MIN);
    answers.iter().map(|a| a.unwrap_or(below)).collect()
}
