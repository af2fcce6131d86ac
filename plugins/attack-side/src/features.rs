//! What samples are compared by.

use eidetic_sdk::ndarray::{Array2, Array4, Axis};

/// Vectors of length 1, row after row, and which sample each is of.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Features {
    pub(crate) dim: usize,
    pub(crate) values: Vec<f32>,
    pub(crate) sample: Vec<usize>,
}

/// The images whose pixels are not all equal: a flat one says nothing, and is what a service returns
/// in place of a sample that it refuses.
pub(crate) fn with_contrast(images: &Array4<u8>) -> Vec<usize> {
    let flat = |image: usize| {
        let image = images.index_axis(Axis(0), image);
        let first = image.first();
        image.iter().all(|level| Some(level) == first)
    };
    (0..images.dim().0).filter(|&image| !flat(image)).collect()
}

impl Features {
    /// The pixels of each of these images less their mean: the cosine of two is the correlation of
    /// the two images.
    pub(crate) fn pixels(images: &Array4<u8>, samples: &[usize]) -> Self {
        let mut features = Self::none(images.len() / images.dim().0.max(1));
        for &sample in samples {
            let image = images.index_axis(Axis(0), sample);
            let sum: u64 = image.iter().map(|&level| u64::from(level)).sum();
            let mean = sum as f64 / features.dim as f64;
            let centred = image.iter().map(|&level| f64::from(level) - mean);
            features.push(sample, centred.collect());
        }
        features
    }

    /// The vectors that an embedder gives to these images, a row each.
    pub(crate) fn embedded(vectors: &Array2<f32>, samples: &[usize]) -> Self {
        let mut features = Self::none(vectors.dim().1);
        for (vector, &sample) in vectors.outer_iter().zip(samples) {
            features.push(sample, vector.iter().map(|&x| f64::from(x)).collect());
        }
        features
    }

    fn none(dim: usize) -> Self {
        Self {
            dim,
            values: Vec::new(),
            sample: Vec::new(),
        }
    }

    /// Adds a sample's vector, unless it has no direction.
    fn push(&mut self, sample: usize, vector: Vec<f64>) {
        let length = vector.iter().map(|x| x * x).sum::<f64>().sqrt();
        if length > 1e-9 {
            let unit = vector.into_iter().map(|x| (x / length) as f32);
            self.values.extend(unit);
            self.sample.push(sample);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.sample.len()
    }

    pub(crate) fn rows(&self) -> std::slice::ChunksExact<'_, f32> {
        self.values.chunks_exact(self.dim)
    }
}
