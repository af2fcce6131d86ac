//! Manifests, loading and the list of datasets, over small datasets written to a temporary
//! folder and over the published manifests.
#![allow(clippy::unwrap_used)]

use super::super::{Dataset, SplitConfig};
use std::fs;

use super::*;
use crate::files::sha256_hex;

fn published() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../benchmarks/datasets")
}

fn idx(axes: &[u32], elements: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, axes.len() as u8];
    bytes.extend(axes.iter().flat_map(|axis| axis.to_be_bytes()));
    bytes.extend_from_slice(elements);
    bytes
}

fn images() -> Vec<u8> {
    idx(&[3, 2, 2], &[0, 0, 0, 0, 9, 9, 9, 9, 0, 0, 0, 0])
}

fn labels() -> Vec<u8> {
    idx(&[3], &[1, 0, 1])
}

/// The manifest of the three images above.
fn manifest() -> String {
    format!(
        "version: 1
name: tiny
title: Three images
source: https://example.org/tiny
licence: MIT
images: {{ file: images.gz, format: idx, sha256: {} }}
labels: {{ file: labels, format: idx, sha256: {} }}
count: 3
shape: [1, 2, 2]
element: u8
levels: 256
classes: [zero, one]
near_duplicate_l2: 0.01
split: {{ members: 1, holdout: 1, aux: 0 }}
",
        sha256_hex(&images()),
        sha256_hex(&labels())
    )
}

/// A folder `datasets` with `tiny`, and beside it `data` for what the user brings.
struct Bench(tempfile::TempDir);

impl Bench {
    fn new(manifest: &str) -> Self {
        let bench = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(bench.folder()).unwrap();
        fs::create_dir_all(bench.data().join("tiny")).unwrap();
        fs::write(bench.folder().join(Manifest::FILE), manifest).unwrap();
        bench
    }

    fn with_data(manifest: &str) -> Self {
        let bench = Self::new(manifest);
        fs::write(bench.folder().join("images"), images()).unwrap();
        fs::write(bench.folder().join("labels"), labels()).unwrap();
        bench
    }

    fn datasets(&self) -> PathBuf {
        self.0.path().join("datasets")
    }

    fn folder(&self) -> PathBuf {
        self.datasets().join("tiny")
    }

    fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    fn load_error(&self) -> String {
        Dataset::load(&self.folder(), Some(&self.data()))
            .unwrap_err()
            .to_string()
    }
}

/// The error for the manifest with `from` replaced by `to`.
fn refused(from: &str, to: &str) -> String {
    let text = manifest();
    assert!(text.contains(from), "{from}");
    Bench::with_data(&text.replacen(from, to, 1)).load_error()
}

#[test]
fn a_dataset_loads_with_labels_groups_and_its_split() {
    let dataset = Dataset::load(&Bench::with_data(&manifest()).folder(), None).unwrap();
    assert_eq!(
        (dataset.id.as_str(), dataset.len(), dataset.dim()),
        ("tiny", 3, 4)
    );
    assert_eq!(dataset.image(1), [9; 4]);
    assert_eq!(dataset.select(&[1, 0]), [9, 9, 9, 9, 0, 0, 0, 0]);
    assert_eq!(dataset.labels, Some(vec![1, 0, 1]));
    assert_eq!(dataset.duplicates.as_slice(), [0, 1, 0]);
    let split = SplitConfig {
        members: 1,
        holdout: 1,
        aux: 0,
        seed: 0,
        plant_duplicates: 0,
    };
    assert_eq!(dataset.default_split, Some(split));
    let mut content = b"eidetic dataset 1\n".to_vec();
    content.extend([3_u64, 1, 2, 2].into_iter().flat_map(u64::to_le_bytes));
    content.extend([0, 0, 0, 0, 9, 9, 9, 9, 0, 0, 0, 0]);
    content.extend([1_u32, 0, 1].into_iter().flat_map(u32::to_le_bytes));
    assert_eq!(dataset.digest, sha256_hex(&content));
}

#[test]
fn the_user_s_folder_is_searched_in_both_places() {
    let bench = Bench::new(&manifest());
    let error = bench.load_error();
    assert!(
        error.contains("dataset \"tiny\" needs images.gz, which is not in "),
        "{error}"
    );
    assert!(
        error.contains("https://example.org/tiny") && error.contains("--data DIR"),
        "{error}"
    );
    assert!(
        error.contains(&bench.data().display().to_string()),
        "{error}"
    );
    fs::write(bench.data().join("images"), images()).unwrap();
    assert!(bench.load_error().contains("needs labels"));
    fs::write(bench.data().join("tiny/labels"), labels()).unwrap();
    assert_eq!(
        Dataset::load(&bench.folder(), Some(&bench.data()))
            .unwrap()
            .len(),
        3
    );
    assert!(Dataset::load(&bench.folder(), None).is_err());
}

