//! Folders and shards of the pictures that Pillow wrote (`pictures/fixtures`), by their manifests.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::PathBuf;

use super::super::Dataset;
use super::*;
use crate::files::{sha256_file, sha256_hex};

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/pictures/fixtures")
}

fn fixture(name: &str) -> Vec<u8> {
    fs::read(fixtures().join(name)).unwrap()
}

fn pixels(name: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(fixtures().join(name), folder.path().join(name)).unwrap();
    pictures::read(folder.path(), [3, 12, 20], false)
        .unwrap()
        .images
}

/// A dataset `own`: its manifest, and `data` beside it.
struct Own(tempfile::TempDir);

impl Own {
    /// With these files in the folder `data`.
    fn of(files: &[(&str, Vec<u8>)]) -> Self {
        let own = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(own.data()).unwrap();
        for (name, bytes) in files {
            let path = own.data().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        own
    }

    fn folder(&self) -> PathBuf {
        self.0.path().join("own")
    }

    fn data(&self) -> PathBuf {
        self.folder().join("data")
    }

    fn load(&self, count: u32, more: &str) -> Result<Dataset, String> {
        let sha256 = Survey::of(&self.data()).unwrap().sha256;
        let images = format!("file: data, format: image-folder, sha256: {sha256}");
        self.load_as(&images, count, more)
    }

    fn load_as(&self, images: &str, count: u32, more: &str) -> Result<Dataset, String> {
        let manifest = format!(
            "version: 1\nname: own\ntitle: Own\nsource: none\nlicence: MIT\nimages: {{ {images} }}\n\
             count: {count}\nshape: [3, 12, 20]\nelement: u8\nlevels: 256\nnear_duplicate_l2: 0\n\
             split: {{ members: 1, holdout: 1, aux: 0 }}\n{more}"
        );
        fs::write(self.folder().join(Manifest::FILE), manifest).unwrap();
        Dataset::load(&self.folder(), None).map_err(|error| error.to_string())
    }
}

fn three() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("dog/1.png", fixture("rgb.png")),
        ("cat/2.jpg", fixture("rgb444.jpg")),
        ("cat/1.png", fixture("palette.png")),
        ("readme.txt", b"any".to_vec()),
    ]
}

const CLASSES: &str = "classes: [dog, cat]\n";

#[test]
fn classes_are_the_folders_names() {
    let own = Own::of(&three());
    let dataset = own.load(3, CLASSES).unwrap();
    assert_eq!(dataset.labels, Some(vec![1, 1, 0]));
    let expected = ["palette.png", "rgb444.jpg", "rgb.png"]
        .map(pixels)
        .concat();
    assert_eq!(dataset.images, expected);
    assert_eq!(own.load(3, "").unwrap().labels, None);
    let error = own.load(3, "classes: [dog, cow]\n").unwrap_err();
    assert!(
        error.contains("for each image one of 2 classes, by number or name, got cat/1.png: the label \"cat\"; cat/2.jpg"),
        "{error}"
    );
    let error = own.load(4, CLASSES).unwrap_err();
    assert!(error.contains("expected 4 images, got 3"), "{error}");
    let error = Own::of(&[("1.png", fixture("rgb.png"))])
        .load(1, CLASSES)
        .unwrap_err();
    assert!(error.contains("1.png: no label"), "{error}");
}

