#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use super::manifest::{Channels, Manifest, Normalisation};
use super::registry::{Readiness, embedders_in, find};
use super::resize::Filter;

const MANIFEST: &str = "\
version: 1
name: tiny
title: a toy
source: https://example.org
licence: MIT
network:
  file: tiny.onnx
  sha256: 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
  input: image
  output: features
  dim: 4
preprocessing:
  size: [6, 8]
  filter: lanczos
  resize: 9
  channels: bgr
  levels: 255
  mean: [1, 2, 3.5]
  std: [1, 1, 2]
normalisation: l2
";

/// A folder `embedders` with `tiny`, and beside it `data` for what the user exports.
struct Bench(tempfile::TempDir);

impl Bench {
    fn new(manifest: &str) -> Self {
        let bench = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(bench.folder()).unwrap();
        fs::create_dir_all(bench.data()).unwrap();
        fs::write(bench.folder().join(Manifest::FILE), manifest).unwrap();
        bench
    }

    fn embedders(&self) -> PathBuf {
        self.0.path().join("embedders")
    }

    fn folder(&self) -> PathBuf {
        self.embedders().join("tiny")
    }

    fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }
}

/// What is said of the manifest with `from` replaced by `to`, from the place on.
fn refused(from: &str, to: &str) -> String {
    assert!(MANIFEST.contains(from), "{from}");
    let bench = Bench::new(&MANIFEST.replacen(from, to, 1));
    let error = Manifest::read(&bench.folder()).unwrap_err().to_string();
    let (_, said) = error.split_once("embedder.yaml:").unwrap();
    said.to_owned()
}

#[test]
fn a_manifest_says_all_of_it() {
    let manifest = Manifest::read(&Bench::new(MANIFEST).folder()).unwrap();
    assert_eq!(manifest.network.dim, 4);
    let preprocessing = &manifest.preprocessing;
    assert_eq!(preprocessing.size, Some([6, 8]));
    assert_eq!(preprocessing.filter, Some(Filter::Lanczos));
    assert_eq!(preprocessing.resize, Some(9));
    assert_eq!(preprocessing.channels, Channels::Bgr);
    assert_eq!(preprocessing.mean, [1.0, 2.0, 3.5]);
    assert_eq!(manifest.normalisation, Normalisation::L2);
    assert_eq!(manifest.distance_name(), "FD-tiny");
    assert_eq!(
        preprocessing.to_string(),
        "shorter side 9 by lanczos, the middle 6 x 8, bgr, (0..255 - [1, 2, 3.5]) / [1, 1, 2]"
    );

    let without = MANIFEST.replace("  size: [6, 8]\n  filter: lanczos\n  resize: 9\n", "");
    let manifest = Manifest::read(&Bench::new(&without).folder()).unwrap();
    assert_eq!(manifest.preprocessing.size, None);
}

#[test]
fn every_fault_has_its_line_and_key() {
    for (from, to, place, said) in [
        (
            "version: 1",
            "version: 2",
            "1:10: version:",
            "expected 1, got 2",
        ),
        (
            "name: tiny",
            "name: huge",
            "2:7: name:",
            "the folder's name, \"tiny\"",
        ),
        (
            "licence: MIT",
            "license: MIT",
            "5:1: license:",
            "did you mean \"licence\"?",
        ),
        ("  dim: 4\n", "", "7:3: network:", "missing key \"dim\""),
        ("dim: 4", "dim: 0", "11:8: network.dim:", "1 to 1048576"),
        (
            "file: tiny.onnx",
            "file: a/b.onnx",
            "7:9: network.file:",
            "without a folder",
        ),
        (
            "0123456789abcdef0",
            "0",
            "8:11: network.sha256:",
            "64 lower-case hex digits",
        ),
        (
            "sha256: 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            "sha256: ''",
            "8:11: network.sha256:",
            "64 lower-case hex digits",
        ),
        (
            "[6, 8]",
            "[6, 0]",
            "13:9: preprocessing.size:",
            "from 1 to 4096",
        ),
        (
            "[6, 8]",
            "[6]",
            "13:9: preprocessing.size:",
            "expected an array of length 2",
        ),
        (
            "lanczos",
            "cubic",
            "14:11: preprocessing.filter:",
            "did you mean \"bicubic\"?",
        ),
        (
            "  filter: lanczos\n",
            "",
            "13:3: preprocessing:",
            "a filter beside size",
        ),
        (
            "  size: [6, 8]\n",
            "",
            "13:11: preprocessing.filter:",
            "none without",
        ),
        (
            "resize: 9",
            "resize: 7",
            "15:11: preprocessing.resize:",
            "at least size",
        ),
        (
            "bgr",
            "grb",
            "16:13: preprocessing.channels:",
            "allowed: rgb, bgr",
        ),
        (
            "levels: 255",
            "levels: 256",
            "17:11: preprocessing.levels:",
            "1 or 255",
        ),
        (
            "[1, 2, 3.5]",
            "[1, 2]",
            "18:9: preprocessing.mean:",
            "expected an array of length 3",
        ),
        (
            "[1, 2, 3.5]",
            "[1, .nan, 3]",
            "18:9: preprocessing.mean:",
            "finite",
        ),
        (
            "[1, 1, 2]",
            "[1, 0, 2]",
            "19:8: preprocessing.std:",
            "above 0",
        ),
        ("l2", "l1", "20:16: normalisation:", "allowed: none, l2"),
    ] {
        let got = refused(from, to);
        assert!(
            got.starts_with(place) && got.contains(said),
            "{to:?}: {got}"
        );
    }
}

#[test]
fn embedders_are_listed_with_what_is_missing_and_found_by_name() {
    let bench = Bench::new(MANIFEST);
    let missing = Readiness::Missing("tiny.onnx".to_owned());
    let (embedders, data) = (bench.embedders(), bench.data());
    assert_eq!(
        embedders_in(&embedders, None).unwrap()[0].readiness,
        missing
    );
    assert_eq!(
        find(&embedders, "tiny", Some(&data)).unwrap().readiness,
        missing
    );
    fs::write(data.join("tiny.onnx"), "").unwrap();
    assert_eq!(find(&embedders, "tiny", None).unwrap().readiness, missing);
    let entry = find(&embedders, "tiny", Some(&data)).unwrap();
    assert_eq!(entry.readiness, Readiness::Ready);
    assert_eq!(entry.folder, bench.folder());

    let error = find(&embedders, "tinny", None).unwrap_err().to_string();
    assert!(
        error.contains("allowed: tiny; did you mean \"tiny\"?"),
        "{error}"
    );
    assert!(find(&embedders, "../embedders/tiny", None).is_err());
    assert!(embedders_in(&bench.data().join("none"), None).is_err());
}

#[test]
fn the_embedders_of_the_repository_can_be_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../benchmarks/embedders");
    let entries = embedders_in(&folder, None).unwrap();
    let names: Vec<String> = entries
        .iter()
        .map(|entry| entry.manifest.name.clone())
        .collect();
    assert_eq!(
        names,
        [
            "dinov2-vitl14",
            "inception-v3-pool3",
            "squeezenet11",
            "sscd-disc-mixup-224",
            "sscd-disc-mixup-288"
        ]
    );
    for entry in &entries {
        let there = entry.readiness == Readiness::Ready;
        assert_eq!(there, entry.manifest.name == "squeezenet11");
        assert_eq!(entry.manifest.network.sha256.is_some(), there);
        assert!(entry.folder.join("README.md").is_file());
        let fid = entry.manifest.distance_name() == "FID";
        assert_eq!(fid, entry.manifest.name == "inception-v3-pool3");
    }
}
