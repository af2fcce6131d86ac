//! The task of a classifier: to tell the class of an image from noise of any level.

use eidetic_graph::Graph;
use ndarray::{Array1, Array4, Axis};
use rand::RngExt;
use rand_distr::StandardNormal;

use crate::classifier::Classifier;
use crate::denoiser::names;
use crate::error::Error;
use crate::layers::Weights;
use crate::order;
use crate::parameters::Parameters;
use crate::random::rng;
use crate::step::Group;
use crate::task::{Batch, Draw, Networks, Task};

/// Images and their classes.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelledImages {
    /// `[N, C, H, W]` in the space that the classifier sees; pixels in [-1, 1].
    pub images: Array4<f32>,
    /// `[N]`, from 0 and below the number of classes.
    pub labels: Vec<i64>,
}

/// Training of a [`Classifier`] on x0 + sigma n with the cross-entropy, every row at a level of its
/// own: the time-dependent classifier p(class | x; sigma) of Dhariwal and Nichol (2021).
///
/// Images come in shuffled epochs; an image's identity in a batch is its place.
#[derive(Debug, Clone)]
pub struct Classifying {
    classifier: Classifier,
    data: LabelledImages,
    sigmas: Vec<f32>,
}

impl Classifying {
    /// Each row's level is drawn from `sigmas`, all of them alike: the levels of a schedule or of a
    /// sampler; 0 is an image without noise.
    ///
    /// # Errors
    /// [`Error::Configuration`] for a classifier without sense; [`Error::Shape`] for images, labels
    /// or levels that do not fit.
    pub fn new(
        classifier: Classifier,
        data: LabelledImages,
        sigmas: Vec<f32>,
    ) -> Result<Self, Error> {
        classifier.wanted()?;
        check(&classifier, &data, &sigmas)?;
        Ok(Self {
            classifier,
            data,
            sigmas,
        })
    }

    /// What is trained.
    pub fn classifier(&self) -> &Classifier {
        &self.classifier
    }
}

impl Task for Classifying {
    fn initial(&self, seed: u64) -> Result<Parameters, Error> {
        self.classifier.initial(seed)
    }

    fn loss(&self, rows: usize) -> Result<Graph, Error> {
        self.classifier.loss(rows)
    }

    fn forward(&self, rows: usize) -> Result<Graph, Error> {
        self.classifier.graph(rows, Weights::Inputs)
    }

    fn batch(&self, draw: &Draw, _networks: &dyn Networks) -> Result<Batch, Error> {
        let rows = order::epochs(draw, self.data.labels.len());
        let mut stream = rng(draw.seed, "sigma", draw.step);
        let level = || self.sigmas[stream.random_range(0..self.sigmas.len())];
        let sigma = Array1::from_shape_simple_fn(rows.len(), level);
        let mut stream = rng(draw.seed, "noise", draw.step);
        let mut noisy = self.data.images.select(Axis(0), &rows);
        for (mut image, sigma) in noisy.outer_iter_mut().zip(&sigma) {
            image.mapv_inplace(|x| x + sigma * stream.sample::<f32, _>(StandardNormal));
        }
        let labels: Array1<i64> = rows.iter().map(|&row| self.data.labels[row]).collect();
        let mut group = Group {
            share: vec![1.0 / rows.len() as f32; rows.len()],
            ..Group::default()
        };
        let mut float = |name: &str, values| group.floats.insert(name.to_owned(), values);
        float(names::SAMPLE, noisy.into_dyn());
        float(names::SIGMA, sigma.into_dyn());
        let name = names::CLASS_LABELS.to_owned();
        group.integers.insert(name, labels.into_dyn());
        Ok(Batch {
            groups: vec![group],
            index: rows.into_iter().map(|row| row as u64).collect(),
        })
    }
}

fn check(classifier: &Classifier, data: &LabelledImages, sigmas: &[f32]) -> Result<(), Error> {
    let wrong = |what: &str, expected: String, got: String| {
        let what = what.to_owned();
        Err(Error::Shape {
            what,
            expected,
            got,
        })
    };
    let count = data.labels.len();
    let [channels, height, width] = classifier.shape;
    let expected = [count, channels, height, width];
    if count == 0 || data.images.shape() != expected {
        let expected = format!("{expected:?} of at least one, an image a label");
        let got = format!("{:?}", data.images.shape());
        return wrong("images of a classifier", expected, got);
    }
    if let Some(value) = data.images.iter().find(|value| !value.is_finite()) {
        let expected = "finite values".to_owned();
        return wrong("images of a classifier", expected, value.to_string());
    }
    let classes = 0..classifier.classes as i64;
    if let Some(label) = data.labels.iter().find(|label| !classes.contains(label)) {
        let expected = format!("0 to {}", classifier.classes - 1);
        return wrong("labels", expected, label.to_string());
    }
    if sigmas.is_empty() {
        let expected = "at least one".to_owned();
        return wrong("noise levels of a classifier", expected, "none".to_owned());
    }
    match sigmas.iter().find(|&&sigma| !(0.0..=1e9).contains(&sigma)) {
        None => Ok(()),
        Some(sigma) => wrong(
            "noise levels of a classifier",
            "0 to 1e9".to_owned(),
            sigma.to_string(),
        ),
    }
}
