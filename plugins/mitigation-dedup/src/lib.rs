//! Deduplication: one image a group of near duplicates is trained on.
//!
//! An image that is there many times is memorized first: deduplication of CIFAR-10 (5,275 of 50,000
//! images dropped) took the images that could be extracted from 1,280 to 986 (Carlini et al. 2023,
//! "Extracting Training Data from Diffusion Models", arXiv 2301.13188), and DALL-E 2 was
//! trained on deduplicated images for the same reason (Nichol 2022, "DALL-E 2 pre-training
//! mitigations").
//!
//! Both papers compare embeddings; here the distance is l2 over pixels, the board's own, and groups
//! are joined by complete linkage: any two images of a group are within the threshold, so that a
//! chain of neighbours does not swallow a class. The lowest row of a group is kept, with its label.
//! Nothing is random. What is dropped still counts as a member when the board is made.

use eidetic_metrics::{Images, duplicate_groups};
use eidetic_sdk::{Curation, Error, Mitigation, MitigationPlugin, Result, Stages, TrainingSet};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What counts as the same image.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Images at most this far apart (root mean square difference of pixels in [0, 1]) are
    /// duplicates; `exact` for equal pixels alone.
    pub l2: Threshold,
}

/// A distance, or `exact`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "l2: expected a distance in 0..=1 or `exact`, got neither"
)]
pub enum Threshold {
    /// At most so far apart.
    Within(#[schemars(range(min = 0.0, max = 1.0))] f64),
    /// Equal pixels.
    Word(Exact),
}

/// The word `exact`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Exact {
    /// Equal pixels.
    Exact,
}

impl Default for Threshold {
    fn default() -> Self {
        Self::Within(0.05)
    }
}

impl Threshold {
    fn l2(self) -> f64 {
        match self {
            Self::Within(l2) => l2,
            Self::Word(Exact::Exact) => 0.0,
        }
    }
}

/// The data stage.
pub struct Dedup(Options);

eidetic_sdk::export_plugins!(mitigation Dedup);

fn refused(error: eidetic_metrics::Error) -> Error {
    Error::bad_input(error.to_string())
}

impl MitigationPlugin for Dedup {
    const ID: &'static str = "dedup";
    const SUMMARY: &'static str = "trains on one image a group of near duplicates";
    const STAGES: Stages = Stages {
        data: true,
        training: false,
        sampling: false,
        output: false,
    };
    type Options = Options;

    fn check(options: &Options) -> Result<()> {
        let got = options.l2.l2();
        if !(0.0..=1.0).contains(&got) {
            return Err(Error::bad_options(format!(
                "l2: expected a distance in 0..=1 or `exact`, got {got}"
            )));
        }
        Ok(())
    }

    fn make(options: Options, _train: TrainingSet<'_>) -> Result<Self> {
        Self::check(&options)?;
        Ok(Self(options))
    }
}

