#![allow(clippy::unwrap_used)]
use super::{from_file, from_str};
use proptest::prelude::*;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Manifest {
    name: String,
    shape: [usize; 3],
    range: Option<(f32, f32)>,
    #[serde(default)]
    kind: Kind,
    #[serde(default)]
    files: Vec<Digest>,
    #[serde(default)]
    labels: BTreeMap<String, u32>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Digest {
    path: String,
    sha256: String,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    #[default]
    Eps,
    X0,
    Edm {
        sigma_data: f64,
    },
}

fn read(text: &str) -> Result<Manifest, String> {
    from_str(Path::new("model.yaml"), text).map_err(|error| error.to_string())
}

fn refused(text: &str) -> String {
    read(text).unwrap_err()
}

#[test]
fn reads_every_shape_of_value() {
    let manifest = read(
        "name: unet\nshape: [1, 28, 28]\nrange: [-1, 1.0]\nkind: { edm: { sigma_data: 1 } }\n\
         files:\n  - path: a.onnx\n    sha256: 'ab'\nlabels: { shirt: 6 }\n",
    )
    .unwrap();
    assert_eq!(manifest.shape, [1, 28, 28]);
    assert_eq!(manifest.range, Some((-1.0, 1.0)));
    assert_eq!(manifest.kind, Kind::Edm { sigma_data: 1.0 });
    assert_eq!(manifest.files[0].path, "a.onnx");
    assert_eq!(manifest.labels["shirt"], 6);
    let least = read("{ name: a, shape: [1, 2, 3], range: ~, kind: x0 }").unwrap();
    assert_eq!((least.range, least.kind), (None, Kind::X0));
}

#[test]
fn unknown_keys_name_the_nearest() {
    assert_eq!(
        refused("name: a\nshape: [1, 2, 3]\nfiles:\n  - { path: a, sha265: b }\n"),
        "model.yaml:4:16: files[0].sha265: unknown key \"sha265\"; allowed: path, sha256; \
         did you mean \"sha256\"?"
    );
    assert_eq!(
        refused("name: a\nshape: [1, 2, 3]\nkind: epz\n"),
        "model.yaml:3:7: kind: unknown value \"epz\"; allowed: eps, x0, edm; did you mean \"eps\"?"
    );
    assert_eq!(
        refused("name: a\nshape: [1, 2, 3]\nkind: { edn: 3 }\n"),
        "model.yaml:3:9: kind.edn: unknown value \"edn\"; allowed: eps, x0, edm; did you mean \"edm\"?"
    );
}

#[test]
fn wrong_types_and_missing_keys_are_placed() {
    assert_eq!(
        refused("name: 12\nshape: [1, 2, 3]\n"),
        "model.yaml:1:7: name: expected a string, got the integer 12"
    );
    assert_eq!(
        refused("name: a\nshape:\n  - 1\n  - two\n  - 3\n"),
        "model.yaml:4:5: shape[1]: expected an integer from 0, got the text \"two\""
    );
    assert_eq!(
        refused("name: a\nshape: [1, 2, 3, 4]\n"),
        "model.yaml:2:8: shape: expected 3 values, got 4"
    );
    assert_eq!(
        refused("name: a\nshape: [1, 2]\n"),
        "model.yaml:2:8: shape: expected an array of length 3, got 2 values"
    );
    assert_eq!(
        refused("name: a\nshape: [1, 2, 3]\nlabels: { \"a b\": -1 }\n"),
        "model.yaml:3:18: labels[\"a b\"]: expected an integer from 0 to 4294967295, got the integer -1"
    );
    assert_eq!(
        refused("shape: [1, 2, 3]\n"),
        "model.yaml:1:1: missing key \"name\""
    );
    assert_eq!(
        refused("name: a\nshape: [1, 2, 3]\nfiles: [ { path: a } ]"),
        "model.yaml:3:10: files[0]: missing key \"sha256\""
    );
    assert_eq!(
        refused("name: a\nshape: [1, 2, 3]\nkind: [eps]"),
        "model.yaml:3:7: kind: expected one of eps, x0, edm, got a list"
    );
    assert_eq!(
        refused("- 1"),
        "model.yaml:1:1: expected a mapping, got a list"
    );
}

#[test]
fn the_form_is_checked_before_the_content() {
    assert_eq!(
        refused("name: a\nshape: [1, 2, 3]\nfiles: [ { path: a, path: b } ]"),
        "model.yaml:3:21: files[0].path: duplicate key \"path\"; each key may stand once"
    );
    assert_eq!(
        refused("labels: { 3: 4 }"),
        "model.yaml:1:11: labels: expected a key that is text, got the integer 3; quote it"
    );
    assert_eq!(
        refused("name: !secret a"),
        "model.yaml:1:7: name: YAML tags are not used here: remove !secret"
    );
    assert_eq!(
        refused(""),
        "model.yaml:1:1: expected a mapping, got nothing"
    );
    assert_eq!(
        refused("a: 1\n---\nb: 2\n"),
        "model.yaml: expected one YAML document, got several (separated by ---)"
    );
    assert_eq!(
        refused("name: a\n  b: 1\n"),
        "model.yaml:2:4: mapping values are not allowed in this context"
    );
    assert_eq!(
        refused("name: 99999999999999999999\n"),
        "model.yaml:1:7: name: expected an integer of 64 bits, got 99999999999999999999"
    );
    assert_eq!(refused("name: *nobody\n"), "model.yaml:1:7: unknown anchor");
}

#[test]
fn aliases_cannot_blow_up() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for i in 1..12 {
        let row = vec![format!("*a{}", i - 1); 10].join(", ");
        bomb.push_str(&format!("a{i}: &a{i} [{row}]\n"));
    }
    let error = refused(&bomb);
    assert!(error.contains("aliases"), "{error}");
    let error = refused("name: &a [*a]\n");
    assert!(
        error.contains("128 deep") || error.contains("anchor"),
        "{error}"
    );
    let error = refused(&"[".repeat(5000));
    assert!(error.contains("model.yaml"), "{error}");
}

#[test]
fn unreadable_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.yaml");
    let error = from_file::<Manifest>(&path).unwrap_err();
    assert_eq!(error.place, None);
    assert!(
        error.to_string().contains("cannot read the file"),
        "{error}"
    );
    std::fs::write(&path, b"name: \xff\n").unwrap();
    let error = from_file::<Manifest>(&path).unwrap_err();
    assert!(error.message.contains("UTF-8"), "{error}");
    assert!(error.message.contains("offset 6"), "{error}");
    std::fs::write(&path, vec![b' '; (1 << 20) + 1]).unwrap();
    let error = from_file::<Manifest>(&path).unwrap_err();
    assert!(error.message.contains("at most 1048576"), "{error}");
    std::fs::write(&path, "name: a\nshape: [1, 2, 3]\n").unwrap();
    assert_eq!(from_file::<Manifest>(&path).unwrap().name, "a");
}

#[test]
fn columns_count_characters() {
    assert_eq!(
        refused("name: a\nshape: [1, 2, 3]\nlabels: { \"日本\": x }"),
        "model.yaml:3:17: labels.日本: expected an integer from 0 to 4294967295, got the text \"x\""
    );
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in any::<String>()) {
        let _ = read(&text);
    }

    #[test]
    fn yaml_like_text_never_panics(text in "[-a-c0:,\\[\\]{}&*!'\"#|>? \n~.]{0,60}") {
        if let Err(error) = read(&text) {
            prop_assert!(error.starts_with("model.yaml:"));
        }
    }
}
