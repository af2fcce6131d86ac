//! Resolves a suite: every name to what it stands for, every default filled in, every file by its
//! digest. All of a suite is checked here, before anything runs.

use std::collections::{BTreeSet, HashMap};

use eidetic_sdk::Stages;
use eidetic_sdk::registration::Kind;

use super::attacks::{Attack, attack, quality};
use super::cells::{Plan, PlannedCell};
use super::model::Model;
use super::models::{Models, Subject, fits};
use super::recipes::{Trainings, Variant};
use super::sources::{Data, Sources, plugin_spec};
use crate::cell::{CellSpec, DatasetSpec, ModelSpec, PluginSpec, stage_names};
use crate::dataset::{self, Candidate, Dataset, Split};
use crate::plugin::{KindName, Registry};
use crate::suggest::allowed_and_nearest;
use crate::suite::{DatasetEntry, MitigationChain, ModelEntry, Suite};
use crate::yaml::LocatedError;

struct Chain {
    label: String,
    links: Vec<PluginSpec>,
    stages: Vec<(String, Stages)>,
    /// Why nothing can run under it.
    not_applicable: Option<String>,
}

impl Variant {
    /// The model, and what is left of the chain.
    fn split(self, whole: &Chain) -> (Model, Chain) {
        let kept = |(id, _): &&(String, Stages)| self.links.iter().any(|link| link.id == *id);
        let chain = Chain {
            label: self.label,
            stages: whole.stages.iter().filter(kept).cloned().collect(),
            links: self.links,
            not_applicable: self.not_applicable,
        };
        (self.model, chain)
    }
}

/// What the cells of one dataset and one chain of mitigations share.
struct Combination<'a> {
    suite: &'a Suite,
    sources: &'a Sources<'a>,
    data: &'a Data,
    chain: &'a Chain,
}

/// Makes the plan of a suite.
///
/// # Errors
/// Every problem that the suite has with what is there, each with line and key.
pub fn plan(suite: &Suite, sources: &Sources<'_>) -> Result<Plan, Vec<LocatedError>> {
    let mut problems = Vec::new();
    let mut keep = |problem: LocatedError| problems.push(problem);
    let datasets: Vec<Data> = suite
        .datasets
        .iter()
        .filter_map(|e| data(suite, e, sources).map_err(&mut keep).ok())
        .collect();
    let chains: Vec<Chain> = suite
        .mitigations
        .iter()
        .filter_map(|e| chain(suite, e, sources.registry).map_err(&mut keep).ok())
        .collect();
    let attacks: Vec<Attack> = suite
        .attacks
        .iter()
        .filter_map(|e| attack(suite, e, sources.registry).map_err(&mut keep).ok())
        .collect();
    let examined = suite.quality.as_ref();
    let examined = examined.and_then(|of| quality(suite, of, sources).map_err(&mut keep).ok());
    let mut models = Models::new(suite, sources);
    for entry in &suite.models {
        if let Err(problem) = models.add(entry) {
            keep(problem);
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }

    let mut cells = Cells::default();
    let mut combine = |data: &Data, entry: &ModelEntry, model: &Model, chain: &Chain| {
        let combination = Combination {
            suite,
            sources,
            data,
            chain,
        };
        let twin = model.twin.as_deref().filter(|_| !data.split.aux.is_empty());
        let asked = |attack: &&Attack| fits(entry.attacks.as_deref(), &attack.spec.label);
        let quality: Vec<Option<String>> = suite
            .seeds
            .iter()
            .map(|&seed| {
                let (_, samples) = examined.as_ref()?;
                Some(cells.put(unlisted(combination.cell(model, None, samples, seed))))
            })
            .collect();
        for attack in attacks.iter().filter(asked) {
            for (&seed, quality) in suite.seeds.iter().zip(&quality) {
                let own = combination.cell(model, twin, attack, seed);
                let twin = twin.map(|twin| {
                    cells.put(unlisted(combination.cell(twin, Some(model), attack, seed)))
                });
                cells.put(PlannedCell {
                    twin: twin.filter(|twin| *twin != own.id),
                    quality: quality.clone(),
                    ..own
                });
            }
        }
    };
    for data in &datasets {
        for listed in &models.listed {
            let Subject::Model(model) = &listed.subject else {
                continue;
            };
            for chain in chains.iter().filter(|chain| listed.meets(&chain.label)) {
                combine(data, listed.entry, model, chain);
            }
        }
    }
    let mut trainings = Trainings::new(sources.benchmarks);
    for listed in &models.listed {
        let Subject::Recipe(recipe) = &listed.subject else {
            continue;
        };
        let (entry, sampler) = (listed.entry, listed.sampler.as_ref());
        for chain in chains.iter().filter(|chain| listed.meets(&chain.label)) {
            let (links, stages) = (&chain.links, &chain.stages);
            let (chain_label, label) = (&chain.label, &entry.label);
            match recipe.under(chain_label, links, stages, label, sources, &mut trainings) {
                Ok(variant) => {
                    let (model, chain) = variant.split(chain);
                    combine(&recipe.data, entry, &model.sampled_by(sampler), &chain);
                }
                Err(message) => problems.push(suite.problem(entry.at, &[], message)),
            }
        }
    }
    problems.extend(dead_datasets(suite, &cells.list));
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Plan {
        suite: suite.name.clone(),
        suite_version: suite.version,
        cells: cells.list,
        embedder: examined.map(|(embedder, _)| embedder),
        trends: suite.trends.clone(),
        trainings: trainings.list,
    })
}

