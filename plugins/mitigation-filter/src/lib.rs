//! Output filter: what comes too near a training image does not leave the service.
//!
//! The baseline that every sampling defence has to beat: a service that keeps its training set can
//! test what it made and draw again. This plugin only accepts or refuses; drawing again, up to a
//! budget, is the host's work. Two tests, either or both:
//!
//! - nn_ratio = d1 / d2, the nearest over the second nearest training image (Yoon et al. 2023,
//!   "Diffusion Probabilistic Models Generalize when They Fail to Memorize"; below 1/3 an image
//!   counts as memorized);
//! - nl2 = d1 / (0.5 * the mean distance of the generated image to its 50 nearest training images)
//!   (Carlini et al. 2023, arXiv 2301.13188, section 5.1; the neighbourhood is centred on the
//!   generated image, and needs 500 training images to be one).
//!
//! Distances are l2 over pixels as u8. They are taken to one image a group of near duplicates: of
//! an image that is there twice, d2 = d1, and its copy would pass.

use eidetic_metrics::{
    Images, NL2_MIN_TRAINING, NL2_NEIGHBOURS, NN_RATIO_MEMORIZED, duplicate_groups, nearest, nl2,
    nn_ratio,
};
use eidetic_sdk::ndarray::ArrayView4;
use eidetic_sdk::{Error, Mitigation, MitigationPlugin, Result, Stages, TrainingSet};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is too near.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Refuses images whose nearest training image is nearer than this share of the distance to
    /// the second nearest; null for no such test.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub nn_ratio: Option<f64>,
    /// Refuses images whose nl2 (d1 over half the mean distance to the 50 nearest training images)
    /// is below this; null for no such test. Needs 500 training images.
    #[schemars(range(min = 0.0))]
    pub nl2: Option<f64>,
    /// Training images at most this far apart (root mean square difference of pixels in [0, 1])
    /// count as one; 0 joins exact copies alone.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub duplicate_l2: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            nn_ratio: Some(NN_RATIO_MEMORIZED),
            nl2: None,
            duplicate_l2: 0.05,
        }
    }
}

/// The filter, with one training image a group of near duplicates.
pub struct Filter {
    options: Options,
    training: Vec<u8>,
    /// Channels, height, width.
    shape: [usize; 3],
}

eidetic_sdk::export_plugins!(mitigation Filter);

fn refused(error: eidetic_metrics::Error) -> Error {
    Error::bad_input(error.to_string())
}

impl MitigationPlugin for Filter {
    const ID: &'static str = "filter";
    const SUMMARY: &'static str = "refuses samples that are near copies of a training image";
    const STAGES: Stages = Stages {
        data: false,
        training: false,
        sampling: false,
        output: true,
    };
    type Options = Options;

    fn check(options: &Options) -> Result<()> {
        if options.nn_ratio.is_none() && options.nl2.is_none() {
            return Err(Error::bad_options(
                "expected a threshold for `nn_ratio` or `nl2`, got null for both",
            ));
        }
        if let Some(got) = options.nn_ratio.filter(|r| !(*r > 0.0 && *r <= 1.0)) {
            return Err(Error::bad_options(format!(
                "nn_ratio: expected a ratio above 0 and at most 1, got {got}"
            )));
        }
        if let Some(got) = options.nl2.filter(|n| !(*n > 0.0 && n.is_finite())) {
            return Err(Error::bad_options(format!(
                "nl2: expected a threshold above 0, got {got}"
            )));
        }
        let got = options.duplicate_l2;
        if !(0.0..=1.0).contains(&got) {
            return Err(Error::bad_options(format!(
                "duplicate_l2: expected a distance in 0..=1, got {got}"
            )));
        }
        Ok(())
    }

