//! The manifest of an embedder, `embedder.yaml`: where the network is, what it takes and gives. It
//! opens no network.

use std::fmt;
use std::path::{Path, PathBuf};

use eidetic_sdk::conformance::valid_id;
use serde::{Deserialize, Serialize};

use super::resize::Filter;
use crate::yaml::{LocatedError, Misfit, expect, expect_name_of, from_checked_file};

/// The embedder on whose features alone a Frechet distance is called FID.
pub(crate) const INCEPTION: &str = "inception-v3-pool3";

/// The version of the manifest's format.
const VERSION: u32 = 1;

/// The largest height or width of an input.
const LARGEST: usize = 1 << 12;

/// An `embedder.yaml`. Unknown and duplicate keys are refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The version of this format: 1.
    pub version: u32,
    /// The embedder's name and that of its folder.
    pub name: String,
    /// One line for people.
    pub title: String,
    /// Where its authors publish it.
    pub source: String,
    /// The licence of the weights.
    pub licence: String,
    /// The ONNX file.
    pub network: Network,
    /// How an image becomes the network's input.
    pub preprocessing: Preprocessing,
    /// What becomes of the network's output.
    pub normalisation: Normalisation,
}

/// The ONNX file of an embedder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// Its name, in the manifest's folder or in the folder that the user gives. One file: weights
    /// beside it are refused.
    pub file: String,
    /// SHA-256 of the file. Absent where users export the network themselves, which gives other
    /// bytes with every version of the exporter: then any file will do, and the digest of the one
    /// that is found is part of the embedder's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// The name of its only input, f32 `[batch, 3, height, width]`.
    pub input: String,
    /// The name of the output with the features, f32 `[batch, dim]`. Rows must not depend on each
    /// other.
    pub output: String,
    /// Numbers in a feature vector.
    pub dim: usize,
}

/// How an image of levels 0 to 255 becomes the network's input: resized, cropped, then
/// (level * levels / 255 - mean) / std. A grey image becomes three equal channels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocessing {
    /// Height and width of the input. Absent for a network that resizes by itself: then an image
    /// goes in at its own size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<[usize; 2]>,
    /// How images are resized; there where `size` is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,
    /// Resize the shorter side to this first, keeping the aspect, and cut `size` out of the middle.
    /// Absent: resize to `size` at once, whatever the aspect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resize: Option<usize>,
    /// The order of the channels.
    pub channels: Channels,
    /// The value of white before `mean` is taken away: 1 or 255.
    pub levels: u32,
    /// What is taken from each channel, in the order of `channels`.
    pub mean: [f32; 3],
    /// What each channel is divided by then, in the order of `channels`.
    pub std: [f32; 3],
}

/// The order of the channels of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channels {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red.
    Bgr,
}

/// What becomes of an output before it counts as a feature vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Normalisation {
    /// Nothing.
    None,
    /// It is divided by its length; a vector of zeros stays as it is.
    L2,
}

impl Manifest {
    /// The name of a manifest in its folder.
    pub const FILE: &'static str = "embedder.yaml";

    /// Reads and checks `folder/embedder.yaml`.
    ///
    /// # Errors
    /// The first fault, with file, line, column and key.
    pub fn read(folder: &Path) -> Result<Self, LocatedError> {
        let path = folder.join(Self::FILE);
        from_checked_file(&path, |manifest: &Self| manifest.check(folder))
    }

    /// The name of the Frechet distance of these features: FID for Inception's alone.
    pub fn distance_name(&self) -> String {
        match self.name.as_str() {
            INCEPTION => "FID".to_owned(),
            name => format!("FD-{name}"),
        }
    }

    /// Where the network is: in the manifest's folder, else in `data_dir`.
    pub fn locate(&self, folder: &Path, data_dir: Option<&Path>) -> Option<PathBuf> {
        let mut places = self.places(folder, data_dir).into_iter();
        let found = places.find(|place| place.join(&self.network.file).is_file());
        found.map(|place| place.join(&self.network.file))
    }

