//! The largest clique of near duplicates that each sample lies in.

use eidetic_sdk::ndarray::Array4;
use eidetic_sdk::{Context, LogLevel, Result, Sink};

use crate::graph::{Graph, insert};
use crate::likeness::Likeness;
use crate::near::Near;

/// A graph a condition, over its first samples; those after them are compared with these as they
/// come and let go.
pub(crate) struct Cliques {
    near: Near,
    /// Samples that are held of a condition.
    capacity: usize,
    /// Size of a clique from which on its samples are told of.
    at_least: u64,
    /// Sample i is of condition i modulo their number.
    conditions: Vec<Samples>,
    /// Size of each sample's largest clique; that of those held comes in the end.
    sizes: Vec<f64>,
    /// Samples that may lie in a larger clique than was found.
    unproven: usize,
    /// Index of the first sample in the sink.
    first: u64,
}

/// Samples of one condition.
#[derive(Default)]
struct Samples {
    /// Pixels of the first ones, row after row.
    held: Vec<u8>,
    /// Which of all samples they are.
    places: Vec<usize>,
    /// Made when they are complete.
    graph: Option<Graph>,
}

impl Samples {
    fn graph(&mut self, near: &Near) -> &Graph {
        let Self {
            held,
            places,
            graph,
        } = self;
        let row = |at: usize| &held[at * near.dim()..(at + 1) * near.dim()];
        graph.get_or_insert_with(|| Graph::new(places.len(), |i, j| near.joins(row(i), row(j))))
    }
}

impl Cliques {
    pub(crate) fn new(near: Near, capacity: u64, at_least: u64, conditions: u64) -> Self {
        Self {
            near,
            capacity: usize::try_from(capacity).unwrap_or(usize::MAX),
            at_least,
            conditions: (0..conditions).map(|_| Samples::default()).collect(),
            sizes: Vec::new(),
            unproven: 0,
            first: 0,
        }
    }

    /// The size of the largest clique found that a sample forms with those held.
    fn late(&mut self, condition: usize, row: &[u8]) -> f64 {
        let (near, samples) = (&self.near, &mut self.conditions[condition]);
        let mut neighbours = vec![0; self.capacity.div_ceil(64)];
        let held = samples.held.chunks_exact(near.dim()).enumerate();
        for (at, _) in held.filter(|(_, held)| near.joins(held, row)) {
            insert(&mut neighbours, at);
        }
        let clique = samples.graph(near).clique_among(&neighbours);
        self.unproven += usize::from(!clique.proven);
        clique.members.len() as f64 + 1.0
    }
}

impl Likeness for Cliques {
    fn add(&mut self, first: u64, images: &Array4<u8>, _: &dyn Sink) -> Result<()> {
        if self.sizes.is_empty() {
            self.first = first;
        }
        for image in images.outer_iter() {
            let place = self.sizes.len();
            let condition = place % self.conditions.len();
            let samples = &mut self.conditions[condition];
            let size = if samples.places.len() < self.capacity {
                samples.places.push(place);
                self.near.arrange(image, &mut samples.held);
                1.0
            } else {
                let mut row = Vec::with_capacity(self.near.dim());
                self.near.arrange(image, &mut row);
                self.late(condition, &row)
            };
            self.sizes.push(size);
        }
        Ok(())
    }

    /// Gives every sample the size of its clique; says how many lie in one that is large enough.
    fn finish(&mut self, context: &dyn Context, sink: &dyn Sink) -> Result<()> {
        for mut samples in std::mem::take(&mut self.conditions) {
            let (sizes, unproven) = samples.graph(&self.near).clique_sizes();
            self.unproven += unproven;
            for (place, size) in samples.places.into_iter().zip(sizes) {
                self.sizes[place] = size as f64;
            }
        }
        if self.sizes.is_empty() {
            return Ok(());
        }
        let (all, least, unproven) = (self.sizes.len(), self.at_least, self.unproven);
        let large = self.sizes.iter().filter(|&&size| size >= least as f64);
        let message = format!(
            "{} of {all} samples lie in cliques of at least {least}; of {unproven} there may be a \
             larger clique than was found",
            large.count()
        );
        context.log(LogLevel::Info, &message);
        sink.confidence(self.first, &self.sizes)
    }
}
