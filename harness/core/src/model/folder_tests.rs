//! What a folder that is not right is told.
#![allow(clippy::unwrap_used)]

use std::fs;

use eidetic_graph::proto::{DataLocation, StringStringEntryProto, TensorProto};
use eidetic_graph::{Dim, Element, GraphBuilder, encode};

use super::testing::{Folder, image_dims, linear_schedule};
use super::{Manifest, Prediction};

const EDM: &str = "prediction: edm\nsigma_min: 0.002\nsigma_max: 80\n";

/// A network that gives back its sample, with these other inputs.
fn identity(
    inputs: &[(&str, Element, &[Dim])],
    channels: usize,
) -> eidetic_graph::proto::ModelProto {
    let mut g = GraphBuilder::new("toy");
    let sample = g.input("sample", Element::F32, &image_dims(channels));
    for (name, element, dims) in inputs {
        g.input(name, *element, dims);
    }
    let out = g.op("Identity", &[sample]);
    g.output("out_sample", out, Element::F32, &image_dims(channels));
    g.build().unwrap()
}

fn batch() -> [Dim; 1] {
    [Dim::Named("batch".to_owned())]
}

fn edm() -> Folder {
    Folder::new().network(&identity(&[("sigma", Element::F32, &batch())], 1))
}

fn epsilon() -> Folder {
    Folder::new()
        .network(&identity(&[("timestep", Element::I64, &batch())], 1))
        .schedule(&linear_schedule(Prediction::Epsilon))
}

#[test]
fn a_good_folder_opens_and_says_what_it_is() {
    let folder = edm().manifest(&format!(
        "{EDM}clean_twin: toy-aux\nsampler: heun\ntraining: {{ part: members, dataset: \
         fashion-mnist-10k, n: 256, digest: {} }}\n",
        "0a".repeat(32)
    ));
    let opened = folder.open();
    assert_eq!(opened.manifest().clean_twin.as_deref(), Some("toy-aux"));
    assert_eq!(opened.manifest().training.n, Some(256));
    let info = opened.info();
    assert_eq!(
        (info.sigma_min, info.sigma_max, info.sigma_data),
        (0.002, 80.0, 0.7)
    );
    assert_eq!(info.fault(), None);
    assert!(opened.schedule().is_none() && opened.summary().operators.contains_key("Identity"));

    let schedule = epsilon().manifest("prediction: epsilon\n").open();
    let info = schedule.info();
    assert_eq!(info.schedule.len(), 1000);
    assert_eq!(
        (info.sigma_min, info.sigma_max),
        (info.schedule[0], info.schedule[999])
    );
    assert_eq!(info.fault(), None);
    assert_ne!(schedule.digest(), opened.digest());
}

#[test]
fn the_digest_is_that_of_the_content() {
    let (one, two) = (edm().manifest(EDM).open(), edm().manifest(EDM).open());
    assert_ne!(one.path(), two.path());
    assert_eq!(one.digest(), two.digest());
    assert_eq!(one.digest().len(), 64);
    let other = edm().manifest(&EDM.replace("80", "70")).open();
    assert_ne!(one.digest(), other.digest());
    let other = edm().file("README", b"read me").manifest(EDM).open();
    assert_ne!(one.digest(), other.digest());
}