impl Mitigation for Dedup {
    fn curate(&self, data: TrainingSet<'_>, _seed: u64) -> Result<Curation> {
        let (_, channels, height, width) = data.images.dim();
        let pixels = data.images.as_standard_layout();
        let pixels = pixels.as_slice().unwrap_or(&[]);
        let images = Images::new(pixels, channels * height * width).map_err(refused)?;
        let groups = duplicate_groups(images, self.0.l2.l2()).map_err(refused)?;
        Ok(Curation {
            keep: groups
                .representatives()
                .into_iter()
                .map(u64::from)
                .collect(),
            labels: None,
            classes: data.classes,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use eidetic_sdk::ndarray::Array4;
    use eidetic_sdk::registration::{make_mitigation, resolve_options};
    use eidetic_sdk::{ErrorCode, conformance};
    use proptest::prelude::*;

    use super::*;

    /// Rows kept of images of two grey pixels.
    fn kept(options: &str, levels: &[[u8; 2]]) -> Vec<u64> {
        let flat = levels.iter().flatten().copied().collect();
        let images = Array4::from_shape_vec((levels.len(), 1, 1, 2), flat).unwrap();
        // Identities need not be rows.
        let index: Vec<u64> = (0..levels.len() as u64).map(|row| 7 * row + 3).collect();
        let labels: Vec<i64> = (0..levels.len() as i64).collect();
        let set = TrainingSet {
            images: images.view(),
            labels: Some(&labels),
            index: &index,
            classes: 4,
        };
        let dedup = make_mitigation(&registrations()[0], options, set).unwrap();
        let curation = dedup.curate(set, 5).unwrap();
        assert_eq!((curation.labels, curation.classes), (None, 4));
        assert_eq!(curation.keep, dedup.curate(set, 6).unwrap().keep);
        curation.keep
    }

    #[test]
    fn the_lowest_row_of_a_group_is_kept() {
        // [9, 9] and [9, 25] are sqrt((0 + 16^2) / 2) / 255 = 0.0444 apart, [9, 9] and [9, 28]
        // 0.0527. The nearest two, rows 2 and 4, come together first, and row 0 is too far from one.
        let levels = [[9, 9], [200, 0], [9, 25], [200, 0], [9, 28]];
        assert_eq!(kept("{}", &levels), [0, 1, 2]);
        assert_eq!(kept("{}", &levels[..4]), [0, 1]);
        assert_eq!(kept(r#"{"l2": 0.06}"#, &levels), [0, 1]);
        assert_eq!(kept(r#"{"l2": "exact"}"#, &levels), [0, 1, 2, 4]);
        assert_eq!(kept(r#"{"l2": 0}"#, &levels), [0, 1, 2, 4]);
        assert_eq!(kept(r#"{"l2": 1}"#, &levels), [0]);
    }

    #[test]
    fn few_images_stay() {
        assert!(kept("{}", &[]).is_empty());
        assert_eq!(kept("{}", &[[1, 2]]), [0]);
        assert_eq!(kept("{}", &[[8, 8]; 5]), [0]);
    }

    #[test]
    fn images_without_pixels_are_refused() {
        let images = Array4::zeros((2, 0, 1, 1));
        let set = TrainingSet {
            images: images.view(),
            labels: None,
            index: &[0, 1],
            classes: 0,
        };
        let dedup = make_mitigation(&registrations()[0], "{}", set).unwrap();
        let error = dedup.curate(set, 0).unwrap_err();
        assert!(error.message.contains("at least one pixel"), "{error}");
    }

    proptest! {
        #[test]
        fn what_is_kept_has_no_copies_and_every_image_has_one_left(
            levels in prop::collection::vec(prop::array::uniform2(0u8..4), 0..40)
        ) {
            let kept = kept(r#"{"l2": "exact"}"#, &levels);
            let mut first = Vec::new();
            for (row, image) in levels.iter().enumerate() {
                if !levels[..row].contains(image) {
                    first.push(row as u64);
                }
            }
            prop_assert_eq!(kept, first);
        }
    }

    #[test]
    fn options_without_sense_are_refused() {
        let words = "l2: expected a distance in 0..=1 or `exact`, got ";
        for (options, got) in [
            (r#"{"l2": -0.5}"#, "-0.5"),
            (r#"{"l2": 2}"#, "2"),
            (r#"{"l2": "near"}"#, "neither"),
        ] {
            let error = resolve_options(&registrations()[0], options).unwrap_err();
            assert_eq!(error.code, ErrorCode::BadOptions);
            assert_eq!(error.message, format!("{words}{got}"));
        }
        let exact = resolve_options(&registrations()[0], r#"{"l2": "exact"}"#).unwrap();
        assert_eq!(exact, r#"{"l2":"exact"}"#);
    }

    #[test]
    fn it_keeps_the_rules_of_a_plugin() {
        conformance::check(registrations()).unwrap();
    }
}
