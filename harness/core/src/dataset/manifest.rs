//! The manifest of a dataset, `dataset.yaml`: what the data are, where they are from, what they
//! must look like. It reads no data.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Error, Layout, SplitConfig, cifar, membership};
use crate::yaml::{Misfit, expect, expect_name_of, from_checked_file};

/// The version of the manifest's format.
const VERSION: u32 = 1;

/// A `dataset.yaml`. Unknown and duplicate keys are refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The version of this format: 1.
    pub version: u32,
    /// The id of the dataset and the name of its folder.
    pub name: String,
    /// One line for people.
    pub title: String,
    /// Where its authors publish it.
    pub source: String,
    /// The licence of the data.
    pub licence: String,
    /// The file with the images.
    pub images: DataFile,
    /// The file with the labels, if there are any.
    #[serde(default)]
    pub labels: Option<DataFile>,
    /// The number of images, without those left out.
    pub count: u32,
    /// Whether image files that cannot be used are left out; otherwise they are an error.
    #[serde(default)]
    pub skip_bad: bool,
    /// Channels, height, width.
    pub shape: [usize; 3],
    /// The type of a stored pixel.
    pub element: Element,
    /// The number of levels a pixel may have: 256.
    pub levels: u32,
    /// The name of each label, label 0 first; empty where there are no labels.
    #[serde(default)]
    pub classes: Vec<String>,
    /// Two images at most this far apart may be grouped as near duplicates, by complete linkage;
    /// l2 = sqrt(mean((a - b)^2)) with pixels in [0, 1]. 0 groups exact duplicates only.
    pub near_duplicate_l2: f64,
    /// Published lists that say which images are drawn as members and which as holdout.
    #[serde(default)]
    pub membership: Option<MembershipFile>,
    /// The split that is used where a suite names none.
    pub split: SplitConfig,
}

/// A file of a dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataFile {
    /// Its name, in the manifest's folder or in the folder that the user gives; of a folder, for
    /// images in one. For IDX and NPY in `x.gz` the unpacked `x` will do as well.
    pub file: String,
    /// How it is stored.
    pub format: Format,
    /// The array of an NPZ file.
    #[serde(default)]
    pub array: Option<String>,
    /// The order of the axes of an NPY or NPZ array of images.
    #[serde(default)]
    pub layout: Option<Layout>,
    /// The column of a parquet file that has the images: `image`, or else `img`, if not said.
    #[serde(default)]
    pub column: Option<String>,
    /// The column of a parquet file that has the labels: `label` if not said.
    #[serde(default)]
    pub label_column: Option<String>,
    /// SHA-256 of the file, of its unpacked content for IDX and NPY compressed by gzip (which may
    /// compress the same content to different bytes).
    ///
    /// Of a folder of image files: over `"eidetic folder 1\n"`, then, of each file of the dataset in the order of
    /// their names' bytes, the length of its name (its path in the folder, `/` between the parts) and
    /// the name, the length of its content and the content; lengths as little-endian u64. The files
    /// are those with an image's name and `metadata.jsonl`.
    pub sha256: String,
}

/// The lists of indices of images that SecMI and PIA publish, see
/// [`Membership`](super::Membership): an NPZ file with the arrays `mia_train_idxs` and
/// `mia_eval_idxs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MembershipFile {
    /// Its name, in the manifest's folder or in the folder that the user gives.
    pub file: String,
    /// SHA-256 of the file.
    pub sha256: String,
}

impl MembershipFile {
    /// One array of it.
    pub(super) fn array(&self, name: &str) -> DataFile {
        DataFile {
            file: self.file.clone(),
            format: Format::Npz,
            array: Some(name.to_owned()),
            layout: None,
            column: None,
            label_column: None,
            sha256: self.sha256.clone(),
        }
    }
}

/// A file format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// MNIST's IDX, plain or compressed by gzip.
    Idx,
    /// NumPy's array format.
    Npy,
    /// NumPy's archive of arrays.
    Npz,
    /// CIFAR-10's binary version with its labels: the archive as published, or the folder
    /// `cifar-10-batches-bin` that it unpacks to, whose files have known digests of their own.
    Cifar10Binary,
    /// A folder of PNG and JPEG files. Where there are classes, `metadata.jsonl` in it names each
    /// one's (`file_name` and `label` or `class`), else the folder that an image is in.
    ImageFolder,
    /// A WebDataset's tar, plain or compressed by gzip: `key.png`, `key.jpg` or `key.jpeg` with
    /// `key.cls` or the `label` of `key.json`.
    Webdataset,
    /// A parquet file with a column of PNG and JPEG files as Hugging Face writes it: a struct of
    /// `bytes` and `path`, or the bytes themselves; and, where there are classes, a column of
    /// integers. Read by a program that was built with the feature `parquet`.
    Parquet,
}

impl Format {
    /// The cargo feature that reads it, where this program was built without.
    pub(super) fn missing_feature(self) -> Option<&'static str> {
        (self == Self::Parquet && !cfg!(feature = "parquet")).then_some("parquet")
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Idx => "idx",
            Self::Npy => "npy",
            Self::Npz => "npz",
            Self::Cifar10Binary => "cifar10-binary",
            Self::ImageFolder => "image-folder",
            Self::Webdataset => "webdataset",
            Self::Parquet => "parquet",
        })
    }
}

/// The type of a stored pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Element {
    /// One byte, 0 to 255.
    U8,
}

impl Manifest {
    /// The name of a manifest in its folder.
    pub const FILE: &'static str = "dataset.yaml";

