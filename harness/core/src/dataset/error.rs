//! What can be wrong with a dataset or a split, and what to do about it.

use std::path::PathBuf;

use super::Part;
use crate::pictures;
use crate::yaml::LocatedError;

/// Why a dataset could not be read or split.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No dataset of that name.
    #[error("no dataset {id:?} in {folder}{hint}", folder = .folder.display())]
    Unknown {
        /// The name that was asked for.
        id: String,
        /// Where manifests were looked for.
        folder: PathBuf,
        /// The names there are, and the nearest.
        hint: String,
    },
    /// The manifest cannot be read, or does not hold what it should.
    #[error(transparent)]
    Manifest(#[from] LocatedError),
    /// The user has to bring the data and has not, or not there.
    #[error(
        "dataset {id:?} needs {file}, which is not in {looked}: get it from {source_page} and pass \
         its folder with --data DIR", looked = list(.looked)
    )]
    NoData {
        /// The dataset.
        id: String,
        /// The file's name.
        file: String,
        /// The folders that were searched.
        looked: Vec<PathBuf>,
        /// Where its authors publish it.
        source_page: String,
    },
    /// The format is read only by a program that was built with a feature.
    #[error(
        "dataset {id:?}: {file} is in the format {feature}, which this program was built without: \
         build it with cargo build --release --features {feature}"
    )]
    NotBuilt {
        /// The dataset.
        id: String,
        /// The file's name.
        file: String,
        /// The cargo feature, which is named as the format is.
        feature: &'static str,
    },
    /// The operating system refused.
    #[error("cannot read {path}: {source}", path = .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Its reason.
        source: std::io::Error,
    },
    /// The file is not what the manifest says it is.
    #[error("{path}: expected {expected}, got {got}", path = .path.display())]
    Content {
        /// The data file.
        path: PathBuf,
        /// What the format or the manifest asks for.
        expected: String,
        /// What the file has.
        got: String,
    },
    /// The file reads well and is another one than the manifest's.
    #[error(
        "{path}: expected sha256 {expected} (of IDX or NPY in gzip: unpacked), got {got}: fetch the file \
         again, or correct the manifest if this is the data you mean", path = .path.display()
    )]
    Digest {
        /// The data file.
        path: PathBuf,
        /// The manifest's digest.
        expected: String,
        /// The file's digest.
        got: String,
    },
    /// Image files that cannot be used, and the manifest does not say to leave them out.
    #[error(
        "dataset {id:?}: {images}; fetch them again, or write skip_bad: true into its dataset.yaml \
         to leave them out (count is then without them)"
    )]
    Unusable {
        /// The dataset.
        id: String,
        /// Which and why.
        images: pictures::Unusable,
    },
    /// There is nothing that can be read.
    #[error(transparent)]
    Pictures(pictures::Error),
    /// Images, labels, classes and shape given in memory do not fit together.
    #[error("dataset {id:?}: expected {expected}, got {got}")]
    Parts {
        /// The dataset.
        id: String,
        /// What the shape asks for.
        expected: String,
        /// What was given.
        got: String,
    },
    /// The search for duplicates failed.
    #[error("dataset {id:?}: cannot group duplicates: {source}")]
    Groups {
        /// The dataset.
        id: String,
        /// The reason.
        source: eidetic_metrics::Error,
    },
    /// A split without members has nothing to measure.
    #[error("split: expected at least 1 member, got members: 0")]
    NoMembers,
    /// The control needs as many holdout images as there are members.
    #[error(
        "split: expected holdout >= members, because every score is compared with the same score \
         against as many holdout images; got members: {members}, holdout: {holdout}"
    )]
    SmallHoldout {
        /// Asked for.
        members: u32,
        /// Asked for.
        holdout: u32,
    },
    /// More images asked for than there are.
    #[error(
        "split: members {members} + holdout {holdout} + aux {aux} = {asked} images, but the \
         dataset has {images} (in {groups} groups of duplicates): ask for fewer",
        asked = u64::from(*members) + u64::from(*holdout) + u64::from(*aux)
    )]
    TooLarge {
        /// Asked for.
        members: u32,
        /// Asked for.
        holdout: u32,
        /// Asked for.
        aux: u32,
        /// Images in the dataset.
        images: usize,
        /// Groups in the dataset, lone images included.
        groups: usize,
    },
    /// Whole groups do not add up to the number asked for.
    #[error(
        "split: {part} asks for {asked} images, but groups of duplicates stay whole and only \
         {reached} could be filled ({groups} groups are left, the smallest of {smallest} images): \
         ask for {reached}, or try another seed"
    )]
    Indivisible {
        /// The part that could not be filled.
        part: Part,
        /// Images asked for.
        asked: u32,
        /// Images reached.
        reached: u32,
        /// Groups left over.
        groups: usize,
        /// Images in the smallest of these; 0 if none is left.
        smallest: usize,
    },
    /// Fewer members without a duplicate than copies to plant.
    #[error(
        "split: plant_duplicates asks for {asked} members without a duplicate of their own, but \
         {available} of {members} members are: ask for at most {available}"
    )]
    TooManyPlanted {
        /// Asked for.
        asked: u32,
        /// Members that are alone in their group.
        available: usize,
        /// All members.
        members: usize,
    },
}

impl From<pictures::Error> for Error {
    fn from(error: pictures::Error) -> Self {
        match error {
            pictures::Error::Io { path, source } => Self::Io { path, source },
            pictures::Error::Content {
                path,
                expected,
                got,
            } => Self::Content {
                path,
                expected,
                got,
            },
            other => Self::Pictures(other),
        }
    }
}

fn list(paths: &[PathBuf]) -> String {
    paths
        .iter()
        .map(|path| path.display().to_string())
        .collect::<Vec<_>>()
        .join(" or ")
}
