//! The weights of a network, by name.

use rand::RngExt;

use crate::random::rng;

/// The tensors of a network in the order in which the network was built.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameters {
    /// Each with a name of its own.
    pub list: Vec<Parameter>,
}

/// One tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Name, as PyTorch would say it: `encoder.0.0.conv1.weight`.
    pub name: String,
    /// Sizes, outermost first.
    pub shape: Vec<usize>,
    /// Elements in row-major order.
    pub values: Vec<f32>,
}

/// How a tensor starts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Initial {
    /// Zeros.
    Zeros,
    /// Ones.
    Ones,
    /// Uniform within plus and minus this bound: 1/sqrt(fan_in), PyTorch's default for weights and
    /// biases of convolutions and linear layers.
    Uniform {
        /// The bound.
        bound: f32,
    },
    /// Standard normal: PyTorch's default for embeddings.
    Normal,
}

/// A tensor that a network asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// Its name.
    pub name: String,
    /// Its sizes.
    pub shape: Vec<usize>,
    /// How it starts.
    pub initial: Initial,
}

impl Parameters {
    /// The tensors at the start of training. A tensor depends on the seed and its name alone.
    pub fn initial(wanted: &[Wanted], seed: u64) -> Self {
        let list = wanted
            .iter()
            .map(|wanted| {
                let count = wanted.shape.iter().product();
                let mut rng = rng(seed, &format!("parameter {}", wanted.name), 0);
                let mut draw = || match wanted.initial {
                    Initial::Zeros => 0.0,
                    Initial::Ones => 1.0,
                    Initial::Uniform { bound } => bound * (2.0 * rng.random::<f32>() - 1.0),
                    Initial::Normal => rng.sample(rand_distr::StandardNormal),
                };
                Parameter {
                    name: wanted.name.clone(),
                    shape: wanted.shape.clone(),
                    values: (0..count).map(|_| draw()).collect(),
                }
            })
            .collect();
        Self { list }
    }

    /// The same tensors, all zero.
    pub fn zeros(&self) -> Self {
        let mut zeros = self.clone();
        zeros.list.iter_mut().for_each(|each| each.values.fill(0.0));
        zeros
    }

    /// The tensor of this name.
    pub fn get(&self, name: &str) -> Option<&Parameter> {
        self.list.iter().find(|each| each.name == name)
    }

    /// Number of elements of all tensors.
    pub fn count(&self) -> usize {
        self.list.iter().map(|each| each.values.len()).sum()
    }
}
