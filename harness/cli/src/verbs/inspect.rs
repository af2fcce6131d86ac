//! `eidetic inspect FILE, FOLDER OR PLUGIN`.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::anyhow;
use eidetic_abi::module::ABI_VERSION;
use eidetic_graph::{Summary, differentiable};
use eidetic_harness::dataset::{Dataset, Survey};
use eidetic_harness::embed::{self, CheckedNetwork, Normalisation};
use eidetic_harness::files::sha256_file;
use eidetic_harness::model::{Manifest, ModelFolder};
use eidetic_harness::plugin::Library;
use eidetic_harness::suggest::allowed_and_nearest;
use serde_json::{Value, json};

use super::plugin::{plugin_json, plugin_text};
use crate::args::Global;
use crate::exit::{Exit, Failure};
use crate::output;
use crate::registry::Plugins;

pub(crate) fn run(path: &Path, global: &Global) -> Result<Exit, Failure> {
    let is = |ending: &str| path.extension().is_some_and(|got| got == ending);
    let dataset_manifest = eidetic_harness::dataset::Manifest::FILE;
    let (text, json) = if path.join(dataset_manifest).is_file() {
        dataset(path, global)?
    } else if path.join(embed::Manifest::FILE).is_file() {
        embedder(path, global)?
    } else if path.join(Manifest::FILE).is_file() {
        model(path)?
    } else if path.is_dir() {
        match Survey::of(path).map_err(Failure::bad_input)? {
            survey if survey.images > 0 => images(path, &survey),
            _ => model(path)?,
        }
    } else if path.file_name().is_some_and(|name| name == Manifest::FILE) {
        model(path.parent().unwrap_or(Path::new(".")))?
    } else if is("onnx") {
        graph(path)?
    } else if !path.exists() && path.components().count() == 1 && path.extension().is_none() {
        registered(&path.to_string_lossy(), global)?
    } else if is("so") || begins_as_elf(path)? {
        library(path)?
    } else {
        return Err(Failure::bad_input(anyhow!(
            "{}: expected a plugin library, a plugin's id, a model, dataset or embedder folder, a folder of images, or an .onnx file",
            path.display()
        )));
    };
    match global.json {
        true => output::json(&json)?,
        false => output::text(&text)?,
    }
    Ok(Exit::Done)
}

/// A dataset, its split and its duplicates.
fn dataset(path: &Path, global: &Global) -> Result<(String, Value), Failure> {
    let dataset = Dataset::load(path, global.data.as_deref()).map_err(Failure::bad_input)?;
    let report = dataset.duplicates.report();
    let [c, h, w] = dataset.shape;
    let mut text = format!(
        "dataset {}\nimages     {} of {c} x {h} x {w}\nclasses    {}\nsha256     {}\n",
        dataset.id,
        dataset.len(),
        dataset.classes.len(),
        dataset.digest
    );
    text += &format!(
        "duplicates {} groups of two or more, {} images in them: {} with an exact copy, {} only \
         near (l2 at most {}, complete linkage); the largest has {}\n",
        report.duplicate_groups,
        report.images_in_duplicate_groups,
        report.images_with_exact_duplicate,
        report.images_with_near_duplicate_only,
        report.threshold_l2,
        report.largest_group
    );
    let groups = dataset.duplicates.as_slice();
    let lists = dataset
        .membership
        .as_ref()
        .map(|lists| lists.report(groups));
    if let Some(lists) = &lists {
        text += &format!(
            "membership {} images in the train list, {} of them in groups wholly in it (members); {} \
             in the eval list, {} of them so (holdout and aux); {} in neither; {} groups straddle \
             and are in no part, {} images in them\n",
            lists.train,
            lists.train_in_whole_groups,
            lists.eval,
            lists.eval_in_whole_groups,
            lists.unlisted,
            lists.straddling_groups,
            lists.images_in_straddling_groups
        );
    }
    if let Some(split) = &dataset.default_split {
        text += &format!(
            "split      {} members, {} holdout, {} aux, seed {}, {} planted (the default)\n",
            split.members, split.holdout, split.aux, split.seed, split.plant_duplicates
        );
    }
    let json = json!({
        "what": "dataset",
        "id": dataset.id,
        "images": dataset.len(),
        "shape": dataset.shape,
        "classes": dataset.classes,
        "sha256": dataset.digest,
        "duplicates": report,
        "membership": lists,
        "default_split": dataset.default_split,
    });
    Ok((text, json))
}

