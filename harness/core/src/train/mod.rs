//! Trains networks: from a recipe to a model folder that runs in a suite like any other.
//!
//! The loop is `eidetic-nn`'s. This module says what is trained on which images under which
//! mitigation, watches what is memorized, and writes what came of it.

mod card;
mod error;
mod export;
mod identity;
mod memorized;
mod mitigating;
mod objective;
mod prepare;
mod recipe;
#[cfg(test)]
mod recipe_tests;
mod report;
mod served;
#[cfg(test)]
mod testing;
mod trainer;
#[cfg(test)]
mod trainer_tests;

pub use eidetic_nn::{Error as NetworkError, Progress};
pub use error::Error;
pub(crate) use identity::stages_of;
pub use identity::{
    Identity, IdentityDataset, IdentityRuntime, IdentityTrainingSet, NN_REVISION, recipe_id_of,
};
pub use prepare::{Prepared, Sources, prepare};
pub(crate) use prepare::{data, prepare_on};
pub use recipe::{
    Memorized, Recipe, RecipeDataset, RecipeFile, RecipeMitigation, SigmaDraw, TrainedPart,
};
pub use report::{Figures, Report, Share, State};
pub use trainer::{Go, Place, train};
