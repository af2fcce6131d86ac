//! What a plan is made from, and what its parts share.

use std::path::Path;

use serde_json::Value;

use crate::cell::{DatasetSpec, PluginSpec, RuntimeSpec};
use crate::dataset::{Dataset, Split};
use crate::plugin::{Plugin, Registry};
use crate::suite::{Options, Suite};
use crate::yaml::{LocatedError, NodeId};

/// What a plan is made from.
pub struct Sources<'a> {
    /// Plugins.
    pub registry: &'a Registry,
    /// The folder with `datasets` and `models`.
    pub benchmarks: &'a Path,
    /// Where the user keeps data that are not distributed.
    pub data_dir: Option<&'a Path>,
    /// What runs ONNX models; asked only where the suite has one. The error is for people.
    pub runtime: &'a dyn Fn() -> Result<RuntimeSpec, String>,
    /// Takes the place of the suite's seed.
    pub seed: Option<u64>,
}

/// A dataset of the suite, loaded and split.
pub(super) struct Data {
    pub(super) spec: DatasetSpec,
    pub(super) dataset: Dataset,
    pub(super) split: Split,
}

/// A plugin as a cell's spec has it.
pub(super) fn plugin_spec(
    suite: &Suite,
    at: NodeId,
    plugin: &Plugin,
    options: &Options,
) -> Result<PluginSpec, LocatedError> {
    let options = plugin.resolve(&Value::Object(
        options.as_map().clone().into_iter().collect(),
    ));
    let options = options.map_err(|e| suite.problem(at, &["options"], e.to_string()))?;
    Ok(PluginSpec {
        id: plugin.id().to_string(),
        version: plugin.registration.version.to_string(),
        sha256: plugin.sha256.clone(),
        options,
        stages: None,
    })
}
