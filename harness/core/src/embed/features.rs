//! The features of a set of images.

/// One vector an image, in the order of the images.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureTable {
    /// `[images, dim]`, row after row; all finite.
    pub values: Vec<f32>,
    /// Numbers in a vector, at least 1.
    pub dim: usize,
}

impl FeatureTable {
    /// How many images.
    pub fn len(&self) -> usize {
        self.values.len() / self.dim
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The vectors, one an image.
    pub fn rows(&self) -> std::slice::ChunksExact<'_, f32> {
        self.values.chunks_exact(self.dim)
    }
}
