//! The perfect memorizer as a model folder, for the built-in names `memorizer-onnx` and
//! `clean-onnx`.

use std::path::Path;

use eidetic_sdk::pixels;

use super::error::Error;
use super::folder::ModelFolder;
use super::manifest::{Manifest, TrainingStatement};
use super::write::{FolderContent, write_model_folder};

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

/// Writes the folder at `path` as [`write_model_folder`] does.
///
/// # Errors
/// [`Error::Images`] for images that do not fit the shape, are none, or are all of one level; those
/// of [`write_model_folder`].
pub fn write_memorizer_folder(
    path: &Path,
    content: &MemorizerFolder<'_>,
) -> Result<ModelFolder, Error> {
    write_model_folder(path, content.build()?)
}

impl MemorizerFolder<'_> {
    fn misfit(&self, expected: &str, got: String) -> Error {
        Error::Images {
            name: self.name.to_owned(),
            expected: expected.to_owned(),
            got,
        }
    }

    fn build(&self) -> Result<FolderContent, Error> {
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
        let mut manifest = Manifest::edm(self.name, self.shape, sigma_data, self.training.clone());
        self.title.clone_into(&mut manifest.title);
        self.licence.clone_into(&mut manifest.licence);
        manifest.clean_twin = self.clean_twin.map(str::to_owned);
        Ok(FolderContent {
            manifest,
            listed: vec![(Manifest::NETWORK.to_owned(), network)],
            beside: Vec::new(),
        })
    }
}
