//! A small multi-layer perceptron.

use eidetic_graph::Value;
use serde::{Deserialize, Serialize};

use crate::embedding::{self, Embedding};
use crate::error::Error;
use crate::layers::Layers;
use crate::parameters::Initial;
use crate::unet::Inputs;

/// Residual linear layers over all pixels, the noise level and the class: for images of a few
/// pixels, points, and tests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mlp {
    /// Width of the layers; even.
    pub width: usize,
    /// Residual layers.
    pub depth: usize,
    /// How the noise level becomes a vector.
    #[serde(default)]
    pub embedding: Embedding,
}

impl Mlp {
    /// The network's output `[B, out, H, W]`.
    pub(crate) fn build(
        &self,
        layers: &mut Layers<'_>,
        inputs: &Inputs,
        out: usize,
    ) -> Result<Value, Error> {
        let shape = layers.graph.shape(inputs.x).to_vec();
        let (height, width) = (shape[2], shape[3]);
        let level = self.embedding.of(layers, inputs.level, self.width)?;
        let mut emb = layers.linear("embedding.0", level, self.width)?;
        if let Some((labels, count)) = inputs.labels {
            let class = embedding::classes(layers, "embedding.class", labels, count, self.width)?;
            emb = layers.graph.add(emb, class)?;
        }
        let x = layers.reshape(inputs.x, &[0, -1])?;
        let x = layers.linear("input", x, self.width)?;
        let mut x = layers.graph.add(x, emb)?;
        for layer in 0..self.depth {
            let h = layers.silu(x)?;
            let h = layers.linear(&format!("layers.{layer}.0"), h, self.width)?;
            let h = layers.graph.add(h, emb)?;
            let h = layers.silu(h)?;
            let h = layers.linear(&format!("layers.{layer}.1"), h, self.width)?;
            x = layers.graph.add(x, h)?;
        }
        let x = layers.silu(x)?;
        let x = layers.linear_from("output", x, out * height * width, Initial::Zeros)?;
        layers.reshape(x, &[0, out as i64, height as i64, width as i64])
    }
}
