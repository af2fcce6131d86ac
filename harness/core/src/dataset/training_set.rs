//! The images that a model is trained on.

use super::split::images_digest;
use super::{Dataset, Split};

/// Copies that a planted member gets: it is in the training set 1 + 4 times.
pub const PLANTED_COPIES: usize = 4;

/// A training set. An image may be in it several times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrainingSet {
    /// u8 images, `[N, C, H, W]`.
    pub images: Vec<u8>,
    /// One label an image.
    pub labels: Option<Vec<u32>>,
    /// The image of the dataset that each is.
    pub dataset_index: Vec<u32>,
    /// SHA-256 of each image, in ascending order of index and as often as it is there: the index
    /// in the dataset (u32, little-endian) and the pixels, in hexadecimal.
    pub digest: String,
}

impl TrainingSet {
    /// What the model under attack is trained on: the members, then [`PLANTED_COPIES`] copies of
    /// each planted one.
    pub fn members(dataset: &Dataset, split: &Split) -> Self {
        let copies = split
            .planted
            .iter()
            .flat_map(|&i| std::iter::repeat_n(i, PLANTED_COPIES));
        Self::of(
            dataset,
            split.members.iter().copied().chain(copies).collect(),
        )
    }

    /// What the clean twin is trained on.
    pub fn aux(dataset: &Dataset, split: &Split) -> Self {
        Self::of(dataset, split.aux.clone())
    }

    /// The number of images, copies included.
    pub fn len(&self) -> usize {
        self.dataset_index.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.dataset_index.is_empty()
    }

    fn of(dataset: &Dataset, dataset_index: Vec<u32>) -> Self {
        let labels = dataset
            .labels
            .as_ref()
            .map(|labels| dataset_index.iter().map(|&i| labels[i as usize]).collect());
        let digest = images_digest(dataset, &dataset_index);
        Self {
            images: dataset.select(&dataset_index),
            labels,
            dataset_index,
            digest,
        }
    }
}
