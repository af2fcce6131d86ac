//! The network of a folder's vector-Jacobian products: made from the folder's own when it is first
//! needed, run by ONNX Runtime like it.

use std::collections::HashMap;

use eidetic_graph::proto::{DataLocation, ModelProto, TensorProto};
use eidetic_graph::{Graph, decode, encode, gradient};
use eidetic_runtime::{ModelSource, Runtime, SessionOptions, Sessions};
use eidetic_sdk::ErrorCode;

use super::error::Error;
use super::folder::ModelFolder;
use super::manifest::Manifest;
use super::network::{CLASS_LABELS, OUT_SAMPLE, SAMPLE, SIGMA, TIMESTEP};

/// Its input of the cotangent, shaped as `out_sample`.
pub(super) const COTANGENT: &str = "cotangent.out_sample";
/// Its output, shaped as `sample`.
pub(super) const GRADIENT: &str = "gradient.sample";

/// Opens it: inputs as the folder's network has them and [`COTANGENT`], output [`GRADIENT`].
///
/// # Errors
/// `Unsupported`, naming the operators, for a network that cannot be differentiated, or whose
/// gradient ONNX Runtime cannot run.
pub(super) fn open(
    folder: &ModelFolder,
    runtime: &Runtime,
    options: &SessionOptions,
) -> eidetic_sdk::Result<Sessions> {
    let open = || {
        let bytes = encode(&network(folder, options.microbatch)?);
        runtime
            .open(ModelSource::Bytes(&bytes), options)
            .map_err(|error| Error::Runtime(Box::new(error)))
    };
    let file = name(folder);
    if !folder.obstacles().is_empty() {
        let obstacles: Vec<String> = folder.obstacles().iter().map(ToString::to_string).collect();
        return Err(eidetic_sdk::Error::new(
            ErrorCode::Unsupported,
            format!("{file} cannot be differentiated: {}", obstacles.join("; ")),
        ));
    }
    open().map_err(|error| match error {
        Error::Onnx(eidetic_graph::Error::Graph { .. } | eidetic_graph::Error::Operator { .. }) => {
            let what = format!("cannot be differentiated: {error}");
            eidetic_sdk::Error::new(ErrorCode::Unsupported, what)
        }
        Error::Runtime(refused) if matches!(*refused, eidetic_runtime::Error::Model { .. }) => {
            let what = format!("ONNX Runtime does not take the gradient of {file}: {refused}");
            eidetic_sdk::Error::new(ErrorCode::Unsupported, what)
        }
        error => eidetic_sdk::Error::from(error.to_string()),
    })
}

fn network(folder: &ModelFolder, rows: usize) -> Result<ModelProto, Error> {
    let file = folder.network();
    let mut model = decode(&file, &folder.network_bytes(None)?)?;
    inline(&mut model, folder)?;
    let manifest = folder.manifest();
    let [channels, height, width] = manifest.shape.map(|size| size as usize);
    let taken = channels + manifest.extra_channels as usize;
    let sizes: Vec<(String, usize)> = [rows, taken, height, width]
        .into_iter()
        .enumerate()
        .map(|(axis, size)| (format!("{SAMPLE}.{axis}"), size))
        .chain([SIGMA, TIMESTEP, CLASS_LABELS].map(|input| (format!("{input}.0"), rows)))
        .collect();
    let sizes: Vec<(&str, usize)> = sizes
        .iter()
        .map(|(at, size)| (at.as_str(), *size))
        .collect();
    let graph = Graph::of_model(&name(folder), &model, &sizes)?;
    drop(model);
    let value = |name: &str| {
        let missing = || misfit(folder, format!("expected a value {name:?}, got none"));
        graph.value(name).ok_or_else(missing)
    };
    let (sample, out_sample) = (value(SAMPLE)?, value(OUT_SAMPLE)?);
    let (want, got) = ([rows, channels, height, width], graph.shape(out_sample));
    if got != want {
        return Err(Error::Port {
            path: file,
            port: format!("output {OUT_SAMPLE}"),
            expected: format!("{want:?}"),
            got: format!("{got:?}"),
        });
    }
    let mut product = gradient(&graph, &[out_sample], &[sample])?.model()?;
    if let Some(graph) = &mut product.graph {
        graph.output.retain(|output| output.name == GRADIENT);
    }
    Ok(product)
}

/// What the reason of a row calls the network: a path is another one on each machine.
fn name(folder: &ModelFolder) -> String {
    format!("{}/{}", folder.manifest().name, Manifest::NETWORK)
}

fn misfit(folder: &ModelFolder, what: String) -> Error {
    Error::Onnx(eidetic_graph::Error::Graph {
        graph: name(folder),
        what,
    })
}

/// Puts weights that are in files beside the network into the model: what is opened from memory has
/// nothing beside it.
fn inline(model: &mut ModelProto, folder: &ModelFolder) -> Result<(), Error> {
    let mut files: HashMap<String, Vec<u8>> = HashMap::new();
    let Some(graph) = &mut model.graph else {
        return Ok(());
    };
    let attributes = graph.node.iter_mut().flat_map(|node| &mut node.attribute);
    let tensors = attributes.filter_map(|attribute| attribute.t.as_mut());
    for tensor in graph.initializer.iter_mut().chain(tensors) {
        let Some(file) = tensor.external_file().map(str::to_owned) else {
            continue;
        };
        if !files.contains_key(&file) {
            files.insert(file.clone(), folder.network_bytes(Some(&file))?);
        }
        let bytes = part(tensor, &files[&file]).ok_or_else(|| {
            let name = &tensor.name;
            misfit(
                folder,
                format!("{name:?}: expected its elements in {file:?}, got fewer bytes"),
            )
        })?;
        tensor.raw_data = bytes.to_vec();
        tensor.external_data.clear();
        tensor.data_location = DataLocation::Default as i32;
    }
    eidetic_graph::check(model)?;
    Ok(())
}

/// The bytes of a tensor in its file; `None` where the file has no such part.
fn part<'a>(tensor: &TensorProto, file: &'a [u8]) -> Option<&'a [u8]> {
    let number = |key: &str| {
        let entry = tensor.external_data.iter().find(|entry| entry.key == key);
        entry.map(|entry| entry.value.parse::<usize>())
    };
    let offset = number("offset").unwrap_or(Ok(0)).ok()?;
    let rest = file.get(offset..)?;
    match number("length") {
        Some(length) => rest.get(..length.ok()?),
        None => Some(rest),
    }
}
