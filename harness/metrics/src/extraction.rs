//! Extraction scores of each generated image, and how many images were extracted.

use std::collections::BTreeSet;

use crate::{Distinct, Error, Images, Index, Measured, Neighbours, Proportion, Reason};

/// nn_ratio below which an image counts as memorized (Gu et al. 2023; Yoon et al. 2023).
pub const NN_RATIO_MEMORIZED: f64 = 1.0 / 3.0;
/// Neighbours that normalise nl2 (Carlini et al. 2023).
pub const NL2_NEIGHBOURS: usize = 50;
/// The factor alpha of nl2 (Carlini et al. 2023).
pub const NL2_ALPHA: f64 = 0.5;
/// Training images below which 50 of them are no neighbourhood, and nl2 is missing.
pub const NL2_MIN_TRAINING: usize = 500;

const FLAT: Measured<f64> = Measured::Missing(Reason::NoSpread {
    what: "the training images around",
});

/// How close one generated image came to the training set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExtractionScore {
    /// The nearest training image, as an index into the set that was searched.
    pub matched: u32,
    /// d1, the distance to it in [0, 1] (see [`l2`](crate::l2)).
    pub l2: f64,
    /// d1 / d2, see [`nn_ratio`]; in [0, 1]; missing with a single training image.
    pub nn_ratio: Measured<f64>,
    /// d1 / (alpha * mean distance of the *generated* image to its 50 nearest training images).
    pub nl2_generated: Measured<f64>,
    /// d1 / (alpha * mean distance of the *matched training* image to its 50 nearest others).
    pub nl2_matched: Measured<f64>,
}

/// d1 / d2, nearest over second nearest (Yoon et al. 2023), in [0, 1] for `0 <= d1 <= d2`.
///
/// Where both are 0, a generated image that equals two training images, it is 1, as for any
/// other d1 = d2: group the duplicates first and search their representatives.
///
/// ```
/// assert_eq!(eidetic_metrics::nn_ratio(0.1, 0.4), 0.25);
/// assert_eq!(eidetic_metrics::nn_ratio(0.0, 0.4), 0.0);
/// assert_eq!(eidetic_metrics::nn_ratio(0.0, 0.0), 1.0);
/// ```
pub fn nn_ratio(d1: f64, d2: f64) -> f64 {
    if d2 == 0.0 { 1.0 } else { d1 / d2 }
}

/// Scores every generated image against `training`, which should hold one representative a group
/// of duplicates ([`Groups::representatives`](crate::Groups::representatives)): a duplicate makes
/// d2 = d1, and a planted one would count as not memorized.
///
/// nl2 is missing with fewer than [`NL2_MIN_TRAINING`] training images, or where the whole
/// neighbourhood is at distance 0. No generated images give no scores.
///
/// ```
/// use eidetic_metrics::{Images, NN_RATIO_MEMORIZED, extraction_scores, unique_extracted};
///
/// let generated = Images::new(&[0, 1, 2, 90, 100, 1], 2)?;
/// let training = Images::new(&[0, 0, 100, 0, 0, 100], 2)?;
/// let scores = extraction_scores(generated, training)?;
/// assert_eq!(scores[0].matched, 0);
/// assert!(scores[0].nn_ratio.value().unwrap() < 0.02);
/// assert_eq!(unique_extracted(&scores, NN_RATIO_MEMORIZED)?.value().unwrap().distinct, 3);
/// # Ok::<(), eidetic_metrics::Error>(())
/// ```
///
/// # Errors
/// There is no training image, or the two sets differ in dimension.
pub fn extraction_scores(
    generated: Images<'_>,
    training: Images<'_>,
) -> Result<Vec<ExtractionScore>, Error> {
    let enough = Reason::unless_enough("training images for nl2", NL2_MIN_TRAINING, training.len());
    let normalised = enough.reason().is_none();
    let k = if normalised {
        NL2_NEIGHBOURS
    } else {
        training.len().clamp(1, 2)
    };
    let index = Index::for_queries(training, generated.len());
    let found = index.nearest(generated, k)?;
    let around = if normalised {
        Some(Neighbourhoods::of(&found, &index)?)
    } else {
        None
    };
    let two = Reason::unless_enough("training images for nn_ratio", 2, training.len());
    let score = |i: usize| {
        let (matched, d1) = (found.index(i, 0), found.l2(i, 0));
        let matched_mean = || {
            around
                .as_ref()
                .map_or(0.0, |around| around.mean_l2(matched))
        };
        ExtractionScore {
            matched,
            l2: d1,
            nn_ratio: two.map(|()| nn_ratio(d1, found.l2(i, 1))),
            nl2_generated: enough.and_then(|()| nl2(d1, found.mean_l2(i))),
            nl2_matched: enough.and_then(|()| nl2(d1, matched_mean())),
        }
    };
    Ok((0..found.len()).map(score).collect())
}

