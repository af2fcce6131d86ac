//! The recipe of a network, a YAML file: read, checked in itself, defaults filled in.

use std::path::Path;
use std::sync::Arc;

use eidetic_nn::{Network, Training};
use eidetic_sdk::conformance::valid_id;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value as Json};

use super::error::Error;
use crate::suite::SplitOverride;
use crate::yaml::{self, Document, LocatedError, Node, Value};

/// The version of the recipe's format.
const VERSION: u32 = 1;

/// A recipe. Unknown and duplicate keys are refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// The version of this format: 1.
    pub version: u32,
    /// The model's name, a-z, 0-9 and `-`: its folder among the models has it.
    pub name: String,
    /// One line for people.
    pub title: String,
    /// The licence of the weights.
    pub licence: String,
    /// The data: a dataset's id, or `{ id, split }` with keys in place of its default split's.
    pub dataset: RecipeDataset,
    /// What is trained on: `members` unless given, or `aux` for a clean twin.
    #[serde(default)]
    pub part: TrainedPart,
    /// The network: `{ kind: unet, ... }` or `{ kind: mlp, ... }`.
    pub network: Network,
    /// Whether the network is told the class of each image: not unless given.
    #[serde(default)]
    pub conditional: bool,
    /// Share of examples whose class is replaced by the null class, for guidance without a
    /// classifier and for unconditional samples: 0.1 where the network is conditional. At 0 the
    /// model has no null class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label_dropout: Option<f64>,
    /// Whether each example is mirrored left to right with probability one half: not unless given.
    #[serde(default)]
    pub flip: bool,
    /// The noise levels of training and sampling.
    #[serde(default)]
    pub sigma: SigmaDraw,
    /// The loop: steps, batch, optimiser, rate, clip, ema, seed and more.
    pub training: Training,
    /// What is watched.
    #[serde(default)]
    pub memorized: Memorized,
    /// Name of the model of the same recipe trained on aux.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clean_twin: Option<String>,
    /// A mitigation that acts on the data or in training: `none` unless given, its id, or
    /// `{ id, options }`.
    #[serde(default, serialize_with = "or_none", deserialize_with = "mitigation")]
    pub mitigation: Option<RecipeMitigation>,
}

impl Recipe {
    /// As YAML that [`RecipeFile::load`] reads.
    pub fn to_yaml(&self) -> String {
        let yaml =
            serde_yaml::to_string(self).expect("what was read from YAML can be written as such");
        // What is left to a default that is nothing: text that ends so stands in quotes.
        let lines = yaml.lines().filter(|line| !line.ends_with(": null"));
        lines.map(|line| format!("{line}\n")).collect()
    }
}

/// The data of a recipe.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RecipeDataset {
    /// Id of the dataset.
    pub id: String,
    /// What differs from its default split; as resolved, all of the split.
    #[serde(skip_serializing_if = "SplitOverride::is_empty")]
    pub split: SplitOverride,
}

/// A part of a split that networks are trained on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrainedPart {
    /// The model under attack.
    #[default]
    Members,
    /// The clean twin.
    Aux,
}

/// Noise levels; the first two are those of training (Karras et al. 2022, table 1), the others are
/// the range that the finished model is sampled in.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SigmaDraw {
    /// Mean of ln sigma: -1.2.
    pub log_mean: f64,
    /// Standard deviation of ln sigma: 1.2.
    pub log_std: f64,
    /// Smallest sigma of the model: 0.002.
    pub min: f64,
    /// Largest sigma of the model: 80.
    pub max: f64,
}

impl Default for SigmaDraw {
    fn default() -> Self {
        Self {
            log_mean: -1.2,
            log_std: 1.2,
            min: 0.002,
            max: 80.0,
        }
    }
}

/// How the memorized fraction is watched while a network is trained; it
/// changes no weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Memorized {
    /// Steps between two looks: 500. There is one at the end in any case.
    pub every: u64,
    /// Images drawn with the averaged weights for a look: 64.
    pub samples: u64,
    /// Steps of Heun's sampler: 18.
    pub sampler_steps: usize,
}

