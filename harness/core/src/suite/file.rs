//! The suite itself: reading it, naming it, showing it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::attack::AttackEntry;
use super::dataset::DatasetEntry;
use super::error::SuiteErrors;
use super::expect::{Expectation, Glob};
use super::label::{Labelled, label_all};
use super::limits::Limits;
use super::mitigation::MitigationChain;
use super::model::{ModelEntry, ModelSource};
use super::quality::Quality;
use super::reader::Reader;
use super::sampler::Sampler;
use super::trend::Trend;
use crate::suggest::allowed_and_nearest;
use crate::yaml::{Document, LocatedError, Node, NodeId};

const VERSION: u64 = 1;
const KEYS: [&str; 13] = [
    "version",
    "name",
    "seed",
    "sampler",
    "datasets",
    "models",
    "mitigations",
    "attacks",
    "seeds",
    "limits",
    "quality",
    "expect",
    "trends",
];

/// A suite file as read: checked in itself, defaults filled in, entries labelled.
///
/// It serialises to the form that a suite file has, so that what is printed can be read again.
#[derive(Clone, Debug, Serialize)]
pub struct Suite {
    /// The version of the file's format: 1.
    pub version: u64,
    /// The suite's name, `[a-z0-9][a-z0-9._-]*`: results lie in a folder of that name.
    pub name: String,
    /// The seed that every other randomness but the splits' derives from; 0 unless given.
    pub seed: u64,
    /// The sampler of models that have none of their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampler: Option<Sampler>,
    /// At least one, unless every model is a recipe: recipes bring their datasets.
    pub datasets: Vec<DatasetEntry>,
    /// At least one.
    pub models: Vec<ModelEntry>,
    /// At least one; `none` alone unless given.
    pub mitigations: Vec<MitigationChain>,
    /// At least one.
    pub attacks: Vec<AttackEntry>,
    /// Seeds of the repetitions: at least one, distinct; 0 alone unless given.
    pub seeds: Vec<u64>,
    /// What each cell may cost.
    pub limits: Limits,
    /// How the quality of samples is measured; absent where it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quality: Option<Quality>,
    /// What must come out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub expect: Vec<Expectation>,
    /// Claims that are judged on the board.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trends: Vec<Trend>,
    #[serde(skip)]
    document: Arc<Document>,
}

/// A suite with what follows from it, for `plan --json`.
#[derive(Debug, Serialize)]
pub struct Resolved<'a> {
    /// [`Suite::digest`].
    pub digest: String,
    /// The suite, defaults filled in.
    pub suite: &'a Suite,
    /// The label of each entry, in the suite's order.
    pub labels: Labels<'a>,
}

/// Labels, in the order of the suite's lists.
#[derive(Debug, Serialize)]
pub struct Labels<'a> {
    /// Of `datasets`.
    pub datasets: Vec<&'a str>,
    /// Of `models`.
    pub models: Vec<&'a str>,
    /// Of `mitigations`.
    pub mitigations: Vec<&'a str>,
    /// Of `attacks`.
    pub attacks: Vec<&'a str>,
}

impl Suite {
    /// Reads and checks a suite file.
    ///
    /// # Errors
    /// Every problem of the file at once, each with line, column and key path.
    pub fn load(path: &Path) -> Result<Self, SuiteErrors> {
        Self::from_document(Document::read(path)?)
    }

    /// As [`Suite::load`], from text; `path` is what errors call it and what paths are relative to.
    ///
    /// # Errors
    /// As [`Suite::load`].
    pub fn parse(path: &Path, text: &str) -> Result<Self, SuiteErrors> {
        Self::from_document(Document::parse(path, text.to_owned())?)
    }

    /// The sampler of one of this suite's models: its own, else the suite's, else the model's default
    /// (`None`).
    pub fn sampler_of<'a>(&'a self, model: &'a ModelEntry) -> Option<&'a Sampler> {
        model.sampler.as_ref().or(self.sampler.as_ref())
    }

    /// A path of the suite file, which is relative to the folder that the file lies in.
    pub fn path(&self, written: &Path) -> PathBuf {
        let folder = self.document.file().parent().unwrap_or(Path::new(""));
        folder.join(written)
    }