/// Expectations of datasets that no cell is on: recipes bring theirs, so the suite's file alone does
/// not tell.
fn dead_datasets(suite: &Suite, cells: &[PlannedCell]) -> Vec<LocatedError> {
    let labels: BTreeSet<&str> = cells.iter().map(|c| &*c.spec.dataset.label).collect();
    let dead = suite.expect.iter().filter(|expectation| {
        let pattern = &expectation.dataset;
        !labels.iter().any(|label| pattern.matches(label))
    });
    dead.map(|expectation| {
        let text = expectation.dataset.as_str();
        let tail = allowed_and_nearest(text, labels.iter().copied());
        let message = format!("{text:?} fits no dataset of this suite{tail}");
        suite.problem(expectation.at, &["dataset"], message)
    })
    .collect()
}

/// A cell without a row of its own.
fn unlisted(cell: PlannedCell) -> PlannedCell {
    PlannedCell {
        listed: false,
        ..cell
    }
}

/// Cells in their order, each id once.
#[derive(Default)]
struct Cells {
    list: Vec<PlannedCell>,
    place: HashMap<String, usize>,
}

impl Cells {
    fn put(&mut self, cell: PlannedCell) -> String {
        let id = cell.id.clone();
        match self.place.get(&id) {
            Some(&place) if cell.listed => {
                // What was there as somebody's twin is asked for itself.
                let there = &mut self.list[place];
                let twin = there.twin.take().or(cell.twin.clone());
                if !there.listed {
                    *there = PlannedCell { twin, ..cell };
                } else {
                    there.twin = twin;
                }
            }
            Some(_) => {}
            None => {
                self.place.insert(id.clone(), self.list.len());
                self.list.push(cell);
            }
        }
        id
    }
}

impl Combination<'_> {
    /// A cell with a row of its own; `counterpart` is the model's clean twin, or whose twin it is.
    fn cell(
        &self,
        model: &Model,
        counterpart: Option<&Model>,
        attack: &Attack,
        seed: u64,
    ) -> PlannedCell {
        let (limits, data) = (&self.suite.limits, self.data);
        let spec_of = |model: &Model| ModelSpec {
            label: model.label.clone(),
            origin: model.origin.clone(),
            trained_on: model.trained_on,
            sampler: model.sampler.clone(),
        };
        let other = counterpart.filter(|_| attack.samples_from.is_some());
        let spec = CellSpec {
            dataset: data.spec.clone(),
            model: spec_of(model),
            samples_from: other.map(spec_of),
            mitigation: self.chain.links.clone(),
            mitigation_label: self.chain.label.clone(),
            attack: attack.spec.clone(),
            suite_seed: self.sources.seed.unwrap_or(self.suite.seed),
            seed,
            model_calls: limits.model_calls,
            redraws: limits.redraws,
            runtime: model.runtime.clone(),
        };
        let missing = (attack.samples_from.is_some() && other.is_none())
            .then(|| "samples_from: the model has no clean twin".to_owned());
        let candidates = Candidate::count(&data.split, attack.goal, spec.attack.candidates);
        PlannedCell {
            id: spec.id(),
            not_applicable: not_applicable(data, model, self.chain).or(missing),
            candidates,
            spec,
            twin: None,
            quality: None,
            listed: true,
        }
    }
}

/// Why a combination cannot run, as far as it is known before it does.
fn not_applicable(data: &Data, model: &Model, chain: &Chain) -> Option<String> {
    if let Some(reason) = chain.not_applicable.clone().or(model.mismatch(data)) {
        return Some(reason);
    }
    for (id, stages) in &chain.stages {
        if model.arrives_trained && (stages.data || stages.training) {
            return Some(format!(
                "the model arrives trained, `{id}` acts before or in training"
            ));
        }
        if stages.training {
            return Some(format!(
                "the model trains itself, `{id}` needs the harness's training"
            ));
        }
    }
    None
}

fn data(suite: &Suite, entry: &DatasetEntry, sources: &Sources<'_>) -> Result<Data, LocatedError> {
    let wrong =
        |keys: &[&str], error: dataset::Error| suite.problem(entry.at, keys, error.to_string());
    let folder = sources.benchmarks.join("datasets");
    let found = dataset::find(&folder, &entry.id, sources.data_dir).map_err(|e| wrong(&[], e))?;
    let dataset = Dataset::load(&found.folder, sources.data_dir).map_err(|e| wrong(&[], e))?;
    let config = entry.split.over(&found.manifest.split);
    let split = Split::new(&dataset, &config).map_err(|e| wrong(&["split"], e))?;
    let spec = DatasetSpec {
        label: entry.label.clone(),
        id: entry.id.clone(),
        sha256: dataset.digest.clone(),
        split: config,
        groups_sha256: dataset.duplicates.digest(),
    };
    Ok(Data {
        spec,
        dataset,
        split,
    })
}

fn chain(
    suite: &Suite,
    entry: &MitigationChain,
    registry: &Registry,
) -> Result<Chain, LocatedError> {
    let mut chain = Chain {
        label: entry.label.clone(),
        links: Vec::new(),
        stages: Vec::new(),
        not_applicable: None,
    };
    for link in &entry.links {
        let plugin = registry
            .get(KindName::Mitigation, &link.id)
            .map_err(|e| suite.problem(link.at, &[], e.to_string()))?;
        let mut spec = plugin_spec(suite, link.at, plugin, &link.options)?;
        if let Kind::Mitigation { stages, .. } = plugin.registration.kind {
            spec.stages = Some(stage_names(stages));
            chain.stages.push((link.id.clone(), stages));
        }
        chain.links.push(spec);
    }
    Ok(chain)
}