    /// The folders that the network is looked for in.
    pub(super) fn places(&self, folder: &Path, data_dir: Option<&Path>) -> Vec<PathBuf> {
        let places = [Some(folder), data_dir].into_iter().flatten();
        places.map(Path::to_owned).collect()
    }

    fn check(&self, folder: &Path) -> Result<(), Misfit> {
        expect(self.version == VERSION, "version", "1", &self.version)?;
        let named = "a name of a-z, 0-9 and `-`";
        expect(valid_id(&self.name), "name", named, &self.name)?;
        expect_name_of(folder, &self.name)?;
        self.network.check()?;
        self.preprocessing.check()
    }
}

impl Network {
    fn check(&self) -> Result<(), Misfit> {
        let name = Path::new(&self.file).file_name();
        let plain = name.is_some_and(|name| name == &*self.file);
        let expected = "a file name without a folder";
        expect(plain, "network.file", expected, &self.file)?;
        let digit = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        let hex = |sha256: &String| sha256.len() == 64 && sha256.bytes().all(digit);
        expect(
            self.sha256.as_ref().is_none_or(hex),
            "network.sha256",
            "64 lower-case hex digits, or no key sha256 for a network that users export themselves",
            &self.sha256.as_deref().unwrap_or_default(),
        )?;
        let size = 1..=1 << 20;
        expect(
            size.contains(&self.dim),
            "network.dim",
            "1 to 1048576",
            &self.dim,
        )
    }
}

impl fmt::Display for Preprocessing {
    /// `227 x 227 by bilinear, bgr, (0..255 - [104.006, 116.669, 122.679]) / [1, 1, 1]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.size, self.filter) {
            (Some([height, width]), Some(filter)) => {
                if let Some(shorter) = self.resize {
                    write!(f, "shorter side {shorter} by {filter}, the middle ")?;
                }
                write!(f, "{height} x {width}")?;
                if self.resize.is_none() {
                    write!(f, " by {filter}")?;
                }
            }
            _ => f.write_str("the image's own size")?,
        }
        let channels = match self.channels {
            Channels::Rgb => "rgb",
            Channels::Bgr => "bgr",
        };
        let list = |values: [f32; 3]| values.map(|value| value.to_string()).join(", ");
        let (levels, mean, std) = (self.levels, list(self.mean), list(self.std));
        write!(f, ", {channels}, (0..{levels} - [{mean}]) / [{std}]")
    }
}

impl Preprocessing {
    fn check(&self) -> Result<(), Misfit> {
        if let Some(size) = self.size {
            let fits = size.iter().all(|size| (1..=LARGEST).contains(size));
            expect(
                fits,
                "preprocessing.size",
                "height and width from 1 to 4096",
                &size,
            )?;
        }
        let filter = "a filter beside size, and none without: a network that takes an image at its \
                      own size resizes it by itself";
        let both = self.size.is_some() == self.filter.is_some();
        expect(both, "preprocessing.filter", filter, &self.filter)?;
        if let Some(shorter) = self.resize {
            let [height, width] = self.size.unwrap_or([LARGEST + 1; 2]);
            let fits = (height.max(width)..=LARGEST).contains(&shorter);
            let expected = "at least size, which is cut out of it, and at most 4096";
            expect(fits, "preprocessing.resize", expected, &shorter)?;
        }
        let levels = matches!(self.levels, 1 | 255);
        expect(levels, "preprocessing.levels", "1 or 255", &self.levels)?;
        let finite = self.mean.iter().all(|mean| mean.is_finite());
        expect(
            finite,
            "preprocessing.mean",
            "three finite numbers",
            &self.mean,
        )?;
        let above = self.std.iter().all(|std| *std > 0.0 && std.is_finite());
        expect(
            above,
            "preprocessing.std",
            "three numbers above 0",
            &self.std,
        )
    }
}