#[test]
fn every_fault_of_the_manifest_has_its_place() {
    let said = |keys: &str| edm().manifest(keys).refused();
    for (keys, want) in [
        (
            "prediction: epsilom\n",
            "model.yaml:9:13: prediction: unknown value \"epsilom\"; allowed: epsilon, sample, \
             v_prediction, edm; did you mean \"epsilon\"?",
        ),
        (
            "prediction: edm\nsigma_max: 80\n",
            "model.yaml:1:1: missing key \"sigma_min\", which prediction edm needs",
        ),
        (
            "prediction: epsilon\nsigma_max: 80\n",
            "model.yaml:10:12: sigma_max: expected no sigma_max for prediction epsilon: the schedule \
             has it",
        ),
        (
            "prediction: edm\nsigma_min: 80\nsigma_max: 80\n",
            "model.yaml:11:12: sigma_max: expected more than sigma_min 80, got 80",
        ),
        (
            "prediction: edm\nsigma_min: .nan\nsigma_max: 80\n",
            "model.yaml:10:12: sigma_min: expected a finite number above 0, got NaN",
        ),
        (
            "shape: [1, 0, 28]\n",
            "shape: expected three sizes from 1 to 16384, got [1, 0, 28]",
        ),
        (
            "range: [0, 1]\n",
            "range: expected [-1, 1], got [0.0, 1.0]: put the change of range into",
        ),
        (
            "sigma_data: 0\n",
            "sigma_data: expected a number above 0 and up to 1, got 0",
        ),
        (
            "extra_channels: 1\n",
            "extra_channels: expected the key mitigation beside 1 extra channels",
        ),
        (
            "null_class: 3\n",
            "null_class: expected classes beside it, got none",
        ),
        (
            "mitigation: Ambient!\n",
            "mitigation: expected a name of a-z, 0-9 and `-`, got \"Ambient!\"",
        ),
        (
            "training: { part: member }\n",
            "training.part: unknown value \"member\"; allowed: members, aux,",
        ),
        (
            "training: { part: members, n: 3 }\n",
            "training: expected dataset and n (at least 1) beside",
        ),
        (
            "training: { part: unknown, digest: 12ab }\n",
            "training.digest: expected 64 lower-case hexadecimal digits, got \"12ab\"",
        ),
        ("licens: MIT\n", "licens: unknown key \"licens\""),
        ("name: again\n", "name: duplicate key \"name\""),
        (
            "files:\n  - { path: ../x, sha256: a }\n",
            "files[0].path: expected a path of a file in",
        ),
        (
            "files:\n  - { path: /x, sha256: a }\n",
            "files[0].path: expected a path of a file in",
        ),
        (
            "files:\n  - { path: x, sha256: a }\n",
            "files[0].sha256: expected 64 lower-case",
        ),
        (
            "files: []\n",
            "files: expected \"unet/model.onnx\" among the files for prediction edm, got []",
        ),
    ] {
        let keys = if keys.starts_with("prediction") {
            keys.to_owned()
        } else {
            format!("{EDM}{keys}")
        };
        let got = said(&keys);
        assert!(
            got.contains(want),
            "for {keys:?}\n got: {got}\nwant: {want}"
        );
        assert!(got.starts_with("model.yaml:"), "{got}");
    }
    let missing = Folder::new().refused();
    assert!(
        missing.starts_with("model.yaml: cannot read the file"),
        "{missing}"
    );
}

#[test]
fn files_are_checked_before_they_are_used() {
    let folder = edm().file("notes.txt", b"one").manifest(EDM);
    fs::write(folder.at("notes.txt"), b"two").unwrap();
    let got = folder.refused();
    assert!(
        got.starts_with("notes.txt: expected sha256 7692c3ad"),
        "{got}"
    );
    fs::remove_file(folder.at("notes.txt")).unwrap();
    let got = folder.refused();
    assert!(
        got.starts_with("notes.txt: expected the file that model.yaml lists, got none"),
        "{got}"
    );

    let folder = epsilon().manifest("prediction: epsilon\n");
    for file in [Manifest::NETWORK, Manifest::SCHEDULE] {
        let good = fs::read(folder.at(file)).unwrap();
        fs::write(folder.at(file), &good[..good.len() - 1]).unwrap();
        let got = folder.refused();
        assert!(
            got.starts_with(&format!("{file}: expected sha256 ")),
            "{got}"
        );
        fs::remove_file(folder.at(file)).unwrap();
        let got = folder.refused();
        assert!(
            got.starts_with(&format!("{file}: expected the file that ")),
            "{got}"
        );
        fs::write(folder.at(file), good).unwrap();
    }
    folder.open();
}

#[test]
fn what_is_no_network_is_refused() {
    let text = Folder::new()
        .file(Manifest::NETWORK, b"a text file, no model")
        .manifest(EDM);
    let got = text.refused();
    assert!(
        got.starts_with("unet/model.onnx: expected an ONNX model, got 21 bytes"),
        "{got}"
    );
    // A good file, cut, with the digest of what is left.
    let whole = encode(&identity(&[("sigma", Element::F32, &batch())], 1));
    let cut = Folder::new()
        .file(Manifest::NETWORK, &whole[..whole.len() / 2])
        .manifest(EDM);
    let got = cut.refused();
    assert!(
        got.starts_with("unet/model.onnx: expected an ONNX model, got"),
        "{got}"
    );
}

