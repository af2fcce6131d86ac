//! Images that some other program made, as a plan of one cell: scored like an attack's findings,
//! without a model.

use serde_json::json;

use super::cells::{Embedder, Plan, PlannedCell};
use crate::cell::{AttackSpec, CellSpec, DatasetSpec, ModelOrigin, ModelSpec, PluginSpec};
use crate::cell::{access_name, goal_name};
use crate::dataset::{Dataset, SplitConfig};
use crate::suite::{SplitOverride, dataset_label};
use eidetic_sdk::{Access, Goal};

/// What the images are called on the board in the place of a model's attack.
const LABEL: &str = "images";

/// The plan under which images are scored.
///
/// `name` stands for suite and model on the board, `sha256` is the digest of the images' content,
/// `split` what differs from `config`, the default split of `dataset`.
pub fn images_plan(
    name: &str,
    sha256: &str,
    dataset: &Dataset,
    config: &SplitConfig,
    split: &SplitOverride,
    embedder: Option<Embedder>,
) -> Plan {
    let spec = CellSpec {
        dataset: DatasetSpec {
            label: dataset_label(&dataset.id, split),
            id: dataset.id.clone(),
            sha256: dataset.digest.clone(),
            split: split.over(config),
            groups_sha256: dataset.duplicates.digest(),
        },
        model: ModelSpec {
            label: name.to_owned(),
            origin: ModelOrigin::Images {
                sha256: sha256.to_owned(),
            },
            trained_on: None,
            sampler: None,
        },
        samples_from: None,
        mitigation: Vec::new(),
        mitigation_label: "none".into(),
        attack: AttackSpec {
            label: LABEL.into(),
            candidates: None,
            goal: goal_name(Goal::Extraction).into(),
            access: access_name(Access::Samples).into(),
            plugin: PluginSpec {
                id: LABEL.into(),
                version: String::new(),
                sha256: String::new(),
                options: json!({}),
                stages: None,
            },
        },
        suite_seed: 0,
        seed: 0,
        model_calls: 0,
        redraws: 0,
        runtime: None,
    };
    let id = spec.id();
    Plan {
        suite: name.to_owned(),
        suite_version: 1,
        cells: vec![PlannedCell {
            quality: embedder.is_some().then(|| id.clone()),
            id,
            spec,
            not_applicable: None,
            candidates: 0,
            twin: None,
            listed: true,
        }],
        embedder,
        trends: Vec::new(),
        trainings: Vec::new(),
    }
}
