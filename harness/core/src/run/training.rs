//! The training set of a cell as plugins see it, before and after a data stage.

use eidetic_sdk::ndarray::ArrayView4;
use eidetic_sdk::{Curation, Error, Result, TrainingSet as View};

use crate::dataset::{Dataset, Part, Split, TrainingSet};
use crate::files::sha256_hex;

/// A training set with stable identities.
pub(crate) struct TrainingData {
    shape: [usize; 3],
    images: Vec<u8>,
    labels: Option<Vec<i64>>,
    index: Vec<u64>,
    classes: u64,
    digest: String,
}

impl TrainingData {
    /// The members with their planted copies, or aux. A part without images gives an empty set.
    pub(crate) fn new(dataset: &Dataset, split: &Split, part: Part) -> Self {
        let set = match part {
            Part::Aux => TrainingSet::aux(dataset, split),
            Part::Members | Part::Holdout => TrainingSet::members(dataset, split),
        };
        Self {
            shape: dataset.shape,
            labels: set
                .labels
                .map(|labels| labels.into_iter().map(i64::from).collect()),
            // A planted copy is an image of its own: a frozen corruption must not give it away.
            index: (0..set.dataset_index.len() as u64).collect(),
            images: set.images,
            digest: set.digest,
            classes: dataset.classes.len() as u64,
        }
    }

    /// Images in it.
    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    /// u8 pixels, `[N, C, H, W]`.
    pub(crate) fn images(&self) -> &[u8] {
        &self.images
    }

    /// One label an image, where the data have labels.
    pub(crate) fn labels(&self) -> Option<&[i64]> {
        self.labels.as_deref()
    }

    /// Identity of each image.
    pub(crate) fn index(&self) -> &[u64] {
        &self.index
    }

    /// Number of classes of the labels.
    pub(crate) fn classes(&self) -> u64 {
        self.classes
    }

    /// C, H, W.
    pub(crate) fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// SHA-256 that names it: the split's own, or that of the pixels a data stage left.
    pub(crate) fn digest(&self) -> &str {
        &self.digest
    }

    /// As plugins see it.
    pub(crate) fn view(&self) -> Result<View<'_>> {
        let [c, h, w] = self.shape;
        Ok(View {
            images: ArrayView4::from_shape((self.len(), c, h, w), &self.images)?,
            labels: self.labels.as_deref(),
            index: &self.index,
            classes: self.classes,
        })
    }

    /// What a data stage leaves of it; identities stay.
    pub(crate) fn curated(&self, curation: Curation) -> Result<Self> {
        if curation.keep.is_empty() {
            return Err(Error::bad_input("the data stage left no image to train on"));
        }
        let rows = || curation.keep.iter().map(|&row| row as usize);
        let dim: usize = self.shape.iter().product();
        let images: Vec<u8> = rows()
            .flat_map(|row| &self.images[row * dim..(row + 1) * dim])
            .copied()
            .collect();
        let kept = self
            .labels
            .as_ref()
            .map(|labels| rows().map(|row| labels[row]).collect());
        Ok(Self {
            shape: self.shape,
            digest: sha256_hex(&images),
            images,
            index: rows().map(|row| self.index[row]).collect(),
            classes: if curation.labels.is_some() {
                curation.classes
            } else {
                self.classes
            },
            labels: curation.labels.or(kept),
        })
    }
}
