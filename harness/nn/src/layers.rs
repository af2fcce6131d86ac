//! The layers that networks are built of.

use eidetic_graph::proto::{AttributeProto, TensorProto};
use eidetic_graph::{Element, Graph, Value};

use crate::error::Error;
use crate::parameters::{Initial, Parameters, Wanted};

/// Opset of every graph built here.
const OPSET: i64 = 18;

/// A network as it is built: a graph and the tensors that it has asked for.
///
/// Sizes of reshapes are 0 (as it is) and -1 (the rest), so that the graph of 2 rows is that of any
/// number.
pub struct Layers<'a> {
    /// The graph so far.
    pub graph: Graph,
    weights: Weights<'a>,
    wanted: Vec<Wanted>,
    dropout: Vec<(String, Vec<usize>)>,
}

/// Where a network's weights come from.
#[derive(Debug, Clone, Copy)]
pub enum Weights<'a> {
    /// Inputs of the graph, under their names: in training they change at each step.
    Inputs,
    /// Constants of the graph.
    Values(&'a Parameters),
}

impl<'a> Layers<'a> {
    /// Nothing yet.
    ///
    /// # Errors
    /// None that depends on the caller.
    pub fn new(name: &str, weights: Weights<'a>) -> Result<Self, Error> {
        Ok(Self {
            graph: Graph::new(name, OPSET)?,
            weights,
            wanted: Vec::new(),
            dropout: Vec::new(),
        })
    }

    /// The tensors that were asked for, in order.
    pub fn wanted(&self) -> &[Wanted] {
        &self.wanted
    }

    /// The dropout masks that the graph takes, with their sizes.
    pub fn dropout_masks(&self) -> &[(String, Vec<usize>)] {
        &self.dropout
    }

    /// A tensor of the network.
    ///
    /// # Errors
    /// [`Error::Shape`] where the weights given have none of this name and these sizes.
    pub fn weight(
        &mut self,
        name: &str,
        shape: &[usize],
        initial: Initial,
    ) -> Result<Value, Error> {
        self.wanted.push(Wanted {
            name: name.to_owned(),
            shape: shape.to_vec(),
            initial,
        });
        let Weights::Values(parameters) = self.weights else {
            return Ok(self.graph.input(name, Element::F32, shape)?);
        };
        match parameters.get(name) {
            Some(found) if found.shape == shape => {
                let tensor = TensorProto::f32(name, shape, &found.values);
                Ok(self.graph.parameter(tensor)?)
            }
            found => Err(Error::Shape {
                what: name.to_owned(),
                expected: format!("a tensor of {shape:?}"),
                got: found.map_or("none".to_owned(), |found| format!("{:?}", found.shape)),
            }),
        }
    }

    /// A convolution with a square kernel and a bias, padded so that stride 1 keeps the size.
    ///
    /// # Errors
    /// As [`Self::weight`].
    pub fn conv(&mut self, name: &str, x: Value, shape: Conv) -> Result<Value, Error> {
        let input = self.graph.shape(x)[1];
        let bound = 1.0 / ((input * shape.kernel * shape.kernel) as f32).sqrt();
        let (weight, bias) = shape.initial(bound);
        let kernel = [shape.channels, input, shape.kernel, shape.kernel];
        let weight = self.weight(&format!("{name}.weight"), &kernel, weight)?;
        let bias = self.weight(&format!("{name}.bias"), &[shape.channels], bias)?;
        let ints = |name: &str, value: usize, count: usize| {
            AttributeProto::ints(name, &vec![value as i64; count])
        };
        let attributes = vec![
            ints("kernel_shape", shape.kernel, 2),
            ints("pads", shape.kernel / 2, 4),
            ints("strides", shape.stride, 2),
        ];
        Ok(self.graph.op_with("Conv", &[x, weight, bias], attributes)?)
    }

    /// x W^T + b over the last of two axes.
    ///
    /// # Errors
    /// As [`Self::weight`].
    pub fn linear(&mut self, name: &str, x: Value, size: usize) -> Result<Value, Error> {
        let input = self.graph.shape(x)[1];
        let initial = Initial::Uniform {
            bound: 1.0 / (input as f32).sqrt(),
        };
        self.linear_from(name, x, size, initial)
    }

