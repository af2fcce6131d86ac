//! Datasets of image files with their labels beside them: a folder, a WebDataset's tar, or the rows
//! of a parquet file.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde_json::Value;

use super::{Error, Format, Manifest};
use crate::pictures::folder::{self, Kind, Listed};
use crate::pictures::{self, Pictures, unpack};

/// The list of labels in a folder, as Hugging Face's `imagefolder` has it.
pub(super) const METADATA: &str = "metadata.jsonl";
/// The most bytes that the label of an image, or a line with it, may take on average.
const LABEL_LIMIT: u64 = 1 << 14;

/// Images `[N, C, H, W]` in the order of their names' bytes (of a parquet file: of the rows), and their labels where the manifest
/// has classes. The digest of a file is not checked here.
pub(super) fn read(manifest: &Manifest, path: &Path) -> Result<(Vec<u8>, Option<Vec<u32>>), Error> {
    let mut labels = HashMap::new();
    let mut found = match manifest.images.format {
        Format::Webdataset => of_shard(manifest, path, &mut labels)?,
        #[cfg(feature = "parquet")]
        Format::Parquet => super::parquet::of_rows(manifest, path, &mut labels)?,
        _ => of_folder(manifest, path, &mut labels)?,
    };
    for (name, why) in &found.skipped {
        tracing::warn!(dataset = manifest.name, %name, %why, "image left out");
    }
    if found.names.len() != manifest.count as usize {
        let mut got = found.names.len().to_string();
        if !found.skipped.is_empty() {
            got += &format!(" and {} that were left out", found.skipped.len());
        }
        return Err(fault(path, format!("{} images", manifest.count), got));
    }
    let images = std::mem::take(&mut found.images);
    if manifest.classes.is_empty() {
        return Ok((images, None));
    }
    let mut given = Vec::with_capacity(found.names.len());
    let mut wrong = Vec::new();
    for name in &found.names {
        let label = match labels.get(key_of(manifest.images.format, name)) {
            Some(label) => class_of(label, &manifest.classes),
            None => Err("no label".to_owned()),
        };
        match label {
            Ok(label) => given.push(label),
            Err(why) => wrong.push(format!("{name}: {why}")),
        }
    }
    if wrong.is_empty() {
        return Ok((images, Some(given)));
    }
    let expected = format!(
        "for each image one of {} classes, by number or name",
        manifest.classes.len()
    );
    let mut got = wrong
        .iter()
        .take(10)
        .cloned()
        .collect::<Vec<_>>()
        .join("; ");
    if wrong.len() > 10 {
        got += &format!("; and {} more", wrong.len() - 10);
    }
    Err(fault(path, expected, got))
}

/// Under what the label of an image is known.
fn key_of(format: Format, name: &str) -> &str {
    match format {
        Format::Webdataset => parts_of(name).0,
        _ => name,
    }
}

/// A label as a number below the number of classes, or as the name of one.
fn class_of(label: &Value, classes: &[String]) -> Result<u32, String> {
    let number = match label {
        Value::Number(number) => number.as_u64().filter(|&n| n < classes.len() as u64),
        Value::String(name) => classes
            .iter()
            .position(|class| class == name)
            .map(|n| n as u64),
        _ => None,
    };
    let number = number.and_then(|number| u32::try_from(number).ok());
    number.ok_or_else(|| format!("the label {label}"))
}

/// A folder: labels by `metadata.jsonl` in it, else by the name of the folder that an image is in.
fn of_folder(
    manifest: &Manifest,
    path: &Path,
    labels: &mut HashMap<String, Value>,
) -> Result<Pictures, Error> {
    let found = pictures::of_folder(path, manifest.shape, manifest.skip_bad)
        .map_err(|error| with_key(error, manifest))?;
    if manifest.classes.is_empty() {
        return Ok(found);
    }
    let metadata = path.join(METADATA);
    if metadata.is_file() {
        *labels = read_metadata(&metadata, manifest.count)?;
        let there: BTreeSet<&str> = found
            .names
            .iter()
            .chain(found.skipped.iter().map(|(name, _)| name))
            .map(String::as_str)
            .collect();
        let absent = labels
            .keys()
            .filter(|name| !there.contains(&name[..]))
            .min();
        if let Some(name) = absent {
            let got = format!("{name}, which is not");
            return Err(fault(
                &metadata,
                "images that are in the folder".into(),
                got,
            ));
        }
    } else {
        for name in &found.names {
            let mut parts = name.rsplit('/').skip(1);
            if let Some(class) = parts.next() {
                labels.insert(name.clone(), Value::String(class.to_owned()));
            }
        }
    }
    Ok(found)
}

/// `file_name` and `label` (or `class`) of each line.
fn read_metadata(path: &Path, count: u32) -> Result<HashMap<String, Value>, Error> {
    let io_error = |source| Error::Io {
        path: path.to_path_buf(),
        source,
    };
    let limit = (u64::from(count) + 1) * LABEL_LIMIT;
    let bytes = unpack::up_to(File::open(path).map_err(io_error)?, limit)
        .map_err(io_error)?
        .ok_or_else(|| unpack::too_long(path, limit))?;
    let mut labels = HashMap::new();
    for (i, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let wrong =
            |expected: &str, got: String| fault(path, format!("in line {} {expected}", i + 1), got);
        let mut line: Value = serde_json::from_slice(line)
            .map_err(|error| wrong("an object of JSON", error.to_string()))?;
        let key = if line.get("label").is_some() {
            "label"
        } else {
            "class"
        };
        let label = line.get_mut(key).map(Value::take);
        let label = label.ok_or_else(|| wrong("a label or class", "neither".into()))?;
        let Some(name) = line.get("file_name").and_then(Value::as_str) else {
            return Err(wrong("a file_name", "none".into()));
        };
        if labels.insert(name.to_owned(), label).is_some() {
            return Err(wrong("an image not named before", name.to_owned()));
        }
    }
    Ok(labels)
}

