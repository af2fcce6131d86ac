//! Embeddings of the noise level and of classes.

use eidetic_graph::proto::{AttributeProto, TensorProto};
use eidetic_graph::{Element, Value};
use rand::RngExt;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::layers::Layers;
use crate::parameters::Initial;
use crate::random::rng;

/// How the noise level becomes a vector (Karras et al. 2022, tables 1 and 7 of EDM).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Embedding {
    /// Cosines and sines of wavelengths in a geometric series up to 10,000 (DDPM++).
    #[default]
    Sinusoidal,
    /// Cosines and sines of 2 pi times fixed normal frequencies of scale 16 (NCSN++).
    Fourier,
}

impl Embedding {
    /// `[B, size]` from the level `[B, 1]`: ln(sigma) / 4.
    ///
    /// # Errors
    /// [`Error::Configuration`] for an odd size.
    pub(crate) fn of(
        self,
        layers: &mut Layers<'_>,
        level: Value,
        size: usize,
    ) -> Result<Value, Error> {
        if !size.is_multiple_of(2) || size == 0 {
            return Err(Error::Configuration {
                key: "channels",
                expected: "an even number first".to_owned(),
                got: size.to_string(),
            });
        }
        let half = size / 2;
        let frequencies: Vec<f32> = match self {
            Self::Sinusoidal => (0..half)
                .map(|place| 10_000_f64.powf(-(place as f64) / half as f64) as f32)
                .collect(),
            Self::Fourier => {
                let mut rng = rng(0, "fourier frequencies", 0);
                let mut draw = || rng.sample::<f64, _>(rand_distr::StandardNormal);
                (0..half)
                    .map(|_| (std::f64::consts::TAU * 16.0 * draw()) as f32)
                    .collect()
            }
        };
        let tensor = TensorProto::f32("embedding.frequencies", &[1, half], &frequencies);
        let frequencies = layers.graph.constant(tensor)?;
        let phase = layers.graph.mul(level, frequencies)?;
        let cosine = layers.graph.op("Cos", &[phase])?;
        let sine = layers.graph.op("Sin", &[phase])?;
        Ok(layers.graph.concat(&[cosine, sine], 1)?)
    }
}

/// A learned vector `[B, size]` a class, from the graph's input `class_labels` i64 `[B]`.
///
/// # Errors
/// As [`Layers::weight`].
pub(crate) fn classes(
    layers: &mut Layers<'_>,
    name: &str,
    labels: Value,
    count: usize,
    size: usize,
) -> Result<Value, Error> {
    let table = layers.weight(&format!("{name}.weight"), &[count, size], Initial::Normal)?;
    debug_assert_eq!(layers.graph.kind(labels).element, Element::I64);
    let rows = vec![AttributeProto::int("axis", 0)];
    Ok(layers.graph.op_with("Gather", &[table, labels], rows)?)
}
