//! Graphs with sizes: what is refused, folded, bound, written and said.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use eidetic_graph::proto::{AttributeProto, ModelProto, TensorProto};
use eidetic_graph::{
    Dim, Element, Graph, GraphBuilder, Type, differentiable, evaluate, gradient, read,
};
use ndarray::{ArrayD, arr1, arr2};
use proptest::prelude::*;

fn networks(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/networks");
    folder.join(name)
}

fn said<T: std::fmt::Debug>(result: Result<T, eidetic_graph::Error>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn what_does_not_fit_is_named() {
    let mut graph = Graph::new("net", 17).unwrap();
    let x = graph.input("x", Element::F32, &[2, 3]).unwrap();
    let y = graph.input("y", Element::F32, &[2, 4]).unwrap();
    let k = graph.input("k", Element::I64, &[2, 3]).unwrap();
    assert_eq!(
        said(graph.op("MatMul", &[x, y])),
        "net: operator MatMul (\"MatMul_0\"): expected matrices with matching inner sizes, got f32 \
         [2, 3] and f32 [2, 4]"
            .replace("MatMul_0", "matmul_0")
    );
    assert!(
        said(graph.op("Add", &[x, y])).ends_with(
            "expected inputs that broadcast to each other, got f32 [2, 3] and f32 [2, 4]"
        )
    );
    assert!(said(graph.op("Add", &[x, k])).contains("f32 [2, 3] and i64 [2, 3]"));
    assert!(said(graph.op("Add", &[x])).ends_with("expected 2 inputs, got 1"));
    assert!(said(graph.op("Conv", &[x, y])).ends_with("3 dimensions or more, got [2, 3]"));
    assert!(said(graph.op("Reshape", &[x, k])).contains("depends on the graph's inputs"));
    assert!(said(graph.op("NonZero", &[x])).ends_with("known here, got another"));
    let axis = vec![AttributeProto::int("axis", 2)];
    assert!(said(graph.op_with("Softmax", &[x], axis)).ends_with("an axis of 2 dimensions, got 2"));
    assert!(said(graph.input("x", Element::F32, &[])).ends_with("one value named \"x\", got two"));
    assert!(said(graph.input("z", Element::F32, &[1 << 30; 3])).contains("at most"));
    assert!(said(graph.model()).ends_with("expected an output, got none"));
    assert!(said(Graph::new("net", 16)).ends_with("from 17 to 22, got 16"));
    // What failed left nothing behind.
    let sum = graph.add(x, x).unwrap();
    graph.output("sum", sum).unwrap();
    let model = graph.model().unwrap();
    assert_eq!(model.graph.unwrap().node.len(), 1);
}

#[test]
fn a_gradient_that_cannot_be_is_refused() {
    let mut graph = Graph::new("net", 17).unwrap();
    let x = graph.input("x", Element::F32, &[4]).unwrap();
    let rounded = graph.op("Round", &[x]).unwrap();
    let doubled = graph.add(rounded, rounded).unwrap();
    let y = graph.output("y", doubled).unwrap();
    let error = said(gradient(&graph, &[y], &[x]));
    assert_eq!(
        error,
        "net: operator Round (\"round_0\"): expected an operator that has a gradient, got one that \
         has none here"
    );
    let indices = graph.input("k", Element::I64, &[4]).unwrap();
    assert!(said(gradient(&graph, &[y], &[indices])).ends_with("of floats, got i64 [4]"));
    // What does not reach the output has a gradient of zeros.
    let w = graph.input("w", Element::F32, &[2]).unwrap();
    let backward = gradient(&graph, &[y], &[w]).unwrap();
    let feed = [
        ("x", ArrayD::zeros(vec![4])),
        ("k", ArrayD::zeros(vec![4])),
        ("w", ArrayD::ones(vec![2])),
        ("cotangent.y", ArrayD::ones(vec![4])),
    ];
    let got = evaluate(&backward, &feed).unwrap();
    assert_eq!(got[1], arr1(&[0.0, 0.0]).into_dyn());
    assert!(said(evaluate(&backward, &feed[..3])).ends_with("\"cotangent.y\", got none"));
    let wrong = [("x", ArrayD::zeros(vec![5]))];
    assert!(said(evaluate(&graph, &wrong)).ends_with("expected sizes [4], got [5]"));
}

#[test]
fn gradients_by_hand() {
    // y = sum(w x), z = y^2: dz/dw = 2 y x, dz/dx = 2 y w.
    let mut graph = Graph::new("square", 17).unwrap();
    let x = graph.input("x", Element::F32, &[2]).unwrap();
    let w = graph
        .parameter(TensorProto::f32("w", &[2], &[3.0, -1.0]))
        .unwrap();
    let product = graph.mul(w, x).unwrap();
    let y = graph.sum(product, &[0], false).unwrap();
    let z = graph.mul(y, y).unwrap();
    let z = graph.output("z", z).unwrap();
    assert_eq!(graph.kind(z), &Type::new(Element::F32, &[]));
    assert_eq!(graph.parameters(), [w]);
    let one = graph.scalar_like(z, 1.0).unwrap();
    let gradients = graph.backward(&[(z, one)], &[w, x]).unwrap();
    graph.output("dw", gradients[0]).unwrap();
    graph.output("dx", gradients[1]).unwrap();
    let got = evaluate(&graph, &[("x", arr1(&[2.0, 1.0]).into_dyn())]).unwrap();
    assert_eq!(got[0].first(), Some(&25.0));
    assert_eq!(got[1], arr1(&[20.0, 10.0]).into_dyn());
    assert_eq!(got[2], arr1(&[30.0, -10.0]).into_dyn());
}

/// Flattens by the sizes of its input, as exporters write it.
fn flattened() -> ModelProto {
    let mut graph = GraphBuilder::new("flat");
    let dims = [Dim::Named("batch".to_owned()), Dim::Fixed(2), Dim::Open];
    let x = graph.input("x", Element::F32, &dims);
    let w = graph.constant(TensorProto::f32("w", &[1], &[2.0]));
    let first = graph.constant(TensorProto::i64("first", &[1], &[0]));
    let open = graph.constant(TensorProto::i64("open", &[1], &[-1]));
    let shape = graph.op("Shape", &[x]);
    let batch = graph.op("Gather", &[shape, first]);
    let axis = AttributeProto::int("axis", 0);
    let target = graph.op_with("Concat", &[batch, open], vec![axis]);
    let scaled = graph.op("Mul", &[x, w]);
    let flat = graph.op("Reshape", &[scaled, target]);
    graph.output("flat", flat, Element::F32, &[Dim::Open, Dim::Open]);
    graph.build().unwrap()
}

#[test]
fn named_sizes_are_bound_and_folded() {
    let model = flattened();
    let error = said(Graph::of_model("flat.onnx", &model, &[("batch", 3)]));
    assert_eq!(
        error,
        "graph \"flat.onnx\": input \"x\": expected a size for ? (x.2), got none"
    );
    let sizes = [("batch", 3), ("x.2", 5)];
    let graph = Graph::of_model("flat.onnx", &model, &sizes).unwrap();
    assert_eq!(graph.shape(graph.outputs()[0]), [3, 10]);
    assert_eq!(graph.shape(graph.inputs()[0]), [3, 2, 5]);
    assert_eq!(graph.parameters(), [graph.value("w").unwrap()]);
    // Only the product and the reshape are left, and the file reads as it was written.
    let written = graph.model().unwrap();
    let left = &written.graph.as_ref().unwrap().node;
    let left: Vec<_> = left.iter().map(|node| node.op_type.as_str()).collect();
    assert_eq!(left, ["Mul", "Reshape"]);
    let again = Graph::of_model("again", &written, &[]).unwrap();
    let x = ArrayD::from_shape_fn(vec![3, 2, 5], |at| (at[0] * 10 + at[1] * 5 + at[2]) as f64);
    let flat = evaluate(&again, &[("x", x.clone())]).unwrap();
    assert_eq!(flat, evaluate(&graph, &[("x", x)]).unwrap());
    assert_eq!(flat[0][[2, 9]], 58.0);
}

#[test]
fn a_size_that_nothing_depends_on_keeps_its_name() {
    let build = |batch: usize, rows: &[i64]| {
        let mut graph = Graph::new("net", 17).unwrap();
        let x = graph.input("x", Element::F32, &[batch, 2, 3]).unwrap();
        let rows = graph.integers(rows).unwrap();
        let y = graph.op("Reshape", &[x, rows]).unwrap();
        graph.output("y", y).unwrap();
        graph
    };
    let model = build(2, &[0, 6])
        .model_for_any(&build(5, &[0, 6]), "batch")
        .unwrap();
    let rebound = Graph::of_model("net", &model, &[("batch", 7)]).unwrap();
    assert_eq!(rebound.shape(rebound.outputs()[0]), [7, 6]);
    let fixed = build(2, &[2, 6]).model_for_any(&build(5, &[5, 6]), "batch");
    assert!(said(fixed).contains("does not depend on \"batch\""));
}

#[test]
fn an_operator_in_the_way_is_named() {
    assert_eq!(differentiable(&flattened()), Ok(()));
    let mut graph = GraphBuilder::new("net");
    let x = graph.input("x", Element::F32, &[Dim::Fixed(3)]);
    let one = graph.op("Round", &[x]);
    let two = graph.op("Round", &[one]);
    let three = graph.op("NonZero", &[two]);
    // Nothing needs this one.
    graph.op("Ceil", &[x]);
    graph.output("y", three, Element::I64, &[Dim::Open, Dim::Open]);
    let obstacles = differentiable(&graph.build().unwrap()).unwrap_err();
    let said: Vec<String> = obstacles.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "Round (2 nodes, first \"Round_0\"): no gradient here",
            "NonZero (1 nodes, first \"NonZero_2\"): not known here"
        ]
    );
    let mut old = flattened();
    old.opset_import[0].version = 11;
    let obstacles = differentiable(&old).unwrap_err();
    assert_eq!(
        obstacles[0].to_string(),
        "expected an operator set from 17 to 22, got 11"
    );
}

