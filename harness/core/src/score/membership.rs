//! Membership: the scores of candidates that are members against those that are holdout.
//!
//! A candidate without a score counts as the least likely member: an attack must not gain by
//! leaving out what it is unsure of. `answered` says how many had one. Figures by name:
//!
//! - `auc`, the headline (DeLong), its control chance, 0.5.
//! - `tpr_at_fpr_0.01`, `tpr_at_fpr_0.001` (Wilson), with the threshold that is best in
//!   hindsight; the control is the FPR that it really has, since a guess has TPR = FPR. That is
//!   also `fpr_at_fpr_0.01`. Missing below 10 expected false positives.
//! - `asr` (attack success rate): balanced accuracy on one half of the candidates, at the
//!   threshold that is best on the other half; its control chance, 0.5. Interval by MOVER from
//!   the Wilson intervals of TPR and FPR (Newcombe 1998, method 10).
//! - `answered` (Wilson), its control the same of holdout.

use eidetic_metrics::{Estimate, Measured, OperatingPoint, Proportion, Roc};

use super::figure::{Figure, Side, metric, wilson, with_interval};
use super::scoring::Scored;
use super::{Error, Truth};
use crate::cell::{Inferred, Metric, PerImage};
use crate::dataset::{Dataset, Split};
use crate::files::sha256_hex;

pub(super) const HEADLINE: &str = "auc";
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
    let calibrates = halves(truth, dataset, split);
    let all = roc(&scores, truth.member(), |_| true)?;
    let calibration = roc(&scores, truth.member(), |i| calibrates[i])?;
    let test = roc(&scores, truth.member(), |i| !calibrates[i])?;

    let mut metrics = vec![
        metric("auc", n, auc(all.as_ref()), CHANCE),
        metric("asr", n, asr(calibration, test)?, CHANCE),
        answered(answers.iter().map(Option::is_some), truth),
    ];
    for (name, fpr) in [("0.01", 0.01), ("0.001", 0.001)] {
        let point = match all.as_ref() {
            Measured::Value(roc) => roc.tpr_at_fpr(fpr)?,
            Measured::Missing(reason) => Measured::Missing(reason),
        };
        let realised = wilson(point.map(|point| point.fpr));
        metrics.push(metric(
            format!("tpr_at_fpr_{name}"),
            n,
            wilson(point.map(|point| point.tpr)),
            realised.clone(),
        ));
        let bound = Ok(Side::bare(fpr));
        metrics.push(metric(format!("fpr_at_fpr_{name}"), n, realised, bound));
    }

    let mut per_image = candidates(truth);
    per_image.value.insert("score".into(), scores);
    let answered = answers.iter().map(|a| u64::from(a.is_some())).collect();
    per_image.index.insert("answered".into(), answered);
    curve(&mut per_image, all.value().as_ref(), "roc");
    Ok(Scored {
        headline: HEADLINE,
        metrics,
        unique_extracted: None,
        per_image,
    })
}

/// The columns that say what each candidate was.
pub(super) fn candidates(truth: &Truth) -> PerImage {
    let mut per_image = PerImage::default();
    let index = truth.index().iter().map(|&i| i.into()).collect();
    let member = truth.member().iter().map(|&m| m.into()).collect();
    per_image.index.insert("candidate".into(), index);
    per_image.index.insert("member".into(), member);
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

pub(super) fn auc(roc: Measured<&Roc>) -> Figure {
    with_interval(roc.and_then(Roc::auc), "delong")
}

/// The curve of the candidates that `among` takes.
pub(super) fn roc(
    scores: &[f64],
    member: &[bool],
    among: impl Fn(usize) -> bool,
) -> Result<Measured<Roc>, Error> {
    let of = |wanted: bool| -> Vec<f64> {
        (0..scores.len())
            .filter(|&i| member[i] == wanted && among(i))
            .map(|i| scores[i])
            .collect()
    };
    Ok(Roc::new(&of(true), &of(false))?)
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

/// Which candidates calibrate: the first bit of SHA-256 of the split's seed, the dataset's digest
/// and the candidate's group of duplicates, so that every attack has the same halves and no
/// duplicate lies in both.
fn halves(truth: &Truth, dataset: &Dataset, split: &Split) -> Vec<bool> {
    let (seed, digest) = (split.config.seed, &dataset.digest);
    let of = |&index: &u32| {
        let group = split.group_of(index);
        let text = format!("eidetic calibration\n{seed}\n{digest}\n{group}\n");
        sha256_hex(text.as_bytes()).as_bytes()[0] < b'8'
    };
    truth.index().iter().map(of).collect()
}

fn asr(calibration: Measured<Roc>, test: Measured<Roc>) -> Result<Figure, Error> {
    let (calibration, test) = match (calibration, test) {
        (Measured::Value(calibration), Measured::Value(test)) => (calibration, test),
        (Measured::Missing(reason), _) => return Ok(Err(format!("calibration half: {reason}"))),
        (_, Measured::Missing(reason)) => return Ok(Err(format!("test half: {reason}"))),
    };
    // From the highest threshold down, so that the highest of equals is kept.
    let mut best = (f64::NEG_INFINITY, f64::INFINITY);
    for point in calibration.points() {
        let gain = balanced(&point).value().map_or(0.0, |of| of.value);
        if gain > best.0 {
            best = (gain, point.threshold);
        }
    }
    let at = balanced(&test.rates_at(best.1)?);
    Ok(with_interval(at, "newcombe"))
}

/// Balanced accuracy, (TPR + 1 - FPR) / 2, with Newcombe's interval of a difference, halved.
fn balanced(point: &OperatingPoint) -> Measured<Estimate> {
    point.tpr.wilson().and_then(|tpr| {
        point.fpr.wilson().map(|fpr| {
            let value = f64::midpoint(tpr.value, 1.0 - fpr.value);
            let low = (tpr.value - tpr.low).hypot(fpr.high - fpr.value) / 2.0;
            let high = (tpr.high - tpr.value).hypot(fpr.value - fpr.low) / 2.0;
            Estimate {
                value,
                low: (value - low).max(0.0),
                high: (value + high).min(1.0),
            }
        })
    })
}