    /// SHA-256, in hex, of everything that the suite says. Comments, the order of keys, and whether a
    /// default is written out do not change it; the order of entries does.
    pub fn digest(&self) -> String {
        let mut json = serde_json::json!(self);
        json.sort_all_objects();
        let digest = Sha256::digest(json.to_string().as_bytes());
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The suite with its digest and labels.
    pub fn resolved(&self) -> Resolved<'_> {
        Resolved {
            digest: self.digest(),
            suite: self,
            labels: Labels {
                datasets: self
                    .datasets
                    .iter()
                    .map(|entry| entry.label.as_str())
                    .collect(),
                models: self
                    .models
                    .iter()
                    .map(|entry| entry.label.as_str())
                    .collect(),
                mitigations: self
                    .mitigations
                    .iter()
                    .map(|entry| entry.label.as_str())
                    .collect(),
                attacks: self
                    .attacks
                    .iter()
                    .map(|entry| entry.label.as_str())
                    .collect(),
            },
        }
    }

    /// A complaint about an entry (`at` is its field of that name), or about what `keys` lead to
    /// inside it, for what only those know who load plugins, models and datasets: with
    /// `&["options", "nn_ratio"]` it names that option's line.
    pub fn problem(&self, at: NodeId, keys: &[&str], message: impl Into<String>) -> LocatedError {
        self.document.problem_under(at, keys, message)
    }

    fn from_document(document: Document) -> Result<Self, SuiteErrors> {
        let document = Arc::new(document);
        let mut reader = Reader::new(&document);
        let suite = read(&mut reader, &document);
        if let (true, Some(suite)) = (reader.is_clean(), &suite) {
            refuse_dead_expectations(&mut reader, suite);
            refuse_dead_combinations(&mut reader, suite);
        }
        let (problems, more) = reader.finish();
        match suite {
            Some(suite) if problems.is_empty() => Ok(suite),
            _ => Err(SuiteErrors { problems, more }),
        }
    }
}

fn read(reader: &mut Reader<'_>, document: &Arc<Document>) -> Option<Suite> {
    let root = document.root();
    // Another version has other keys: say that, rather than complain about each.
    let version = match root.get("version") {
        Some(node) => {
            let version = reader.integer(node, 1)?;
            if version != VERSION {
                let message = format!("unsupported version {version}; this build reads {VERSION}");
                reader.problem(node, message);
                return None;
            }
            version
        }
        None => VERSION,
    };
    reader.mapping(
        root,
        "a mapping with version, name, datasets, models, attacks",
        &KEYS,
    )?;
    reader.required(root, "version");
    let name = reader.required(root, "name");
    let name = name.and_then(|name| reader.name(name));
    let seed = root.get("seed").map(|node| reader.integer(node, 0));
    let sampler = root.get("sampler").map(|node| Sampler::read(reader, node));
    let models = entries(reader, "models", root, one(ModelEntry::read));
    // Recipes bring their datasets.
    let recipes = models.iter().flatten();
    let recipes_alone = recipes
        .clone()
        .all(|model| matches!(model.source, ModelSource::Recipe(_)));
    let datasets = match recipes_alone && recipes.count() > 0 && root.get("datasets").is_none() {
        true => Some(Vec::new()),
        false => entries(reader, "datasets", root, one(DatasetEntry::read)),
    };
    let mitigations = match root.get("mitigations") {
        Some(_) => entries(reader, "mitigations", root, one(MitigationChain::read)),
        None => Some(vec![MitigationChain::none()]),
    };
    let attacks = entries(reader, "attacks", root, AttackEntry::read);
    let seeds = match root.get("seeds") {
        Some(node) => read_seeds(reader, node),
        None => Some(vec![0]),
    };
    let limits = match root.get("limits") {
        Some(node) => Limits::read(reader, node),
        None => Some(Limits::default()),
    };
    let quality = root.get("quality").map(|node| Quality::read(reader, node));
    let expect = match root.get("expect").map(|node| reader.list(node)) {
        Some(Some(items)) => items
            .iter()
            .map(|item| Expectation::read(reader, item))
            .collect(),
        Some(None) => None,
        None => Some(Vec::new()),
    };
    let trends = match root.get("trends") {
        Some(node) => read_trends(reader, node),
        None => Some(Vec::new()),
    };
    Some(Suite {
        version,
        name: name?,
        seed: seed.unwrap_or(Some(0))?,
        sampler: sampler.unwrap_or_default(),
        datasets: datasets?,
        models: models?,
        mitigations: mitigations?,
        attacks: attacks?,
        seeds: seeds?,
        limits: limits?,
        quality: quality.unwrap_or_default(),
        expect: expect?,
        trends: trends?,
        document: Arc::clone(document),
    })
}

