//! A network as a classifier p(class | x; sigma) of noisy images.

use eidetic_graph::proto::{AttributeProto, ModelProto, TensorProto};
use eidetic_graph::{Element, Graph, Value};

use crate::denoiser::names;
use crate::error::Error;
use crate::layers::{Layers, Weights};
use crate::parameters::{Parameters, Wanted};
use crate::preconditioning::Preconditioning;
use crate::resnet::ResNet;

/// A classifier of images `[C, H, W]` at any noise level.
///
/// The network takes c_in x and ln(sigma) / 4 with c_in = 1 / sqrt(sigma^2 + sd^2), as a
/// [`crate::Denoiser`]'s does.
#[derive(Debug, Clone, PartialEq)]
pub struct Classifier {
    /// The network.
    pub network: ResNet,
    /// C, H, W.
    pub shape: [usize; 3],
    /// Number of classes, 2 or more.
    pub classes: usize,
    /// Standard deviation of the training pixels, sd.
    pub sigma_data: f32,
}

impl Classifier {
    /// The tensors of the network.
    ///
    /// # Errors
    /// [`Error::Configuration`] for a classifier without sense.
    pub fn wanted(&self) -> Result<Vec<Wanted>, Error> {
        Ok(self.build(1, Weights::Inputs)?.0.wanted().to_vec())
    }

    /// The weights at the start of training.
    ///
    /// # Errors
    /// As [`Self::wanted`].
    pub fn initial(&self, seed: u64) -> Result<Parameters, Error> {
        Ok(Parameters::initial(&self.wanted()?, seed))
    }

    /// [`names::SAMPLE`] and [`names::SIGMA`] of `rows` rows to [`names::LOGITS`].
    ///
    /// # Errors
    /// As [`Self::wanted`]; [`Error::Shape`] for weights of another network.
    pub fn graph(&self, rows: usize, weights: Weights<'_>) -> Result<Graph, Error> {
        let (mut layers, logits) = self.build(rows, weights)?;
        layers.graph.output(names::LOGITS, logits)?;
        Ok(layers.graph)
    }

    /// ln p(class | x; sigma) of `rows` rows: [`names::SAMPLE`], [`names::SIGMA`] and
    /// [`names::CLASS_LABELS`] to [`names::LOG_PROBABILITY`]. Its gradient with respect to the
    /// sample guides a sampler to the class: D + scale sigma^2 gradient (Dhariwal and Nichol 2021).
    ///
    /// # Errors
    /// As [`Self::graph`].
    pub fn log_probability(&self, rows: usize, weights: Weights<'_>) -> Result<Graph, Error> {
        let (mut layers, logits) = self.build(rows, weights)?;
        let value = self.of_label(&mut layers.graph, logits)?;
        layers.graph.output(names::LOG_PROBABILITY, value)?;
        Ok(layers.graph)
    }

    /// The cross-entropy of `rows` rows, with the weights as inputs: the inputs of
    /// [`Self::log_probability`] to [`names::LOSS`].
    ///
    /// # Errors
    /// As [`Self::wanted`].
    pub fn loss(&self, rows: usize) -> Result<Graph, Error> {
        let (mut layers, logits) = self.build(rows, Weights::Inputs)?;
        let value = self.of_label(&mut layers.graph, logits)?;
        let loss = layers.graph.op("Neg", &[value])?;
        layers.graph.output(names::LOSS, loss)?;
        Ok(layers.graph)
    }

    /// The logits as an ONNX model for any number of rows.
    ///
    /// # Errors
    /// As [`Self::graph`].
    pub fn export(&self, parameters: &Parameters) -> Result<ModelProto, Error> {
        let one = self.graph(2, Weights::Values(parameters))?;
        let other = self.graph(3, Weights::Values(parameters))?;
        Ok(one.model_for_any(&other, "batch")?)
    }

    fn build<'a>(&self, rows: usize, weights: Weights<'a>) -> Result<(Layers<'a>, Value), Error> {
        if self.classes < 2 {
            return Err(Error::Configuration {
                key: "classes",
                expected: "2 or more".to_owned(),
                got: self.classes.to_string(),
            });
        }
        if self.shape.contains(&0) {
            return Err(Error::Configuration {
                key: "shape",
                expected: "channels, height and width of 1 or more".to_owned(),
                got: format!("{:?}", self.shape),
            });
        }
        let mut layers = Layers::new("classifier", weights)?;
        let taken = [&[rows], self.shape.as_slice()].concat();
        let sample = layers.graph.input(names::SAMPLE, Element::F32, &taken)?;
        let sigma = layers.graph.input(names::SIGMA, Element::F32, &[rows])?;
        let edm = Preconditioning::of(&mut layers, sigma, self.sigma_data)?;
        let x = edm.scaled(&mut layers, sample)?;
        let level = edm.level(&mut layers)?;
        let logits = self.network.build(&mut layers, x, level, self.classes)?;
        Ok((layers, logits))
    }

    /// The logarithm of each row's softmax at its label: a row of the identity picks it, so that
    /// the gradient is a product and no scatter.
    fn of_label(&self, graph: &mut Graph, logits: Value) -> Result<Value, Error> {
        let rows = graph.shape(logits)[0];
        let labels = graph.input(names::CLASS_LABELS, Element::I64, &[rows])?;
        let size = self.classes;
        let diagonal = |place| f32::from(u8::from(place / size == place % size));
        let identity: Vec<f32> = (0..size * size).map(diagonal).collect();
        let identity = TensorProto::f32("classes.identity", &[size, size], &identity);
        let identity = graph.constant(identity)?;
        let axis = |name: &str, axis| vec![AttributeProto::int(name, axis)];
        let picked = graph.op_with("Gather", &[identity, labels], axis("axis", 0))?;
        let logs = graph.op_with("LogSoftmax", &[logits], axis("axis", -1))?;
        let kept = graph.mul(logs, picked)?;
        Ok(graph.sum(kept, &[1], false)?)
    }
}
