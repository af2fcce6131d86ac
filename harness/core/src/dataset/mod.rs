//! Datasets: what is there, the readers, the groups of duplicates, and the split into members,
//! holdout and aux, and which of them an attack is asked about. It knows nothing of models, plugins
//! or suites.

mod candidates;
mod cifar;
mod duplicates;
mod error;
mod idx;
mod images;
mod labelled;
mod manifest;
mod membership;
#[cfg(feature = "parquet")]
mod parquet;
mod registry;
mod split;
mod training_set;

pub use crate::pictures::Layout;
pub use candidates::Candidate;
pub use duplicates::{DuplicateReport, Duplicates};
pub use error::Error;
pub use images::Dataset;
pub use labelled::Survey;
pub use manifest::{DataFile, Element, Format, Manifest, MembershipFile};
pub use membership::{Membership, MembershipReport};
pub use registry::{Entry, Readiness, datasets_in, find};
pub use split::{Part, Split, SplitConfig};
pub use training_set::{PLANTED_COPIES, TrainingSet};