#[test]
fn half_precision_and_typed_lists_are_read() {
    let mut graph = Graph::new("half", 17).unwrap();
    let half = TensorProto {
        name: "half".to_owned(),
        dims: vec![2],
        data_type: 10,
        int32_data: vec![0x3c00, 0xc100],
        ..TensorProto::default()
    };
    let half = graph.constant(half).unwrap();
    let to = vec![AttributeProto::int("to", 1)];
    let single = graph.op_with("Cast", &[half], to).unwrap();
    graph.output("single", single).unwrap();
    assert_eq!(
        evaluate(&graph, &[]).unwrap()[0],
        arr1(&[1.0, -2.5]).into_dyn()
    );
    let tensor = TensorProto {
        name: "t".to_owned(),
        dims: vec![3],
        data_type: 1,
        float_data: vec![1.0],
        ..TensorProto::default()
    };
    assert!(said(graph.parameter(tensor)).contains("expected 3 elements"));
}

#[test]
fn values_of_the_evaluator_by_hand() {
    let mut graph = Graph::new("hand", 17).unwrap();
    let x = graph.input("x", Element::F64, &[1, 1, 2, 3]).unwrap();
    let ones = graph
        .constant(TensorProto::f64("ones", &[1, 1, 2, 2], &[1.0; 4]))
        .unwrap();
    let conv = graph.op("Conv", &[x, ones]).unwrap();
    graph.output("conv", conv).unwrap();
    let up = graph.op("ConvTranspose", &[x, ones]).unwrap();
    graph.output("up", up).unwrap();
    let erf = graph.op("Erf", &[x]).unwrap();
    graph.output("erf", erf).unwrap();
    let pool = vec![
        AttributeProto::ints("kernel_shape", &[2, 1]),
        AttributeProto::ints("strides", &[3, 1]),
        AttributeProto::ints("pads", &[1, 0, 1, 0]),
        AttributeProto::int("count_include_pad", 1),
    ];
    let pool = graph.op_with("AveragePool", &[x], pool).unwrap();
    graph.output("pool", pool).unwrap();
    let image = arr2(&[[1.0, 2.0, 3.0], [4.0, 0.5, -1.0]]).into_dyn();
    let image = image.into_shape_with_order(vec![1, 1, 2, 3]).unwrap();
    let got = evaluate(&graph, &[("x", image)]).unwrap();
    assert_eq!(got[0].as_slice(), Some(&[7.5, 4.5][..]));
    let expected = [1.0, 3.0, 5.0, 3.0, 5.0, 7.5, 4.5, 2.0, 4.0, 4.5, -0.5, -1.0];
    assert_eq!(got[1].as_slice(), Some(&expected[..]));
    // The first window holds the padding and the first row, with stride 3 there is no other.
    assert_eq!(got[3].as_slice(), Some(&[0.5, 1.0, 1.5][..]));
    // Abramowitz and Stegun, table 7.1, and scipy.special.erf.
    for (place, erf) in [(0, 0.842_700_792_949_714_9), (4, 0.520_499_877_813_046_5)] {
        assert!((got[2].as_slice().unwrap()[place] - erf).abs() < 1e-15);
    }
}

