//! Suite files: which datasets, models, mitigations, attacks and seeds are combined, under which
//! limits, and what must come out.
//!
//! This module knows the file and little else: whether a named plugin, model or dataset exists is
//! for those who load them, who report through [`Suite::problem`] with the same line and key.

mod attack;
mod dataset;
mod duration;
mod error;
mod expect;
mod file;
mod label;
mod limits;
mod mitigation;
mod model;
mod options;
mod quality;
mod reader;
#[cfg(test)]
mod refusal_tests;
mod sampler;
#[cfg(test)]
mod tests;
mod trend;

pub use attack::{AttackEntry, SamplesFrom};
pub(crate) use dataset::dataset_label;
pub use dataset::{DatasetEntry, SplitOverride};
pub use duration::{format_duration, parse_duration};
pub use error::SuiteErrors;
pub use expect::{Bounds, Expectation, Glob};
pub use file::{Labels, Resolved, Suite};
pub(crate) use label::plugin_label;
pub use limits::Limits;
pub use mitigation::{MitigationChain, MitigationUse};
pub use model::{ModelEntry, ModelSource};
pub use options::Options;
pub use quality::Quality;
pub use sampler::{Sampler, SamplerKind};
pub use trend::{Claim, Selector, Trend};