impl Default for Memorized {
    fn default() -> Self {
        Self {
            every: 500,
            samples: 64,
            sampler_steps: 18,
        }
    }
}

/// The mitigation of a recipe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecipeMitigation {
    /// The plugin's id.
    pub id: String,
    /// What differs from its defaults; as resolved, all options.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub options: Map<String, Json>,
}

/// A recipe with its file, so that what comes to light later is told with line and key.
#[derive(Debug)]
pub struct RecipeFile {
    /// What the file says.
    pub recipe: Recipe,
    document: Arc<Document>,
}

impl RecipeFile {
    /// Reads and checks a recipe.
    ///
    /// # Errors
    /// The first problem, with file, line, column and key.
    pub fn load(path: &Path) -> Result<Self, LocatedError> {
        let file = Self {
            recipe: yaml::from_file(path)?,
            document: Arc::new(Document::read(path)?),
        };
        file.check()?;
        Ok(file)
    }

    /// As [`RecipeFile::load`], from text; `path` is only what errors call it.
    ///
    /// # Errors
    /// As [`RecipeFile::load`].
    pub fn parse(path: &Path, text: &str) -> Result<Self, LocatedError> {
        let file = Self {
            recipe: yaml::from_str(path, text)?,
            document: Arc::new(Document::parse(path, text.to_owned())?),
        };
        file.check()?;
        Ok(file)
    }

    /// The same, with other contents than the file's; complaints name the file's lines.
    pub fn with(&self, recipe: Recipe) -> Self {
        Self {
            recipe,
            document: Arc::clone(&self.document),
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        self.document.file()
    }

    /// A complaint about the value that `keys` lead to, or about as much of that way as there is.
    pub fn problem(&self, keys: &[&str], message: impl Into<String>) -> LocatedError {
        let root = self.document.root().id();
        self.document.problem_under(root, keys, message)
    }

    /// What `eidetic-nn` refuses, at the line that it is about where that is of this file.
    pub(super) fn refused(&self, section: &str, error: eidetic_nn::Error) -> Error {
        let eidetic_nn::Error::Configuration { key, expected, got } = error else {
            return error.into();
        };
        let message = format!("expected {expected}, got {got}");
        let root = self.document.root();
        match root.get(section).and_then(|section| below(section, key)) {
            Some(node) => self.document.problem(node, message).into(),
            None => self.problem(&[section], format!("{key}: {message}")).into(),
        }
    }

    fn check(&self) -> Result<(), LocatedError> {
        let recipe = &self.recipe;
        let expect = |good: bool, keys: &[&str], message: String| match good {
            true => Ok(()),
            false => Err(self.problem(keys, message)),
        };
        expect(
            recipe.version == VERSION,
            &["version"],
            format!(
                "unsupported version {}; this build reads {VERSION}",
                recipe.version
            ),
        )?;
        let names = [
            ("name", Some(&recipe.name)),
            ("clean_twin", recipe.clean_twin.as_ref()),
        ];
        for (key, name) in names {
            let Some(name) = name else { continue };
            let message = format!("expected a name of a-z, 0-9 and `-`, got {name:?}");
            expect(valid_id(name), &[key], message)?;
        }
        for (key, text) in [("title", &recipe.title), ("licence", &recipe.licence)] {
            let line = !text.trim().is_empty() && !text.contains('\n');
            expect(line, &[key], format!("expected one line, got {text:?}"))?;
        }
        let twin = recipe.clean_twin.as_ref();
        let message = "expected the name of another model, got this one's own".to_owned();
        expect(twin != Some(&recipe.name), &["clean_twin"], message)?;
        let message = "expected none beside part aux: this is a clean twin itself".to_owned();
        let is_twin = recipe.part == TrainedPart::Aux;
        expect(twin.is_none() || !is_twin, &["clean_twin"], message)?;
        self.check_numbers(expect)
    }

    fn check_numbers(
        &self,
        expect: impl Fn(bool, &[&str], String) -> Result<(), LocatedError>,
    ) -> Result<(), LocatedError> {
        let recipe = &self.recipe;
        if let Some(share) = recipe.label_dropout {
            let key = &["label_dropout"];
            let message = "expected conditional: true beside it".to_owned();
            expect(recipe.conditional, key, message)?;
            let message = format!("expected a share from 0 to 1, got {share}");
            expect((0.0..=1.0).contains(&share), key, message)?;
        }
        let SigmaDraw {
            log_mean,
            log_std,
            min,
            max,
        } = recipe.sigma;
        let (mean, std) = (-20.0..=20.0, 0.0..=5.0);
        let message = format!("expected -20 to 20, got {log_mean}");
        expect(mean.contains(&log_mean), &["sigma", "log_mean"], message)?;
        let message = format!("expected 0 to 5, got {log_std}");
        expect(std.contains(&log_std), &["sigma", "log_std"], message)?;
        let message = format!("expected a finite number above 0, got {min}");
        expect(min > 0.0 && min.is_finite(), &["sigma", "min"], message)?;
        let message = format!("expected a finite number above min {min}, got {max}");
        expect(max > min && max.is_finite(), &["sigma", "max"], message)?;
        let memorized = recipe.memorized;
        for (key, value) in [
            ("every", memorized.every),
            ("samples", memorized.samples),
            ("sampler_steps", memorized.sampler_steps as u64),
        ] {
            let message = "expected 1 or more, got 0".to_owned();
            expect(value > 0, &["memorized", key], message)?;
        }
        let message = "expected no such key: memorized.every says it".to_owned();
        let key = &["training", "watch_every"];
        expect(recipe.training.watch_every.is_none(), key, message)?;
        match self.recipe.training.check() {
            Ok(()) => Ok(()),
            Err(error) => match self.refused("training", error) {
                Error::Recipe(located) => Err(located),
                other => Err(self.problem(&["training"], other.to_string())),
            },
        }
    }
}

impl Recipe {
    /// The share of labels that become the null class; 0 for a network without classes.
    pub fn dropped_labels(&self) -> f64 {
        match self.conditional {
            true => self.label_dropout.unwrap_or(0.1),
            false => 0.0,
        }
    }
}

/// The value under a key, here or in a mapping below.
fn below<'a>(node: &'a Node, key: &str) -> Option<&'a Node> {
    let Value::Mapping(entries) = &node.value else {
        return None;
    };
    let deeper = || entries.iter().find_map(|entry| below(&entry.value, key));
    node.get(key).or_else(deeper)
}