/// Reads and labels a list that must be there; entries that cannot be read are reported and left out.
fn entries<'n, T: Labelled>(
    reader: &mut Reader<'_>,
    key: &str,
    root: &'n Node,
    read: impl Fn(&mut Reader<'_>, &Node) -> Option<Vec<T>>,
) -> Option<Vec<T>> {
    let list = reader.required(root, key)?;
    let mut entries: Vec<(usize, T, &'n Node)> = Vec::new();
    for (index, node) in reader.list(list)?.iter().enumerate() {
        let read = read(reader, node).into_iter().flatten();
        entries.extend(read.map(|entry| (index, entry, node)));
    }
    Some(label_all(reader, key, entries))
}

/// A reader of nodes that are one entry each.
fn one<T>(
    read: fn(&mut Reader<'_>, &Node) -> Option<T>,
) -> impl Fn(&mut Reader<'_>, &Node) -> Option<Vec<T>> {
    move |reader, node| read(reader, node).map(|entry| vec![entry])
}

fn read_seeds(reader: &mut Reader<'_>, node: &Node) -> Option<Vec<u64>> {
    let mut seeds = Vec::new();
    let mut seen = HashSet::new();
    for item in reader.list(node)? {
        let seed = reader.integer(item, 0)?;
        if !seen.insert(seed) {
            reader.problem(
                item,
                format!("the seed {seed} stands twice; seeds must differ"),
            );
        }
        seeds.push(seed);
    }
    Some(seeds)
}

fn read_trends(reader: &mut Reader<'_>, node: &Node) -> Option<Vec<Trend>> {
    let mut trends: Vec<Trend> = Vec::new();
    for item in reader.list(node)? {
        let trend = Trend::read(reader, item)?;
        if trends.iter().any(|other| other.name == trend.name) {
            let name = &trend.name;
            reader.problem(
                item,
                format!("the name {name:?} stands twice; names must differ"),
            );
        }
        trends.push(trend);
    }
    Some(trends)
}

/// A pattern that fits no label would make its check pass for ever.
fn refuse_dead_expectations(reader: &mut Reader<'_>, suite: &Suite) {
    for of in &suite.expect {
        let patterns = [&of.dataset, &of.model, &of.mitigation, &of.attack];
        refuse_dead_patterns(reader, suite, of.at, patterns);
    }
    for trend in &suite.trends {
        for of in trend.claim.selectors() {
            let patterns = [&of.dataset, &of.model, &of.mitigation, &of.attack];
            refuse_dead_patterns(reader, suite, of.at, patterns);
        }
    }
}

fn refuse_dead_patterns(
    reader: &mut Reader<'_>,
    suite: &Suite,
    at: NodeId,
    [dataset, model, mitigation, attack]: [&Glob; 4],
) {
    let labels = suite.resolved().labels;
    let recipes = suite.models.iter();
    let recipes = recipes.filter(|model| matches!(model.source, ModelSource::Recipe(_)));
    let brings_datasets = recipes.count() > 0;
    let dimensions: [(&str, &Glob, &[&str]); 4] = [
        ("dataset", dataset, &labels.datasets),
        ("model", model, &labels.models),
        ("mitigation", mitigation, &labels.mitigations),
        ("attack", attack, &labels.attacks),
    ];
    for (key, pattern, labels) in dimensions {
        if key == "dataset" && brings_datasets {
            continue;
        }
        if !labels.iter().any(|label| pattern.matches(label)) {
            let text = pattern.as_str();
            let tail = allowed_and_nearest(text, labels.iter().copied());
            let message = format!("{text:?} fits no {key} of this suite{tail}");
            reader.problem_under(at, key, message);
        }
    }
}

/// A model's pattern that fits none of the suite's mitigations or attacks asks for nothing.
fn refuse_dead_combinations(reader: &mut Reader<'_>, suite: &Suite) {
    let labels = suite.resolved().labels;
    for model in &suite.models {
        for (key, of, patterns, labels) in [
            (
                "mitigations",
                "mitigation",
                &model.mitigations,
                &labels.mitigations,
            ),
            ("attacks", "attack", &model.attacks, &labels.attacks),
        ] {
            for pattern in patterns.iter().flatten() {
                if !labels.iter().any(|label| pattern.matches(label)) {
                    let text = pattern.as_str();
                    let tail = allowed_and_nearest(text, labels.iter().copied());
                    let message = format!("{text:?} fits no {of} of this suite{tail}");
                    reader.problem_under(model.at, key, message);
                }
            }
        }
    }
}
