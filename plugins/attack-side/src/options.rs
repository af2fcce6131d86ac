//! What a suite may set.

use eidetic_sdk::sampler::{Sampler, SamplerKind};
use eidetic_sdk::{Error, ModelInfo, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::network::Network;

/// tau of embeddings in the paper.
const TAU_EMBEDDED: f64 = 0.5;
/// tau of pixels.
const TAU_PIXELS: f64 = 0.97;

/// How many samples, which clusters, which classifier, how much guidance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Synthetic samples that clusters and classifier are made of (N_syn); their calls count
    /// against the budget. At most a twentieth of it clusters are looked for.
    #[schemars(range(min = 20))]
    pub n_syn: u64,
    /// Guided samples to draw, with the indices 0..samples.
    #[schemars(range(min = 1))]
    pub samples: u64,
    /// Guided samples drawn at once, a multiple of 16; changes memory and speed, never the result.
    #[schemars(range(min = 16))]
    pub batch: u64,
    /// Compares samples by its output; absent: by the correlation of their pixels.
    pub embedder: Option<Network>,
    /// Gives the classes by its greatest output, in place of clusters: `embedder`, `clusters` and
    /// `tau` then do nothing.
    pub labeller: Option<Network>,
    /// Clusters that are looked for (K), where n_syn allows as many.
    #[schemars(range(min = 1))]
    pub clusters: u64,
    /// A cluster is kept from this mean cosine to its centre on. Absent: the paper's 0.5 with an
    /// embedder; 0.97 with pixels, which is this crate's own choice: clothes of one kind are so alike
    /// that 0.5 drops nothing. It is of one network, on 128 images of 16 x 16 whose members were
    /// known: of 51 clusters 51 reached 0.9, 30 reached 0.97 and 5 reached 0.99. The share of copies
    /// among 256 samples at lambda 5 was 0.465 at a tau of 0.5, 0.508 at 0.95, 0.488 at 0.97 and 0.512
    /// at 0.985, each give or take 0.06: it matters little there. On 256 images it was 0.031 at 0.97
    /// and 0.016 at 0.985, which is what sampling without guidance gave.
    #[schemars(range(min = -1.0, max = 1.0))]
    pub tau: Option<f64>,
    /// A cluster or class is kept from so many samples on.
    #[schemars(range(min = 1))]
    pub thin: u64,
    /// Strength of the guidance: D + lambda sigma^2 grad ln p. 0 is plain sampling. The paper sweeps
    /// 0 to 50 and does not say which value its table is of; a sweep is several entries in a suite.
    #[schemars(range(min = 0.0))]
    pub lambda: f64,
    /// The network that guides, and its training.
    pub classifier: Classifier,
    /// The sampler that is guided.
    pub sampler: Solver,
    /// Its steps; absent: 18 for `heun`, 50 for `ddim`, the whole schedule (256 where there is
    /// none) for `ancestral`. Guidance bends the way from noise to image: with half of Heun's 18 it
    /// may miss the class that it is for.
    #[schemars(range(min = 1))]
    pub steps: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            n_syn: 1024,
            samples: 256,
            batch: 64,
            embedder: None,
            labeller: None,
            clusters: 100,
            tau: None,
            thin: 5,
            lambda: 5.0,
            classifier: Classifier::default(),
            sampler: Solver::Heun,
            steps: None,
        }
    }
}

/// The time-dependent classifier. The paper's is ResNet-34, channels `[64, 128, 256, 512]` and
/// blocks `[3, 4, 6, 3]`, `patch` 1, at a learning rate of 1e-4; the default is small enough that
/// guidance costs little beside a small U-Net, and is taught in seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Classifier {
    /// Squares of so many by so many pixels become channels (space to depth), where they fit height
    /// and width: at 2 the network works at half of both, for a quarter of the cost; at 1 on pixels.
    #[schemars(range(min = 1))]
    pub patch: usize,
    /// Channels of each stage, multiples of 4; each stage but the first halves height and width.
    pub channels: Vec<usize>,
    /// Residual blocks of each stage.
    pub blocks: Vec<usize>,
    /// What it learns from.
    pub teaching: Teaching,
    /// Steps of AdamW, the rate falling along half a cosine.
    #[schemars(range(min = 1))]
    pub steps: u64,
    /// Noised samples a step.
    #[schemars(range(min = 1))]
    pub batch: usize,
    /// Learning rate at the start.
    pub learning_rate: f64,
    /// Another one gives other first weights and other noise; the run's own seed counts as well.
    pub seed: u64,
}

