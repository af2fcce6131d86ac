//! What came of a recipe, for people and programs.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// The model was there already.
    There,
    /// It was trained, or its training was finished, and written.
    Trained,
    /// It was interrupted; a checkpoint is kept.
    Interrupted,
}

/// What came of a recipe.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The model's name.
    pub name: String,
    /// How the call ended.
    pub state: State,
    /// [`super::Identity::id`].
    pub recipe_id: String,
    /// The model folder.
    pub folder: PathBuf,
    /// Digest of the model; absent where it was interrupted.
    pub model_sha256: Option<String>,
    /// Optimiser steps done.
    pub steps: u64,
    /// What the finished network is; absent where it was interrupted.
    #[serde(flatten)]
    pub figures: Option<Figures>,
    /// Seconds of training, over all calls that ended by themselves.
    pub seconds: f64,
}

/// Figures of a finished network; they depend on the recipe alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Optimiser steps done: those of the recipe, or fewer where a mitigation ended them.
    pub trained_steps: u64,
    /// Weights of the network.
    pub parameters: u64,
    /// Standard deviation of the training pixels in [-1, 1].
    pub sigma_data: f64,
    /// Loss of the last batch.
    pub loss: Option<f64>,
    /// Share of generated images that are memorized, of the averaged weights at the end.
    pub memorized: Option<Share>,
    /// Images that it is over.
    pub samples: u64,
}

/// A share with its 95 % interval (Wilson).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// The share.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}