impl<'de> Deserialize<'de> for RecipeDataset {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Fields {
            id: String,
            #[serde(default)]
            split: SplitOverride,
        }
        let fields: Fields = deserializer.deserialize_any(IdOr {
            expected: "a dataset's id or a mapping with id",
            named: |id| Fields {
                id,
                split: SplitOverride::default(),
            },
        })?;
        let Fields { id, split } = fields;
        Ok(Self { id, split })
    }
}

const NONE: &str = "none";

fn mitigation<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<RecipeMitigation>, D::Error> {
    let options = Map::new();
    let read: RecipeMitigation = deserializer.deserialize_any(IdOr {
        expected: "none, a mitigation's id or a mapping with id",
        named: |id| RecipeMitigation { id, options },
    })?;
    match (read.id.as_str(), read.options.is_empty()) {
        (NONE, true) => Ok(None),
        (NONE, false) => Err(de::Error::custom("none takes no options")),
        _ => Ok(Some(read)),
    }
}

fn or_none<S: Serializer>(
    mitigation: &Option<RecipeMitigation>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match mitigation {
        Some(mitigation) => mitigation.serialize(serializer),
        None => serializer.serialize_str(NONE),
    }
}

/// Text, or a mapping with the same as `id`.
struct IdOr<F> {
    expected: &'static str,
    named: F,
}

impl<'de, T: Deserialize<'de>, F: FnOnce(String) -> T> Visitor<'de> for IdOr<F> {
    type Value = T;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: de::Error>(self, id: &str) -> Result<T, E> {
        Ok((self.named)(id.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}
