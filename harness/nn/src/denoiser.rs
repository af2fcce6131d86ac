//! A network as a denoiser D(x; sigma) with EDM's preconditioning.

use eidetic_graph::proto::ModelProto;
use eidetic_graph::{Element, Graph, Value};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::layers::{Layers, Weights};
use crate::mlp::Mlp;
use crate::parameters::{Parameters, Wanted};
use crate::preconditioning::Preconditioning;
use crate::unet::{Inputs, UNet};

/// The architectures of denoisers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Network {
    /// A U-Net.
    Unet(UNet),
    /// A multi-layer perceptron.
    Mlp(Mlp),
}

/// A denoiser of images `[C, H, W]`.
///
/// D = c_skip x + c_out F(c_in x; ln(sigma) / 4) with c_skip = sd^2 / (sigma^2 + sd^2), c_out =
/// sigma sd / sqrt(sigma^2 + sd^2), c_in = 1 / sqrt(sigma^2 + sd^2) (Karras et al. 2022, table 1).
/// Extra channels stand behind x and are not scaled.
///
/// Where extra channels are masks and a mask is 0, x says nothing and the skip connection would
/// carry nothing: there the network is preconditioned as at sigma = infinity, c_skip 0 and c_out sd,
/// and the square error is weighted by 1 / sd^2. Plain preconditioning would ask F for x0 / c_out,
/// which grows without bound as sigma falls.
#[derive(Debug, Clone, PartialEq)]
pub struct Denoiser {
    /// F.
    pub network: Network,
    /// C, H, W.
    pub shape: [usize; 3],
    /// Channels that a mitigation adds.
    pub extra_channels: usize,
    /// Whether the extra channels are keep-masks in 0..=1, one for all channels or one each.
    pub masked: bool,
    /// Number of classes; the label that equals it is the null class. 0 for none.
    pub classes: usize,
    /// Standard deviation of the training pixels, sd.
    pub sigma_data: f32,
}

/// Names of a denoiser's and a classifier's inputs and outputs.
pub mod names {
    /// Noisy images, with extra channels, f32 `[B, C + extra, H, W]`.
    pub const SAMPLE: &str = "sample";
    /// Noise levels, f32 `[B]`.
    pub const SIGMA: &str = "sigma";
    /// Classes, i64 `[B]`.
    pub const CLASS_LABELS: &str = "class_labels";
    /// D, f32 `[B, C, H, W]`.
    pub const OUT_SAMPLE: &str = "out_sample";
    /// What D should be, f32 `[B, C, H, W]`.
    pub const TARGET: &str = "target";
    /// Weight of each square error, f32 `[B, C, H, W]`.
    pub const WEIGHT: &str = "weight";
    /// Weighted mean square error, or cross-entropy, f32 `[B]`.
    pub const LOSS: &str = "loss";
    /// Logits of a classifier, f32 `[B, classes]`.
    pub const LOGITS: &str = "logits";
    /// ln p(class | x; sigma), f32 `[B]`.
    pub const LOG_PROBABILITY: &str = "log_probability";
}

impl Denoiser {
    /// The tensors of the network.
    ///
    /// # Errors
    /// [`Error::Configuration`] for a network without sense.
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

    /// Weight of the square error of D at each level: (sigma^2 + sd^2) / (sigma sd)^2.
    pub fn loss_weight(&self, sigma: f32) -> f32 {
        let (sigma, data) = (f64::from(sigma), f64::from(self.sigma_data));
        ((sigma * sigma + data * data) / (sigma * data).powi(2)) as f32
    }

    /// Weight of the square error of D where a mask is 0: the limit of [`Self::loss_weight`] at
    /// sigma = infinity, 1 / sd^2.
    pub fn hidden_loss_weight(&self) -> f32 {
        f64::from(self.sigma_data).powi(-2) as f32
    }