    /// As [`Self::linear`], with weight and bias that start so.
    ///
    /// # Errors
    /// As [`Self::weight`].
    pub fn linear_from(
        &mut self,
        name: &str,
        x: Value,
        size: usize,
        initial: Initial,
    ) -> Result<Value, Error> {
        let input = self.graph.shape(x)[1];
        let weight = self.weight(&format!("{name}.weight"), &[size, input], initial)?;
        let bias = self.weight(&format!("{name}.bias"), &[size], initial)?;
        let turn = vec![AttributeProto::int("transB", 1)];
        Ok(self.graph.op_with("Gemm", &[x, weight, bias], turn)?)
    }

    /// Group normalisation (Wu and He 2018) with a scale and a shift a channel: layer normalisation
    /// over the groups, whose statistics the gradient uses again.
    ///
    /// # Errors
    /// As [`Self::weight`].
    pub fn group_norm(&mut self, name: &str, x: Value, groups: usize) -> Result<Value, Error> {
        let shape = self.graph.shape(x).to_vec();
        let channels = shape[1];
        let whole: Vec<i64> = std::iter::once(0)
            .chain(shape[1..].iter().map(|&size| size as i64))
            .collect();
        let size = shape[1..].iter().product::<usize>() / groups;
        let ones = self.ones(size)?;
        let rows = self.reshape(x, &[0, groups as i64, -1])?;
        let attributes = vec![
            AttributeProto::int("axis", -1),
            AttributeProto::float("epsilon", 1e-5),
        ];
        let normal = self
            .graph
            .op_with("LayerNormalization", &[rows, ones], attributes)?;
        let normal = self.reshape(normal, &whole)?;
        let scale = self.weight(&format!("{name}.weight"), &[channels], Initial::Ones)?;
        let shift = self.weight(&format!("{name}.bias"), &[channels], Initial::Zeros)?;
        let column: Vec<i64> = std::iter::once(-1)
            .chain(shape[2..].iter().map(|_| 1))
            .collect();
        let scale = self.reshape(scale, &column)?;
        let shift = self.reshape(shift, &column)?;
        let scaled = self.graph.mul(normal, scale)?;
        Ok(self.graph.add(scaled, shift)?)
    }

    /// x sigmoid(x).
    ///
    /// # Errors
    /// None that depends on the caller.
    pub fn silu(&mut self, x: Value) -> Result<Value, Error> {
        let sigmoid = self.graph.op("Sigmoid", &[x])?;
        Ok(self.graph.mul(x, sigmoid)?)
    }

    /// Elements dropped with probability `rate` and the others scaled by 1 / (1 - rate), by a mask
    /// that is an input of the graph: what is there at sampling time has none.
    ///
    /// # Errors
    /// None that depends on the caller.
    pub fn dropout(&mut self, x: Value, rate: f32) -> Result<Value, Error> {
        if rate == 0.0 || matches!(self.weights, Weights::Values(_)) {
            return Ok(x);
        }
        let shape = self.graph.shape(x).to_vec();
        let name = format!("dropout.{}", self.dropout.len());
        let mask = self.graph.input(&name, Element::F32, &shape)?;
        self.dropout.push((name, shape));
        Ok(self.graph.mul(x, mask)?)
    }

    /// `Reshape` to these sizes; 0 keeps a size, -1 is the rest.
    ///
    /// # Errors
    /// [`Error::Graph`] for sizes that do not fit.
    pub fn reshape(&mut self, x: Value, sizes: &[i64]) -> Result<Value, Error> {
        let sizes = self.graph.integers(sizes)?;
        Ok(self.graph.op("Reshape", &[x, sizes])?)
    }

    fn ones(&mut self, size: usize) -> Result<Value, Error> {
        let name = format!("ones.{size}");
        if let Some(value) = self.graph.value(&name) {
            return Ok(value);
        }
        let tensor = TensorProto::f32(&name, &[size], &vec![1.0; size]);
        Ok(self.graph.constant(tensor)?)
    }
}

/// A convolution.
#[derive(Debug, Clone, Copy)]
pub struct Conv {
    /// Channels of the output.
    pub channels: usize,
    /// Width and height of the kernel; odd.
    pub kernel: usize,
    /// Step of the kernel.
    pub stride: usize,
    /// Whether it starts at zero: the last of a residual branch.
    pub zero: bool,
}

impl Conv {
    /// Stride 1.
    pub fn new(channels: usize, kernel: usize) -> Self {
        Self {
            channels,
            kernel,
            stride: 1,
            zero: false,
        }
    }

    /// The same, starting at zero.
    pub fn zero(self) -> Self {
        Self { zero: true, ..self }
    }

    fn initial(self, bound: f32) -> (Initial, Initial) {
        let initial = match self.zero {
            true => Initial::Zeros,
            false => Initial::Uniform { bound },
        };
        (initial, initial)
    }
}
