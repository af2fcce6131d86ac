//! Write attacks, mitigations and models for Eidetic: safe traits over [`ndarray`] views.
//!
//! A plugin implements a trait ([`Attack`], [`Mitigation`] or [`Model`]) and its presentation
//! ([`AttackPlugin`], ...), and names the type in [`export_plugins!`]. Built as a `cdylib` with its
//! feature `cdylib`, it is loaded with `eidetic run --plugin PATH`. `plugins/template` is a whole
//! one.
//!
//! Panics are caught and become errors; tensors are borrowed, never copied; a plugin that is built
//! by another compiler, or in debug, loads all the same.

pub mod attack;
pub mod batch;
mod bridge;
pub mod conformance;
pub mod error;
mod export;
pub mod host;
pub mod info;
pub mod mitigation;
pub mod model;
pub mod options;
pub mod pixels;
#[doc(hidden)]
pub mod private;
pub mod random;
pub mod registration;
pub mod sampler;
pub mod training;
mod view;
pub mod work;

pub use attack::{Attack, AttackPlugin, Goal, Probe};
pub use batch::Batch;
pub use error::{Error, ErrorCode, Result};
pub use host::{Access, Candidates, Context, Denoiser, LogLevel, SampleRequest, Sink, Target};
pub use info::{ConditionSpec, ElementType, ImageShape, LatentSpace, ModelInfo};
pub use mitigation::{Mitigation, MitigationPlugin, Stages};
pub use model::{Model, ModelPlugin};
pub use ndarray;
pub use options::NoOptions;
pub use registration::Registration;
pub use schemars;
pub use serde;
pub use training::{Curation, Decision, Trainer, TrainingBatch, TrainingGroup};
pub use training::{TrainingPlan, TrainingRun, TrainingSet};
pub use work::Work;