#[test]
fn metadata_names_the_classes_by_number_or_name() {
    let with = |lines: &str| {
        let mut files = three();
        files.push((METADATA, lines.as_bytes().to_vec()));
        Own::of(&files).load(3, CLASSES)
    };
    let good = "{\"file_name\": \"cat/2.jpg\", \"label\": 0, \"text\": \"x\"}\n\n\
                {\"file_name\": \"cat/1.png\", \"class\": \"cat\"}\n\
                {\"file_name\": \"dog/1.png\", \"label\": \"dog\"}";
    assert_eq!(with(good).unwrap().labels, Some(vec![1, 0, 0]));
    for (from, to, expected) in [
        ("\"label\": 0", "\"label\": 2", "cat/2.jpg: the label 2"),
        ("\"label\": 0", "\"label\": -1", "cat/2.jpg: the label -1"),
        ("\"label\": 0", "\"label\": 0.5", "cat/2.jpg: the label 0.5"),
        (
            "\"label\": 0",
            "\"labels\": 0",
            "in line 1 a label or class",
        ),
        ("cat/2.jpg", "cat/3.jpg", "got cat/3.jpg, which is not"),
        (
            "cat/2.jpg",
            "cat/1.png",
            "in line 3 an image not named before",
        ),
        (
            "{\"file_name\": \"dog",
            "{\"name\": \"dog",
            "in line 4 a file_name",
        ),
        ("\"dog\"}", "\"dog\"", "in line 4 an object of JSON"),
        (
            "{\"file_name\": \"cat/2.jpg\", \"label\": 0, \"text\": \"x\"}",
            "",
            "cat/2.jpg: no label",
        ),
    ] {
        assert!(good.contains(from), "{from}");
        let error = with(&good.replacen(from, to, 1)).unwrap_err();
        assert!(error.contains(expected), "{to}: {error}");
    }
}

#[test]
fn the_digest_of_a_folder_is_of_names_and_bytes() {
    let own = Own::of(&three());
    let mut content = b"eidetic folder 1\n".to_vec();
    for (name, file) in [
        ("cat/1.png", "palette.png"),
        ("cat/2.jpg", "rgb444.jpg"),
        ("dog/1.png", "rgb.png"),
    ] {
        for part in [name.as_bytes(), &fixture(file)] {
            content.extend((part.len() as u64).to_le_bytes());
            content.extend(part);
        }
    }
    let survey = Survey::of(&own.data()).unwrap();
    let expected = Survey {
        images: 3,
        shape: Some([3, 12, 20]),
        classes: vec!["cat".into(), "dog".into()],
        metadata: false,
        sha256: sha256_hex(&content),
    };
    assert_eq!(survey, expected);

    let images = format!(
        "file: data, format: image-folder, sha256: {}",
        survey.sha256
    );
    assert!(own.load_as(&images, 3, CLASSES).is_ok());
    fs::write(own.data().join("note.md"), b"no image").unwrap();
    assert!(own.load_as(&images, 3, CLASSES).is_ok());
    let refused = || {
        let error = own.load_as(&images, 3, CLASSES).unwrap_err();
        assert!(error.contains("data: expected sha256 "), "{error}");
    };
    fs::rename(own.data().join("cat/1.png"), own.data().join("cat/3.png")).unwrap();
    refused();
    fs::rename(own.data().join("cat/3.png"), own.data().join("cat/1.png")).unwrap();
    assert!(own.load_as(&images, 3, CLASSES).is_ok());
    fs::write(own.data().join(METADATA), b"").unwrap();
    refused();
    fs::remove_dir_all(own.data()).unwrap();
    let error = own.load_as(&images, 3, CLASSES).unwrap_err();
    assert!(error.contains("needs data"), "{error}");
}

#[test]
fn bad_files_are_left_out_only_where_the_manifest_says_so() {
    let mut files = three();
    files.push(("cat/0.png", fixture("rgb.png")[..100].to_vec()));
    files.push(("dog/0.gif", b"GIF89a".to_vec()));
    let own = Own::of(&files);
    let error = own.load(3, CLASSES).unwrap_err();
    assert!(
        error.contains("dataset \"own\": ") && error.contains("2 of 5 pictures"),
        "{error}"
    );
    assert!(
        error.contains("cat/0.png: ") && error.contains("dog/0.gif: "),
        "{error}"
    );
    assert!(error.contains("write skip_bad: true"), "{error}");
    let left = own.load(3, &format!("{CLASSES}skip_bad: true\n")).unwrap();
    let whole = Own::of(&three()).load(3, CLASSES).unwrap();
    assert_eq!((left.digest, left.labels), (whole.digest, whole.labels));
    let error = own
        .load(5, &format!("{CLASSES}skip_bad: true\n"))
        .unwrap_err();
    assert!(
        error.contains("expected 5 images, got 3 and 2 that were left out"),
        "{error}"
    );
}

/// A tar of these members under their names.
fn shard(files: &[(&str, Vec<u8>)]) -> Own {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        builder.append_data(&mut header, name, &bytes[..]).unwrap();
    }
    let own = Own::of(&[]);
    fs::write(
        own.folder().join("shard.tar"),
        builder.into_inner().unwrap(),
    )
    .unwrap();
    own
}

