//! The U-Net of DDPM and EDM, in a slim form.

use eidetic_graph::Value;
use eidetic_graph::proto::{AttributeProto, TensorProto};
use serde::{Deserialize, Serialize};

use crate::embedding::{self, Embedding};
use crate::error::Error;
use crate::layers::{Conv, Layers};

/// A U-Net of residual blocks (Ho et al. 2020; Karras et al. 2022): on the way down `blocks` blocks
/// a level, then a convolution of stride 2; the lowest level is the middle; on the way up nearest
/// neighbours, the output of the level on the way down beside it, and `blocks` blocks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UNet {
    /// Channels of each level, highest first; each halves height and width.
    pub channels: Vec<usize>,
    /// Residual blocks a level.
    #[serde(default = "two")]
    pub blocks: usize,
    /// Levels with self-attention after each block on the way down, and on the way up; 0 is the
    /// highest.
    #[serde(default)]
    pub attention: Vec<usize>,
    /// How the noise level becomes a vector.
    #[serde(default)]
    pub embedding: Embedding,
    /// Share of elements dropped in each block in training.
    #[serde(default)]
    pub dropout: f32,
}

fn two() -> usize {
    2
}

/// What is the same at every place of a network.
pub(crate) struct Inputs {
    /// The scaled image `[B, C, H, W]`.
    pub(crate) x: Value,
    /// ln(sigma) / 4, `[B, 1]`.
    pub(crate) level: Value,
    /// i64 `[B]`, and how many values they take, the null class included.
    pub(crate) labels: Option<(Value, usize)>,
}

impl UNet {
    /// Refuses sizes that the levels do not divide.
    ///
    /// # Errors
    /// [`Error::Configuration`].
    pub fn check(&self, height: usize, width: usize) -> Result<(), Error> {
        let wrong = |key, expected: &str, got: String| Error::Configuration {
            key,
            expected: expected.to_owned(),
            got,
        };
        let fits = |&channels: &usize| channels >= 4 && channels.is_multiple_of(4);
        if self.channels.is_empty() || !self.channels.iter().all(fits) {
            let got = format!("{:?}", self.channels);
            return Err(wrong("channels", "multiples of 4, at least one", got));
        }
        if self.blocks == 0 {
            return Err(wrong("blocks", "1 or more", "0".to_owned()));
        }
        let levels = self.channels.len();
        if let Some(level) = self.attention.iter().find(|&&level| level >= levels) {
            let expected = format!("levels from 0 to {}", levels - 1);
            return Err(wrong("attention", &expected, level.to_string()));
        }
        if !(0.0..1.0).contains(&self.dropout) {
            let got = self.dropout.to_string();
            return Err(wrong("dropout", "a share from 0 up to 1", got));
        }
        let step = 1usize << (levels - 1).min(31);
        if !height.is_multiple_of(step) || !width.is_multiple_of(step) {
            let expected = format!("levels that divide {height} x {width}");
            let got = format!("{levels} levels, which need multiples of {step}");
            return Err(wrong("channels", &expected, got));
        }
        Ok(())
    }

    /// The network's output `[B, out, H, W]`.
    pub(crate) fn build(
        &self,
        layers: &mut Layers<'_>,
        inputs: &Inputs,
        out: usize,
    ) -> Result<Value, Error> {
        let shape = layers.graph.shape(inputs.x).to_vec();
        self.check(shape[2], shape[3])?;
        let first = self.channels[0];
        let emb = self.embed(layers, inputs, first)?;
        let mut x = layers.conv("input", inputs.x, Conv::new(first, 3))?;
        let last = self.channels.len() - 1;
        let mut across = Vec::new();
        for (level, &channels) in self.channels.iter().enumerate() {
            if level > 0 {
                across.push(x);
                let down = Conv {
                    stride: 2,
                    ..Conv::new(self.channels[level - 1], 3)
                };
                x = layers.conv(&format!("down.{level}.resample"), x, down)?;
            }
            x = self.level(layers, "down", level, x, emb, channels)?;
        }
        for level in (0..last).rev() {
            x = upsample(layers, x)?;
            let beside = across.pop().unwrap_or(x);
            x = layers.graph.concat(&[x, beside], 1)?;
            x = self.level(layers, "up", level, x, emb, self.channels[level])?;
        }
        x = layers.group_norm("output.norm", x, groups(first))?;
        x = layers.silu(x)?;
        layers.conv("output.conv", x, Conv::new(out, 3).zero())
    }

    fn embed(
        &self,
        layers: &mut Layers<'_>,
        inputs: &Inputs,
        first: usize,
    ) -> Result<Value, Error> {
        let size = 4 * first;
        let mut emb = self.embedding.of(layers, inputs.level, first)?;
        emb = layers.linear("embedding.0", emb, size)?;
        emb = layers.silu(emb)?;
        emb = layers.linear("embedding.1", emb, size)?;
        if let Some((labels, count)) = inputs.labels {
            let class = embedding::classes(layers, "embedding.class", labels, count, size)?;
            emb = layers.graph.add(emb, class)?;
        }
        layers.silu(emb)
    }

