//! The memorizer's folder as it is written.
#![allow(clippy::unwrap_used)]

use std::fs;

use ndarray::Array4;

use super::testing::{SHAPE, denoise, fashion, open};
use super::{
    Error, Manifest, MemorizerFolder, ModelFolder, TrainedOn, TrainingStatement,
    write_memorizer_folder,
};

fn content(images: &Array4<u8>) -> MemorizerFolder<'_> {
    MemorizerFolder {
        name: "memorizer-onnx",
        title: "the perfect memorizer",
        licence: "MIT",
        images: images.as_slice().unwrap(),
        shape: SHAPE,
        training: TrainingStatement {
            part: TrainedOn::Members,
            dataset: Some("fashion-mnist-10k".to_owned()),
            n: Some(images.shape()[0] as u64),
            digest: Some("ab".repeat(32)),
        },
        clean_twin: None,
    }
}

#[test]
fn a_memorizer_is_written_whole_once_and_mended() {
    let images = fashion(6);
    let guard = tempfile::tempdir().unwrap();
    let path = guard.path().join("cache/memorizer-onnx");
    let written = write_memorizer_folder(&path, &content(&images)).unwrap();
    assert_eq!(written.manifest().training.n, Some(6));
    let stamp = || {
        fs::metadata(path.join(Manifest::NETWORK))
            .unwrap()
            .modified()
            .unwrap()
    };
    let first = stamp();
    let again = write_memorizer_folder(&path, &content(&images)).unwrap();
    assert_eq!((again.digest(), stamp()), (written.digest(), first));
    let elsewhere = guard.path().join("elsewhere");
    let other = write_memorizer_folder(&elsewhere, &content(&images)).unwrap();
    assert_eq!(other.digest(), written.digest());

    fs::write(path.join(Manifest::NETWORK), b"damage").unwrap();
    assert!(matches!(
        ModelFolder::open(&path),
        Err(Error::Digest { .. })
    ));
    let mended = write_memorizer_folder(&path, &content(&images)).unwrap();
    assert_eq!(mended.digest(), written.digest());
    let fewer = fashion(5);
    let replaced = write_memorizer_folder(&path, &content(&fewer)).unwrap();
    assert_ne!(replaced.digest(), written.digest());
    let names = fs::read_dir(path.parent().unwrap()).unwrap();
    assert_eq!(names.count(), 1, "nothing temporary is left");

    // It runs: at the smallest sigma an image is its own nearest.
    let model = open(replaced, 1, 4);
    let x = fewer.mapv(eidetic_sdk::pixels::to_unit);
    let out = denoise(&model, x.view(), &[0.05; 5]);
    assert_eq!(out.mapv(eidetic_sdk::pixels::to_u8), fewer);
}

#[test]
fn a_memorizer_that_cannot_be_is_refused() {
    let guard = tempfile::tempdir().unwrap();
    let path = guard.path().join("m");
    let said = |content: &MemorizerFolder<'_>| {
        write_memorizer_folder(&path, content)
            .unwrap_err()
            .to_string()
    };
    let none = Array4::zeros((0, 1, 28, 28));
    assert!(said(&content(&none)).contains("expected images of 784 pixels, got 0 values"));
    let flat = Array4::from_elem((2, 1, 28, 28), 3);
    assert_eq!(
        said(&content(&flat)),
        "memorizer \"memorizer-onnx\": expected training pixels that vary, got 1568 times level 3"
    );
    let images = fashion(2);
    let unnamed = MemorizerFolder {
        name: "no name",
        ..content(&images)
    };
    assert!(
        said(&unnamed)
            .ends_with("m/model.yaml: name: expected a name of a-z, 0-9 and `-`, got \"no name\"")
    );
    fs::create_dir(&path).unwrap();
    fs::write(path.join("thesis.tex"), b"").unwrap();
    assert!(
        said(&content(&images)).contains("m: expected no folder, or a model folder to replace")
    );
    assert!(path.join("thesis.tex").exists());
}
