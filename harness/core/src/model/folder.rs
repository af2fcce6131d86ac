//! A model folder, every file checked before anything uses it.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use eidetic_graph::proto::ModelProto;
use eidetic_graph::{Obstacle, Summary, differentiable};
use eidetic_sdk::{ConditionSpec, ElementType, ImageShape, ModelInfo};
use sha2::{Digest, Sha256};

use super::convention::Prediction;
use super::error::Error;
use super::manifest::{ListedFile, Manifest};
use super::network::{CLASS_LABELS, NoiseInput, OUT_SAMPLE, SAMPLE, noise_input};
use super::schedule::Schedule;
use crate::files::{hex, sha256_file, sha256_hex};
use crate::yaml::Document;

/// A model folder whose manifest, digests, schedule and network fit together.
#[derive(Debug, Clone)]
pub struct ModelFolder {
    path: PathBuf,
    manifest: Manifest,
    schedule: Option<Schedule>,
    noise_input: NoiseInput,
    summary: Summary,
    obstacles: Vec<Obstacle>,
    digest: String,
}

impl ModelFolder {
    /// Reads and checks a folder: the manifest, the digest of every listed file, the schedule, and
    /// the network's inputs and outputs. ONNX Runtime is not needed. The network's file is read
    /// into memory once.
    ///
    /// # Errors
    /// The first fault, with the file and the key.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let manifest = Manifest::read(path)?;
        for file in &manifest.files {
            // The network and the schedule are read below, and their digests are those of what is
            // used.
            if file.path != Manifest::NETWORK && file.path != Manifest::SCHEDULE {
                check_file(path, file)?;
            }
        }
        let schedule = match manifest.prediction {
            Prediction::Edm => None,
            prediction => Some(read_schedule(path, &manifest, prediction)?),
        };
        let network = path.join(Manifest::NETWORK);
        let bytes = read_checked(path, &manifest, Manifest::NETWORK)?;
        let model = eidetic_graph::decode(&network, &bytes)?;
        drop(bytes);
        let summary = Summary::of(&model);
        let obstacles = obstacles(model);
        for weights in &summary.external_files {
            let listed =
                beside_network(weights).is_some_and(|at| manifest.sha256_of(&at).is_some());
            if !listed {
                return Err(Error::Unlisted {
                    path: network,
                    weights: weights.clone(),
                });
            }
        }
        let noise_input = noise_input(&network, &manifest, &summary)?;
        let digest = model_digest(path, &manifest)?;
        let path = path.to_owned();
        Ok(Self {
            path,
            manifest,
            schedule,
            noise_input,
            summary,
            obstacles,
            digest,
        })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What `model.yaml` says.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The noise schedule; EDM models have none.
    pub fn schedule(&self) -> Option<&Schedule> {
        self.schedule.as_ref()
    }

    /// The network in short.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// What stands in the way of the gradient of D with respect to x; nothing where it is offered.
    pub fn obstacles(&self) -> &[Obstacle] {
        &self.obstacles
    }

    /// SHA-256 over the manifest's bytes and, in its order, path and digest of every listed file:
    /// two folders of one digest are the same model.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// What the model says of itself. sigma_min and sigma_max are the ends of the schedule where
    /// there is one.
    pub fn info(&self) -> ModelInfo {
        let manifest = &self.manifest;
        let [channels, height, width] = manifest.shape;
        let image = ImageShape {
            channels,
            height,
            width,
        };
        let mut info = ModelInfo::pixel_denoiser(image, manifest.sigma_data);
        if let Some(schedule) = &self.schedule {
            info.schedule = schedule.sigmas().to_vec();
        }
        let ends = info.schedule.first().zip(info.schedule.last());
        let stated = manifest.sigma_min.as_ref().zip(manifest.sigma_max.as_ref());
        if let Some((&min, &max)) = ends.or(stated) {
            (info.sigma_min, info.sigma_max) = (min, max);
        }
        info.extra_channels = manifest.extra_channels;
        info.differentiates = self.obstacles.is_empty();
        info.conditions
            .extend(manifest.classes.map(|classes| ConditionSpec {
                name: CLASS_LABELS.to_owned(),
                element: ElementType::I64,
                dims: Vec::new(),
                classes: Some(u64::from(classes)),
                nullable: manifest.null_class.is_some(),
            }));
        info
    }

    pub(super) fn noise_input(&self) -> NoiseInput {
        self.noise_input
    }

    pub(super) fn network(&self) -> PathBuf {
        self.path.join(Manifest::NETWORK)
    }