#[test]
fn a_numpy_archive_loads_by_its_manifest() {
    let fixtures = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/dataset/fixtures");
    let digest = crate::files::sha256_file(&fixtures.join("both.npz")).unwrap();
    let file = |array: &str, more: &str| {
        format!("{{ file: both.npz, format: npz, array: {array}, {more}sha256: {digest} }}")
    };
    let text: String = manifest()
        .lines()
        .map(|line| match line.split_once(':').unwrap().0 {
            "images" => format!("images: {}\n", file("images", "layout: nchw, ")),
            "labels" => format!("labels: {}\n", file("labels", "")),
            "count" => "count: 2\n".to_owned(),
            "shape" => "shape: [3, 2, 4]\n".to_owned(),
            _ => format!("{line}\n"),
        })
        .collect();
    let dataset = Dataset::load(&Bench::new(&text).folder(), Some(&fixtures)).unwrap();
    assert_eq!((dataset.len(), dataset.shape), (2, [3, 2, 4]));
    assert_eq!(dataset.labels, Some(vec![1, 0]));
    assert_eq!(dataset.image(1)[..5], [100, 101, 102, 103, 110]);
}

#[test]
fn wrong_data_are_named() {
    let bench = Bench::with_data(&manifest());
    let mut other = images();
    other[20] ^= 1;
    fs::write(bench.folder().join("images"), &other).unwrap();
    let error = bench.load_error();
    assert!(error.contains("tiny/images: expected sha256"), "{error}");
    assert!(error.contains(&sha256_hex(&other)), "{error}");
    let error = refused("classes: [zero, one]", "classes: [zero]");
    assert!(
        error.contains("labels below 1 (the number of classes), got 1 at index 0"),
        "{error}"
    );
    let error = refused("count: 3", "count: 4");
    assert!(
        error.contains("expected shape [4, 2, 2], got shape [3, 2, 2]"),
        "{error}"
    );
}

#[test]
fn a_wrong_manifest_is_refused_with_its_place() {
    for (from, to, expected) in [
        (
            "version: 1",
            "version: 2",
            "dataset.yaml:1:10: version: expected 1, got 2",
        ),
        (
            "name: tiny",
            "name: other",
            "name: expected the folder's name, \"tiny\"",
        ),
        ("title:", "titel:", "did you mean \"title\"?"),
        (
            "count: 3",
            "count: 3\ncount: 3",
            "dataset.yaml:9:1: count: ",
        ),
        (
            "count: 3",
            "count: three",
            "dataset.yaml:8:8: count: expected ",
        ),
        ("count: 3", "count: 0", "count: expected at least 1, got 0"),
        ("[1, 2, 2]", "[1, 0, 2]", "shape: expected three sizes"),
        (
            "[1, 2, 2]",
            "[1, 4294967296, 4294967296]",
            "that fit in memory",
        ),
        ("[1, 2, 2]", "[3, 2, 2]", "shape: expected 1 channel"),
        ("element: u8", "element: f32", "element: "),
        ("levels: 256", "levels: 16", "levels: expected 256"),
        (
            "l2: 0.01",
            "l2: -1",
            "near_duplicate_l2: expected a number in [0, 1), got -1",
        ),
        (
            "l2: 0.01",
            "l2: .nan",
            "near_duplicate_l2: expected a number in [0, 1), got NaN",
        ),
        (
            "classes: [zero, one]",
            "classes: []",
            "classes: expected names if there are labels",
        ),
        (
            "file: labels",
            "file: ../labels",
            "labels.file: expected a file name",
        ),
        (
            "sha256: ",
            "sha256: A",
            "images.sha256: expected 64 lower-case hex digits",
        ),
        (
            "format: idx",
            "format: npz",
            "images: expected an array name for npz",
        ),
        (
            "format: idx",
            "format: npy",
            "images: expected a layout (nhw, nchw or nhwc)",
        ),
        ("format: idx", "format: idy", "images.format: "),
        ("aux: 0", "aux: 0, sead: 1", "split.sead"),
        (
            "count: 3",
            "count: 3\nskip_bad: true",
            "skip_bad: expected false but for image-folder, webdataset and parquet",
        ),
        (
            "file: images.gz, format: idx",
            "file: images.tar, format: webdataset",
            "labels: expected no labels of their own",
        ),
        (
            "file: labels, format: idx",
            "file: labels, format: webdataset",
            "labels.format: expected idx, npy or npz",
        ),
        ("split: {", "splits: {", "did you mean \"split\"?"),
    ] {
        let error = refused(from, to);
        assert!(
            error.contains(expected) && error.contains("dataset.yaml:"),
            "{to}: {error}"
        );
    }
}