/// An embedder and its network, which must be there.
fn embedder(path: &Path, global: &Global) -> Result<(String, Value), Failure> {
    let manifest = embed::Manifest::read(path).map_err(Failure::bad_input)?;
    let checked = CheckedNetwork::open(&manifest, path, global.data.as_deref());
    let checked = checked.map_err(Failure::bad_input)?;
    let pinned = match manifest.network.sha256 {
        Some(_) => "as the manifest says",
        None => "of this file; the manifest names none",
    };
    let mut text = format!(
        "embedder {}: {}\nlicence     {}\nsource      {}\nfeatures    {}{}\ndistance    {}\ninput       \
         {}\nnetwork     {}\nsha256      {}, {pinned}\n\n",
        manifest.name,
        manifest.title,
        manifest.licence,
        manifest.source,
        manifest.network.dim,
        match manifest.normalisation {
            Normalisation::None => "",
            Normalisation::L2 => ", of length 1",
        },
        manifest.distance_name(),
        manifest.preprocessing,
        checked.path.display(),
        checked.sha256,
    );
    text += &network(&checked.summary);
    let json = json!({
        "what": "embedder folder",
        "path": path,
        "manifest": manifest,
        "distance": manifest.distance_name(),
        "file": checked.path,
        "sha256": checked.sha256,
        "network": network_json(&checked.summary),
    });
    Ok((text, json))
}

/// A folder of image files: what a `dataset.yaml` has to say of it.
fn images(path: &Path, survey: &Survey) -> (String, Value) {
    let absolute = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let name = absolute.file_name().unwrap_or_default().to_string_lossy();
    let shape = survey.shape.unwrap_or_default();
    let mut text = format!(
        "images: {{ file: {name:?}, format: image-folder, sha256: {} }}\ncount: {}\n\
         shape: {shape:?} # channels, height, width of the first\n",
        survey.sha256, survey.images
    );
    match (&survey.classes[..], survey.metadata) {
        ([], false) => {}
        ([], true) => {
            text += "classes: [] # the names of the labels in metadata.jsonl, label 0 first\n"
        }
        (classes, _) => text += &format!("classes: {classes:?}\n"),
    }
    let json = json!({ "what": "folder of images", "path": path, "survey": survey });
    (text, json)
}

fn begins_as_elf(path: &Path) -> Result<bool, Failure> {
    let mut magic = [0; 4];
    let read = File::open(path).and_then(|mut file| file.read(&mut magic));
    read.map_err(|error| Failure::bad_input(anyhow!("cannot read {}: {error}", path.display())))?;
    Ok(magic == *b"\x7fELF")
}

/// The plugins of an id, of whatever kind.
fn registered(id: &str, global: &Global) -> Result<(String, Value), Failure> {
    let Plugins {
        registry, problems, ..
    } = Plugins::load(&global.plugin);
    if let Some(problem) = problems.into_iter().next() {
        return Err(Failure::bad_input(problem));
    }
    let found = registry.iter().filter(|plugin| plugin.id() == id);
    let found: Vec<_> = found.map(|plugin| &plugin.registration).collect();
    if found.is_empty() {
        let ids: Vec<&str> = registry.iter().map(|plugin| plugin.id()).collect();
        let tail = allowed_and_nearest(id, ids.iter().copied());
        return Err(Failure::bad_input(anyhow!(
            "{id}: neither a file, a folder nor a plugin{tail}"
        )));
    }
    let texts: Vec<String> = found.iter().map(|plugin| plugin_text(plugin)).collect();
    let plugins: Vec<Value> = found.iter().map(|plugin| plugin_json(plugin)).collect();
    let json = json!({ "what": "plugin", "plugins": plugins });
    Ok((texts.join("\n"), json))
}

fn library(path: &Path) -> Result<(String, Value), Failure> {
    let library = Library::load(path).map_err(Failure::bad_input)?;
    let abi = ABI_VERSION;
    let mut text = format!(
        "plugin library {}\nABI     {abi}\nsha256  {}\n",
        library.path.display(),
        library.sha256
    );
    for plugin in &library.registrations {
        text += &format!("\n{}", plugin_text(plugin));
    }
    let plugins: Vec<Value> = library.registrations.iter().map(plugin_json).collect();
    let json = json!({
        "what": "plugin library",
        "path": library.path,
        "abi": abi,
        "sha256": library.sha256,
        "plugins": plugins,
    });
    Ok((text, json))
}

