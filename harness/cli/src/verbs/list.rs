//! `eidetic list [plugins|models|datasets|suites]`.

use eidetic_harness::dataset::{Entry, Readiness, datasets_in};
use eidetic_harness::model::Manifest;
use eidetic_harness::plan::{BUILT_IN_MODELS, zoo};
use eidetic_harness::plugin::{Plugin, Source};
use eidetic_harness::suite::Suite;
use serde_json::{Map, Value, json};

use super::inspect::kind_details;
use crate::args::{Global, What};
use crate::exit::{Exit, Failure};
use crate::setup::{Setup, suites};
use crate::{output, table};

pub(crate) fn run(what: Option<What>, global: &Global) -> Result<Exit, Failure> {
    let setup = Setup::new(global, None)?;
    let all = [What::Plugins, What::Models, What::Datasets, What::Suites];
    let mut document = Map::new();
    let mut text = String::new();
    for one in all {
        if what.is_some_and(|what| what != one) {
            continue;
        }
        let (name, listed) = match one {
            What::Plugins => ("plugins", plugins(&setup)),
            What::Models => ("models", models(&setup)),
            What::Datasets => ("datasets", datasets(&setup)?),
            What::Suites => ("suites", of_suites(&setup)),
        };
        let (table, json) = listed;
        document.insert(name.to_owned(), Value::Array(json));
        if what.is_none() {
            let gap = if text.is_empty() { "" } else { "\n" };
            text += &format!("{gap}{}\n", name.to_uppercase());
        }
        text += &table;
    }
    if global.json {
        output::json(&document)?;
    } else {
        output::text(&text)?;
    }
    Ok(Exit::Done)
}

/// A table for people and its rows for programs.
type Listed = (String, Vec<Value>);

fn plugins(setup: &Setup<'_>) -> Listed {
    let source = |plugin: &Plugin| match &plugin.source {
        Source::Linked => "built in".to_owned(),
        Source::File(path) => path.display().to_string(),
    };
    let rows: Vec<[String; 6]> = setup
        .registry
        .iter()
        .map(|plugin| {
            [
                plugin.kind().as_str().to_owned(),
                plugin.id().to_owned(),
                plugin.registration.version.to_string(),
                kind_details(&plugin.registration.kind),
                source(plugin),
                plugin.registration.summary.to_string(),
            ]
        })
        .collect();
    let json = setup.registry.iter().map(|plugin| {
        json!({
            "kind": plugin.kind(),
            "id": plugin.id(),
            "version": plugin.registration.version.as_str(),
            "details": kind_details(&plugin.registration.kind),
            "source": source(plugin),
            "summary": plugin.registration.summary.as_str(),
            "licence": plugin.registration.licence.as_str(),
            "sha256": plugin.sha256,
        })
    });
    let header = ["kind", "id", "version", "what", "from", "summary"];
    (table::aligned(header, &rows), json.collect())
}

fn models(setup: &Setup<'_>) -> Listed {
    let built_in = |name: &str| {
        let part = if name.starts_with("clean") {
            "aux"
        } else {
            "the members"
        };
        let how = if name.ends_with("-onnx") {
            "as ONNX"
        } else {
            "natively"
        };
        format!("perfect memorizer of {part}, {how}")
    };
    let folder = |name: &str| {
        let manifest = Manifest::read(&setup.benchmarks.join("models").join(name));
        manifest.map_or_else(
            |error| format!("unusable: {error}"),
            |manifest| manifest.title,
        )
    };
    let built_ins = BUILT_IN_MODELS
        .iter()
        .map(|name| [(*name).to_owned(), "built in".to_owned(), built_in(name)]);
    let zoo = zoo(&setup.benchmarks);
    let folders = zoo
        .iter()
        .map(|name| [name.clone(), "folder".to_owned(), folder(name)]);
    let rows: Vec<[String; 3]> = built_ins.chain(folders).collect();
    let json = rows
        .iter()
        .map(|[name, from, summary]| json!({ "name": name, "from": from, "summary": summary }));
    let json = json.collect();
    (table::aligned(["model", "from", "summary"], &rows), json)
}

fn datasets(setup: &Setup<'_>) -> Result<Listed, Failure> {
    let data = setup.global.data.as_deref();
    let entries =
        datasets_in(&setup.benchmarks.join("datasets"), data).map_err(Failure::bad_input)?;
    let shape = |entry: &Entry| entry.manifest.shape.map(|n| n.to_string()).join(" x ");
    let rows: Vec<[String; 5]> = entries
        .iter()
        .map(|entry| {
            [
                entry.manifest.name.clone(),
                entry.manifest.count.to_string(),
                shape(entry),
                readiness(&entry.readiness),
                entry.manifest.title.clone(),
            ]
        })
        .collect();
    let json = entries.iter().map(|entry| {
        json!({
            "name": entry.manifest.name,
            "count": entry.manifest.count,
            "shape": entry.manifest.shape,
            "ready": entry.readiness == Readiness::Ready,
            "readiness": readiness(&entry.readiness),
            "title": entry.manifest.title,
            "licence": entry.manifest.licence,
            "source": entry.manifest.source,
        })
    });
    let header = ["dataset", "images", "shape", "state", "title"];
    Ok((table::aligned(header, &rows), json.collect()))
}

/// Whether a dataset can be loaded, and what is in the way.
pub(super) fn readiness(readiness: &Readiness) -> String {
    match readiness {
        Readiness::Ready => "ready".to_owned(),
        Readiness::Missing(files) => format!("needs {} in --data DIR", files.join(", ")),
        Readiness::NoReader(format) => format!("no reader for {format} yet"),
    }
}

fn of_suites(setup: &Setup<'_>) -> Listed {
    let suites = suites(&setup.benchmarks);
    let combinations = |path| match Suite::load(path) {
        Ok(suite) => format!(
            "{} datasets, {} models, {} mitigations, {} attacks, {} seeds",
            suite.datasets.len(),
            suite.models.len(),
            suite.mitigations.len(),
            suite.attacks.len(),
            suite.seeds.len()
        ),
        Err(_) => "refused; see `eidetic check`".to_owned(),
    };
    let rows: Vec<[String; 3]> = suites
        .iter()
        .map(|(name, path)| [name.clone(), combinations(path), path.display().to_string()])
        .collect();
    let json = rows
        .iter()
        .map(|[name, what, file]| json!({ "name": name, "combines": what, "file": file }));
    let json = json.collect();
    (table::aligned(["suite", "combines", "file"], &rows), json)
}