    /// Reads and checks `folder/dataset.yaml`.
    ///
    /// # Errors
    /// [`Error::Manifest`] with line, column and key.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(Self::FILE);
        Ok(from_checked_file(&path, |manifest: &Self| {
            manifest.check(folder)
        })?)
    }

    /// Pixels of one image.
    pub fn dim(&self) -> usize {
        self.shape.iter().product()
    }

    fn check(&self, folder: &Path) -> Result<(), Misfit> {
        expect(self.version == VERSION, "version", "1", &self.version)?;
        expect_name_of(folder, &self.name)?;
        expect(self.count > 0, "count", "at least 1", &self.count)?;
        let dim = self
            .shape
            .iter()
            .try_fold(1_usize, |dim, &axis| dim.checked_mul(axis));
        let bytes = dim.and_then(|dim| dim.checked_mul(self.count as usize));
        let fits = bytes.is_some_and(|bytes| bytes > 0 && isize::try_from(bytes).is_ok());
        expect(
            fits,
            "shape",
            "three sizes of at least 1 that fit in memory",
            &self.shape,
        )?;
        expect(
            self.levels == 256,
            "levels",
            "256 for element u8",
            &self.levels,
        )?;
        let near = self.near_duplicate_l2;
        expect(
            (0.0..1.0).contains(&near),
            "near_duplicate_l2",
            "a number in [0, 1)",
            &near,
        )?;
        let format = self.images.format;
        let files = matches!(
            format,
            Format::ImageFolder | Format::Webdataset | Format::Parquet
        );
        let labelled = self.labels.is_some() || format == Format::Cifar10Binary;
        let expected = "names if there are labels and none otherwise";
        let named = !self.classes.is_empty();
        expect(
            files || labelled == named,
            "classes",
            expected,
            &self.classes,
        )?;
        let expected = "no labels of their own for images that come with theirs";
        let together = files || format == Format::Cifar10Binary;
        expect(
            !together || self.labels.is_none(),
            "labels",
            expected,
            &self.labels,
        )?;
        let expected = "false but for image-folder, webdataset and parquet";
        expect(
            files || !self.skip_bad,
            "skip_bad",
            expected,
            &self.skip_bad,
        )?;
        if format == Format::Cifar10Binary {
            let expected = "[3, 32, 32] for cifar10-binary";
            expect(self.shape == cifar::SHAPE, "shape", expected, &self.shape)?;
            let expected = "50000 (the training images) or 60000 (and the test images)";
            let known = matches!(self.count, 50_000 | 60_000);
            expect(known, "count", expected, &self.count)?;
        }
        self.images.check("images")?;
        let axes = self.images.layout.unwrap_or(Layout::Nchw);
        let one_channel = self.images.format == Format::Idx || axes == Layout::Nhw;
        let channels_fit = !one_channel || self.shape[0] == 1;
        expect(
            channels_fit,
            "shape",
            "1 channel for images of [N, H, W]",
            &self.shape,
        )?;
        let numpy = matches!(self.images.format, Format::Npy | Format::Npz);
        let expected = "a layout (nhw, nchw or nhwc) for npy and npz, none otherwise";
        let layout = &self.images.layout;
        expect(numpy == layout.is_some(), "images.layout", expected, layout)?;
        if let Some(file) = &self.membership {
            file.array(membership::TRAIN).check("membership")?;
        }
        let Some(labels) = &self.labels else {
            return Ok(());
        };
        labels.check("labels")?;
        let expected = "idx, npy or npz for labels";
        let array = matches!(labels.format, Format::Idx | Format::Npy | Format::Npz);
        expect(array, "labels.format", expected, &labels.format)?;
        expect(
            labels.layout.is_none(),
            "labels.layout",
            "no layout for labels",
            &labels.layout,
        )
    }
}

impl DataFile {
    fn check(&self, key: &str) -> Result<(), Misfit> {
        let plain = Path::new(&self.file)
            .file_name()
            .is_some_and(|name| name == &*self.file);
        expect(
            plain,
            &format!("{key}.file"),
            "a file name without a folder",
            &self.file,
        )?;
        let digits = |b| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        let hex = self.sha256.len() == 64 && self.sha256.bytes().all(digits);
        expect(
            hex,
            &format!("{key}.sha256"),
            "64 lower-case hex digits",
            &self.sha256,
        )?;
        let fits = (self.format == Format::Npz) == self.array.is_some();
        expect(
            fits,
            &format!("{key}.array"),
            "an array name for npz, none otherwise",
            &self.array,
        )?;
        for (name, column) in [
            ("column", &self.column),
            ("label_column", &self.label_column),
        ] {
            expect(
                column.is_none() || self.format == Format::Parquet,
                &format!("{key}.{name}"),
                "none but for parquet",
                column,
            )?;
        }
        Ok(())
    }

    /// Where the file or folder is: the first of `folders` that has it, or has it unpacked.
    pub(super) fn locate(&self, folders: &[PathBuf]) -> Option<PathBuf> {
        let other = match self.format {
            Format::Idx | Format::Npy => self.file.strip_suffix(".gz"),
            Format::Cifar10Binary => Some(cifar::FOLDER),
            Format::Npz | Format::ImageFolder | Format::Webdataset | Format::Parquet => None,
        };
        let is_there = |path: &PathBuf| match self.format {
            Format::ImageFolder => path.is_dir(),
            Format::Cifar10Binary => path.is_file() || path.join("data_batch_1.bin").is_file(),
            _ => path.is_file(),
        };
        folders
            .iter()
            .flat_map(|folder| {
                [
                    Some(folder.join(&self.file)),
                    other.map(|name| folder.join(name)),
                ]
            })
            .flatten()
            .find(is_there)
    }
}
