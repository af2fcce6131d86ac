//! Findings to scores, by the attack's goal.

use super::figure::NO_FINDINGS;
use super::{Error, Truth, extraction, membership, reconstruction, scores_id};
use crate::cell::{Findings, Metric, PerImage, Scores};
use crate::dataset::{Dataset, Split};

/// What one goal's scoring gives.
#[derive(Default)]
pub(super) struct Scored {
    pub(super) headline: &'static str,
    pub(super) metrics: Vec<Metric>,
    pub(super) unique_extracted: Option<u64>,
    pub(super) per_image: PerImage,
}

/// Scores findings against the members and, as their control, against holdout.
///
/// `findings_id` is the cell's, `findings_sha256` the digest of its file of findings; both enter
/// the scores' id, see [`scores_id`]. `truth` is needed for findings about candidates and ignored
/// for extraction. Findings of nothing have every figure, each missing with the reason.
///
/// The same findings give the same bytes for any number of threads; findings in another order
/// give the same metrics, and `per_image` in their order.
///
/// # Errors
/// [`Error::NoTruth`] without candidates; [`Error::Count`], [`Error::OutOfRange`] and
/// [`Error::Twice`] for findings that fit neither each other nor the candidates;
/// [`Error::Metric`] for pixels that are no whole images and scores that are not finite.
pub fn score(
    findings: &Findings,
    findings_id: &str,
    findings_sha256: &str,
    dataset: &Dataset,
    split: &Split,
    truth: Option<&Truth>,
) -> Result<Scores, Error> {
    let candidates = |goal| truth.ok_or(Error::NoTruth { goal });
    let (mut scored, found) = match findings {
        Findings::Extraction(found) => {
            let scored = extraction::score(found, dataset, split)?;
            (scored, !found.images.is_empty())
        }
        Findings::Reconstruction(found) => {
            let truth = candidates("reconstruction")?;
            let scored = reconstruction::score(found, dataset, split, truth)?;
            (scored, !found.images.is_empty())
        }
        Findings::Membership(found) => {
            let truth = candidates("membership")?;
            let scored = membership::score(found, dataset, split, truth)?;
            (scored, !found.score.is_empty())
        }
    };
    if !found {
        for metric in &mut scored.metrics {
            *metric = Metric {
                name: std::mem::take(&mut metric.name),
                n: metric.n,
                reason: NO_FINDINGS.to_owned(),
                ..Metric::default()
            };
        }
        scored.unique_extracted = None;
        scored.per_image = PerImage::default();
    }
    scored.metrics.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Scores {
        id: scores_id(findings_id, findings_sha256),
        headline: scored.headline.to_owned(),
        metrics: scored.metrics,
        unique_extracted: scored.unique_extracted,
        per_image: scored.per_image,
    })
}
