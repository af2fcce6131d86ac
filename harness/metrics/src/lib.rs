//! Memorization metrics of generated images.
//!
//! Pure functions over borrowed u8 pixels and f64 scores: no files, no models, no global state.
//! Every result is the same for any number of threads.
//!
//! | question | answer |
//! | --- | --- |
//! | which training images are nearest? | [`Index`], prepared once; [`nearest`], [`nearest_others`], [`nearest_excluding`] |
//! | by the furthest tile, by embeddings? | [`TiledIndex`], [`EmbeddingIndex`] |
//! | which images are duplicates? | [`duplicate_groups`] |
//! | was this image extracted? | [`extraction_scores`]: l2, nn_ratio, nl2 |
//! | how much of the set was? | [`memorized`], [`unique_extracted`], [`ams`], [`Ums`], [`ums_l2`], [`ums_scaled_l2`] |
//! | how are scores spread? | [`percentiles`], [`Histogram`] |
//! | can members be told apart? | [`Roc`]: the curve; [`Candidates`]: AUC, TPR at FPR <= x, success rate |
//! | without any model? | [`blind_auc`] |
//! | is that more than chance? | [`excess`] over the control of the same findings, [`difference`] of other images, [`mover`] of two figures, [`Candidates::auc_difference`] |
//! | with what p-value? | [`mcnemar`] of the same images, [`fisher`] of others, [`normal_p_value`] of an interval, [`holm`] of many |
//! | how alike are two images? | [`l2`], [`centred_cosine`] |
//! | how good are the images? | [`Moments`] and [`frechet`], [`kid`], [`prdc`]: from [`Features`] |
//! | are they close to the training images? | [`auth_pct`], [`c_t`], [`fls`]: secondary |
//! | how sure is that? | [`Proportion`], [`Bootstrap`], [`student_t`]: 95 % intervals |
//!
//! A figure is either an [`Error`] (the input is wrong), [`Measured::Missing`] (the input is
//! right, and too little: the row is printed empty, with the reason) or a value.
//!
//! From generated images to a headline:
//!
//! ```
//! use eidetic_metrics::{
//!     Images, NN_RATIO_MEMORIZED, duplicate_groups, extraction_scores, memorized,
//! };
//!
//! // Four training images of 4 pixels; the last is the first again.
//! let pixels = [0, 0, 0, 0, 255, 255, 0, 0, 0, 0, 255, 255, 0, 0, 0, 0];
//! let training = Images::new(&pixels, 4)?;
//! let groups = duplicate_groups(training, 0.02)?;
//! let representatives = training.select(&groups.representatives())?;
//! let representatives = Images::new(&representatives, 4)?;
//! assert_eq!(representatives.len(), 3);
//!
//! // A copy, and something between two training images.
//! let generated = Images::new(&[2, 0, 1, 0, 128, 128, 120, 120], 4)?;
//! let scores = extraction_scores(generated, representatives)?;
//! let share = memorized(&scores, NN_RATIO_MEMORIZED)?.and_then(|hits| hits.wilson());
//! assert_eq!(share.value().unwrap().value, 0.5);
//! # Ok::<(), eidetic_metrics::Error>(())
//! ```

mod bands;
mod blind;
mod bootstrap;
mod calibrated;
mod candidates;
mod correlation;
mod difference;
mod duplicates;
mod embeddings;
mod error;
mod excess;
mod extraction;
mod holm;
mod images;
mod index;
mod interval;
mod matching;
mod measured;
mod mover;
mod neighbours;
mod paired;
mod quality;
mod roc;
mod rows;
mod search;
mod significance;
mod sketch;
mod strata;
mod summary;
mod tiled;

pub use bands::{Band, Distinct, Scales, Ums, ams, ums_l2, ums_scaled_l2};
pub use blind::blind_auc;
pub use bootstrap::Bootstrap;
pub use calibrated::{MIN_FALSE_POSITIVES, RealisedRates};
pub use candidates::Candidates;
pub use correlation::centred_cosine;
pub use difference::difference;
pub use duplicates::{Groups, duplicate_groups};
pub use embeddings::{EmbeddingIndex, Embeddings, Similar, cosine};
pub use error::Error;
pub use excess::excess;
pub use extraction::{
    ExtractionScore, NL2_ALPHA, NL2_MIN_TRAINING, NL2_NEIGHBOURS, NN_RATIO_MEMORIZED,
    extraction_scores, is_memorized, memorized, nl2, nl2_scales, nn_ratio, unique_extracted,
};
pub use holm::holm;
pub use images::{Images, l2, squared_distance};
pub use index::Index;
pub use interval::{CONFIDENCE, Proportion, student_t};
pub use measured::{Estimate, Measured, Reason};
pub use mover::mover;
pub use neighbours::{Neighbours, nearest, nearest_excluding, nearest_others};
pub use paired::Comparison;
pub use quality::{
    FLS_MAX_ROWS, Features, Kid, Moments, PRDC_NEIGHBOURS, Prdc, auth_pct, c_t, fls, frechet, kid,
    prdc,
};
pub use roc::{OperatingPoint, Roc};
pub use significance::{fisher, mcnemar, normal_p_value};
pub use summary::{Histogram, percentile, percentiles};
pub use tiled::{TiledIndex, Tiling};

/// The examples of the README are tested like any other.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
