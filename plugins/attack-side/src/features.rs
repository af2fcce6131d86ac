//! What samples are compared by.

use eidetic_sdk::ndarray::Array4;

/// Vectors of length 1, row after row, and which sample each is of.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Features {
    pub(crate) dim: usize,
    pub(crate) values: Vec<f32>,
    pub(crate) sample: Vec<usize>,
}

impl Features {
    /// The pixels of each image less their mean: the cosine of two is the correlation of the two
    /// images. One whose pixels are all equal has none: that is also what a service returns in
    /// place of a sample that it refuses.
    pub(crate) fn pixels(images: &Array4<u8>) -> Self {
        let mut features = Self {
            dim: images.len() / images.dim().0.max(1),
            values: Vec::new(),
            sample: Vec::new(),
        };
        for (sample, image) in images.outer_iter().enumerate() {
            let sum: u64 = image.iter().map(|&level| u64::from(level)).sum();
            let mean = sum as f64 / features.dim as f64;
            let centred = image.iter().map(|&level| f64::from(level) - mean);
            features.push(sample, centred.collect());
        }
        features
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
