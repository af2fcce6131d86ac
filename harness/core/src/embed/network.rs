//! The network's file: that it is the right one, and that it takes and gives what the manifest says.

use std::fs;
use std::path::{Path, PathBuf};

use eidetic_graph::{Dim, Element, Summary, TensorType};

use super::embedder::Embedder;
use super::error::Error;
use super::manifest::Manifest;
use crate::files::sha256_hex;

/// The network of an embedder: found, and as the manifest says.
#[derive(Debug, Clone)]
pub struct CheckedNetwork {
    /// Where it is.
    pub path: PathBuf,
    /// SHA-256 of the file.
    pub sha256: String,
    /// What is in it.
    pub summary: Summary,
}

impl CheckedNetwork {
    /// Looks for the network of the embedder in `folder` there and in `data_dir`, and checks its
    /// digest, inputs and outputs. ONNX Runtime is not needed.
    ///
    /// # Errors
    /// [`Error::NoNetwork`], [`Error::Io`], [`Error::Digest`], [`Error::Onnx`], [`Error::Weights`];
    /// [`Error::Port`] with the first input or output that does not fit.
    pub fn open(
        manifest: &Manifest,
        folder: &Path,
        data_dir: Option<&Path>,
    ) -> Result<Self, Error> {
        let path = manifest.locate(folder, data_dir);
        let path = path.ok_or_else(|| Error::NoNetwork {
            name: manifest.name.clone(),
            file: manifest.network.file.clone(),
            looked: manifest.places(folder, data_dir),
            readme: folder.join("README.md"),
        })?;
        let (bytes, sha256) = read(&path, manifest.network.sha256.as_deref())?;
        let summary = Summary::of(&eidetic_graph::decode(&path, &bytes)?);
        check(&path, &summary, manifest)?;
        Ok(Self {
            path,
            sha256,
            summary,
        })
    }
}

/// The bytes of a network and their digest, which is `expected` where one is.
///
/// # Errors
/// [`Error::Io`], [`Error::Digest`].
pub(super) fn read(path: &Path, expected: Option<&str>) -> Result<(Vec<u8>, String), Error> {
    let bytes = fs::read(path).map_err(|source| Error::Io {
        path: path.to_owned(),
        source,
    })?;
    let got = sha256_hex(&bytes);
    match expected {
        Some(expected) if expected != got => Err(Error::Digest {
            path: path.to_owned(),
            expected: expected.to_owned(),
            got,
        }),
        _ => Ok((bytes, got)),
    }
}

/// Checks inputs and outputs against the manifest.
fn check(path: &Path, summary: &Summary, manifest: &Manifest) -> Result<(), Error> {
    if let Some(weights) = summary.external_files.first() {
        return Err(Error::Weights {
            path: path.to_owned(),
            weights: weights.clone(),
        });
    }
    let wrong = |port: String, expected: String, got: String| Error::Port {
        path: path.to_owned(),
        port,
        expected,
        got,
    };
    let network = &manifest.network;
    let names = |ports: &[(String, Option<TensorType>)]| {
        let names: Vec<&str> = ports.iter().map(|(name, _)| name.as_str()).collect();
        names.join(", ")
    };
    let input = match summary.inputs.as_slice() {
        [(name, tensor)] if *name == network.input => tensor,
        inputs => {
            return Err(wrong(
                "inputs".to_owned(),
                network.input.clone(),
                names(inputs),
            ));
        }
    };
    let (expected, takes) = match manifest.preprocessing.size {
        Some([height, width]) => (
            format!("f32 [batch, 3, {height}, {width}]"),
            [Some(height), Some(width)],
        ),
        None => (
            "f32 [batch, 3, height, width] of any height and width".to_owned(),
            [None, None],
        ),
    };
    let fixed = |dim: &Dim| match dim {
        Dim::Fixed(size) => Some(*size),
        Dim::Named(_) | Dim::Open => None,
    };
    let fits = |tensor: &TensorType| match tensor.dims.as_deref() {
        Some([batch, channels, height, width]) => {
            let side = |dim, takes: Option<usize>| match (fixed(dim), takes) {
                (Some(size), Some(takes)) => size == takes,
                (Some(_), None) => false,
                (None, _) => true,
            };
            fixed(batch).is_none_or(|rows| rows == Embedder::MICROBATCH)
                && fixed(channels).is_none_or(|count| count == 3)
                && side(height, takes[0])
                && side(width, takes[1])
        }
        _ => false,
    };
    let said = |tensor: &Option<TensorType>| match tensor {
        Some(tensor) => tensor.to_string(),
        None => "a value that is no tensor".to_owned(),
    };
    let good = |tensor: &TensorType| tensor.is(Element::F32) && fits(tensor);
    if !input.as_ref().is_some_and(good) {
        let port = format!("input {}", network.input);
        return Err(wrong(port, expected, said(input)));
    }

    let port = format!("output {}", network.output);
    let expected = format!("f32 [batch, {}]", network.dim);
    let outputs = &summary.outputs;
    let Some((_, output)) = outputs.iter().find(|(name, _)| *name == network.output) else {
        return Err(wrong(port, expected, format!("only {}", names(outputs))));
    };
    // Exporters often leave an output's shape open: then it shows when the network is run.
    let fits = |tensor: &TensorType| match tensor.dims.as_deref() {
        Some([_, dim]) => fixed(dim).is_none_or(|dim| dim == network.dim),
        Some(_) => false,
        None => true,
    };
    let good = |tensor: &TensorType| tensor.is(Element::F32) && fits(tensor);
    match output.as_ref().is_some_and(good) {
        true => Ok(()),
        false => Err(wrong(port, expected, said(output))),
    }
}
