//! The task of a classifier that learns from another one's probabilities.

use eidetic_graph::Graph;
use eidetic_nn::{Batch, Classifying, Draw, Error, Networks, Parameters, Task, Weights, names};
use eidetic_sdk::ndarray::{Array2, Axis};

const SOFT_LABELS: &str = "soft_labels";

/// Training on - sum_c q(c | x0) ln p(c | x0 + sigma n; sigma), with q a teacher's probabilities of
/// the clean image (time-dependent knowledge distillation; Hinton et al. 2015, eq. 2, at
/// temperature 1).
pub(crate) struct Distilling {
    /// What is trained, on what and at which levels; its labels are not looked at.
    pub(crate) classifying: Classifying,
    /// q, `[N, classes]`, rows that sum to 1.
    pub(crate) soft: Array2<f32>,
}

impl Task for Distilling {
    fn initial(&self, seed: u64) -> Result<Parameters, Error> {
        self.classifying.initial(seed)
    }

    fn loss(&self, rows: usize) -> Result<Graph, Error> {
        let classifier = self.classifying.classifier();
        let mut graph = classifier.graph(rows, Weights::Inputs)?;
        let logits = graph.value(names::LOGITS).ok_or_else(|| Error::Shape {
            what: "the classifier's graph".to_owned(),
            expected: format!("a value {}", names::LOGITS),
            got: "none".to_owned(),
        })?;
        let kind = graph.kind(logits).clone();
        let soft = graph.input(SOFT_LABELS, kind.element, &[rows, classifier.classes])?;
        let logs = graph.op("LogSoftmax", &[logits])?;
        let shares = graph.mul(logs, soft)?;
        let sum = graph.sum(shares, &[1], false)?;
        let loss = graph.op("Neg", &[sum])?;
        graph.output(names::LOSS, loss)?;
        Ok(graph)
    }

    fn forward(&self, rows: usize) -> Result<Graph, Error> {
        self.classifying.forward(rows)
    }

    fn batch(&self, draw: &Draw, networks: &dyn Networks) -> Result<Batch, Error> {
        let mut batch = self.classifying.batch(draw, networks)?;
        let rows: Vec<usize> = batch.index.iter().map(|&row| row as usize).collect();
        let soft = self.soft.select(Axis(0), &rows).into_dyn();
        for group in &mut batch.groups {
            group.integers.clear();
            group.floats.insert(SOFT_LABELS.to_owned(), soft.clone());
        }
        Ok(batch)
    }
}
