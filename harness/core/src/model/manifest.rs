//! The manifest of a model, `model.yaml`: what the model is, what it was trained on, and the
//! digests of its files. It opens none of them.

use std::collections::HashSet;
use std::path::{Component, Path};

use eidetic_sdk::conformance::valid_id;
use eidetic_sdk::sampler::SamplerKind;
use serde::{Deserialize, Serialize};

use super::convention::Prediction;
use crate::yaml::{self, Document, LocatedError, Node, Value};

/// The version of the manifest's format.
const VERSION: u32 = 1;

/// A `model.yaml`. Unknown and duplicate keys are refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The version of this format: 1.
    pub version: u32,
    /// The model's name.
    pub name: String,
    /// One line for people.
    pub title: String,
    /// The licence of the weights.
    pub licence: String,
    /// What the network predicts.
    pub prediction: Prediction,
    /// Channels, height and width of an image.
    pub shape: [u32; 3],
    /// The values of black and white: [-1, 1].
    pub range: [f64; 2],
    /// Standard deviation of the training pixels in that range.
    pub sigma_data: f64,
    /// Smallest sigma of an EDM model; the others have a schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sigma_min: Option<f64>,
    /// Largest sigma of an EDM model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sigma_max: Option<f64>,
    /// Number of classes of a model with the input `class_labels`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<u32>,
    /// The label that stands for no class; without one, every row needs a class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub null_class: Option<i64>,
    /// Channels of `sample` behind the image's own, for a training mitigation's masks.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub extra_channels: u32,
    /// The training mitigation whose sampling stage wraps this model innermost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mitigation: Option<String>,
    /// What that mitigation is configured with; its defaults where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mitigation_options: Option<serde_json::Map<String, serde_json::Value>>,
    /// The sampler to use where a suite names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampler: Option<SamplerKind>,
    /// The name of the same recipe trained on aux.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clean_twin: Option<String>,
    /// What it was trained on.
    pub training: TrainingStatement,
    /// Its files, with their digests.
    pub files: Vec<ListedFile>,
}

/// What a model was trained on, by its makers' own account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingStatement {
    /// Which part of the dataset's split.
    pub part: TrainedOn,
    /// The dataset's id; there for members and aux.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<String>,
    /// Number of training images; there for members and aux.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<u64>,
    /// Digest of the training set (`dataset::TrainingSet::digest`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// A part of a split, as far as a model may be trained on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrainedOn {
    /// The members: the model under attack.
    Members,
    /// The third part: the clean twin.
    Aux,
    /// Nothing of the dataset.
    None,
    /// Nobody says.
    Unknown,
}

/// A file of the model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListedFile {
    /// Path in the model folder, with `/`.
    pub path: String,
    /// SHA-256 of its bytes, 64 lower-case hexadecimal digits.
    pub sha256: String,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// A value that is wrong: its path in the manifest, list places as numbers, and what about it.
type Misfit = (String, String);

impl Manifest {
    /// The name of a manifest in its folder.
    pub const FILE: &'static str = "model.yaml";
    /// Where the network is.
    pub const NETWORK: &'static str = "unet/model.onnx";
    /// Where the noise schedule is; EDM models have none.
    pub const SCHEDULE: &'static str = "scheduler/scheduler_config.json";

    /// The manifest of a denoiser of EDM in pixel space, sigma 0.002 to 80, without title, licence
    /// and files.
    pub fn edm(
        name: &str,
        shape: [usize; 3],
        sigma_data: f64,
        training: TrainingStatement,
    ) -> Self {
        Self {
            version: VERSION,
            name: name.to_owned(),
            title: String::new(),
            licence: String::new(),
            prediction: Prediction::Edm,
            shape: shape.map(|size| size as u32),
            range: [-1.0, 1.0],
            sigma_data,
            sigma_min: Some(0.002),
            sigma_max: Some(80.0),
            classes: None,
            null_class: None,
            extra_channels: 0,
            mitigation: None,
            mitigation_options: None,
            sampler: None,
            clean_twin: None,
            training,
            files: Vec::new(),
        }
    }

    /// Reads and checks `folder/model.yaml`.
    ///
    /// # Errors
    /// The first fault, with file, line, column and key.
    pub fn read(folder: &Path) -> Result<Self, LocatedError> {
        let path = folder.join(Self::FILE);
        let manifest: Self = yaml::from_file(&path)?;
        match manifest.check() {
            Ok(()) => Ok(manifest),
            Err((key, message)) => {
                let document = Document::read(&path)?;
                Err(document.problem(node_at(document.root(), &key), message))
            }
        }
    }

    /// The digest of a listed file.
    pub fn sha256_of(&self, path: &str) -> Option<&str> {
        self.files
            .iter()
            .find(|file| file.path == path)
            .map(|file| file.sha256.as_str())
    }

