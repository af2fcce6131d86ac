//! Files of the onnx package, and files that are none.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use eidetic_graph::proto::{
    AttributeProto, AttributeType, GraphProto, ModelProto, NodeProto, OperatorSetIdProto,
    TensorProto,
};
use eidetic_graph::{
    Dim, Element, GraphBuilder, Summary, TensorType, check, decode, encode, memorizer, read, write,
};
use proptest::prelude::*;

fn features() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/features.onnx")
}

#[test]
fn a_file_of_the_onnx_package_is_read_whole() {
    let model = read(&features()).unwrap();
    let graph = model.graph.as_ref().unwrap();
    assert_eq!(
        (model.ir_version, model.metadata_props[0].value.as_str()),
        (9, "value")
    );
    assert_eq!(graph.initializer[0].float_data, [1.5, -2.0, 0.25]);
    let raw: Vec<i64> = graph.initializer[1]
        .raw_data
        .chunks_exact(8)
        .map(|bytes| i64::from_le_bytes(bytes.try_into().unwrap()))
        .collect();
    assert_eq!(raw, [-3, -2, -1, 0, 1, 2]);
    assert_eq!(
        graph.initializer[4].string_data,
        [b"a".to_vec(), b"bc".to_vec()]
    );
    let fused = &graph.node[2];
    assert_eq!(fused.attribute[0], AttributeProto::float("alpha", 0.5));
    assert_eq!(fused.attribute[1], AttributeProto::ints("ks", &[1, -2]));
    assert_eq!(
        graph.node[3].attribute[0].r#type,
        AttributeType::Tensor as i32
    );

    let summary = Summary::of(&model);
    assert_eq!((summary.opset, summary.producer.as_str()), (18, "fixture"));
    let said = |(name, kind): &(String, Option<TensorType>)| match kind {
        Some(kind) => format!("{name} {kind}"),
        None => format!("{name} no tensor"),
    };
    // `most` has a default, so nobody has to give it.
    assert_eq!(
        summary.inputs.iter().map(said).collect::<Vec<_>>(),
        [
            "x f32 [batch, 3]",
            "choose bool []",
            "free i64 [?, 2]",
            "seq no tensor"
        ]
    );
    assert_eq!(
        summary.outputs.iter().map(said).collect::<Vec<_>>(),
        ["w f32 of unknown shape", "c i64 [2, 3]"]
    );
    let operators: Vec<_> = summary
        .operators
        .iter()
        .map(|(name, count)| (name.as_str(), *count))
        .collect();
    assert_eq!(
        operators,
        [
            ("Add", 1),
            ("Clip", 1),
            ("Constant", 1),
            ("Identity", 1),
            ("If", 1),
            ("com.example.FusedThing", 1)
        ]
    );
    assert_eq!(summary.parameters, 3 + 6 + 2 + 2 + 2 + 1000 + 1);
    assert_eq!(summary.external_files, ["weights.bin"]);
}

#[test]
fn what_is_written_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("copy.onnx");
    let model = read(&features()).unwrap();
    write(&path, &model).unwrap();
    assert_eq!(read(&path).unwrap(), model);
    assert_eq!(std::fs::read(&path).unwrap(), encode(&model));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);

    // Bytes that nobody looks into come back as well.
    let mut trained = model.clone();
    trained.training_info.push(vec![1, 2, 3]);
    trained.functions.push(vec![4, 5]);
    assert_eq!(decode(&path, &encode(&trained)).unwrap(), trained);
}

#[test]
fn what_is_no_model_is_said_to_be_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.onnx");
    let said = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        let error = read(&path).unwrap_err().to_string();
        error
            .split_once("m.onnx: expected an ONNX model, got ")
            .unwrap()
            .1
            .to_owned()
    };
    assert_eq!(said(b""), "an empty file");
    assert!(said(b"this is a text file, no model\n").starts_with("30 bytes that are none ("));
    let bytes = std::fs::read(features()).unwrap();
    assert!(said(&bytes[..bytes.len() / 2]).starts_with("394 bytes that are none ("));
    assert_eq!(
        said(&encode(&ModelProto {
            ir_version: 8,
            ..ModelProto::default()
        })),
        "2 bytes without a graph"
    );

    let missing = read(&folder.path().join("missing.onnx"))
        .unwrap_err()
        .to_string();
    assert!(
        missing.starts_with("cannot read ") && missing.contains("missing.onnx"),
        "{missing}"
    );
    let unwritten = write(
        &folder.path().join("no/such/m.onnx"),
        &read(&features()).unwrap(),
    );
    assert!(
        unwritten
            .unwrap_err()
            .to_string()
            .starts_with("cannot write ")
    );
}

fn model_of(graph: GraphProto) -> ModelProto {
    ModelProto {
        ir_version: 8,
        graph: Some(GraphProto {
            name: "g".to_owned(),
            ..graph
        }),
        opset_import: vec![OperatorSetIdProto {
            domain: String::new(),
            version: 17,
        }],
        ..ModelProto::default()
    }
}