    /// D of `rows` rows, with the weights as inputs: [`names::SAMPLE`], [`names::SIGMA`],
    /// [`names::CLASS_LABELS`] where there are classes, to [`names::OUT_SAMPLE`].
    ///
    /// # Errors
    /// As [`Self::wanted`].
    pub fn graph(&self, rows: usize, weights: Weights<'_>) -> Result<Graph, Error> {
        let (mut layers, out) = self.build(rows, weights)?;
        layers.graph.output(names::OUT_SAMPLE, out)?;
        Ok(layers.graph)
    }

    /// The loss of `rows` rows, with the weights as inputs: beside those of [`Self::graph`] the
    /// inputs [`names::TARGET`] and [`names::WEIGHT`] (w(sigma) included), to [`names::LOSS`].
    ///
    /// # Errors
    /// As [`Self::wanted`].
    pub fn loss(&self, rows: usize) -> Result<Graph, Error> {
        let (mut layers, out) = self.build(rows, Weights::Inputs)?;
        let graph = &mut layers.graph;
        let shape = [&[rows], self.shape.as_slice()].concat();
        let target = graph.input(names::TARGET, Element::F32, &shape)?;
        let weight = graph.input(names::WEIGHT, Element::F32, &shape)?;
        let error = graph.sub(out, target)?;
        let square = graph.mul(error, error)?;
        let weighted = graph.mul(square, weight)?;
        let sum = graph.sum(weighted, &[1, 2, 3], false)?;
        let mean = graph.scale(sum, 1.0 / self.shape.iter().product::<usize>() as f64)?;
        graph.output(names::LOSS, mean)?;
        Ok(layers.graph)
    }

    /// The denoiser as an ONNX model for any number of rows.
    ///
    /// # Errors
    /// [`Error::Shape`] for weights of another network.
    pub fn export(&self, parameters: &Parameters) -> Result<ModelProto, Error> {
        let one = self.graph(2, Weights::Values(parameters))?;
        let other = self.graph(3, Weights::Values(parameters))?;
        Ok(one.model_for_any(&other, "batch")?)
    }

    fn check_masks(&self) -> Result<(), Error> {
        let channels = self.shape[0];
        if !self.masked || self.extra_channels == 1 || self.extra_channels == channels {
            return Ok(());
        }
        Err(Error::Configuration {
            key: "extra_channels",
            expected: format!("1 mask, or {channels}: one a channel"),
            got: self.extra_channels.to_string(),
        })
    }

    fn build<'a>(&self, rows: usize, weights: Weights<'a>) -> Result<(Layers<'a>, Value), Error> {
        let [channels, height, width] = self.shape;
        self.check_masks()?;
        let mut layers = Layers::new("denoiser", weights)?;
        let taken = [rows, channels + self.extra_channels, height, width];
        let sample = layers.graph.input(names::SAMPLE, Element::F32, &taken)?;
        let sigma = layers.graph.input(names::SIGMA, Element::F32, &[rows])?;
        let labels = match self.classes {
            0 => None,
            count => {
                let labels = layers
                    .graph
                    .input(names::CLASS_LABELS, Element::I64, &[rows])?;
                Some((labels, count + 1))
            }
        };
        let channel = |layers: &mut Layers<'_>, from: usize, to: usize| {
            layers
                .graph
                .slice(sample, &[(1, from as i64, to as i64, 1)])
        };
        let x = channel(&mut layers, 0, channels)?;
        let edm = Preconditioning::of(&mut layers, sigma, self.sigma_data)?;
        let mut scaled = edm.scaled(&mut layers, x)?;
        let mut mask = None;
        if self.extra_channels > 0 {
            let extra = channel(&mut layers, channels, channels + self.extra_channels)?;
            scaled = layers.graph.concat(&[scaled, extra], 1)?;
            mask = self.masked.then_some(extra);
        }
        let inputs = Inputs {
            x: scaled,
            level: edm.level(&mut layers)?,
            labels,
        };
        let f = match &self.network {
            Network::Unet(network) => network.build(&mut layers, &inputs, channels)?,
            Network::Mlp(network) => network.build(&mut layers, &inputs, channels)?,
        };
        let denoised = edm.denoised(&mut layers, x, f, mask)?;
        Ok((layers, denoised))
    }
}
