//! With ONNX Runtime: SqueezeNet against Pillow and onnxruntime (tests/embed/make_fixtures.py), and
//! networks whose features are known.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use eidetic_graph::proto::{AttributeProto, ModelProto, TensorProto};
use eidetic_graph::{Dim, Element, GraphBuilder, encode};
use eidetic_runtime::{Runtime, Search, find};
use serde::Deserialize;

use super::embedder::Embedder;
use super::error::Error;
use super::features::FeatureTable;
use super::manifest::Manifest;
use crate::files::sha256_hex;

const SQUEEZENET: &str = "../../benchmarks/embedders/squeezenet11";
const MICROBATCH: usize = Embedder::MICROBATCH;

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::load(&find(&Search::default()).unwrap()).unwrap())
}

/// The first images of Fashion-MNIST's test set, 28 x 28 each.
fn fashion(count: usize) -> Vec<u8> {
    let path = "../../benchmarks/datasets/fashion-mnist-10k/t10k-images-idx3-ubyte.gz";
    let file = fs::File::open(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let mut bytes = vec![0; 16 + count * 784];
    flate2::read::GzDecoder::new(file)
        .read_exact(&mut bytes)
        .unwrap();
    bytes.split_off(16)
}

fn squeezenet(jobs: usize) -> Embedder {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(SQUEEZENET);
    Embedder::open(&folder, None, runtime(), jobs).unwrap()
}

fn bits(table: &FeatureTable) -> Vec<u32> {
    table.values.iter().map(|value| value.to_bits()).collect()
}

#[derive(Deserialize)]
struct Expected {
    grey: Vec<Vec<f32>>,
    colour: Vec<f32>,
}

#[test]
fn squeezenet_gives_what_pillow_and_onnxruntime_give() {
    let expected: Expected =
        serde_json::from_str(include_str!("../../tests/embed/squeezenet.json")).unwrap();
    let embedder = squeezenet(1);
    let images = fashion(3);
    let grey = embedder.features(&images[..2 * 784], [1, 28, 28]).unwrap();
    assert_eq!((grey.len(), grey.dim), (2, 512));
    let crop = images.chunks_exact(28).flat_map(|row| &row[4..24]).copied();
    let colour: Vec<u8> = crop.collect();
    let colour = embedder.features(&colour, [3, 28, 20]).unwrap();
    let rows = grey.rows().zip(&expected.grey);
    for (got, expected) in rows.chain([(&colour.values[..], &expected.colour)]) {
        assert_eq!(got.len(), expected.len());
        assert!(expected.iter().copied().fold(0.0, f32::max) > 5.0);
        for (got, expected) in got.iter().zip(expected) {
            // Another batch size, and perhaps another processor.
            assert!(
                (got - expected).abs() <= 1e-4 * expected.abs().max(1.0),
                "{got} {expected}"
            );
        }
    }
}

#[test]
fn features_do_not_depend_on_sessions_or_on_what_else_is_embedded() {
    let images = fashion(2 * MICROBATCH + 3);
    let all = squeezenet(1).features(&images, [1, 28, 28]).unwrap();
    let others = squeezenet(3);
    assert_eq!(
        bits(&others.features(&images, [1, 28, 28]).unwrap()),
        bits(&all)
    );
    assert_eq!(others.id(), squeezenet(1).id());
    // In parts, cut at the microbatch, the last image alone.
    let mut parts = Vec::new();
    let (first, rest) = images.split_at(MICROBATCH * 784);
    let (second, third) = rest.split_at(MICROBATCH * 784);
    for part in [first, second, third] {
        parts.extend(bits(&others.features(part, [1, 28, 28]).unwrap()));
    }
    assert_eq!(parts, bits(&all));
    let one = others.features(&third[..784], [1, 28, 28]).unwrap();
    assert_eq!(bits(&one), bits(&all)[2 * MICROBATCH * 512..][..512]);
}

/// The mean of each channel, and a fourth number: `1 / (red + limit)`.
fn means(size: [usize; 2], limit: f32, rows: Dim) -> ModelProto {
    let mut g = GraphBuilder::new("means");
    let dims = [
        rows.clone(),
        Dim::Fixed(3),
        Dim::Fixed(size[0]),
        Dim::Fixed(size[1]),
    ];
    let image = g.input("image", Element::F32, &dims);
    let pooled = g.op("GlobalAveragePool", &[image]);
    let means = g.op_with("Flatten", &[pooled], vec![AttributeProto::int("axis", 1)]);
    let first = g.constant(TensorProto::i64("first", &[1], &[0]));
    let red = g.op_with(
        "Gather",
        &[means, first],
        vec![AttributeProto::int("axis", 1)],
    );
    let limit = g.constant(TensorProto::f32("limit", &[1], &[limit]));
    let sum = g.op("Add", &[red, limit]);
    let one = g.constant(TensorProto::f32("one", &[1], &[1.0]));
    let inverse = g.op("Div", &[one, sum]);
    let all = g.op_with(
        "Concat",
        &[means, inverse],
        vec![AttributeProto::int("axis", 1)],
    );
    g.output("features", all, Element::F32, &[rows, Dim::Fixed(4)]);
    g.build().unwrap()
}

fn batch() -> Dim {
    Dim::Named("batch".to_owned())
}

/// A folder with an embedder of [`means`].
struct Toy {
    guard: tempfile::TempDir,
    manifest: String,
}

impl Toy {
    fn new(network: &ModelProto) -> Self {
        let bytes = encode(network);
        let manifest = format!(
            "version: 1\nname: toy\ntitle: a toy\nsource: here\nlicence: MIT\nnetwork: {{ file: \
             toy.onnx, sha256: {}, input: image, output: features, dim: 4 }}\npreprocessing: {{ \
             size: [2, 2], filter: box, channels: rgb, levels: 255, mean: [0, 0, 0], std: [1, 1, \
             1] }}\nnormalisation: none\n",
            sha256_hex(&bytes)
        );
        let toy = Self {
            guard: tempfile::tempdir().unwrap(),
            manifest,
        };
        fs::create_dir(toy.folder()).unwrap();
        fs::write(toy.folder().join("toy.onnx"), bytes).unwrap();
        toy
    }

    fn folder(&self) -> PathBuf {
        self.guard.path().join("toy")
    }

    fn with(&self, from: &str, to: &str) -> Result<Embedder, Error> {
        assert!(self.manifest.contains(from), "{from}");
        let text = self.manifest.replace(from, to);
        fs::write(self.folder().join(Manifest::FILE), text).unwrap();
        Embedder::open(&self.folder(), Some(self.guard.path()), runtime(), 2)
    }

    fn open(&self) -> Embedder {
        self.with("version", "version").unwrap()
    }
}

#[test]
fn features_are_normalised_where_the_manifest_says_so() {
    let toy = Toy::new(&means([2, 2], 0.5, batch()));
    let pixels = [3, 3, 3, 3, 4, 4, 4, 4, 12, 12, 12, 12];
    let plain = toy.open().features(&pixels, [3, 2, 2]).unwrap();
    assert_eq!(plain.values, [3.0, 4.0, 12.0, 1.0 / 3.5]);
    let l2 = toy
        .with("normalisation: none", "normalisation: l2")
        .unwrap();
    let unit = l2.features(&pixels, [3, 2, 2]).unwrap();
    let length = (169.0 + 1.0 / (3.5 * 3.5_f64)).sqrt();
    for (unit, plain) in unit.values.iter().zip(&plain.values) {
        assert!((f64::from(*unit) - f64::from(*plain) / length).abs() < 1e-7);
    }
    let none = toy.open().features(&[], [3, 2, 2]).unwrap();
    assert!(none.is_empty() && none.dim == 4);
}

#[test]
fn a_feature_that_is_no_number_names_its_image() {
    // 1 / (red - 7): the images with a red of 7 have an infinite one.
    let toy = Toy::new(&means([2, 2], -7.0, batch()));
    let embedder = toy.open();
    let mut pixels = vec![1_u8; 4 * (3 * MICROBATCH + 5)];
    for image in [MICROBATCH + 3, 2 * MICROBATCH, 3 * MICROBATCH + 4] {
        pixels[4 * image..][..4].fill(7);
    }
    let error = embedder.features(&pixels, [1, 2, 2]).unwrap_err();
    let expected = (MICROBATCH + 3, 3);
    let Error::NotFinite {
        image,
        feature,
        value,
        ..
    } = error
    else {
        panic!("{error}");
    };
    assert_eq!((image, feature), expected);
    assert!(value.is_infinite());
    assert!(error_text(&embedder, &pixels).contains("gives inf for image 19 (feature 3)"));
}

fn error_text(embedder: &Embedder, pixels: &[u8]) -> String {
    embedder
        .features(pixels, [1, 2, 2])
        .unwrap_err()
        .to_string()
}

#[test]
fn images_that_no_embedder_takes_are_refused() {
    let embedder = Toy::new(&means([2, 2], 1.0, batch())).open();
    for (pixels, shape, said) in [
        (8, [2, 2, 2], "expected 1 or 3 channels, got 2"),
        (
            7,
            [1, 2, 2],
            "expected whole images, got 7 pixels of [1, 2, 2]",
        ),
        (0, [1, 0, 2], "each at least 1, got [1, 0, 2]"),
        (0, [1, usize::MAX, 2], "each at least 1"),
    ] {
        let error = embedder.features(&vec![0; pixels], shape).unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
    }
}

#[test]
fn a_network_that_is_missing_or_another_one_is_refused() {
    let toy = Toy::new(&means([2, 2], 1.0, batch()));
    let path = toy.folder().join("toy.onnx");
    let embedder = toy.open();
    let elsewhere = toy.guard.path().join("toy.onnx");
    fs::rename(&path, &elsewhere).unwrap();
    assert_eq!(toy.open().network(), elsewhere);
    assert_eq!(toy.open().id(), embedder.id());

    let mut bytes = fs::read(&elsewhere).unwrap();
    fs::remove_file(&elsewhere).unwrap();
    let error = toy.with("version", "version").unwrap_err().to_string();
    let folder = toy.folder();
    let expected = format!(
        "embedder \"toy\" needs toy.onnx, which is not in {} or {}: export it as {} says and pass \
         its folder with --data DIR",
        folder.display(),
        toy.guard.path().display(),
        folder.join("README.md").display()
    );
    assert_eq!(error, expected);

    bytes.push(0);
    fs::write(&path, &bytes).unwrap();
    let error = toy.with("version", "version").unwrap_err();
    assert!(matches!(error, Error::Digest { .. }), "{error}");
    // One that was opened before notices it as well.
    let error = embedder.features(&[0; 4], [1, 2, 2]).unwrap_err();
    assert!(matches!(error, Error::Digest { .. }), "{error}");
}

#[test]
fn without_a_digest_that_of_the_file_is_part_of_the_id() {
    let (one, other) = (
        Toy::new(&means([2, 2], 1.0, batch())),
        Toy::new(&means([2, 2], 2.0, batch())),
    );
    let open = |toy: &Toy| {
        let sha256 = toy.open().network_sha256().to_owned();
        toy.with(&format!("sha256: {sha256}, "), "").unwrap()
    };
    assert_ne!(open(&one).id(), open(&other).id());
    assert_eq!(open(&one).id(), one.open().id());
}

#[test]
fn the_id_changes_with_every_number_and_not_with_the_title() {
    let toy = Toy::new(&means([2, 2], 1.0, batch()));
    let id = toy.open().id().to_owned();
    assert_eq!(id.len(), 64);
    for (from, to) in [("a toy", "my toy"), ("here", "there"), ("MIT", "ISC")] {
        assert_eq!(toy.with(from, to).unwrap().id(), id);
    }
    for (from, to) in [
        ("filter: box", "filter: bilinear"),
        ("filter: box", "filter: box, resize: 2"),
        ("rgb", "bgr"),
        ("levels: 255", "levels: 1"),
        ("mean: [0, 0, 0]", "mean: [0, 0, 1e-9]"),
        ("std: [1, 1, 1]", "std: [1, 1, 1.5]"),
        ("normalisation: none", "normalisation: l2"),
    ] {
        assert_ne!(toy.with(from, to).unwrap().id(), id, "{to}");
    }
}

#[test]
fn a_network_that_takes_or_gives_something_else_is_refused() {
    let toy = Toy::new(&means([2, 2], 1.0, batch()));
    for (from, to, said) in [
        ("input: image", "input: x", "inputs: expected x, got image"),
        (
            "output: features",
            "output: y",
            "output y: expected f32 [batch, 4], got only features",
        ),
        (
            "dim: 4",
            "dim: 5",
            "output features: expected f32 [batch, 5], got f32 [batch, 4]",
        ),
        (
            "size: [2, 2]",
            "size: [2, 3]",
            "input image: expected f32 [batch, 3, 2, 3], got f32",
        ),
        (
            "size: [2, 2], filter: box, ",
            "",
            "of any height and width, got f32 [batch, 3, 2, 2]",
        ),
    ] {
        let error = toy.with(from, to).unwrap_err().to_string();
        assert!(error.contains(said), "{to:?}: {error}");
    }
    let fixed = Toy::new(&means([2, 2], 1.0, Dim::Fixed(MICROBATCH + 1)));
    assert!(matches!(
        fixed.with("version", "version"),
        Err(Error::Port { .. })
    ));
    let fixed = Toy::new(&means([2, 2], 1.0, Dim::Fixed(MICROBATCH)));
    assert_eq!(fixed.open().features(&[9; 12], [3, 2, 2]).unwrap().len(), 1);
}

#[test]
fn the_cache_gives_the_same_bytes_and_a_damaged_one_is_made_again() {
    let toy = Toy::new(&means([2, 2], 1.0, batch()));
    let (embedder, dir) = (toy.open(), tempfile::tempdir().unwrap());
    let pixels: Vec<u8> = (0..20 * 4).collect();
    let cached = |embedder: &Embedder| {
        let found = embedder.cached_features_in(dir.path(), &pixels, [1, 2, 2]);
        found.unwrap()
    };
    let made = cached(&embedder);
    assert_eq!(made, embedder.features(&pixels, [1, 2, 2]).unwrap());
    let kept = || -> Vec<PathBuf> {
        let files = fs::read_dir(dir.path().join("features")).unwrap();
        files.map(|file| file.unwrap().path()).collect()
    };
    let path = kept().remove(0);
    let whole = fs::read(&path).unwrap();
    assert_eq!(whole.len(), 8 + 32 + made.values.len() * 4 + 32);

    // What is there comes from there: no session is opened, so the network may be gone.
    let again = toy.open();
    let network = toy.folder().join("toy.onnx");
    let bytes = fs::read(&network).unwrap();
    fs::remove_file(&network).unwrap();
    assert_eq!(bits(&cached(&again)), bits(&made));
    fs::write(&network, bytes).unwrap();

    let mut flipped = whole.clone();
    flipped[60] ^= 1;
    for damaged in [&flipped[..], &whole[..whole.len() - 1], &whole[..9], &[]] {
        fs::write(&path, damaged).unwrap();
        assert_eq!(cached(&embedder), made);
        assert_eq!(fs::read(&path).unwrap(), whole, "the file is made again");
    }

    // Other pixels, another shape of the same pixels, another embedder: a file each.
    assert_eq!(kept().len(), 1);
    for (pixels, shape) in [(&pixels[4..], [1, 2, 2]), (&pixels[..], [1, 1, 4])] {
        embedder
            .cached_features_in(dir.path(), pixels, shape)
            .unwrap();
    }
    cached(&toy.with("rgb", "bgr").unwrap());
    assert_eq!(kept().len(), 4);

    // A file of another key is not believed, whole as it is.
    let other = kept().into_iter().find(|other| *other != path).unwrap();
    fs::copy(&other, &path).unwrap();
    assert_eq!(cached(&embedder), made);
}

#[test]
fn a_cache_that_cannot_be_written_costs_nothing_else() {
    let toy = Toy::new(&means([2, 2], 1.0, batch()));
    let file = toy.guard.path().join("file");
    fs::write(&file, b"").unwrap();
    let found = toy
        .open()
        .cached_features_in(&file, &[1, 2, 3, 4], [1, 2, 2]);
    let made = toy.open().features(&[1, 2, 3, 4], [1, 2, 2]).unwrap();
    assert_eq!(found.unwrap(), made);
}
