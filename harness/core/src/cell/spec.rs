//! Everything that can change a cell's findings, and the id that follows from it.

use eidetic_sdk::sampler::Sampler;
use eidetic_sdk::{Access, Goal, Stages};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::dataset::{Part, SplitConfig};
use crate::files::sha256_hex;

/// Raised whenever what the harness itself does between model and findings changes: service,
/// budget, quantisation.
const SERVICE_REVISION: u32 = 2;

/// A cell as resolved: every default filled in, every file by its digest. Its label fields
/// (`label`, `name`) are for people and do not enter the id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CellSpec {
    /// The data.
    pub dataset: DatasetSpec,
    /// The model under attack.
    pub model: ModelSpec,
    /// The model that serves samples in the place of the one under attack, which is asked all else.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub samples_from: Option<ModelSpec>,
    /// The mitigation's links, innermost first; none is no mitigation.
    pub mitigation: Vec<PluginSpec>,
    /// Label of the mitigation on the board.
    pub mitigation_label: String,
    /// The attack.
    pub attack: AttackSpec,
    /// Seed of the suite.
    pub suite_seed: u64,
    /// Seed of the repetition.
    pub seed: u64,
    /// Model calls that the attack may make.
    pub model_calls: u64,
    /// Times that the service draws again for one sample that an output stage rejected.
    pub redraws: u32,
    /// What runs ONNX models; absent where none is run.
    pub runtime: Option<RuntimeSpec>,
}

/// The data of a cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DatasetSpec {
    /// Its label on the board.
    pub label: String,
    /// Id of its folder.
    pub id: String,
    /// Digest of images and labels.
    pub sha256: String,
    /// How it is split.
    pub split: SplitConfig,
    /// Digest of the duplicate groups' threshold and grouping.
    pub groups_sha256: String,
}

/// Where a model comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum ModelOrigin {
    /// A model folder.
    Folder {
        /// Where it lies; not part of the id.
        path: String,
        /// Digest of manifest and files.
        sha256: String,
    },
    /// A recipe that is trained when it is needed.
    Recipe {
        /// What its weights follow from: [`crate::train::Identity::recipe_id`].
        recipe_id: String,
        /// Where the model folder is or will be; not part of the id.
        path: String,
    },
    /// The perfect memorizer, written out as an ONNX folder when it is needed.
    MemorizerOnnx,
    /// A plugin.
    Plugin(PluginSpec),
    /// None: images that some other program made.
    Images {
        /// Digest of their content, in order.
        sha256: String,
    },
}

/// The model of a cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelSpec {
    /// Its label on the board: the base recipe's.
    pub label: String,
    /// Where it comes from.
    pub origin: ModelOrigin,
    /// The part that it is, or was, trained on; absent where nothing is known.
    pub trained_on: Option<Part>,
    /// The sampler as the suite sets it; absent to use the model's default.
    pub sampler: Option<Value>,
}

/// One plugin with its options.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PluginSpec {
    /// Its id.
    pub id: String,
    /// Its crate's version.
    pub version: String,
    /// Digest of its sources where it is linked in, of its bytes where it is a file.
    pub sha256: String,
    /// Options with every default filled in.
    pub options: Value,
    /// Stages that it declares; of mitigations only.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub stages: Option<Vec<String>>,
}

/// The attack of a cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttackSpec {
    /// Its label on the board.
    pub label: String,
    /// Members, and as many holdout images, that it is asked about at most; absent for all.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub candidates: Option<u64>,
    /// What it is after: `extraction`, `reconstruction` or `membership`.
    pub goal: String,
    /// What it needs: `samples`, `denoiser` or `gradient`.
    pub access: String,
    /// The plugin.
    #[serde(flatten)]
    pub plugin: PluginSpec,
}

/// What runs ONNX models.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuntimeSpec {
    /// Version of ONNX Runtime.
    pub version: String,
    /// Digest of its library.
    pub sha256: String,
    /// `cpu` or `cuda`.
    pub device: String,
    /// Rows of one forward pass.
    pub microbatch: usize,
}

impl ModelOrigin {
    /// Leaves out where a model folder lies.
    pub(super) fn forget_path(&mut self) {
        if let Self::Folder { path, .. } | Self::Recipe { path, .. } = self {
            path.clear();
        }
    }
}

impl CellSpec {
    /// 32 hexadecimal digits: half of the SHA-256 of the canonical JSON of everything that can
    /// change the findings. Labels and paths are left out, and so is the harness's version, since
    /// else every release would void every result.
    pub fn id(&self) -> String {
        let mut spec = self.clone();
        spec.dataset.label.clear();
        for model in std::iter::once(&mut spec.model).chain(&mut spec.samples_from) {
            model.label.clear();
            model.origin.forget_path();
        }
        spec.mitigation_label.clear();
        spec.attack.label.clear();
        let mut json = serde_json::json!({
            "service_revision": SERVICE_REVISION,
            "sampler_revision": Sampler::REVISION,
            "spec": spec,
        });
        json.sort_all_objects();
        sha256_hex(json.to_string().as_bytes())[..32].to_string()
    }

    /// `dataset x model x mitigation x attack x seed`, for people.
    pub fn title(&self) -> String {
        format!(
            "{} x {} x {} x {} x seed {}",
            self.dataset.label,
            self.model.label,
            self.mitigation_label,
            self.attack.label,
            self.seed
        )
    }
}

/// Names of the stages that a mitigation declares.
pub fn stage_names(stages: Stages) -> Vec<String> {
    let all = [
        (stages.data, "data"),
        (stages.training, "training"),
        (stages.sampling, "sampling"),
        (stages.output, "output"),
    ];
    all.into_iter()
        .filter(|(on, _)| *on)
        .map(|(_, name)| name.to_string())
        .collect()
}

/// A goal as it stands on the board.
pub fn goal_name(goal: Goal) -> &'static str {
    match goal {
        Goal::Extraction => "extraction",
        Goal::Reconstruction => "reconstruction",
        Goal::Membership => "membership",
    }
}

/// An access as it stands on the board.
pub fn access_name(access: Access) -> &'static str {
    match access {
        Access::Samples => "samples",
        Access::Denoiser => "denoiser",
        Access::Gradient => "gradient",
    }
}
