//! The network's inputs and outputs, checked on its file, before ONNX Runtime is there.

use std::path::Path;

use eidetic_graph::{Dim, Element, Summary, TensorType};

use super::convention::Prediction;
use super::error::Error;
use super::manifest::Manifest;

pub(super) const SAMPLE: &str = "sample";
pub(super) const TIMESTEP: &str = "timestep";
pub(super) const SIGMA: &str = "sigma";
pub(super) const CLASS_LABELS: &str = "class_labels";
pub(super) const OUT_SAMPLE: &str = "out_sample";

/// How a network is told the noise level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoiseInput {
    /// `sigma` f32 `[B]`.
    Sigma,
    /// `timestep`, i64 or f32, one a row or (rank 0) one for all rows.
    Timestep { whole: bool, scalar: bool },
}

/// Checks every input and output against the manifest.
///
/// # Errors
/// [`Error::Port`] with the first that does not fit.
pub(super) fn noise_input(
    path: &Path,
    manifest: &Manifest,
    summary: &Summary,
) -> Result<NoiseInput, Error> {
    let [channels, height, width] = manifest.shape.map(|size| size as usize);
    let taken = channels + manifest.extra_channels as usize;
    let ports = Ports { path, summary };
    let image = |channels| [None, Some(channels), Some(height), Some(width)];
    let edm = manifest.prediction == Prediction::Edm;
    let noise = if edm { SIGMA } else { TIMESTEP };
    let mut expected = vec![SAMPLE, noise];
    expected.extend(manifest.classes.map(|_| CLASS_LABELS));
    ports.only(&expected)?;

    ports.input(SAMPLE, Element::F32, &image(taken))?;
    if manifest.classes.is_some() {
        ports.input(CLASS_LABELS, Element::I64, &[None])?;
    }
    ports.output(OUT_SAMPLE, &image(channels))?;
    if edm {
        ports.input(SIGMA, Element::F32, &[None])?;
        return Ok(NoiseInput::Sigma);
    }
    let timestep = ports.of(&summary.inputs, "input", TIMESTEP)?;
    let whole = timestep.is(Element::I64);
    match timestep.dims.as_deref() {
        Some(dims @ ([] | [_])) if whole || timestep.is(Element::F32) => Ok(NoiseInput::Timestep {
            whole,
            scalar: dims.is_empty(),
        }),
        _ => Err(ports.wrong(
            format!("input {TIMESTEP}"),
            "i64 or f32, [] or [batch]".to_owned(),
            timestep.to_string(),
        )),
    }
}

struct Ports<'a> {
    path: &'a Path,
    summary: &'a Summary,
}

type Named = (String, Option<TensorType>);

impl Ports<'_> {
    fn wrong(&self, port: String, expected: String, got: String) -> Error {
        Error::Port {
            path: self.path.to_owned(),
            port,
            expected,
            got,
        }
    }

    /// There are these inputs and no others.
    fn only(&self, expected: &[&str]) -> Result<(), Error> {
        let names: Vec<&str> = self
            .summary
            .inputs
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        let there = expected.iter().all(|name| names.contains(name));
        if there && names.len() == expected.len() {
            return Ok(());
        }
        Err(self.wrong("inputs".to_owned(), expected.join(", "), names.join(", ")))
    }

    fn of<'s>(&self, ports: &'s [Named], kind: &str, name: &str) -> Result<&'s TensorType, Error> {
        let found = ports.iter().find(|(port, _)| port == name);
        let got = match found {
            Some((_, Some(tensor))) => return Ok(tensor),
            Some((_, None)) => "a value that is no tensor".to_owned(),
            None => {
                let names: Vec<&str> = ports.iter().map(|(port, _)| port.as_str()).collect();
                format!("only {}", names.join(", "))
            }
        };
        Err(self.wrong(format!("{kind} {name}"), "a tensor".to_owned(), got))
    }

    fn input(&self, name: &str, element: Element, dims: &[Option<usize>]) -> Result<(), Error> {
        let port = self.of(&self.summary.inputs, "input", name)?;
        let known = port.dims.as_ref().is_some_and(|got| fits(got, dims));
        self.fit(known, &format!("input {name}"), port, element, dims)
    }

    /// Exporters often leave an output's shape open: then it shows when the network is run.
    fn output(&self, name: &str, dims: &[Option<usize>]) -> Result<(), Error> {
        let port = self.of(&self.summary.outputs, "output", name)?;
        let known = port.dims.as_ref().is_none_or(|got| fits(got, dims));
        self.fit(known, &format!("output {name}"), port, Element::F32, dims)
    }

    fn fit(
        &self,
        shape_fits: bool,
        name: &str,
        port: &TensorType,
        element: Element,
        dims: &[Option<usize>],
    ) -> Result<(), Error> {
        if shape_fits && port.is(element) {
            return Ok(());
        }
        let dim =
            |dim: &Option<usize>| dim.map_or_else(|| Dim::Named("batch".to_owned()), Dim::Fixed);
        let dims = Some(dims.iter().map(dim).collect());
        let expected = TensorType {
            data_type: element.data_type(),
            dims,
        };
        Err(self.wrong(name.to_owned(), expected.to_string(), port.to_string()))
    }
}

fn fits(got: &[Dim], want: &[Option<usize>]) -> bool {
    got.len() == want.len()
        && got.iter().zip(want).all(|pair| match pair {
            (Dim::Fixed(got), Some(want)) => got == want,
            _ => true,
        })
}