    fn make(options: Options, train: TrainingSet<'_>) -> Result<Self> {
        Self::check(&options)?;
        let (_, channels, height, width) = train.images.dim();
        let shape = [channels, height, width];
        let images = train.images.as_standard_layout();
        let images = Images::new(images.as_slice().unwrap_or(&[]), shape.iter().product())
            .map_err(refused)?;
        let groups = duplicate_groups(images, options.duplicate_l2).map_err(refused)?;
        let representatives = groups.representatives();
        let got = representatives.len();
        if options.nn_ratio.is_some() && got < 2 {
            return Err(Error::bad_input(format!(
                "nn_ratio needs 2 training images that are no duplicates of each other, got {got}"
            )));
        }
        if options.nl2.is_some() && got < NL2_MIN_TRAINING {
            return Err(Error::bad_input(format!(
                "nl2 needs {NL2_MIN_TRAINING} training images that are no duplicates of each \
                 other, got {got}"
            ))
            .with_help("use nn_ratio for small training sets"));
        }
        Ok(Self {
            training: images.select(&representatives).map_err(refused)?,
            options,
            shape,
        })
    }
}

impl Mitigation for Filter {
    fn accept(&self, images: ArrayView4<'_, u8>, keep: &mut [bool]) -> Result<()> {
        let (rows, channels, height, width) = images.dim();
        if [channels, height, width] != self.shape || keep.len() != rows {
            return Err(Error::bad_input(format!(
                "expected images of shape {:?} as the training set has and a flag each, got {:?} \
                 and {} flags for {rows} images",
                self.shape,
                [channels, height, width],
                keep.len()
            )));
        }
        let dim = self.shape.iter().product();
        let images = images.as_standard_layout();
        let images = Images::new(images.as_slice().unwrap_or(&[]), dim).map_err(refused)?;
        let training = Images::new(&self.training, dim).map_err(refused)?;
        let k = if self.options.nl2.is_some() {
            NL2_NEIGHBOURS
        } else {
            2
        };
        let found = nearest(images, training, k).map_err(refused)?;
        for (i, keep) in keep.iter_mut().enumerate() {
            let d1 = found.l2(i, 0);
            let by_ratio = self.options.nn_ratio;
            let copied = by_ratio.is_some_and(|limit| nn_ratio(d1, found.l2(i, 1)) < limit);
            // Without a spread around it the image equals its 50 nearest: a copy.
            let by_nl2 = self.options.nl2;
            let crowded = by_nl2.is_some_and(|limit| {
                let nl2 = nl2(d1, found.mean_l2(i)).value();
                nl2.is_none_or(|nl2| nl2 < limit)
            });
            *keep = !copied && !crowded;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use eidetic_sdk::ndarray::Array4;
    use eidetic_sdk::registration::{make_mitigation, resolve_options};
    use eidetic_sdk::{ErrorCode, conformance};

    use super::*;

    /// Images of one grey pixel.
    fn pixels(levels: &[u8]) -> Array4<u8> {
        Array4::from_shape_vec((levels.len(), 1, 1, 1), levels.to_vec()).unwrap()
    }

    fn make(options: &str, training: &Array4<u8>) -> Result<Box<dyn Mitigation>> {
        let index: Vec<u64> = (0..training.dim().0 as u64).collect();
        let set = TrainingSet {
            images: training.view(),
            labels: None,
            index: &index,
            classes: 0,
        };
        make_mitigation(&registrations()[0], options, set)
    }

    fn accepted(options: &str, training: &[u8], images: &[u8]) -> Vec<bool> {
        let filter = make(options, &pixels(training)).unwrap();
        let mut keep = vec![true; images.len()];
        filter.accept(pixels(images).view(), &mut keep).unwrap();
        keep
    }

    #[test]
    fn images_below_the_ratio_are_refused() {
        // d1 / d2 between 0 and 100: 0/100, 20/80 = .25, 25/75 = 1/3, 30/70 = .43, 1.
        let levels = [0, 20, 25, 30, 50];
        let default = accepted("{}", &[0, 100], &levels);
        assert_eq!(default, [false, false, true, true, true]);
        let strict = accepted(r#"{"nn_ratio": 0.5}"#, &[0, 100], &levels);
        assert_eq!(strict, [false, false, false, false, true]);
        let loose = accepted(r#"{"nn_ratio": 0.1}"#, &[0, 100], &levels);
        assert_eq!(loose, [false, true, true, true, true]);
    }

    #[test]
    fn a_copy_of_an_image_that_is_there_twice_is_refused() {
        // 100 and 103 are 0.012 apart: near duplicates by default.
        for training in [[0, 100, 100], [0, 100, 103]] {
            assert_eq!(accepted("{}", &training, &[100, 101]), [false, false]);
        }
        let exact = r#"{"duplicate_l2": 0}"#;
        assert_eq!(accepted(exact, &[0, 100, 100], &[100]), [false]);
        assert_eq!(accepted(exact, &[0, 100, 103], &[102]), [true]);
    }

    #[test]
    fn nl2_is_refused_below_its_threshold() {
        // 512 images of 64 pixels, image i the constant 64 + i % 128 with i / 128 at its first
        // pixel set apart: far enough from each other for duplicate_l2 = 0.
        let training = Array4::from_shape_fn((512, 1, 8, 8), |(i, _, y, x)| {
            if (y, x) == (0, 0) {
                60 * (i / 128) as u8
            } else {
                64 + (i % 128) as u8
            }
        });
        let options = r#"{"nn_ratio": null, "nl2": 0.9, "duplicate_l2": 0}"#;
        let filter = make(options, &training).unwrap();
        let far = Array4::from_elem((1, 1, 8, 8), 255);
        let copy = training.slice(eidetic_sdk::ndarray::s![200..201, .., .., ..]);
        let mut keep = [false];
        filter.accept(far.view(), &mut keep).unwrap();
        // Its 50 nearest are all about as far as the nearest: nl2 is near 1 / 0.5.
        assert_eq!(keep, [true]);
        filter.accept(copy.view(), &mut keep).unwrap();
        assert_eq!(keep, [false]);
    }

    #[test]
    fn what_it_cannot_judge_by_is_refused() {
        let error = |result: Result<Box<dyn Mitigation>>| result.err().unwrap().message;
        assert_eq!(
            error(make("{}", &pixels(&[9, 9]))),
            "nn_ratio needs 2 training images that are no duplicates of each other, got 1"
        );
        assert!(error(make("{}", &pixels(&[]))).ends_with("got 0"));
        let nl2 = make(r#"{"nn_ratio": null, "nl2": 1}"#, &pixels(&[0, 100]));
        assert_eq!(
            error(nl2),
            "nl2 needs 500 training images that are no duplicates of each other, got 2"
        );
        assert!(error(make("{}", &Array4::zeros((2, 0, 1, 1)))).contains("at least one pixel"));
    }

    #[test]
    fn images_of_another_shape_are_refused_and_none_are_fine() {
        let filter = make("{}", &pixels(&[0, 100])).unwrap();
        let wide = Array4::zeros((1, 1, 1, 2));
        let error = filter.accept(wide.view(), &mut [true]).unwrap_err();
        assert!(error.message.contains("[1, 1, 1]"), "{error}");
        assert!(error.message.contains("got [1, 1, 2]"), "{error}");
        let one = pixels(&[50]);
        let error = filter.accept(one.view(), &mut [true; 2]).unwrap_err();
        assert!(error.message.contains("2 flags for 1 images"), "{error}");
        filter.accept(pixels(&[]).view(), &mut []).unwrap();
    }

    #[test]
    fn options_without_sense_are_refused() {
        for (options, message) in [
            (
                r#"{"nn_ratio": null}"#,
                "expected a threshold for `nn_ratio` or `nl2`, got null for both",
            ),
            (
                r#"{"nn_ratio": 0}"#,
                "nn_ratio: expected a ratio above 0 and at most 1, got 0",
            ),
            (
                r#"{"nn_ratio": 1.5}"#,
                "nn_ratio: expected a ratio above 0 and at most 1, got 1.5",
            ),
            (
                r#"{"nl2": -1}"#,
                "nl2: expected a threshold above 0, got -1",
            ),
            (
                r#"{"duplicate_l2": 2}"#,
                "duplicate_l2: expected a distance in 0..=1, got 2",
            ),
        ] {
            let error = resolve_options(&registrations()[0], options).unwrap_err();
            assert_eq!(error.code, ErrorCode::BadOptions);
            assert_eq!(error.message, message);
        }
    }

    #[test]
    fn it_keeps_the_rules_of_a_plugin() {
        conformance::check(registrations()).unwrap();
    }
}