/// A WebDataset's tar: `key.png` (or jpg, jpeg) with `key.cls` or the `label` of `key.json`.
fn of_shard(
    manifest: &Manifest,
    path: &Path,
    labels: &mut HashMap<String, Value>,
) -> Result<Pictures, Error> {
    let kind = |name: &str| match parts_of(name).1.to_ascii_lowercase().as_str() {
        "png" | "jpg" | "jpeg" => folder::kind_of(name),
        ending if ending.contains('.') => Kind::Ignored,
        _ => folder::kind_of(name),
    };
    let label = |name: &str, size: u64, content: &mut dyn Read| {
        let (key, part) = parts_of(name);
        if manifest.classes.is_empty() || !matches!(part, "cls" | "json") {
            return Ok(());
        }
        if size > LABEL_LIMIT {
            let message = format!("a label of {size} bytes, {name}");
            return Err(io::Error::other(message));
        }
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes)?;
        let label = match part {
            "cls" => {
                let text = String::from_utf8_lossy(&bytes).trim().to_owned();
                let number = text.parse::<u64>().map(Value::from);
                Some(number.unwrap_or(Value::String(text)))
            }
            _ => {
                let object = serde_json::from_slice(&bytes);
                let mut object: Value =
                    object.map_err(|error| io::Error::other(format!("{name}: {error}")))?;
                object.get_mut("label").map(Value::take)
            }
        };
        let Some(label) = label else {
            return Ok(());
        };
        match labels.insert(key.to_owned(), label.clone()) {
            Some(other) if other != label => Err(io::Error::other(format!(
                "two labels of {key}, {other} and {label}"
            ))),
            _ => Ok(()),
        }
    };
    let found = pictures::of_archive(path, manifest.shape, manifest.skip_bad, kind, label)
        .map_err(|error| with_key(error, manifest))?;
    let twice = found
        .names
        .windows(2)
        .find(|pair| parts_of(&pair[0]).0 == parts_of(&pair[1]).0);
    match twice {
        None => Ok(found),
        Some(pair) => {
            let got = format!("{} and {}", pair[0], pair[1]);
            Err(fault(path, "one image of a key".into(), got))
        }
    }
}

/// The key of a member, up to the first dot of its last part, and what follows the dot.
fn parts_of(name: &str) -> (&str, &str) {
    let file = name.rfind('/').map_or(0, |slash| slash + 1);
    match name[file..].find('.') {
        Some(dot) => (&name[..file + dot], &name[file + dot + 1..]),
        None => (name, ""),
    }
}

/// The error with what a dataset's manifest can do about it.
pub(super) fn with_key(error: pictures::Error, manifest: &Manifest) -> Error {
    match error {
        pictures::Error::Unusable(images) => Error::Unusable {
            id: manifest.name.clone(),
            images,
        },
        other => other.into(),
    }
}

/// SHA-256 of the files of a folder that make a dataset, in the order of their names' bytes: images
/// and `metadata.jsonl`.
pub(super) fn folder_digest(path: &Path) -> Result<String, Error> {
    let mut files = folder::files(path)?;
    files.retain(is_data);
    Ok(folder::digest(&files)?)
}

fn is_data(file: &Listed) -> bool {
    let name = folder::printable(&file.name);
    name == METADATA || folder::kind_of(&name) != Kind::Ignored
}

/// A folder of images as a manifest has to describe it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Survey {
    /// Files that are images by their names.
    pub images: usize,
    /// Channels, height, width of the first; `None` where it cannot be read.
    pub shape: Option<[usize; 3]>,
    /// The names of the folders that hold images; empty where `metadata.jsonl` has the labels.
    pub classes: Vec<String>,
    /// Whether there is a `metadata.jsonl`.
    pub metadata: bool,
    /// What `images.sha256` has to be.
    pub sha256: String,
}

impl Survey {
    /// Looks at the folder of images at `path`.
    ///
    /// # Errors
    /// [`Error::Io`] where a file cannot be read.
    pub fn of(path: &Path) -> Result<Self, Error> {
        let mut files = folder::files(path)?;
        files.retain(is_data);
        let metadata = files.iter().any(|file| file.name == METADATA.as_bytes());
        let sha256 = folder::digest(&files)?;
        files.retain(|file| file.name != METADATA.as_bytes());
        let first = files.first().map(|file| std::fs::read(&file.path));
        let shape = first.and_then(|bytes| pictures::shape_of(&bytes.ok()?));
        let names = files.iter().map(|file| folder::printable(&file.name));
        let folders: BTreeSet<String> = names
            .filter_map(|name| Some(name.rsplit('/').nth(1)?.to_owned()))
            .collect();
        Ok(Self {
            images: files.len(),
            shape,
            classes: match metadata {
                true => Vec::new(),
                false => folders.into_iter().collect(),
            },
            metadata,
            sha256,
        })
    }
}

pub(super) fn fault(path: &Path, expected: String, got: impl ToString) -> Error {
    Error::Content {
        path: path.to_path_buf(),
        expected,
        got: got.to_string(),
    }
}

#[cfg(test)]
#[path = "labelled_tests.rs"]
mod tests;
