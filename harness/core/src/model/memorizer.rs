//! The perfect memorizer as a model folder, for the built-in names `memorizer-onnx` and
//! `clean-onnx`.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use eidetic_sdk::pixels;

use super::convention::Prediction;
use super::error::Error;
use super::folder::{ModelFolder, digest_of};
use super::manifest::{ListedFile, Manifest, TrainingStatement, VERSION};
use crate::files::{sha256_hex, write_atomic};
use crate::yaml::LocatedError;

/// What is written. The same contents give the same bytes and the same model digest.
#[derive(Debug, Clone)]
pub struct MemorizerFolder<'a> {
    /// The model's name.
    pub name: &'a str,
    /// One line for people.
    pub title: &'a str,
    /// The licence of the images, which are the weights.
    pub licence: &'a str,
    /// Training images, u8 `[N, C, H, W]`.
    pub images: &'a [u8],
    /// C, H, W.
    pub shape: [usize; 3],
    /// What the images are.
    pub training: TrainingStatement,
    /// The name of the same over aux.
    pub clean_twin: Option<&'a str>,
}

/// Writes `path` (`model.yaml` and `unet/model.onnx`) as a whole: into a temporary folder beside
/// it, synced, renamed. A folder that is there and is this very model stays; a model folder that
/// differs, or is damaged, is replaced.
///
/// # Errors
/// [`Error::Images`] for images that do not fit the shape, are none, or are all of one level;
/// [`Error::Manifest`] for a name or statement that a manifest does not take;
/// [`Error::Occupied`] where `path` is something else; [`Error::Io`].
pub fn write_memorizer_folder(
    path: &Path,
    content: &MemorizerFolder<'_>,
) -> Result<ModelFolder, Error> {
    let (network, manifest) = content.build()?;
    manifest.check().map_err(|(key, message)| LocatedError {
        file: path.join(Manifest::FILE),
        place: None,
        key,
        message,
    })?;
    let yaml = serde_yaml::to_string(&manifest)
        .map_err(|error| content.misfit("a manifest that YAML can hold", error.to_string()))?;
    let digest = digest_of(yaml.as_bytes(), &manifest);
    let standing = || {
        ModelFolder::open(path)
            .ok()
            .filter(|folder| folder.digest() == digest)
    };
    if let Some(folder) = standing() {
        return Ok(folder);
    }
    let parent = path.parent().unwrap_or(Path::new("."));
    let failed = |doing| {
        move |source| Error::Io {
            doing,
            path: path.to_owned(),
            source,
        }
    };
    fs::create_dir_all(parent).map_err(failed("write"))?;
    let temporary = tempfile::Builder::new()
        .prefix(".")
        .suffix(".tmp")
        .tempdir_in(parent)
        .map_err(failed("write"))?;
    let built = temporary.path().join("model");
    write_atomic(&built.join(Manifest::NETWORK), &network).map_err(failed("write"))?;
    write_atomic(&built.join(Manifest::FILE), yaml.as_bytes()).map_err(failed("write"))?;
    ModelFolder::open(&built)?;

    if path.exists() {
        if !path.join(Manifest::FILE).is_file() {
            return Err(Error::Occupied {
                path: path.to_owned(),
            });
        }
        // Renamed away first, so that nobody meets half of it.
        fs::rename(path, temporary.path().join("old")).map_err(failed("replace"))?;
    }
    match fs::rename(&built, path) {
        Ok(()) => sync(parent).map_err(failed("write"))?,
        // Another process was faster: what counts is that the right model is there.
        Err(source) => return standing().ok_or_else(|| failed("write")(source)),
    }
    ModelFolder::open(path)
}

fn sync(folder: &Path) -> io::Result<()> {
    #[cfg(unix)]
    File::open(if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    })?
    .sync_all()?;
    Ok(())
}

impl MemorizerFolder<'_> {
    fn misfit(&self, expected: &str, got: String) -> Error {
        Error::Images {
            name: self.name.to_owned(),
            expected: expected.to_owned(),
            got,
        }
    }

    fn build(&self) -> Result<(Vec<u8>, Manifest), Error> {
        let sigma_data = pixels::standard_deviation(self.images);
        let units: Vec<f32> = self
            .images
            .iter()
            .map(|&level| pixels::to_unit(level))
            .collect();
        let network = eidetic_graph::memorizer(&units, self.shape)?;
        if sigma_data == 0.0 {
            let got = format!("{} times level {}", self.images.len(), self.images[0]);
            return Err(self.misfit("training pixels that vary", got));
        }
        let network = eidetic_graph::encode(&network);
        let manifest = Manifest {
            version: VERSION,
            name: self.name.to_owned(),
            title: self.title.to_owned(),
            licence: self.licence.to_owned(),
            prediction: Prediction::Edm,
            shape: self.shape.map(|size| size as u32),
            range: [-1.0, 1.0],
            sigma_data,
            sigma_min: Some(0.002),
            sigma_max: Some(80.0),
            classes: None,
            null_class: None,
            extra_channels: 0,
            mitigation: None,
            sampler: None,
            clean_twin: self.clean_twin.map(str::to_owned),
            training: self.training.clone(),
            files: vec![ListedFile {
                path: Manifest::NETWORK.to_owned(),
                sha256: sha256_hex(&network),
            }],
        };
        Ok((network, manifest))
    }
}
