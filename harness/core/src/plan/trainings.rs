//! The networks that have to be trained before cells can run.

use std::path::PathBuf;

/// A recipe that some cell needs the model of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedTraining {
    /// [`crate::train::Identity::recipe_id`].
    pub recipe_id: String,
    /// The recipe's name, with what a suite added to it.
    pub name: String,
    /// The recipe as resolved, as YAML.
    pub recipe: String,
    /// Where its model folder is, or is to be written.
    pub folder: PathBuf,
    /// Optimiser steps.
    pub steps: u64,
    /// Whether the folder is there.
    pub there: bool,
}