/// d1 / ([`NL2_ALPHA`] * `mean_l2`), where `mean_l2` is the mean distance to the
/// [`NL2_NEIGHBOURS`] nearest training images; missing where that is 0.
pub fn nl2(d1: f64, mean_l2: f64) -> Measured<f64> {
    if mean_l2 > 0.0 {
        Measured::Value(d1 / (NL2_ALPHA * mean_l2))
    } else {
        FLAT
    }
}

/// [`NL2_ALPHA`] * the mean distance of each query to its neighbours, what [`nl2`] divides by;
/// missing where one of them is 0. nl2 takes the [`NL2_NEIGHBOURS`] nearest.
pub fn nl2_scales(around: &Neighbours) -> Measured<Vec<f64>> {
    (0..around.len())
        .map(|query| match NL2_ALPHA * around.mean_l2(query) {
            scale if scale > 0.0 => Measured::Value(scale),
            _ => FLAT,
        })
        .collect()
}

/// The neighbourhood of every training image that was matched, each searched once.
struct Neighbourhoods {
    matched: Vec<u32>,
    found: Neighbours,
}

impl Neighbourhoods {
    fn of(generated: &Neighbours, index: &Index<'_>) -> Result<Self, Error> {
        let matched: BTreeSet<u32> = (0..generated.len())
            .map(|i| generated.index(i, 0))
            .collect();
        let matched: Vec<u32> = matched.into_iter().collect();
        let pixels = index.images().select(&matched)?;
        let queries = Images::new(&pixels, index.images().dim())?;
        let found = index.nearest_excluding(queries, NL2_NEIGHBOURS, &matched)?;
        Ok(Self { matched, found })
    }

    fn mean_l2(&self, matched: u32) -> f64 {
        self.found
            .mean_l2(self.matched.partition_point(|&other| other < matched))
    }
}

/// Whether each image has an nn_ratio below `threshold`; missing where nn_ratio is.
///
/// # Errors
/// The threshold is NaN.
pub fn is_memorized(
    scores: &[ExtractionScore],
    threshold: f64,
) -> Result<Measured<Vec<bool>>, Error> {
    if threshold.is_nan() {
        return Err(Error::Parameter {
            name: "threshold",
            expected: "a number",
            got: threshold,
        });
    }
    Ok(scores
        .iter()
        .map(|score| score.nn_ratio.map(|ratio| ratio < threshold))
        .collect())
}

/// The share of images with nn_ratio below `threshold`; missing where nn_ratio is.
///
/// # Errors
/// The threshold is NaN.
pub fn memorized(
    scores: &[ExtractionScore],
    threshold: f64,
) -> Result<Measured<Proportion>, Error> {
    Ok(is_memorized(scores, threshold)?.map(Proportion::count))
}

/// How many different training images (groups, where representatives were searched) were matched
/// with an nn_ratio below `threshold`; missing where nn_ratio is.
///
/// # Errors
/// The threshold is NaN.
pub fn unique_extracted(
    scores: &[ExtractionScore],
    threshold: f64,
) -> Result<Measured<Distinct>, Error> {
    Ok(is_memorized(scores, threshold)?.map(|flags| {
        let extracted = scores.iter().zip(flags).filter(|(_, flag)| *flag);
        let distinct: BTreeSet<u32> = extracted.map(|(score, _)| score.matched).collect();
        Distinct {
            distinct: distinct.len() as u64,
            generated: scores.len() as u64,
        }
    }))
}