fn model(path: &Path) -> Result<(String, Value), Failure> {
    let folder = ModelFolder::open(path).map_err(Failure::bad_input)?;
    let manifest = folder.manifest();
    let info = folder.info();
    let shape = manifest.shape.map(|n| n.to_string()).join(" x ");
    let prediction = json!(manifest.prediction);
    let training = &manifest.training;
    let part = json!(training.part);
    let trained = match (&training.dataset, training.n) {
        (Some(dataset), Some(n)) => format!("{n} images, {} of {dataset}", word(&part)),
        _ => word(&part).to_owned(),
    };
    let mut text = format!(
        "model {}: {}\nlicence     {}\nprediction  {}\nshape       {shape}\nsigma       {} .. {}\n\
         trained on  {trained}\ndigest      {}\n\n",
        manifest.name,
        manifest.title,
        manifest.licence,
        word(&prediction),
        info.sigma_min,
        info.sigma_max,
        folder.digest(),
    );
    text += &network(folder.summary());
    let json = json!({
        "what": "model folder",
        "path": folder.path(),
        "digest": folder.digest(),
        "manifest": manifest,
        "sigma_min": info.sigma_min,
        "sigma_max": info.sigma_max,
        "network": network_json(folder.summary()),
    });
    Ok((text, json))
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn graph(path: &Path) -> Result<(String, Value), Failure> {
    let model = eidetic_graph::read(path).map_err(Failure::bad_input)?;
    let summary = Summary::of(&model);
    let sha256 = sha256_file(path)?;
    let obstacles: Vec<String> = match differentiable(&model) {
        Ok(()) => Vec::new(),
        Err(obstacles) => obstacles.iter().map(ToString::to_string).collect(),
    };
    let mut text = format!("ONNX file {}\nsha256      {sha256}\n\n", path.display());
    text += &network(&summary);
    text += match obstacles.is_empty() {
        true => "gradient    yes: every operator on its way has one\n",
        false => "gradient    no, these stand in the way:\n",
    };
    for obstacle in &obstacles {
        text += &format!("  {obstacle}\n");
    }
    let json = json!({
        "what": "ONNX file",
        "path": path,
        "sha256": sha256,
        "network": network_json(&summary),
        "gradient": { "differentiable": obstacles.is_empty(), "obstacles": obstacles },
    });
    Ok((text, json))
}

/// Inputs and outputs with their types in words.
fn ports(ports: &[(String, Option<eidetic_graph::TensorType>)]) -> Vec<(String, String)> {
    let words = |port: &Option<eidetic_graph::TensorType>| match port {
        Some(tensor) => tensor.to_string(),
        None => "no tensor".to_owned(),
    };
    ports
        .iter()
        .map(|(name, port)| (name.clone(), words(port)))
        .collect()
}

fn network(summary: &Summary) -> String {
    let mut text = String::new();
    for (what, ports) in [
        ("input", ports(&summary.inputs)),
        ("output", ports(&summary.outputs)),
    ] {
        for (name, tensor) in ports {
            text += &format!("{what:<11} {name}: {tensor}\n");
        }
    }
    let operators: Vec<String> = summary
        .operators
        .iter()
        .map(|(name, count)| format!("{name} {count}"))
        .collect();
    text += &format!("parameters  {}\n", summary.parameters);
    text += &format!("operators   {}\n", operators.join(", "));
    text += &format!(
        "opset       {}, IR version {}, by {}\n",
        summary.opset, summary.ir_version, summary.producer
    );
    for file in &summary.external_files {
        text += &format!("weights in  {file}\n");
    }
    text
}

fn network_json(summary: &Summary) -> Value {
    let named = |ports: Vec<(String, String)>| -> Vec<Value> {
        let port = |(name, tensor)| json!({ "name": name, "type": tensor });
        ports.into_iter().map(port).collect()
    };
    json!({
        "opset": summary.opset,
        "ir_version": summary.ir_version,
        "producer": summary.producer,
        "inputs": named(ports(&summary.inputs)),
        "outputs": named(ports(&summary.outputs)),
        "parameters": summary.parameters,
        "operators": summary.operators,
        "external_files": summary.external_files,
    })
}
