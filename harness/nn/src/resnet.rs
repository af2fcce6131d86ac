//! A residual network that knows the noise level.

use eidetic_graph::Value;
use serde::{Deserialize, Serialize};

use crate::embedding::Embedding;
use crate::error::Error;
use crate::layers::{Conv, Layers};
use crate::unet::groups;

/// The residual network of He et al. (2016) with basic blocks, in its form for small images (a
/// 3 x 3 convolution at the start, no pooling), and a time module after the first normalisation of
/// each block (SIDE, Chen et al. 2024), which scales and shifts channels by the noise level (FiLM,
/// Perez et al. 2018). ResNet-34 has channels 64, 128, 256, 512 and blocks 3, 4, 6, 3.
///
/// It has group normalisation where He et al. have batch normalisation: that has no running
/// statistics, which would be a state beside the weights, and it leaves rows independent, which
/// microbatches and a gradient for each row need.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResNet {
    /// Channels of each stage; each stage but the first halves height and width.
    pub channels: Vec<usize>,
    /// Residual blocks of each stage.
    pub blocks: Vec<usize>,
    /// How the noise level becomes a vector.
    #[serde(default)]
    pub embedding: Embedding,
}

impl ResNet {
    /// Refuses stages without sense.
    ///
    /// # Errors
    /// [`Error::Configuration`].
    pub fn check(&self) -> Result<(), Error> {
        let fits = |&channels: &usize| channels >= 4 && channels.is_multiple_of(4);
        if self.channels.is_empty() || !self.channels.iter().all(fits) {
            return Err(Error::Configuration {
                key: "channels",
                expected: "multiples of 4, at least one".to_owned(),
                got: format!("{:?}", self.channels),
            });
        }
        if self.blocks.len() != self.channels.len() || self.blocks.contains(&0) {
            return Err(Error::Configuration {
                key: "blocks",
                expected: format!(
                    "{} numbers, one a stage, each 1 or more",
                    self.channels.len()
                ),
                got: format!("{:?}", self.blocks),
            });
        }
        Ok(())
    }

    /// Logits `[B, classes]` from scaled images `[B, C, H, W]` and ln(sigma) / 4 `[B, 1]`.
    pub(crate) fn build(
        &self,
        layers: &mut Layers<'_>,
        x: Value,
        level: Value,
        classes: usize,
    ) -> Result<Value, Error> {
        self.check()?;
        let first = self.channels[0];
        let emb = self.embedding.of(layers, level, first)?;
        let emb = layers.linear("embedding.0", emb, 4 * first)?;
        let emb = layers.silu(emb)?;
        let emb = layers.linear("embedding.1", emb, 4 * first)?;
        let emb = layers.silu(emb)?;
        let x = layers.conv("input", x, Conv::new(first, 3))?;
        let x = layers.group_norm("norm", x, groups(first))?;
        let mut x = layers.graph.op("Relu", &[x])?;
        for (stage, (&blocks, &channels)) in self.blocks.iter().zip(&self.channels).enumerate() {
            for block in 0..blocks {
                let stride = if stage > 0 && block == 0 { 2 } else { 1 };
                let name = format!("stages.{stage}.{block}");
                x = residual(layers, &name, x, emb, channels, stride)?;
            }
        }
        let x = layers.graph.op("GlobalAveragePool", &[x])?;
        let x = layers.reshape(x, &[0, -1])?;
        layers.linear("head", x, classes)
    }
}

fn residual(
    layers: &mut Layers<'_>,
    name: &str,
    x: Value,
    emb: Value,
    channels: usize,
    stride: usize,
) -> Result<Value, Error> {
    let strided = |kernel| Conv {
        stride,
        ..Conv::new(channels, kernel)
    };
    let mut h = layers.conv(&format!("{name}.conv1"), x, strided(3))?;
    h = layers.group_norm(&format!("{name}.norm1"), h, groups(channels))?;
    h = modulate(layers, &format!("{name}.time"), h, emb)?;
    h = layers.graph.op("Relu", &[h])?;
    h = layers.conv(&format!("{name}.conv2"), h, Conv::new(channels, 3))?;
    h = layers.group_norm(&format!("{name}.norm2"), h, groups(channels))?;
    let beside = match layers.graph.shape(x)[1] == channels && stride == 1 {
        true => x,
        false => {
            let skip = layers.conv(&format!("{name}.skip.conv"), x, strided(1))?;
            layers.group_norm(&format!("{name}.skip.norm"), skip, groups(channels))?
        }
    };
    let sum = layers.graph.add(beside, h)?;
    Ok(layers.graph.op("Relu", &[sum])?)
}

/// h (1 + scale) + shift, a scale and a shift a channel.
fn modulate(layers: &mut Layers<'_>, name: &str, h: Value, emb: Value) -> Result<Value, Error> {
    let channels = layers.graph.shape(h)[1];
    let both = layers.linear(name, emb, 2 * channels)?;
    let both = layers.reshape(both, &[0, 0, 1, 1])?;
    let graph = &mut layers.graph;
    let middle = channels as i64;
    let scale = graph.slice(both, &[(1, 0, middle, 1)])?;
    let shift = graph.slice(both, &[(1, middle, 2 * middle, 1)])?;
    let one = graph.scalar_like(scale, 1.0)?;
    let scale = graph.add(scale, one)?;
    let scaled = graph.mul(h, scale)?;
    Ok(graph.add(scaled, shift)?)
}