/// Changes one number, name or list of a model.
fn damage(model: &mut ModelProto, place: usize, kind: usize, number: i64) {
    let graph = model.graph.as_mut().unwrap();
    let count = graph.node.len();
    let other = graph.node[number.unsigned_abs() as usize % count]
        .op_type
        .clone();
    let node = &mut graph.node[place % count];
    match kind {
        0 => drop(node.input.pop()),
        1 => node.input.reverse(),
        2 => node.attribute.clear(),
        3 => node
            .attribute
            .iter_mut()
            .for_each(|attribute| attribute.i = number),
        4 => {
            let lists = node
                .attribute
                .iter_mut()
                .map(|attribute| &mut attribute.ints);
            lists.for_each(|ints| ints.fill(number));
        }
        5 => {
            let lists = node
                .attribute
                .iter_mut()
                .map(|attribute| &mut attribute.ints);
            lists.for_each(|ints| ints.push(number));
        }
        6 => {
            let tensors = node
                .attribute
                .iter_mut()
                .filter_map(|attribute| attribute.t.as_mut());
            for tensor in tensors.filter(|tensor| tensor.data_type == 7) {
                let count = tensor.raw_data.len() / 8;
                tensor.raw_data = number.to_le_bytes().repeat(count);
            }
        }
        7 => node.op_type = other,
        8 => {
            let count = graph.initializer.len();
            let tensor = &mut graph.initializer[place % count];
            tensor.dims.reverse();
        }
        _ => {
            let count = graph.initializer.len();
            graph.initializer[place % count].dims.fill(number);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    /// A damaged model is refused or read, and what is read has a gradient or an error.
    #[test]
    fn damage_never_panics(
        place in any::<usize>(),
        kind in 0..10_usize,
        number in prop_oneof![Just(i64::MIN), Just(i64::MAX), -3..9_i64, any::<i64>()],
    ) {
        static MODEL: OnceLock<ModelProto> = OnceLock::new();
        let mut model = MODEL.get_or_init(|| read(&networks("small.onnx")).unwrap()).clone();
        damage(&mut model, place, kind, number);
        let _ = differentiable(&model);
        let Ok(graph) = Graph::of_model("damaged", &model, &[("batch", 2)]) else { return Ok(()) };
        let output = graph.outputs()[0];
        let _ = gradient(&graph, &[output], &graph.parameters());
    }
}

#[test]
fn a_whole_model_says_that_it_can_be_differentiated() {
    for name in ["small.onnx", "unet2d.onnx", "unet2d_dynamo.onnx"] {
        assert_eq!(differentiable(&read(&networks(name)).unwrap()), Ok(()));
    }
}