impl Default for Classifier {
    fn default() -> Self {
        Self {
            patch: 2,
            channels: vec![8, 16, 32],
            blocks: vec![1, 1, 1],
            teaching: Teaching::Noised,
            steps: 800,
            batch: 64,
            learning_rate: 5e-3,
            seed: 0,
        }
    }
}

/// What a classifier learns from, and what it is shown when it guides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Teaching {
    /// Noised samples of every level and their labels; shown x.
    Noised,
    /// Noised samples of every level and the probabilities that a classifier of the clean ones gives
    /// them (TDKD); shown x. That classifier takes as many steps again.
    Distilled,
    /// Clean samples and their labels: a time-independent classifier; shown D(x; sigma), with
    /// sd^2 / (sigma^2 + sd^2) for dD/dx.
    Clean,
}

/// A sampler by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Solver {
    /// Heun's method (Karras et al. 2022), 2 steps - 1 calls a sample.
    Heun,
    /// DDIM (Song et al. 2021), a call a step.
    Ddim,
    /// Ancestral sampling (Ho et al. 2020), a call a step.
    Ancestral,
}

impl Options {
    pub(crate) fn check(&self) -> Result<()> {
        let wrong = |key: &str, expected: &str, got: &dyn std::fmt::Display| {
            let message = format!("{key}: expected {expected}, got {got}");
            Err(Error::bad_options(message))
        };
        for (key, got, least) in [
            ("n_syn", self.n_syn, 20),
            ("samples", self.samples, 1),
            ("clusters", self.clusters, 1),
            ("thin", self.thin, 1),
            ("steps", self.steps.unwrap_or(1), 1),
            ("classifier.patch", self.classifier.patch as u64, 1),
            ("classifier.steps", self.classifier.steps, 1),
            ("classifier.batch", self.classifier.batch as u64, 1),
        ] {
            if got < least {
                return wrong(key, &format!("at least {least}"), &got);
            }
        }
        if self.batch == 0 || !self.batch.is_multiple_of(16) {
            return wrong("batch", "a multiple of 16", &self.batch);
        }
        if !(-1.0..=1.0).contains(&self.tau()) {
            return wrong("tau", "a cosine, -1 to 1", &self.tau());
        }
        if !(0.0..=1e6).contains(&self.lambda) {
            return wrong("lambda", "0 to 1e6", &self.lambda);
        }
        let rate = self.classifier.learning_rate;
        if !(rate > 0.0 && rate <= 1.0) {
            return wrong("classifier.learning_rate", "above 0, up to 1", &rate);
        }
        for (key, network) in [("embedder", &self.embedder), ("labeller", &self.labeller)] {
            if let Some(Err(error)) = network.as_ref().map(Network::check) {
                let message = format!("{key}.{}", error.message);
                return Err(Error { message, ..error });
            }
        }
        let network = self.classifier.network().check();
        network.map_err(|error| Error::bad_options(format!("classifier.{error}")))
    }

    /// tau, or its default for what samples are compared by.
    pub(crate) fn tau(&self) -> f64 {
        self.tau.unwrap_or(match self.embedder {
            Some(_) => TAU_EMBEDDED,
            None => TAU_PIXELS,
        })
    }

    /// The sampler for a model.
    pub(crate) fn sampler(&self, info: &ModelInfo) -> Result<Sampler> {
        let kind = match self.sampler {
            Solver::Heun => SamplerKind::Heun,
            Solver::Ddim => SamplerKind::Ddim,
            Solver::Ancestral => SamplerKind::Ancestral,
        };
        let mut sampler = Sampler::for_model(kind, info);
        if let Some(steps) = self.steps {
            sampler.steps = steps as usize;
        }
        sampler.check()?;
        Ok(sampler)
    }
}