    /// The bytes of the network, or of weights beside it by their path from the network; their
    /// digest is checked again.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Io`], [`Error::Digest`], [`Error::Unlisted`].
    pub(super) fn network_bytes(&self, weights: Option<&str>) -> Result<Vec<u8>, Error> {
        let Some(weights) = weights else {
            return read_checked(&self.path, &self.manifest, Manifest::NETWORK);
        };
        let listed = beside_network(weights).filter(|at| self.manifest.sha256_of(at).is_some());
        let at = listed.ok_or_else(|| Error::Unlisted {
            path: self.network(),
            weights: weights.to_owned(),
        })?;
        read_checked(&self.path, &self.manifest, &at)
    }
}

/// What stands between `sample` and `out_sample`: nothing else has to be differentiated.
fn obstacles(mut model: ModelProto) -> Vec<Obstacle> {
    if let Some(graph) = &mut model.graph {
        graph.initializer.clear();
        graph.input.retain(|input| input.name == SAMPLE);
        graph.output.retain(|output| output.name == OUT_SAMPLE);
    }
    differentiable(&model).err().unwrap_or_default()
}

fn read_schedule(
    folder: &Path,
    manifest: &Manifest,
    prediction: Prediction,
) -> Result<Schedule, Error> {
    let bytes = read_checked(folder, manifest, Manifest::SCHEDULE)?;
    let (schedule, stated) = Schedule::parse(&folder.join(Manifest::SCHEDULE), &bytes)?;
    if stated == prediction {
        return Ok(schedule);
    }
    let document = Document::read(&folder.join(Manifest::FILE))?;
    let message = format!(
        "expected the prediction_type of {} ({stated}), got {prediction}",
        Manifest::SCHEDULE
    );
    Err(document
        .problem_under(document.root().id(), &["prediction"], message)
        .into())
}

/// The bytes of a listed file, after its digest was checked.
fn read_checked(folder: &Path, manifest: &Manifest, file: &str) -> Result<Vec<u8>, Error> {
    let path = folder.join(file);
    let bytes = fs::read(&path).map_err(|source| unreadable(folder, &path, source))?;
    let expected = manifest.sha256_of(file).unwrap_or_default();
    compare(&path, expected, sha256_hex(&bytes))?;
    Ok(bytes)
}

fn check_file(folder: &Path, file: &ListedFile) -> Result<(), Error> {
    let path = folder.join(&file.path);
    let got = sha256_file(&path).map_err(|source| unreadable(folder, &path, source))?;
    compare(&path, &file.sha256, got)
}

fn compare(path: &Path, expected: &str, got: String) -> Result<(), Error> {
    if expected == got {
        return Ok(());
    }
    Err(Error::Digest {
        path: path.to_owned(),
        expected: expected.to_owned(),
        got,
    })
}

fn unreadable(folder: &Path, path: &Path, source: io::Error) -> Error {
    if source.kind() == io::ErrorKind::NotFound {
        let manifest = folder.join(Manifest::FILE);
        return Error::Missing {
            path: path.to_owned(),
            manifest,
        };
    }
    Error::Io {
        doing: "read",
        path: path.to_owned(),
        source,
    }
}

/// Where a file of weights is, from the model folder; `None` outside of it.
fn beside_network(weights: &str) -> Option<String> {
    let folder = Path::new(Manifest::NETWORK).parent()?;
    let mut parts: Vec<String> = Vec::new();
    for part in folder.join(weights).components() {
        match part {
            Component::Normal(part) => parts.push(part.to_str()?.to_owned()),
            Component::CurDir => {}
            Component::ParentDir => {
                parts.pop()?;
            }
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(parts.join("/"))
}

fn model_digest(folder: &Path, manifest: &Manifest) -> Result<String, Error> {
    let path = folder.join(Manifest::FILE);
    let bytes = fs::read(&path).map_err(|source| unreadable(folder, &path, source))?;
    Ok(digest_of(&bytes, manifest))
}

/// Over lines that no path or digest can imitate: lengths stand before what varies.
pub(super) fn digest_of(manifest_bytes: &[u8], manifest: &Manifest) -> String {
    let mut digest = Sha256::new_with_prefix("eidetic model 1\n");
    digest.update((manifest_bytes.len() as u64).to_le_bytes());
    digest.update(manifest_bytes);
    for file in &manifest.files {
        digest.update((file.path.len() as u64).to_le_bytes());
        digest.update(&file.path);
        digest.update(&file.sha256);
    }
    hex(&digest.finalize())
}
