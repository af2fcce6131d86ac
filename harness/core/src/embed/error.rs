//! What can be wrong with an embedder, and what to do about it.

use std::path::PathBuf;

use crate::yaml::LocatedError;

/// Why an embedder could not be opened or gives no features.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No embedder of that name.
    #[error("no embedder {name:?} in {folder}{hint}", folder = .folder.display())]
    Unknown {
        /// The name that was asked for.
        name: String,
        /// Where manifests were looked for.
        folder: PathBuf,
        /// The names there are, and the nearest.
        hint: String,
    },
    /// `embedder.yaml` cannot be read, or does not hold what it should.
    #[error(transparent)]
    Manifest(#[from] LocatedError),
    /// The user has to export the network and has not, or not there.
    #[error(
        "embedder {name:?} needs {file}, which is not in {looked}: export it as {readme} says and \
         pass its folder with --data DIR", looked = list(.looked), readme = .readme.display()
    )]
    NoNetwork {
        /// The embedder.
        name: String,
        /// The file's name.
        file: String,
        /// The folders that were searched.
        looked: Vec<PathBuf>,
        /// What says how it is exported.
        readme: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot read {path}: {source}", path = .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Its reason.
        source: std::io::Error,
    },
    /// The network is another one than the manifest's, or than the one that was opened.
    #[error(
        "{path}: expected sha256 {expected}, got {got}: fetch or export the file again, or correct \
         embedder.yaml if this is the network you mean", path = .path.display()
    )]
    Digest {
        /// The file.
        path: PathBuf,
        /// The manifest's digest.
        expected: String,
        /// The file's digest.
        got: String,
    },
    /// The network's file is no ONNX model.
    #[error(transparent)]
    Onnx(#[from] eidetic_graph::Error),
    /// Weights beside the network's file, which its digest does not cover.
    #[error(
        "{path}: its weights are in {weights:?}: export it as one file (torch.onnx.export with \
         external_data=False)", path = .path.display()
    )]
    Weights {
        /// The ONNX file.
        path: PathBuf,
        /// The file of weights.
        weights: String,
    },
    /// An input or output of the network is not what the manifest asks for.
    #[error("{path}: {port}: expected {expected}, got {got}", path = .path.display())]
    Port {
        /// The ONNX file.
        path: PathBuf,
        /// `inputs`, `input x`, `output y`.
        port: String,
        /// What was expected.
        expected: String,
        /// What it is.
        got: String,
    },
    /// ONNX Runtime does not take the network, or fails to run it.
    #[error("embedder {name:?}: {source}")]
    Runtime {
        /// The embedder.
        name: String,
        /// Its reason.
        source: Box<eidetic_runtime::Error>,
    },
    /// Images that no embedder takes.
    #[error("images to embed: expected {expected}, got {got}")]
    Images {
        /// What was expected.
        expected: &'static str,
        /// What was given.
        got: String,
    },
    /// A feature is infinite or no number.
    #[error(
        "embedder {name:?} gives {value} for image {image} (feature {feature}), not a finite number: \
         the network or its preprocessing is wrong"
    )]
    NotFinite {
        /// The embedder.
        name: String,
        /// Which image, from 0.
        image: usize,
        /// Which feature, from 0.
        feature: usize,
        /// The value.
        value: f32,
    },
}

fn list(paths: &[PathBuf]) -> String {
    let paths: Vec<String> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    paths.join(" or ")
}
