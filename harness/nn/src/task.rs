//! What a network is trained to do.

use std::collections::BTreeMap;

use eidetic_graph::Graph;
use ndarray::ArrayD;

use crate::error::Error;
use crate::parameters::Parameters;
use crate::step::Group;

/// Supplies the loss and its batches: a denoiser's, a classifier's.
///
/// What is drawn for a step depends on [`Draw`] alone, so that a resumed run is the uninterrupted
/// one; whatever else a task remembers belongs into [`Task::state`].
pub trait Task: Send + Sync {
    /// The weights at the start.
    ///
    /// # Errors
    /// A network without sense.
    fn initial(&self, seed: u64) -> Result<Parameters, Error>;

    /// The loss `[rows]`, an output `loss`, with the weights as inputs.
    ///
    /// # Errors
    /// A network without sense.
    fn loss(&self, rows: usize) -> Result<Graph, Error>;

    /// The network without gradient and dropout, with the weights as inputs and one output
    /// `[rows, ...]`: what [`Networks::run`] runs. It is built only when asked for.
    ///
    /// # Errors
    /// A network without sense.
    fn forward(&self, rows: usize) -> Result<Graph, Error>;

    /// The rows of a step.
    ///
    /// # Errors
    /// Whatever stops it.
    fn batch(&self, draw: &Draw, networks: &dyn Networks) -> Result<Batch, Error>;

    /// Called after the update with the loss of every row of the batch, groups one after another.
    ///
    /// # Errors
    /// Whatever stops it.
    fn after_step(&self, _step: u64, _batch: &Batch, _losses: &[f32]) -> Result<Decision, Error> {
        Ok(Decision::Continue)
    }

    /// Differentially private training, where that is asked for; then each group of a batch is one
    /// example, whatever its rows, with shares that sum to 1.
    fn privacy(&self) -> Option<Privacy> {
        None
    }

    /// What it remembers from step to step, kept in the checkpoint.
    ///
    /// # Errors
    /// Whatever stops it.
    fn state(&self) -> Result<Vec<u8>, Error> {
        Ok(Vec::new())
    }

    /// Takes back what [`Task::state`] gave.
    ///
    /// # Errors
    /// A state that is not its own.
    fn restore(&self, state: &[u8]) -> Result<(), Error> {
        no_state(state)
    }
}

/// Refuses a state where none was kept.
pub(crate) fn no_state(state: &[u8]) -> Result<(), Error> {
    match state.len() {
        0 => Ok(()),
        bytes => Err(Error::Task(format!(
            "state of the training task: expected none, got {bytes} bytes"
        ))),
    }
}

/// What everything random in a step depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draw {
    /// Seed of the run.
    pub seed: u64,
    /// Step, from 0.
    pub step: u64,
    /// Examples a step (expected, where each is drawn on its own).
    pub batch: usize,
}

/// What is trained on in one step.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    /// The gradient is the sum over all their rows of (share . loss). None is a step without
    /// gradient.
    pub groups: Vec<Group>,
    /// Identity of the example of each row, groups one after another.
    pub index: Vec<u64>,
}

/// DP-SGD (Abadi et al. 2016): each group's gradient is clipped, they are summed, noise of standard
/// deviation `noise_multiplier . clip` is added, and the sum is divided by [`Draw::batch`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Privacy {
    /// Largest norm of an example's gradient; above 0.
    pub clip: f64,
    /// 0 or more.
    pub noise_multiplier: f64,
    /// Rows that an example commonly has: more of them in one pass would be empty.
    pub rows: usize,
}

/// Whether training goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Next step.
    Continue,
    /// Keep what is there and end.
    Stop,
}

/// Which weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Those of the step.
    Present,
    /// Their exponential moving average.
    Average,
}

/// The network as it is in training, without gradient.
pub trait Networks: Sync {
    /// The output of [`Task::forward`] for rows of its inputs, `[rows, ...]`. Rows are cut as in
    /// training: the same row at the same place gives the same bits.
    ///
    /// # Errors
    /// Rows that do not fit the graph.
    fn run(&self, which: Which, rows: &Rows) -> Result<ArrayD<f32>, Error>;
}

/// Inputs of a graph by name, each `[rows, ...]`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rows {
    /// Float inputs.
    pub floats: BTreeMap<String, ArrayD<f32>>,
    /// Integer inputs.
    pub integers: BTreeMap<String, ArrayD<i64>>,
}