    pub(super) fn check(&self) -> Result<(), Misfit> {
        let expect = |good: bool, key: &str, message: String| {
            if good {
                Ok(())
            } else {
                Err((key.to_owned(), message))
            }
        };
        expect(
            self.version == VERSION,
            "version",
            format!("expected {VERSION}, got {}", self.version),
        )?;
        let ids = [
            ("name", Some(&self.name)),
            ("mitigation", self.mitigation.as_ref()),
        ];
        for (key, id) in ids
            .into_iter()
            .chain([("clean_twin", self.clean_twin.as_ref())])
        {
            let good = id.is_none_or(|id| valid_id(id));
            let message = format!(
                "expected a name of a-z, 0-9 and `-`, got {:?}",
                id.map_or("", |id| id)
            );
            expect(good, key, message)?;
        }
        let sized = self.shape.iter().all(|size| (1..=1 << 14).contains(size));
        expect(
            sized,
            "shape",
            format!("expected three sizes from 1 to 16384, got {:?}", self.shape),
        )?;
        expect(
            self.range == [-1.0, 1.0],
            "range",
            format!(
                "expected [-1, 1], got {:?}: put the change of range into the network",
                self.range
            ),
        )?;
        let data = self.sigma_data;
        let message = format!("expected a number above 0 and up to 1, got {data}");
        expect(data > 0.0 && data <= 1.0, "sigma_data", message)?;
        self.check_sigmas()?;
        expect(
            self.null_class.is_none() || self.classes.is_some(),
            "null_class",
            "expected classes beside it, got none".to_owned(),
        )?;
        expect(
            self.classes != Some(0),
            "classes",
            "expected at least 1, got 0".to_owned(),
        )?;
        expect(
            self.extra_channels == 0 || self.mitigation.is_some(),
            "extra_channels",
            format!(
                "expected the key mitigation beside {} extra channels, to say what fills them",
                self.extra_channels
            ),
        )?;
        expect(
            self.mitigation_options.is_none() || self.mitigation.is_some(),
            "mitigation_options",
            "expected the key mitigation beside it, got none".to_owned(),
        )?;
        self.training.check()?;
        self.check_files()
    }

    fn check_sigmas(&self) -> Result<(), Misfit> {
        let edm = self.prediction == Prediction::Edm;
        for (key, sigma) in [("sigma_min", self.sigma_min), ("sigma_max", self.sigma_max)] {
            let message = match sigma {
                None if edm => format!("missing key {key:?}, which prediction edm needs"),
                Some(_) if !edm => format!(
                    "expected no {key} for prediction {}: the schedule has it",
                    self.prediction
                ),
                Some(sigma) if !(sigma > 0.0 && sigma.is_finite()) => {
                    format!("expected a finite number above 0, got {sigma}")
                }
                _ => continue,
            };
            return Err((key.to_owned(), message));
        }
        match (self.sigma_min, self.sigma_max) {
            (Some(min), Some(max)) if min >= max => Err((
                "sigma_max".to_owned(),
                format!("expected more than sigma_min {min}, got {max}"),
            )),
            _ => Ok(()),
        }
    }

    fn check_files(&self) -> Result<(), Misfit> {
        let mut seen = HashSet::new();
        for (place, file) in self.files.iter().enumerate() {
            let plain = |part| matches!(part, Component::Normal(_));
            let inside = !file.path.is_empty() && Path::new(&file.path).components().all(plain);
            if !inside || file.path.contains('\\') || file.path == Self::FILE {
                let message = format!(
                    "expected a path of a file in the model folder, got {:?}",
                    file.path
                );
                return Err((format!("files/{place}/path"), message));
            }
            if !seen.insert(&file.path) {
                return Err((
                    format!("files/{place}/path"),
                    format!("{:?} is listed twice", file.path),
                ));
            }
            check_hex(&format!("files/{place}/sha256"), &file.sha256)?;
        }
        let schedule = (self.prediction != Prediction::Edm).then_some(Self::SCHEDULE);
        for path in [Some(Self::NETWORK), schedule].into_iter().flatten() {
            if self.sha256_of(path).is_none() {
                let message = format!(
                    "expected {path:?} among the files for prediction {}, got {:?}",
                    self.prediction,
                    self.files.iter().map(|file| &file.path).collect::<Vec<_>>()
                );
                return Err(("files".to_owned(), message));
            }
        }
        Ok(())
    }
}

impl TrainingStatement {
    fn check(&self) -> Result<(), Misfit> {
        let named = matches!(self.part, TrainedOn::Members | TrainedOn::Aux);
        if named && (self.dataset.is_none() || self.n.is_none_or(|n| n == 0)) {
            let message =
                "expected dataset and n (at least 1) beside part members or aux".to_owned();
            return Err(("training".to_owned(), message));
        }
        if self.part == TrainedOn::None && self.digest.is_some() {
            let message = "expected no digest beside part none".to_owned();
            return Err(("training/digest".to_owned(), message));
        }
        self.digest
            .as_ref()
            .map_or(Ok(()), |digest| check_hex("training/digest", digest))
    }
}

fn check_hex(key: &str, digest: &str) -> Result<(), Misfit> {
    let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if digest.len() == 64 && digest.bytes().all(hex) {
        return Ok(());
    }
    Err((
        key.to_owned(),
        format!("expected 64 lower-case hexadecimal digits, got {digest:?}"),
    ))
}

/// The node of a path such as `files/0/sha256`, or as much of the way as there is.
fn node_at<'a>(root: &'a Node, path: &str) -> &'a Node {
    let mut node = root;
    for key in path.split('/') {
        let below = match &node.value {
            Value::Sequence(items) => key.parse().ok().and_then(|place: usize| items.get(place)),
            _ => node.get(key),
        };
        match below {
            Some(below) => node = below,
            None => break,
        }
    }
    node
}