    fn level(
        &self,
        layers: &mut Layers<'_>,
        way: &str,
        level: usize,
        mut x: Value,
        emb: Value,
        channels: usize,
    ) -> Result<Value, Error> {
        for block in 0..self.blocks {
            let name = format!("{way}.{level}.{block}");
            x = self.residual(layers, &name, x, emb, channels)?;
            if self.attention.contains(&level) {
                x = attention(layers, &format!("{name}.attention"), x)?;
            }
        }
        Ok(x)
    }

    fn residual(
        &self,
        layers: &mut Layers<'_>,
        name: &str,
        x: Value,
        emb: Value,
        channels: usize,
    ) -> Result<Value, Error> {
        let before = layers.graph.shape(x)[1];
        let mut h = layers.group_norm(&format!("{name}.norm1"), x, groups(before))?;
        h = layers.silu(h)?;
        h = layers.conv(&format!("{name}.conv1"), h, Conv::new(channels, 3))?;
        let shift = layers.linear(&format!("{name}.embedding"), emb, channels)?;
        let shift = layers.reshape(shift, &[0, 0, 1, 1])?;
        h = layers.graph.add(h, shift)?;
        h = layers.group_norm(&format!("{name}.norm2"), h, groups(channels))?;
        h = layers.silu(h)?;
        h = layers.dropout(h, self.dropout)?;
        h = layers.conv(&format!("{name}.conv2"), h, Conv::new(channels, 3).zero())?;
        let x = match before == channels {
            true => x,
            false => layers.conv(&format!("{name}.skip"), x, Conv::new(channels, 1))?,
        };
        Ok(layers.graph.add(x, h)?)
    }
}

/// 4 channels a group, at most 32 groups (EDM).
pub(crate) fn groups(channels: usize) -> usize {
    let most = (channels / 4).clamp(1, 32);
    (1..=most)
        .rev()
        .find(|groups| channels.is_multiple_of(*groups))
        .unwrap_or(1)
}

/// Self-attention over positions, one head a 64 channels.
fn attention(layers: &mut Layers<'_>, name: &str, x: Value) -> Result<Value, Error> {
    let shape = layers.graph.shape(x).to_vec();
    let (channels, positions) = (shape[1], (shape[2] * shape[3]) as i64);
    let heads = match channels.is_multiple_of(64) {
        true => channels / 64,
        false => 1,
    };
    let size = channels / heads;
    let h = layers.group_norm(&format!("{name}.norm"), x, groups(channels))?;
    let qkv = layers.conv(&format!("{name}.qkv"), h, Conv::new(3 * channels, 1))?;
    // [B, 3 heads, size, positions]: queries of all heads, then keys, then values.
    let split = [0, 3 * heads as i64, size as i64, positions];
    let qkv = layers.reshape(qkv, &split)?;
    let part = |layers: &mut Layers<'_>, place: usize| {
        let (start, end) = ((place * heads) as i64, ((place + 1) * heads) as i64);
        layers.graph.slice(qkv, &[(1, start, end, 1)])
    };
    let (query, key, value) = (part(layers, 0)?, part(layers, 1)?, part(layers, 2)?);
    let query = layers.graph.scale(query, 1.0 / (size as f64).sqrt())?;
    let query = layers.graph.transpose(query, &[0, 1, 3, 2])?;
    let scores = layers.graph.op("MatMul", &[query, key])?;
    let axis = vec![AttributeProto::int("axis", -1)];
    let shares = layers.graph.op_with("Softmax", &[scores], axis)?;
    let shares = layers.graph.transpose(shares, &[0, 1, 3, 2])?;
    let mixed = layers.graph.op("MatMul", &[value, shares])?;
    let whole: Vec<i64> = std::iter::once(0)
        .chain(shape[1..].iter().map(|&size| size as i64))
        .collect();
    let mixed = layers.reshape(mixed, &whole)?;
    let out = layers.conv(&format!("{name}.out"), mixed, Conv::new(channels, 1).zero())?;
    Ok(layers.graph.add(x, out)?)
}

/// Twice the height and width by nearest neighbours.
fn upsample(layers: &mut Layers<'_>, x: Value) -> Result<Value, Error> {
    let tensor = TensorProto::f32("upsample.scales", &[4], &[1.0, 1.0, 2.0, 2.0]);
    let scales = match layers.graph.value(&tensor.name) {
        Some(scales) => scales,
        None => layers.graph.constant(tensor)?,
    };
    let attributes = vec![
        AttributeProto::string("mode", "nearest"),
        AttributeProto::string("coordinate_transformation_mode", "asymmetric"),
        AttributeProto::string("nearest_mode", "floor"),
    ];
    let inputs = [Some(x), None, Some(scales)];
    Ok(layers.graph.op_many("Resize", &inputs, attributes, 1)?[0])
}
