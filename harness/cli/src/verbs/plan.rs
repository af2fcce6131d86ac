//! `eidetic plan SUITE`.

use std::collections::HashMap;
use std::path::Path;

use eidetic_harness::board::Cells;
use eidetic_harness::cell::{ModelOrigin, ModelSpec};
use eidetic_harness::model::ModelFolder;
use eidetic_harness::plan::{PlannedCell, PlannedTraining};
use eidetic_harness::plugin::{KindName, Registry};
use eidetic_sdk::registration::make_attack;
use eidetic_sdk::sampler::{Sampler, SamplerKind};
use eidetic_sdk::{ErrorCode, ImageShape, ModelInfo};
use serde_json::{Value, json};

use crate::args::Global;
use crate::exit::{Exit, Failure};
use crate::setup::Setup;
use crate::table::{aligned, counted};
use crate::{output, talk};

pub(crate) fn run(named: &Path, global: &Global) -> Result<Exit, Failure> {
    let setup = Setup::new(global, Some(named))?;
    let suite = setup.suite(named)?;
    let plan = setup.plan(&suite)?;
    let folder = setup.results(&plan.suite);
    let there = Cells::read(&plan, &folder)?;
    for problem in &there.problems {
        talk::warning(&format!("left out {problem}"));
    }
    let mut folders = Folders::default();
    let cells: Vec<Cell<'_>> = plan
        .cells
        .iter()
        .map(|cell| Cell::new(cell, &there, &setup.registry, &mut folders))
        .collect();
    if global.json {
        output::json(&json!({
            "suite": suite.resolved(),
            "folder": folder,
            "trainings": plan.trainings.iter().map(training_json).collect::<Vec<_>>(),
            "cells": cells.iter().map(Cell::json).collect::<Vec<_>>(),
        }))?;
        return Ok(Exit::Done);
    }
    let rows: Vec<[String; 8]> = cells.iter().map(Cell::row).collect();
    let header = [
        "cell",
        "dataset",
        "model",
        "mitigation",
        "attack",
        "seed",
        "calls",
        "state",
    ];
    output::text(&aligned(header, &rows))?;
    let missing: Vec<&PlannedTraining> = plan.trainings.iter().filter(|one| !one.there).collect();
    if !missing.is_empty() {
        let header = ["to be trained", "steps", "into"];
        let rows: Vec<[String; 3]> = missing.into_iter().map(training_row).collect();
        output::text(&format!("\n{}\n", aligned(header, &rows)))?;
    }
    let open: Vec<&Cell<'_>> = cells.iter().filter(|cell| cell.is_open()).collect();
    let calls: u64 = open.iter().map(|cell| cell.calls).sum();
    output::text(&format!(
        "{}, {} to run, about {calls} model calls\n",
        counted(cells.len(), "cell"),
        open.len()
    ))?;
    Ok(Exit::Done)
}

/// A cell with what is there of it.
struct Cell<'a> {
    planned: &'a PlannedCell,
    state: String,
    calls: u64,
}

impl<'a> Cell<'a> {
    fn new(
        planned: &'a PlannedCell,
        there: &Cells,
        registry: &Registry,
        folders: &mut Folders,
    ) -> Self {
        let state = match (&planned.not_applicable, there.records.get(&planned.id)) {
            (Some(reason), _) => format!("n/a: {reason}"),
            (None, Some(record)) if record.status.is_settled() => "there".to_owned(),
            (None, Some(record)) => format!("{}, runs again", record.status.as_str()),
            (None, None) => "to run".to_owned(),
        };
        let calls = match planned.not_applicable {
            Some(_) => 0,
            None => estimated_calls(planned, registry, folders),
        };
        Self {
            planned,
            state,
            calls,
        }
    }

    fn is_open(&self) -> bool {
        self.planned.not_applicable.is_none() && self.state != "there"
    }

    fn row(&self) -> [String; 8] {
        let spec = &self.planned.spec;
        [
            self.planned.id[..12].to_owned(),
            spec.dataset.label.clone(),
            spec.model.label.clone(),
            spec.mitigation_label.clone(),
            spec.attack.label.clone(),
            spec.seed.to_string(),
            self.calls.to_string(),
            self.state.clone(),
        ]
    }

    fn json(&self) -> Value {
        let spec = &self.planned.spec;
        json!({
            "id": self.planned.id,
            "dataset": spec.dataset.label,
            "model": spec.model.label,
            "mitigation": spec.mitigation_label,
            "attack": spec.attack.label,
            "seed": spec.seed,
            "listed": self.planned.listed,
            "twin": self.planned.twin,
            "state": self.state,
            "estimated_model_calls": self.calls,
        })
    }
}

fn training_row(training: &PlannedTraining) -> [String; 3] {
    [
        training.name.clone(),
        training.steps.to_string(),
        training.folder.display().to_string(),
    ]
}

fn training_json(training: &PlannedTraining) -> Value {
    json!({
        "recipe_id": training.recipe_id,
        "name": training.name,
        "steps": training.steps,
        "folder": training.folder,
        "there": training.there,
    })
}

/// What the attack says of itself, within the limit: the limit where it says nothing, and nothing
/// where it refuses the model, which it does before it asks anything.
fn estimated_calls(planned: &PlannedCell, registry: &Registry, folders: &mut Folders) -> u64 {
    let (spec, limit) = (&planned.spec, planned.spec.model_calls);
    let Ok(plugin) = registry.get(KindName::Attack, &spec.attack.plugin.id) else {
        return limit;
    };
    let options = spec.attack.plugin.options.to_string();
    let Ok(attack) = make_attack(&plugin.registration, &options) else {
        return limit;
    };
    let folder = folders.of(&spec.model);
    let info = info_of(folder);
    let each = calls_per_sample(&spec.model, folder, &info);
    match attack.model_calls(&info, each, planned.candidates) {
        Ok(calls) => calls.unwrap_or(limit).min(limit),
        Err(error) if error.code == ErrorCode::Unsupported => 0,
        Err(_) => limit,
    }
}

/// Model folders by path, each opened once: opening one checks the digest of every file.
#[derive(Default)]
struct Folders(HashMap<String, Option<ModelFolder>>);

impl Folders {
    fn of(&mut self, model: &ModelSpec) -> Option<&ModelFolder> {
        match &model.origin {
            ModelOrigin::Folder { path, .. } | ModelOrigin::Recipe { path, .. } => {
                let open = || ModelFolder::open(Path::new(path)).ok();
                self.0.entry(path.clone()).or_insert_with(open).as_ref()
            }
            _ => None,
        }
    }
}

/// What a model folder says of itself. A plugin's own schedule is not known before it is made; only
/// ancestral sampling asks for it.
fn info_of(folder: Option<&ModelFolder>) -> ModelInfo {
    let image = ImageShape {
        channels: 1,
        height: 1,
        width: 1,
    };
    folder.map_or_else(|| ModelInfo::pixel_denoiser(image, 0.5), ModelFolder::info)
}

fn calls_per_sample(model: &ModelSpec, folder: Option<&ModelFolder>, info: &ModelInfo) -> u64 {
    let wish = model.sampler.as_ref();
    let kind = wish
        .and_then(|wish| serde_json::from_value(wish.get("kind")?.clone()).ok())
        .or_else(|| folder?.manifest().sampler)
        .unwrap_or(SamplerKind::Heun);
    let mut sampler = Sampler::for_model(kind, info);
    if let Some(steps) = wish.and_then(|wish| wish.get("steps")?.as_u64()) {
        sampler.steps = steps as usize;
    }
    sampler.calls_per_sample()
}
