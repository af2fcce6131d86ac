//! One training step: losses and gradients by ONNX Runtime.

use std::collections::BTreeMap;

use eidetic_graph::{Graph, Value, encode, gradient};
use eidetic_runtime::{Feed, ModelSource, Runtime, SessionOptions, Sessions};
use ndarray::{ArrayD, ArrayViewD, IxDyn};

use crate::denoiser::names;
use crate::error::Error;
use crate::parameters::{Parameter, Parameters};

/// The compiled gradient of a loss.
///
/// Rows go through it in microbatches of one size, each on a thread of its own, and the gradients
/// are added in the order of the microbatches: the result does not depend on the number of threads.
#[derive(Debug)]
pub struct Step {
    sessions: Sessions,
    gradients: Vec<String>,
}

/// Rows that are trained on together, by the names of the loss graph's inputs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Group {
    /// Float inputs, each `[rows, ...]`.
    pub floats: BTreeMap<String, ArrayD<f32>>,
    /// Integer inputs, each `[rows, ...]`.
    pub integers: BTreeMap<String, ArrayD<i64>>,
    /// Weight of each row's loss in the sum that is differentiated, `[rows]`.
    pub share: Vec<f32>,
}

const COTANGENT: &str = "cotangent.loss";

impl Step {
    /// Differentiates the loss graph `[rows]` with respect to its inputs of the names of
    /// `parameters`, and opens it. `rows` is the microbatch, `threads` how many run at once.
    ///
    /// # Errors
    /// [`Error::Graph`], [`Error::Runtime`].
    pub fn new(
        loss: impl Fn(usize) -> Result<Graph, Error>,
        parameters: &Parameters,
        runtime: &Runtime,
        options: &SessionOptions,
    ) -> Result<Self, Error> {
        let loss = loss(options.microbatch)?;
        let value = |name: &str| {
            loss.value(name).ok_or_else(|| Error::Shape {
                what: "the loss graph".to_owned(),
                expected: format!("a value {name}"),
                got: "none".to_owned(),
            })
        };
        let output = value(names::LOSS)?;
        let wrt: Vec<Value> = parameters
            .list
            .iter()
            .map(|each| value(&each.name))
            .collect::<Result<_, _>>()?;
        let bytes = encode(&gradient(&loss, &[output], &wrt)?.model()?);
        let gradient = |each: &Parameter| format!("gradient.{}", each.name);
        Ok(Self {
            sessions: runtime.open(ModelSource::Bytes(&bytes), options)?,
            gradients: parameters.list.iter().map(gradient).collect(),
        })
    }

    /// The loss of each row, and the gradient of sum over rows of (share . loss).
    ///
    /// # Errors
    /// [`Error::Shape`] for parameters of other sizes; [`Error::Runtime`] for a group that does not
    /// fit the graph.
    pub fn run(
        &self,
        parameters: &Parameters,
        group: &Group,
    ) -> Result<(Vec<f32>, Parameters), Error> {
        let rows = group.share.len();
        let share = ArrayViewD::from_shape(IxDyn(&[rows]), &group.share);
        let share = share.map_err(|error| misfit(COTANGENT, &error))?;
        let mut feeds = vec![Feed::rows_then_zeros(COTANGENT, share)];
        for (name, values) in &group.floats {
            feeds.push(Feed::rows(name, values.view()));
        }
        for (name, values) in &group.integers {
            feeds.push(Feed::rows_i64(name, values.view()));
        }
        for each in &parameters.list {
            let values = ArrayViewD::from_shape(IxDyn(&each.shape), &each.values);
            let values = values.map_err(|error| misfit(&each.name, &error))?;
            feeds.push(Feed::constant(&each.name, values));
        }
        let gradients: Vec<&str> = self.gradients.iter().map(String::as_str).collect();
        let summed = self
            .sessions
            .run_summed(rows, &feeds, &[names::LOSS], &gradients)?;
        let losses = summed.each.into_iter().flatten().collect();
        let gradient = |(each, sum): (&Parameter, ArrayD<f32>)| Parameter {
            name: each.name.clone(),
            shape: each.shape.clone(),
            values: sum.into_raw_vec_and_offset().0,
        };
        let list = parameters.list.iter().zip(summed.sums).map(gradient);
        Ok((
            losses,
            Parameters {
                list: list.collect(),
            },
        ))
    }
}

fn misfit(what: &str, error: &ndarray::ShapeError) -> Error {
    Error::Shape {
        what: what.to_owned(),
        expected: "as many elements as its sizes say".to_owned(),
        got: error.to_string(),
    }
}