#[test]
fn parts_that_do_not_fit_are_named() {
    let node = |inputs: &[&str], output: &str| NodeProto {
        op_type: "Add".to_owned(),
        name: "n".to_owned(),
        input: inputs.iter().map(|name| (*name).to_owned()).collect(),
        output: vec![output.to_owned()],
        ..NodeProto::default()
    };
    let said = |graph: GraphProto| check(&model_of(graph)).unwrap_err().to_string();
    let constant = TensorProto::f32("k", &[2], &[1.0, 2.0]);
    let with_constant = GraphProto {
        initializer: vec![constant.clone()],
        ..GraphProto::default()
    };
    assert!(check(&model_of(with_constant.clone())).is_ok());

    let taken = GraphProto {
        node: vec![node(&["k", "later"], "y")],
        ..with_constant.clone()
    };
    assert_eq!(
        said(taken),
        "graph \"g\": operator Add (\"n\") takes \"later\", which nothing before it makes"
    );
    let twice = GraphProto {
        node: vec![node(&["k"], "y"), node(&["k"], "y")],
        ..with_constant
    };
    assert_eq!(said(twice), "graph \"g\": value \"y\" is made twice");
    let two = vec![constant.clone(), constant];
    let twice = GraphProto {
        initializer: two,
        ..GraphProto::default()
    };
    assert_eq!(said(twice), "graph \"g\": constant \"k\" is there twice");
    let short = TensorProto {
        dims: vec![3],
        ..TensorProto::f32("k", &[2], &[1.0, 2.0])
    };
    let short = GraphProto {
        initializer: vec![short],
        ..GraphProto::default()
    };
    assert_eq!(
        said(short),
        "graph \"g\": constant \"k\": expected 3 elements for [3], got 8 bytes and 0 values"
    );
    let huge = TensorProto {
        dims: vec![i64::MAX; 3],
        ..TensorProto::f32("k", &[0], &[])
    };
    let huge = GraphProto {
        initializer: vec![huge],
        ..GraphProto::default()
    };
    assert!(said(huge).contains("expected dimensions from 0"));
    let no_set = ModelProto {
        opset_import: Vec::new(),
        ..model_of(GraphProto::default())
    };
    assert!(
        check(&no_set)
            .unwrap_err()
            .to_string()
            .contains("operator set of the default domain")
    );
}

#[test]
fn a_graph_that_is_built_says_what_it_is() {
    let mut graph = GraphBuilder::new("g");
    let dims = [Dim::Named("batch".to_owned()), Dim::Fixed(3)];
    let x = graph.input("x", Element::F32, &dims);
    let k = graph.constant(TensorProto::f32("k", &[], &[2.0]));
    let y = graph.op("Mul", &[x, k]);
    graph.output("y", y, Element::F32, &dims);
    graph.output("again", y, Element::F32, &dims);
    graph.output("same", x, Element::F32, &dims);
    let model = graph.build().unwrap();
    let summary = Summary::of(&model);
    assert_eq!(summary.opset, 17);
    assert_eq!(summary.parameters, 1);
    assert_eq!(summary.operators["Identity"], 2);
    let names: Vec<_> = summary
        .outputs
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(names, ["y", "again", "same"]);
    assert_eq!(decode(Path::new("m"), &encode(&model)).unwrap(), model);

    let mut graph = GraphBuilder::new("g");
    graph.input("x", Element::F32, &dims);
    graph.constant(TensorProto::i64("k", &[1], &[1]));
    graph.constant(TensorProto::i64("k", &[1], &[1]));
    assert!(
        graph
            .build()
            .unwrap_err()
            .to_string()
            .contains("\"k\" is there twice")
    );
}

#[test]
fn the_memorizer_takes_any_batch_and_refuses_half_an_image() {
    let model = memorizer(&[0.5; 24], [2, 3, 2]).unwrap();
    let summary = Summary::of(&model);
    let types: Vec<String> = [&summary.inputs, &summary.outputs]
        .into_iter()
        .flatten()
        .map(|(name, kind)| format!("{name} {}", kind.as_ref().unwrap()))
        .collect();
    assert_eq!(
        types,
        [
            "sample f32 [batch, 2, 3, 2]",
            "sigma f32 [batch]",
            "out_sample f32 [batch, 2, 3, 2]"
        ]
    );
    assert_eq!(
        (summary.operators["MatMul"], summary.operators["Softmax"]),
        (2, 1)
    );
    assert_eq!(
        memorizer(&[0.5; 13], [2, 3, 2]).unwrap_err().to_string(),
        "graph \"memorizer\": expected images of 12 pixels, got 13 values"
    );
    assert!(memorizer(&[], [1, 1, 1]).is_err());
    assert!(memorizer(&[], [0, 1, 1]).is_err());
}

proptest! {
    #[test]
    fn damage_never_panics(place: prop::sample::Index, byte: u8, cut: prop::sample::Index) {
        let mut bytes = std::fs::read(features()).unwrap();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        let _ = decode(Path::new("m"), &bytes).map(|model| Summary::of(&model));
        let _ = decode(Path::new("m"), &bytes[..cut.index(bytes.len())]).map(|model| Summary::of(&model));
    }
}
