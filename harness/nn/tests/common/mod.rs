//! What the tests of this folder share: ONNX Runtime, fixtures and comparison.
#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

use eidetic_graph::{Graph, evaluate, gradient};
use eidetic_nn::{Group, Parameter, Parameters, Step, names};
use eidetic_runtime::{Device, Runtime, Search, SessionOptions, find};
use ndarray::{ArrayD, IxDyn};
use safetensors::{Dtype, SafeTensors};

/// ONNX Runtime, loaded once.
pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::load(&find(&Search::default()).unwrap()).unwrap())
}

/// One session a thread.
pub(crate) fn options(sessions: usize, microbatch: usize) -> SessionOptions {
    SessionOptions {
        device: Device::Cpu,
        sessions,
        microbatch,
    }
}

/// The tensors of a file that make_fixtures.py wrote.
pub(crate) struct Fixture(BTreeMap<String, (Dtype, ArrayD<f64>)>);

impl Fixture {
    pub(crate) fn read(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
        let bytes = std::fs::read(folder.join(format!("{name}.safetensors"))).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let array = |name: &str| {
            let view = tensors.tensor(name).unwrap();
            let data = view.data();
            let values = match view.dtype() {
                Dtype::F32 => each(data, |bytes| f32::from_le_bytes(bytes).into()),
                Dtype::F64 => each(data, f64::from_le_bytes),
                Dtype::I64 => each(data, |bytes| i64::from_le_bytes(bytes) as f64),
                other => panic!("{name}: {other:?}"),
            };
            let array = ArrayD::from_shape_vec(IxDyn(view.shape()), values).unwrap();
            (view.dtype(), array)
        };
        let named = |name: &str| (name.to_owned(), array(name));
        Self(tensors.names().into_iter().map(named).collect())
    }

    pub(crate) fn get(&self, name: &str) -> &ArrayD<f64> {
        &self.0[name].1
    }

    /// The tensors whose names start so, without that start.
    fn under<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a ArrayD<f64>)> {
        let inside = move |(name, (_, array)): (&'a String, &'a (Dtype, ArrayD<f64>))| {
            Some((name.strip_prefix(prefix)?, array))
        };
        self.0.iter().filter_map(inside)
    }

    pub(crate) fn parameters(&self) -> Parameters {
        let parameter = |(name, array): (&str, &ArrayD<f64>)| Parameter {
            name: name.to_owned(),
            shape: array.shape().to_vec(),
            values: array.iter().map(|&x| x as f32).collect(),
        };
        let list = self.under("weight.").map(parameter).collect();
        Parameters { list }
    }

    /// The inputs under a prefix as a group of these shares.
    pub(crate) fn group(&self, prefix: &str, share: &[f64]) -> Group {
        let mut group = Group {
            share: share.iter().map(|&x| x as f32).collect(),
            ..Group::default()
        };
        for (name, array) in self.under(prefix).filter(|(name, _)| *name != COTANGENT) {
            let name = name.to_owned();
            match self.0[&format!("{prefix}{name}")].0 {
                Dtype::I64 => {
                    group.integers.insert(name, array.mapv(|x| x as i64));
                }
                _ => {
                    group.floats.insert(name, array.mapv(|x| x as f32));
                }
            }
        }
        group
    }
}

const COTANGENT: &str = "cotangent.loss";

fn each<const N: usize>(data: &[u8], value: impl Fn([u8; N]) -> f64) -> Vec<f64> {
    let (chunks, rest) = data.as_chunks::<N>();
    assert!(rest.is_empty());
    chunks.iter().map(|&bytes| value(bytes)).collect()
}

/// Largest difference over the largest value expected.
pub(crate) fn distance(
    got: impl IntoIterator<Item = f64>,
    expected: impl IntoIterator<Item = f64>,
) -> f64 {
    let (got, expected): (Vec<f64>, Vec<f64>) =
        (got.into_iter().collect(), expected.into_iter().collect());
    assert_eq!(got.len(), expected.len());
    let most = expected
        .iter()
        .fold(f64::MIN_POSITIVE, |most, x| most.max(x.abs()));
    let off = got.iter().zip(&expected).map(|(got, want)| {
        let off = (got - want).abs();
        if off.is_nan() { f64::INFINITY } else { off }
    });
    off.fold(0.0, f64::max) / most
}

/// Output, losses and gradients by the float64 evaluator are the fixture's within 1e-6, those of a
/// [`Step`] by ONNX Runtime, whatever the microbatch, within 1e-4.
pub(crate) fn agrees(
    fixture: &str,
    output: &Graph,
    loss: impl Fn(usize) -> Result<Graph, eidetic_nn::Error>,
) {
    let fixture = Fixture::read(fixture);
    let rows = fixture.get("loss").len();
    let feed = |graph: &Graph| -> Vec<(&str, ArrayD<f64>)> {
        let inputs = graph.inputs().iter().map(|&input| graph.name_of(input));
        let inputs: Vec<String> = inputs.map(str::to_owned).collect();
        fixture
            .under("input.")
            .chain(fixture.under("weight."))
            .filter(|(name, _)| inputs.iter().any(|input| input == name))
            .map(|(name, array)| (name, array.clone()))
            .collect()
    };
    let near = |what: &str, got: Vec<f64>, expected: &ArrayD<f64>, most: f64| {
        let off = distance(got, expected.iter().copied());
        assert!(off < most, "{what}: {off:.1e}");
    };
    let got = evaluate(output, &feed(output)).unwrap();
    near(
        "output",
        got[0].iter().copied().collect(),
        fixture.get("output"),
        1e-6,
    );

    let graph = loss(rows).unwrap();
    let expected: Vec<(&str, &ArrayD<f64>)> = fixture.under("gradient.").collect();
    let wrt: Vec<_> = expected
        .iter()
        .map(|(name, _)| {
            graph
                .value(name)
                .unwrap_or_else(|| panic!("no value {name}"))
        })
        .collect();
    let backward = gradient(&graph, &[graph.value(names::LOSS).unwrap()], &wrt).unwrap();
    let got = evaluate(&backward, &feed(&backward)).unwrap();
    near(
        "loss",
        got[0].iter().copied().collect(),
        fixture.get("loss"),
        1e-6,
    );
    for ((name, expected), got) in expected.iter().zip(&got[1..]) {
        let got = got.iter().copied().collect();
        near(name, got, expected, 1e-6);
    }

    let parameters = fixture.parameters();
    let share: Vec<f64> = fixture
        .get("input.cotangent.loss")
        .iter()
        .copied()
        .collect();
    let group = fixture.group("input.", &share);
    for (sessions, microbatch) in [(1, rows), (2, 3)] {
        let step = Step::new(
            &loss,
            &parameters,
            runtime(),
            &options(sessions, microbatch),
        )
        .unwrap();
        let (losses, gradient) = step.run(&parameters, &group).unwrap();
        let losses = losses.into_iter().map(f64::from).collect();
        near("loss", losses, fixture.get("loss"), 1e-4);
        for each in &gradient.list {
            let got = each.values.iter().map(|&x| f64::from(x)).collect();
            let expected = fixture.get(&format!("gradient.{}", each.name));
            near(&each.name, got, expected, 1e-4);
        }
    }
}
