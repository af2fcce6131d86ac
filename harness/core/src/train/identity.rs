//! Everything that can change what comes of a recipe, and the id that follows from it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::recipe::{Memorized, TrainedPart};
use crate::cell::PluginSpec;
use crate::dataset::SplitConfig;
use crate::files::sha256_hex;

/// Raised whenever the same recipe gives other weights: networks, initial weights, what is drawn
/// for a step, gradients, optimisers.
pub const NN_REVISION: u32 = 1;

/// In a model's folder, what was trained from what, for programs.
pub(super) const RECORD: &str = "training/run.json";

/// A recipe as resolved: every default filled in, every file by its digest. Names, titles, the range
/// of sampling and how often checkpoints are written change neither weights nor logs, and are left
/// out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// [`NN_REVISION`].
    pub nn_revision: u32,
    /// The data.
    pub dataset: IdentityDataset,
    /// What is trained on.
    pub training_set: IdentityTrainingSet,
    /// The network as the recipe has it.
    pub network: Value,
    /// Classes that the network is told; 0 for none.
    pub classes: u64,
    /// Share of labels that become the null class.
    pub label_dropout: f64,
    /// Whether examples are mirrored.
    pub flip: bool,
    /// Mean of ln sigma.
    pub log_mean: f64,
    /// Standard deviation of ln sigma.
    pub log_std: f64,
    /// The loop.
    pub training: Value,
    /// What is watched: its log is part of the model's folder.
    pub memorized: Memorized,
    /// The mitigation, if there is one.
    pub mitigation: Option<PluginSpec>,
    /// What computes.
    pub runtime: IdentityRuntime,
}

/// The data of an identity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IdentityDataset {
    /// Id of its folder.
    pub id: String,
    /// Digest of images and labels.
    pub sha256: String,
    /// Digest of the groups of duplicates.
    pub groups_sha256: String,
    /// How it is split.
    pub split: SplitConfig,
}

/// The training set of an identity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IdentityTrainingSet {
    /// The part of the split.
    pub part: TrainedPart,
    /// Digest of the part with its planted copies: [`crate::dataset::TrainingSet::digest`].
    pub sha256: String,
    /// Images, after a data stage.
    pub n: u64,
    /// Digest after a data stage; that of the part where there is none.
    pub curated_sha256: String,
}

/// ONNX Runtime in an identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityRuntime {
    /// Its version.
    pub version: String,
    /// Digest of its library.
    pub sha256: String,
    /// `cpu` or `cuda`.
    pub device: String,
}

/// What is kept beside a run and in the model's folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    /// [`Identity::id`].
    pub(super) id: String,
    pub(super) identity: Value,
    /// What came of it; absent while it is in training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) result: Option<Value>,
}

impl Identity {
    /// SHA-256, hex, over its canonical JSON.
    pub fn id(&self) -> String {
        sha256_hex(self.json().to_string().as_bytes())
    }

    /// SHA-256, hex, over what a recipe means on any machine: without ONNX Runtime, whose builds
    /// differ in the last bits, and with the mitigation's version instead of its digest.
    pub fn recipe_id(&self) -> String {
        recipe_id(self.json())
    }

    pub(super) fn json(&self) -> Value {
        let mut json = serde_json::json!(self);
        json.sort_all_objects();
        json
    }

    /// What `other`, an identity as it was written down, has differently: a line each.
    pub(super) fn differences(&self, other: &Value) -> Vec<String> {
        let (mut now, mut there) = (BTreeMap::new(), BTreeMap::new());
        leaves("", &self.json(), &mut now);
        leaves("", other, &mut there);
        let keys: std::collections::BTreeSet<_> = now.keys().chain(there.keys()).collect();
        let text = |of: Option<&String>| of.map_or("nothing", String::as_str).to_owned();
        let lines = keys.into_iter().filter_map(|key| {
            let (now, there) = (text(now.get(key)), text(there.get(key)));
            (now != there).then(|| format!("{key}: {there} there, {now} in this one"))
        });
        lines.collect()
    }
}

/// [`Identity::recipe_id`] of the model in a folder, by its own record; the record is a file of the
/// manifest, whose digests [`crate::model::ModelFolder::open`] checks.
pub fn recipe_id_of(folder: &Path) -> Option<String> {
    Some(recipe_id(record_of(folder)?.identity))
}

/// Of data and training, the stages at which a mitigation acted on the model in a folder; none where
/// nothing is known.
pub(crate) fn stages_of(folder: &Path) -> Vec<String> {
    let identity = record_of(folder).map(|record| record.identity);
    let stages = identity.and_then(|identity| {
        serde_json::from_value(identity.get("mitigation")?.get("stages")?.clone()).ok()
    });
    let mut stages: Vec<String> = stages.unwrap_or_default();
    stages.retain(|stage| stage == "data" || stage == "training");
    stages
}

fn record_of(folder: &Path) -> Option<Record> {
    serde_json::from_slice(&fs::read(folder.join(RECORD)).ok()?).ok()
}

fn recipe_id(mut identity: Value) -> String {
    if let Some(entries) = identity.as_object_mut() {
        entries.shift_remove("runtime");
        if let Some(Value::Object(mitigation)) = entries.get_mut("mitigation") {
            mitigation.shift_remove("sha256");
        }
    }
    identity.sort_all_objects();
    sha256_hex(identity.to_string().as_bytes())
}

/// Every value below `value` that holds no others, by its dotted path.
fn leaves(path: &str, value: &Value, into: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                let dot = if path.is_empty() { "" } else { "." };
                leaves(&format!("{path}{dot}{key}"), value, into);
            }
        }
        Value::Null => {}
        value => {
            into.insert(path.to_owned(), value.to_string());
        }
    }
}
