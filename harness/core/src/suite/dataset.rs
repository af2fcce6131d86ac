//! Dataset entries.

use serde::{Deserialize, Serialize};

use super::label::{Labelled, with_details};
use super::options::short;
use super::reader::Reader;
use crate::dataset::SplitConfig;
use crate::yaml::{Node, NodeId, Value};

/// One dataset, cut in one way.
#[derive(Clone, Debug, Serialize)]
pub struct DatasetEntry {
    /// The dataset's id, such as `fashion-mnist-10k`.
    pub id: String,
    /// What differs from the dataset's default split.
    #[serde(skip_serializing_if = "SplitOverride::is_empty")]
    pub split: SplitOverride,
    /// Its name in leaderboards: the id, with the split where the suite has the dataset twice.
    #[serde(skip)]
    pub label: String,
    /// Where the file has it.
    #[serde(skip)]
    pub at: NodeId,
}

/// The keys of a split that a suite sets; those left out are the dataset's own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SplitOverride {
    /// Images that models are trained on; at least 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub members: Option<u32>,
    /// Non-members of the same distribution, the control; at least 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holdout: Option<u32>,
    /// Images of the clean twin; may be 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aux: Option<u32>,
    /// Seed of the draw.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Members that get exact copies in the training set; 0 to `members`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plant_duplicates: Option<u32>,
}

impl SplitOverride {
    /// Whether every key is left to the dataset; serde's `skip_serializing_if` asks.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The dataset's default split with these keys in place of its own.
    pub fn over(&self, default: &SplitConfig) -> SplitConfig {
        SplitConfig {
            members: self.members.unwrap_or(default.members),
            holdout: self.holdout.unwrap_or(default.holdout),
            aux: self.aux.unwrap_or(default.aux),
            seed: self.seed.unwrap_or(default.seed),
            plant_duplicates: self.plant_duplicates.unwrap_or(default.plant_duplicates),
        }
    }

    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        const KEYS: [&str; 5] = ["members", "holdout", "aux", "seed", "plant_duplicates"];
        reader.mapping(node, "a mapping of split keys", &KEYS)?;
        let mut count = |key: &str, least: u32| reader.count(node.get(key)?, least);
        let split = Self {
            members: count("members", 1),
            holdout: count("holdout", 1),
            aux: count("aux", 0),
            plant_duplicates: count("plant_duplicates", 0),
            seed: node.get("seed").and_then(|seed| reader.integer(seed, 0)),
        };
        if let (Some(members), Some(planted)) = (split.members, split.plant_duplicates)
            && planted > members
            && let Some(node) = node.get("plant_duplicates")
        {
            reader.problem(
                node,
                format!("expected at most the {members} members, got {planted}"),
            );
        }
        Some(split)
    }
}

impl DatasetEntry {
    pub(super) fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let (id, split) = if matches!(node.value, Value::String(_)) {
            (reader.name(node)?, SplitOverride::default())
        } else {
            reader.mapping(
                node,
                "a dataset's id or a mapping with id",
                &["id", "split"],
            )?;
            let split = match node.get("split") {
                Some(split) => SplitOverride::read(reader, split),
                None => Some(SplitOverride::default()),
            };
            let id = reader.required(node, "id");
            let id = id.and_then(|id| reader.name(id));
            (id?, split?)
        };
        Some(Self {
            id,
            split,
            label: String::new(),
            at: node.id(),
        })
    }
}

impl Labelled for DatasetEntry {
    fn base(&self) -> String {
        self.id.clone()
    }

    fn detailed(&self) -> String {
        dataset_label(&self.id, &self.split)
    }

    fn set_label(&mut self, label: String) {
        self.label = label;
    }
}

/// What a board calls a dataset with a split of its own: `fashion-mnist-10k{members=64}`.
pub(crate) fn dataset_label(id: &str, split: &SplitOverride) -> String {
    let split = match serde_json::to_value(split) {
        Ok(serde_json::Value::Object(map)) => map,
        _ => serde_json::Map::new(),
    };
    with_details(id, &short(&split))
}
