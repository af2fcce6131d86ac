//! `eidetic list [plugins|models|datasets|embedders|suites]`.

use eidetic_harness::dataset::{Entry, Readiness, datasets_in};
use eidetic_harness::embed::{self, embedders_in};
use eidetic_harness::model::Manifest;
use eidetic_harness::plan::{BUILT_IN_MODELS, zoo};
use eidetic_harness::plugin::{Plugin, Registry, Source};
use eidetic_harness::suite::Suite;
use serde_json::{Map, Value, json};

use super::plugin::kind_details;
use crate::args::{Global, What};
use crate::exit::{Exit, Failure};
use crate::output;
use crate::registry::Plugins;
use crate::setup::{Setup, suites};
use crate::table::{aligned, counted};

pub(crate) fn run(what: Option<What>, global: &Global) -> Result<Exit, Failure> {
    if what == Some(What::Plugins) {
        // They are there wherever this program is.
        return show(&[("plugins", plugins(&loaded(global)?))], global);
    }
    let setup = Setup::new(global, None)?;
    let all = [
        What::Plugins,
        What::Models,
        What::Datasets,
        What::Embedders,
        What::Suites,
    ];
    let wanted = all
        .into_iter()
        .filter(|one| what.is_none_or(|what| what == *one));
    let listed = wanted.map(|one| {
        Ok(match one {
            What::Plugins => ("plugins", plugins(&setup.registry)),
            What::Models => ("models", models(&setup)),
            What::Datasets => ("datasets", datasets(&setup)?),
            What::Embedders => ("embedders", embedders(&setup)?),
            What::Suites => ("suites", of_suites(&setup)),
        })
    });
    let listed: Result<Vec<(&str, Listed)>, Failure> = listed.collect();
    show(&listed?, global)
}

fn loaded(global: &Global) -> Result<Registry, Failure> {
    let Plugins {
        registry, problems, ..
    } = Plugins::load(&global.plugin);
    match problems.into_iter().next() {
        Some(problem) => Err(Failure::bad_input(problem)),
        None => Ok(registry),
    }
}

fn show(lists: &[(&str, Listed)], global: &Global) -> Result<Exit, Failure> {
    if global.json {
        let lists = lists
            .iter()
            .map(|(name, (_, json))| ((*name).to_owned(), json!(json)));
        output::json(&lists.collect::<Map<String, Value>>())?;
        return Ok(Exit::Done);
    }
    let mut text = String::new();
    for (name, (table, _)) in lists {
        if lists.len() > 1 {
            let gap = if text.is_empty() {
                ""
            } else {
                "
"
            };
            text += &format!(
                "{gap}{}
",
                name.to_uppercase()
            );
        }
        text += table;
    }
    output::text(&text)?;
    Ok(Exit::Done)
}

/// A table for people and its rows for programs.
type Listed = (String, Vec<Value>);

fn plugins(registry: &Registry) -> Listed {
    let source = |plugin: &Plugin| match &plugin.source {
        Source::Linked => "built in".to_owned(),
        Source::File(path) => path.display().to_string(),
    };
    let rows: Vec<[String; 6]> = registry
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
    let json = registry.iter().map(|plugin| {
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
    (aligned(header, &rows), json.collect())
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
    (aligned(["model", "from", "summary"], &rows), json)
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
    Ok((aligned(header, &rows), json.collect()))
}

/// Whether a dataset can be loaded, and what is in the way.
pub(super) fn readiness(readiness: &Readiness) -> String {
    match readiness {
        Readiness::Ready => "ready".to_owned(),
        Readiness::Missing(files) => format!("needs {} in --data DIR", files.join(", ")),
        Readiness::NotBuilt(feature) => format!("needs a build with --features {feature}"),
    }
}

fn embedders(setup: &Setup<'_>) -> Result<Listed, Failure> {
    let data = setup.global.data.as_deref();
    let folder = setup.benchmarks.join("embedders");
    if !folder.is_dir() {
        return Ok((String::new(), Vec::new()));
    }
    let entries = embedders_in(&folder, data).map_err(Failure::bad_input)?;
    let state = |entry: &embed::Entry| match &entry.readiness {
        embed::Readiness::Ready => "ready".to_owned(),
        embed::Readiness::Missing(file) => format!("needs {file} in --data DIR"),
    };
    let rows: Vec<[String; 4]> = entries
        .iter()
        .map(|entry| {
            [
                entry.manifest.name.clone(),
                entry.manifest.network.dim.to_string(),
                state(entry),
                entry.manifest.title.clone(),
            ]
        })
        .collect();
    let json = entries.iter().map(|entry| {
        json!({
            "name": entry.manifest.name,
            "features": entry.manifest.network.dim,
            "ready": entry.readiness == embed::Readiness::Ready,
            "readiness": state(entry),
            "title": entry.manifest.title,
            "licence": entry.manifest.licence,
            "source": entry.manifest.source,
        })
    });
    let header = ["embedder", "features", "state", "title"];
    Ok((aligned(header, &rows), json.collect()))
}

fn of_suites(setup: &Setup<'_>) -> Listed {
    let suites = suites(&setup.benchmarks);
    let combinations = |path| match Suite::load(path) {
        Ok(suite) => {
            let counts = [
                counted(suite.datasets.len(), "dataset"),
                counted(suite.models.len(), "model"),
                counted(suite.mitigations.len(), "mitigation"),
                counted(suite.attacks.len(), "attack"),
                counted(suite.seeds.len(), "seed"),
            ];
            counts.join(", ")
        }
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
    (aligned(["suite", "combines", "file"], &rows), json)
}