#[test]
fn inputs_and_outputs_that_do_not_fit_are_named() {
    let said = |network, keys: &str| {
        let folder = Folder::new().network(&network);
        let folder = match keys {
            EDM => folder,
            _ => folder.schedule(&linear_schedule(Prediction::Epsilon)),
        };
        folder
            .manifest(keys)
            .refused()
            .replace("unet/model.onnx: ", "")
    };
    let eps = "prediction: epsilon\n";
    let sigma = ("sigma", Element::F32, &batch()[..]);
    assert_eq!(
        said(identity(&[sigma], 3), EDM),
        "input sample: expected f32 [batch, 1, 28, 28], got f32 [batch, 3, 28, 28]"
    );
    assert_eq!(
        said(
            identity(&[sigma], 1),
            &format!("{EDM}extra_channels: 1\nmitigation: ambient\n")
                .replace("edm\nsigma_min: 0.002\nsigma_max: 80", "epsilon")
        ),
        "inputs: expected sample, timestep, got sample, sigma"
    );
    assert_eq!(
        said(identity(&[("sigma", Element::F64, &batch())], 1), EDM),
        "input sigma: expected f32 [batch], got f64 [batch]"
    );
    assert_eq!(
        said(identity(&[("sigma", Element::F32, &[])], 1), EDM),
        "input sigma: expected f32 [batch], got f32 []"
    );
    assert_eq!(
        said(identity(&[("timestep", Element::F64, &batch())], 1), eps),
        "input timestep: expected i64 or f32, [] or [batch], got f64 [batch]"
    );
    assert_eq!(
        said(
            identity(
                &[("timestep", Element::F32, &[Dim::Open, Dim::Fixed(1)])],
                1
            ),
            eps
        ),
        "input timestep: expected i64 or f32, [] or [batch], got f32 [?, 1]"
    );
    let text = (
        "encoder_hidden_states",
        Element::F32,
        &[Dim::Open, Dim::Open, Dim::Fixed(768)][..],
    );
    assert_eq!(
        said(
            identity(&[("timestep", Element::F32, &batch()), text], 1),
            eps
        ),
        "inputs: expected sample, timestep, got sample, timestep, encoder_hidden_states"
    );
    let mut renamed = identity(&[sigma], 1);
    let graph = renamed.graph.as_mut().unwrap();
    graph.output[0].name = "eps".to_owned();
    graph.node[0].output[0] = "eps".to_owned();
    assert_eq!(
        said(renamed, EDM),
        "output out_sample: expected a tensor, got only eps"
    );
}

#[test]
fn weights_in_another_file_have_to_be_listed() {
    let mut network = identity(&[("sigma", Element::F32, &batch())], 1);
    let entry = |key: &str, value: &str| StringStringEntryProto {
        key: key.to_owned(),
        value: value.to_owned(),
    };
    network
        .graph
        .as_mut()
        .unwrap()
        .initializer
        .push(TensorProto {
            name: "w".to_owned(),
            data_type: Element::F32.data_type(),
            dims: vec![2],
            data_location: DataLocation::External as i32,
            external_data: vec![entry("location", "weights.bin")],
            ..TensorProto::default()
        });
    let folder = || Folder::new().network(&network);
    assert_eq!(
        folder().manifest(EDM).refused(),
        "unet/model.onnx: its weights are in \"weights.bin\": list that file with its sha256 under \
         files: in model.yaml"
    );
    folder()
        .file("unet/weights.bin", &[0; 8])
        .manifest(EDM)
        .open();
    let mut outside = network.clone();
    outside.graph.as_mut().unwrap().initializer[0].external_data[0].value = "../../w".to_owned();
    let got = Folder::new().network(&outside).manifest(EDM).refused();
    assert!(got.contains("its weights are in \"../../w\""), "{got}");
}

#[test]
fn manifest_and_schedule_have_to_agree() {
    let got = epsilon().manifest("prediction: v_prediction\n").refused();
    assert_eq!(
        got,
        "model.yaml:9:13: prediction: expected the prediction_type of \
         scheduler/scheduler_config.json (epsilon), got v_prediction"
    );
    let network = identity(&[("timestep", Element::I64, &batch())], 1);
    let flow = Folder::new()
        .network(&network)
        .schedule(r#"{"num_train_timesteps": 1000, "prediction_type": "flow_prediction"}"#)
        .manifest("prediction: epsilon\n");
    assert!(flow.refused().starts_with(
        "scheduler/scheduler_config.json: prediction_type: unsupported prediction type \
             \"flow_prediction\"; allowed: epsilon, sample, v_prediction"
    ));
}
