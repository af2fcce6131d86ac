//! A cell: dataset x model x mitigation x attack x seed. What it is made of, what came out, what
//! is kept of it. No running and no scoring here.

mod findings;
mod quality;
mod record;
mod sealed;
mod spec;
mod store;

pub(crate) use findings::{EMISSIONS, Emission, Emitted, PIXELS};
pub use findings::{Extracted, Findings, FindingsError, Inferred, Reconstructed};
pub use quality::{QUALITY_ENDING, Quality};
pub use record::{BLIND_AUC, Metric, PerImage, ProbeRecord, Record, Scores, Spent, Status, Times};
pub use sealed::RecordError;
pub use spec::{
    AttackSpec, CellSpec, DatasetSpec, ModelOrigin, ModelSpec, PluginSpec, RuntimeSpec,
    access_name, goal_name, stage_names,
};
pub use store::FINDINGS_ENDING;
