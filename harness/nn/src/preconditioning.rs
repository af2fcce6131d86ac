//! EDM's preconditioning as a part of a graph.

use eidetic_graph::Value;

use crate::error::Error;
use crate::layers::Layers;

/// The coefficients of rows at their noise levels (Karras et al. 2022, table 1), sd being the
/// standard deviation of the data.
pub(crate) struct Preconditioning {
    data: f64,
    /// `[B, 1, 1, 1]`.
    sigma: Value,
    /// sd^2.
    data_square: Value,
    /// sigma^2 + sd^2, `[B, 1, 1, 1]`.
    sum: Value,
    /// Its root.
    root: Value,
}

impl Preconditioning {
    /// Of sigma f32 `[B]`.
    pub(crate) fn of(layers: &mut Layers<'_>, sigma: Value, data: f32) -> Result<Self, Error> {
        let data = f64::from(data);
        let sigma = layers.reshape(sigma, &[-1, 1, 1, 1])?;
        let graph = &mut layers.graph;
        let square = graph.mul(sigma, sigma)?;
        let data_square = graph.scalar_like(sigma, data * data)?;
        let sum = graph.add(square, data_square)?;
        let root = graph.op("Sqrt", &[sum])?;
        Ok(Self {
            data,
            sigma,
            data_square,
            sum,
            root,
        })
    }

    /// c_in x.
    pub(crate) fn scaled(&self, layers: &mut Layers<'_>, x: Value) -> Result<Value, Error> {
        Ok(layers.graph.div(x, self.root)?)
    }

    /// c_noise = ln(sigma) / 4, `[B, 1]`.
    pub(crate) fn level(&self, layers: &mut Layers<'_>) -> Result<Value, Error> {
        let level = layers.graph.op("Log", &[self.sigma])?;
        let level = layers.graph.scale(level, 0.25)?;
        layers.reshape(level, &[-1, 1])
    }

    /// D = c_skip x + c_out f; where a mask is 0, sd f.
    pub(crate) fn denoised(
        &self,
        layers: &mut Layers<'_>,
        x: Value,
        f: Value,
        mask: Option<Value>,
    ) -> Result<Value, Error> {
        let graph = &mut layers.graph;
        let mut skip = graph.div(self.data_square, self.sum)?;
        let mut out = graph.scale(self.sigma, self.data)?;
        out = graph.div(out, self.root)?;
        if let Some(mask) = mask {
            let data = graph.scalar_like(self.sigma, self.data)?;
            let beyond = graph.sub(out, data)?;
            let beyond = graph.mul(mask, beyond)?;
            out = graph.add(beyond, data)?;
            skip = graph.mul(mask, skip)?;
        }
        let kept = graph.mul(x, skip)?;
        let made = graph.mul(f, out)?;
        Ok(graph.add(kept, made)?)
    }
}