#[test]
fn every_published_dataset_is_listed_with_what_it_lacks() {
    let entries = datasets_in(&published(), None).unwrap();
    let readiness = |name: &str| {
        entries
            .iter()
            .find(|entry| entry.manifest.name == name)
            .unwrap()
            .readiness
            .clone()
    };
    assert!(entries.iter().map(|entry| &entry.manifest.name).is_sorted());
    assert_eq!(readiness("fashion-mnist-10k"), Readiness::Ready);
    assert_eq!(
        readiness("cifar-10"),
        Readiness::Missing(vec!["cifar-10-binary.tar.gz".into()])
    );
    let missing = ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"];
    assert_eq!(
        readiness("mnist"),
        Readiness::Missing(missing.map(String::from).to_vec())
    );
}

#[cfg(not(feature = "parquet"))]
#[test]
fn a_format_that_is_not_built_says_how_to_build_it() {
    let manifest: String = manifest()
        .replace("images.gz, format: idx", "train.parquet, format: parquet")
        .split_inclusive('\n')
        .filter(|line| !line.starts_with("labels:"))
        .collect();
    let bench = Bench::new(&manifest);
    let entry = find(&bench.datasets(), "tiny", None).unwrap();
    assert_eq!(entry.readiness, Readiness::NotBuilt("parquet"));
    let error = Dataset::load(&bench.folder(), None)
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "dataset \"tiny\": train.parquet is in the format parquet, which this program was built \
         without: build it with cargo build --release --features parquet"
    );
}

#[test]
fn a_dataset_is_found_by_name_or_the_nearest_is_named() {
    let found = find(&published(), "fashion-mnist-10k", None).unwrap();
    assert_eq!(found.manifest.count, 10_000);
    let error = find(&published(), "fashion-mnist-10", None)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("no dataset \"fashion-mnist-10\" in "),
        "{error}"
    );
    assert!(
        error.contains("did you mean \"fashion-mnist-10k\"?"),
        "{error}"
    );
    assert!(matches!(
        find(&published(), "../datasets/mnist", None),
        Err(Error::Unknown { .. })
    ));
    assert!(matches!(
        find(&published(), "", None),
        Err(Error::Unknown { .. })
    ));
    let error = datasets_in(Path::new("/no/such/folder"), None)
        .unwrap_err()
        .to_string();
    assert!(error.contains("/no/such/folder"), "{error}");
}

#[test]
fn reserved_names_say_how_to_bring_the_data() {
    let error = Dataset::load(&published().join("mnist"), None)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("needs train-images-idx3-ubyte.gz"),
        "{error}"
    );
    assert!(
        error.contains("yann.lecun.com") && error.contains("--data DIR"),
        "{error}"
    );
    let error = Dataset::load(&published().join("cifar-10"), None)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("needs cifar-10-binary.tar.gz") && error.contains("cs.toronto.edu"),
        "{error}"
    );
}

/// The numbers in the manifest's comment were measured by numpy in f64 over all pairs.
#[test]
fn fashion_mnist_is_what_its_manifest_says() {
    let dataset = Dataset::load(&published().join("fashion-mnist-10k"), None).unwrap();
    assert_eq!((dataset.len(), dataset.shape), (10_000, [1, 28, 28]));
    let labels = dataset.labels.as_ref().unwrap();
    for class in 0..10 {
        assert_eq!(labels.iter().filter(|&&label| label == class).count(), 1000);
    }
    let report = dataset.duplicates.report();
    assert_eq!(
        (report.duplicate_groups, report.images_in_duplicate_groups),
        (7, 14)
    );
    assert_eq!(
        (report.images_with_exact_duplicate, report.largest_group),
        (0, 2)
    );
    assert_eq!(dataset.duplicates.as_slice()[4926], 2115);
    let split = dataset.default_split.unwrap();
    assert!(super::super::Split::new(&dataset, &split).is_ok());
}