fn load_shard(own: &Own, count: u32, more: &str) -> Result<Dataset, String> {
    let sha256 = sha256_file(&own.folder().join("shard.tar")).unwrap();
    let images = format!("file: shard.tar, format: webdataset, sha256: {sha256}");
    own.load_as(&images, count, more)
}

fn pairs() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("b/02.cls", b"1\n".to_vec()),
        ("b/02.jpg", fixture("rgb444.jpg")),
        ("b/01.png", fixture("rgb.png")),
        ("b/01.json", b"{\"label\": 0, \"caption\": \"x\"}".to_vec()),
        ("b/01.txt", b"x".to_vec()),
        ("b/01.mask.png", fixture("grey.png")),
        ("a/9.png", fixture("palette.png")),
        ("a/9.cls", b"cat".to_vec()),
        ("a/9.json", b"{\"caption\": \"no label\"}".to_vec()),
    ]
}

#[test]
fn a_shard_pairs_images_with_labels_by_key() {
    let dataset = load_shard(&shard(&pairs()), 3, CLASSES).unwrap();
    assert_eq!(dataset.labels, Some(vec![1, 0, 1]));
    let expected = ["palette.png", "rgb.png", "rgb444.jpg"]
        .map(pixels)
        .concat();
    assert_eq!(dataset.images, expected);
    assert_eq!(load_shard(&shard(&pairs()), 3, "").unwrap().labels, None);
}

/// `shard.tar.gz` was written by Python, see `pictures/fixtures/make.py`.
#[test]
fn python_s_shard_is_read_with_its_labels() {
    let own = Own::of(&[]);
    fs::write(own.folder().join("shard.tar.gz"), fixture("shard.tar.gz")).unwrap();
    let sha256 = sha256_file(&own.folder().join("shard.tar.gz")).unwrap();
    let images = format!("file: shard.tar.gz, format: webdataset, sha256: {sha256}");
    let dataset = own.load_as(&images, 3, "classes: [a, b, c]\n").unwrap();
    assert_eq!(dataset.labels, Some(vec![0, 2, 1]));
}

#[test]
fn what_is_wrong_with_a_shard_is_named() {
    let with = |name: &str, bytes: &[u8]| {
        let mut files = pairs();
        files.retain(|(known, _)| *known != name);
        if !bytes.is_empty() {
            files.push((name, bytes.to_vec()));
        }
        load_shard(&shard(&files), 3, CLASSES).unwrap_err()
    };
    for (name, bytes, expected) in [
        ("b/02.cls", &b"2"[..], "b/02.jpg: the label 2"),
        ("b/02.cls", b"", "b/02.jpg: no label"),
        ("b/02.cls", b"cow", "b/02.jpg: the label \"cow\""),
        (
            "b/02.json",
            b"{\"label\": 0}",
            "two labels of b/02, 1 and 0",
        ),
        ("b/02.json", b"{\"label\": ", "b/02.json: EOF"),
        (
            "b/02.cls",
            &[b'1'; 1 << 15],
            "a label of 32768 bytes, b/02.cls",
        ),
        (
            "b/02.webp",
            b"RIFF",
            "b/02.webp: expected a PNG or JPEG file",
        ),
        ("b/01.png", b"", "expected 3 images, got 2"),
    ] {
        let error = with(name, bytes);
        assert!(error.contains(expected), "{name}: {error}");
    }
    let both = fixture("rgb.png");
    let error = with("b/02.png", &both);
    assert!(
        error.contains("one image of a key, got b/02.jpg and b/02.png"),
        "{error}"
    );

    let own = shard(&pairs());
    let sha256 = sha256_file(&own.folder().join("shard.tar")).unwrap();
    let bytes = fs::read(own.folder().join("shard.tar")).unwrap();
    fs::write(own.folder().join("shard.tar"), &bytes[..bytes.len() - 512]).unwrap();
    let images = format!("file: shard.tar, format: webdataset, sha256: {sha256}");
    let error = own.load_as(&images, 3, CLASSES).unwrap_err();
    assert!(error.contains("shard.tar: expected sha256"), "{error}");
}
