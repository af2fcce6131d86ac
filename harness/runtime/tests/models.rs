//! Real models through the real ONNX Runtime: values, bits, and errors.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use eidetic_runtime::{
    Device, Element, Error, Feed, ModelSource, Runtime, Search, SessionOptions, Sessions, find,
};
use ndarray::{Array, Array1, Array2, ArrayD, ArrayView, ArrayViewD, Axis, IxDyn, arr0};
use serde_json::Value as Json;

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::load(&find(&Search::default()).unwrap()).unwrap())
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

fn open(name: &str, sessions: usize, microbatch: usize) -> Sessions {
    let options = SessionOptions {
        device: Device::Cpu,
        sessions,
        microbatch,
    };
    runtime()
        .open(ModelSource::File(&fixture(name)), &options)
        .unwrap()
}

/// Inputs and expected outputs of a fixture, by ONNX's reference evaluator.
struct Expected(Json);

impl Expected {
    fn read(name: &str) -> Self {
        Self(serde_json::from_str(&std::fs::read_to_string(fixture(name)).unwrap()).unwrap())
    }

    fn floats(&self, part: &str, name: &str) -> ArrayD<f32> {
        self.tensor(part, name, |value| value.as_f64().unwrap() as f32)
    }

    fn integers(&self, name: &str) -> ArrayD<i64> {
        self.tensor("inputs", name, |value| value.as_i64().unwrap())
    }

    fn tensor<T>(&self, part: &str, name: &str, read: impl Fn(&Json) -> T) -> ArrayD<T> {
        let tensor = &self.0[part][name];
        let list = |key: &str| tensor[key].as_array().unwrap();
        let shape: Vec<_> = list("shape")
            .iter()
            .map(|dim| dim.as_u64().unwrap() as usize)
            .collect();
        let values = list("values").iter().map(read).collect();
        ArrayD::from_shape_vec(IxDyn(&shape), values).unwrap()
    }
}

fn assert_close(got: &ArrayD<f32>, want: &ArrayD<f32>) {
    assert_eq!(got.shape(), want.shape());
    for (got, want) in got.iter().zip(want) {
        assert!(
            (got - want).abs() <= 2e-6 * want.abs().max(1.0),
            "got {got}, expected {want}"
        );
    }
}

fn bits(array: &ArrayD<f32>) -> Vec<u32> {
    array.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn an_elementwise_model_computes_what_the_reference_does() {
    let expected = Expected::read("gaussian.json");
    let (sample, sigma) = (
        expected.floats("inputs", "sample"),
        expected.floats("inputs", "sigma"),
    );
    let sessions = open("gaussian.onnx", 2, 3);
    assert_eq!(sessions.inputs()[0].shape(), "f32 [?, 3]");
    assert_eq!(sessions.inputs()[1].dims, [None]);
    assert_eq!(sessions.outputs()[0].name, "out_sample");

    let feeds = [
        Feed::rows("sigma", sigma.view()),
        Feed::rows("sample", sample.view()),
    ];
    let outputs = sessions.run(7, &feeds, &["same", "out_sample"]).unwrap();
    assert_eq!(outputs[0], sample);
    assert_close(&outputs[1], &expected.floats("outputs", "out_sample"));
}

#[test]
fn a_timestep_of_rank_0_is_a_constant() {
    let expected = Expected::read("scalar_timestep.json");
    let sample = expected.floats("inputs", "sample");
    let timestep = expected.integers("timestep");
    let sessions = open("scalar_timestep.onnx", 1, 4);
    assert_eq!(sessions.inputs()[1].element, Element::I64);
    assert_eq!(sessions.inputs()[1].shape(), "i64 []");

    let feeds = [
        Feed::rows("sample", sample.view()),
        Feed::constant_i64("timestep", timestep.view()),
    ];
    let outputs = sessions.run(7, &feeds, &["out_sample"]).unwrap();
    assert_close(&outputs[0], &expected.floats("outputs", "out_sample"));
}

#[test]
fn a_network_computes_what_the_reference_does() {
    let expected = Expected::read("conv.json");
    let sample = expected.floats("inputs", "sample");
    let timestep = expected.integers("timestep");
    for microbatch in [1, 4, 16] {
        let sessions = open("conv.onnx", 2, microbatch);
        let feeds = [
            Feed::rows("sample", sample.view()),
            Feed::rows_i64("timestep", timestep.view()),
        ];
        let outputs = sessions.run(7, &feeds, &["out_sample"]).unwrap();
        assert_close(&outputs[0], &expected.floats("outputs", "out_sample"));
    }
}

/// `rows` rows that look like noise, the same first ones whatever `rows` is.
fn noise(rows: usize, shape: &[usize]) -> ArrayD<f32> {
    let shape: Vec<usize> = std::iter::once(rows).chain(shape.iter().copied()).collect();
    let mut state = 0x9e37_79b9_u32;
    Array::from_shape_simple_fn(IxDyn(&shape), || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    })
}

#[test]
fn the_bits_do_not_depend_on_rows_or_sessions() {
    const MICROBATCH: usize = 5;
    let whole = MICROBATCH + 3;
    let sample = noise(whole, &[1, 9, 9]);
    let timestep = Array1::from_iter(0..whole as i64).into_dyn();
    let mut want: Option<ArrayD<f32>> = None;
    for count in [1, 2, 3] {
        let sessions = open("conv.onnx", count, MICROBATCH);
        assert_eq!(sessions.sessions(), count);
        for rows in (1..=whole).rev() {
            let feeds = [
                Feed::rows("sample", sample.slice_axis(Axis(0), (..rows).into())),
                Feed::rows_i64("timestep", timestep.slice_axis(Axis(0), (..rows).into())),
            ];
            let output = sessions
                .run(rows, &feeds, &["out_sample"])
                .unwrap()
                .remove(0);
            assert_eq!(output.shape(), [rows, 33]);
            let want = want.get_or_insert_with(|| output.clone());
            let first = want.slice_axis(Axis(0), (..rows).into()).to_owned();
            assert_eq!(bits(&output), bits(&first), "{rows} rows, {count} sessions");
        }
    }
}

#[test]
fn the_bits_do_not_depend_on_where_or_how_the_input_lies_in_memory() {
    let expected = Expected::read("mean.json");
    let sample = expected.floats("inputs", "sample");
    let sessions = open("mean.onnx", 1, 4);
    let run = |view: ArrayViewD<f32>| {
        sessions
            .run(7, &[Feed::rows("sample", view)], &["out_sample"])
            .unwrap()
            .remove(0)
    };
    let want = run(sample.view());
    assert_close(&want, &expected.floats("outputs", "out_sample"));

    for offset in 0..16 {
        let mut memory = vec![0.0; offset];
        memory.extend(sample.iter());
        let moved = ArrayView::from_shape(sample.raw_dim(), &memory[offset..]).unwrap();
        assert_eq!(bits(&run(moved)), bits(&want), "{offset} floats further");
    }
    // Columns first, read through a transposed view.
    let reversed = sample.t().as_standard_layout().into_owned();
    assert_eq!(bits(&run(reversed.t())), bits(&want));
}

#[test]
fn many_callers_share_the_sessions() {
    let sessions = open("gaussian.onnx", 2, 3);
    let sample = noise(10, &[3]);
    let sigma = Array1::from_elem(10, 0.5_f32).into_dyn();
    let run = || {
        let feeds = [
            Feed::rows("sample", sample.view()),
            Feed::rows("sigma", sigma.view()),
        ];
        bits(&sessions.run(10, &feeds, &["out_sample"]).unwrap()[0])
    };
    let want = run();
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..6).map(|_| scope.spawn(run)).collect();
        for caller in callers {
            assert_eq!(caller.join().unwrap(), want);
        }
    });
}

#[test]
fn not_a_number_stays_in_its_row() {
    let sessions = open("conv.onnx", 1, 4);
    let mut sample = noise(4, &[1, 9, 9]);
    let timestep = Array1::from_elem(4, 1_i64).into_dyn();
    sample.index_axis_mut(Axis(0), 2).fill(f32::NAN);
    let feeds = [
        Feed::rows("sample", sample.view()),
        Feed::rows_i64("timestep", timestep.view()),
    ];
    let output = sessions.run(4, &feeds, &["out_sample"]).unwrap().remove(0);
    for (row, values) in output.outer_iter().enumerate() {
        assert!(
            values.iter().all(|value| value.is_nan() == (row == 2)),
            "row {row}"
        );
    }
}

#[test]
fn a_model_opens_from_bytes() {
    let bytes = std::fs::read(fixture("gaussian.onnx")).unwrap();
    let options = SessionOptions::default();
    let sessions = runtime()
        .open(ModelSource::Bytes(&bytes), &options)
        .unwrap();
    let (sample, sigma) = (Array2::ones((1, 3)).into_dyn(), Array1::zeros(1).into_dyn());
    let feeds = [
        Feed::rows("sample", sample.view()),
        Feed::rows("sigma", sigma.view()),
    ];
    assert_eq!(sessions.run(1, &feeds, &["out_sample"]).unwrap()[0], sample);
}

#[test]
fn a_fixed_batch_needs_that_microbatch() {
    let sample = noise(6, &[2]);
    let feeds = [Feed::rows("sample", sample.view())];
    let output = open("fixed_batch.onnx", 1, 4)
        .run(6, &feeds, &["out_sample"])
        .unwrap()
        .remove(0);
    assert_eq!(output, -&sample);

    let error = open("fixed_batch.onnx", 1, 3)
        .run(6, &feeds, &["out_sample"])
        .unwrap_err();
    let error = error.to_string();
    assert!(
        error.ends_with(
            "input sample: expected f32 [4, 2], got f32 [3, 2] (rows in microbatches of 3)"
        ),
        "{error}"
    );
}

#[test]
fn wrong_inputs_are_named_with_what_was_expected() {
    let sessions = open("gaussian.onnx", 1, 4);
    let sample = Array2::<f32>::zeros((2, 3)).into_dyn();
    let narrow = Array2::<f32>::zeros((2, 2)).into_dyn();
    let sigma = Array1::<f32>::ones(2).into_dyn();
    let long = Array1::<f32>::ones(3).into_dyn();
    let whole = Array1::<i64>::ones(2).into_dyn();
    let scalar = arr0(1.0_f32).into_dyn();
    let said = |feeds: &[Feed<'_>]| {
        let error = sessions
            .run(2, feeds, &["out_sample"])
            .unwrap_err()
            .to_string();
        error.split_once("gaussian.onnx").unwrap().1.to_owned()
    };
    let x = Feed::rows("sample", sample.view());
    let s = Feed::rows("sigma", sigma.view());

    let inputs = ": expected inputs sample f32 [?, 3], sigma f32 [?], got ";
    assert_eq!(said(&[]), format!("{inputs}none"));
    assert_eq!(said(std::slice::from_ref(&x)), format!("{inputs}sample"));
    assert_eq!(
        said(&[x.clone(), x.clone(), s.clone()]),
        format!("{inputs}sample, sample, sigma")
    );
    let t = Feed::rows("timestep", sigma.view());
    assert_eq!(said(&[x.clone(), t]), format!("{inputs}sample, timestep"));

    assert_eq!(
        said(&[Feed::rows("sample", narrow.view()), s.clone()]),
        ", input sample: expected f32 [?, 3], got f32 [4, 2] (rows in microbatches of 4)"
    );
    assert_eq!(
        said(&[x.clone(), Feed::rows("sigma", long.view())]),
        ", input sigma: expected 2 rows, got f32 [3]"
    );
    assert_eq!(
        said(&[x.clone(), Feed::rows_i64("sigma", whole.view())]),
        ", input sigma: expected f32 [?], got i64 [2]"
    );
    assert_eq!(
        said(&[x.clone(), Feed::constant("sigma", scalar.view())]),
        ", input sigma: expected f32 [?], got f32 []"
    );
    assert_eq!(
        said(&[x, Feed::rows("sigma", scalar.view())]),
        ", input sigma: expected 2 rows, got f32 []"
    );
}

#[test]
fn wrong_outputs_are_named_with_what_was_expected() {
    let sessions = open("fixed_batch.onnx", 1, 4);
    let sample = Array2::<f32>::zeros((4, 2)).into_dyn();
    let feeds = [Feed::rows("sample", sample.view())];
    let said = |outputs: &[&str]| {
        let error = sessions.run(4, &feeds, outputs).unwrap_err().to_string();
        error.split_once("fixed_batch.onnx, ").unwrap().1.to_owned()
    };
    assert_eq!(
        said(&["eps"]),
        "output eps: expected one of out_sample, total, whole, got no such output"
    );
    assert_eq!(said(&["whole"]), "output whole: expected f32, got i64");
    assert_eq!(
        said(&["total"]),
        "output total: expected one entry a row, [4, ...], got []"
    );
    assert_eq!(
        said(&["out_sample", "out_sample"]),
        "output out_sample: expected each output once, got twice"
    );
    assert!(sessions.run(4, &feeds, &[]).unwrap().is_empty());
}

#[test]
fn a_failed_run_leaves_the_sessions_usable() {
    let sessions = open("fixed_batch.onnx", 2, 4);
    let sample = noise(20, &[2]);
    let feeds = [Feed::rows("sample", sample.view())];
    assert!(sessions.run(20, &feeds, &["total"]).is_err());
    assert_eq!(
        sessions.run(20, &feeds, &["out_sample"]).unwrap()[0],
        -&sample
    );
}

#[test]
fn nothing_to_run_is_an_error() {
    let sessions = open("fixed_batch.onnx", 1, 4);
    let error = sessions
        .run(0, &[], &["out_sample"])
        .unwrap_err()
        .to_string();
    assert_eq!(error, "expected at least 1 row, got 0");
    for (sessions, microbatch, what) in [(0, 1, "session"), (1, 0, "row a microbatch")] {
        let options = SessionOptions {
            device: Device::Cpu,
            sessions,
            microbatch,
        };
        let path = fixture("gaussian.onnx");
        let error = runtime()
            .open(ModelSource::File(&path), &options)
            .unwrap_err()
            .to_string();
        assert_eq!(error, format!("expected at least 1 {what}, got 0"));
    }
}

#[test]
fn files_that_are_no_models_are_refused() {
    let refuse = |path: &Path| {
        runtime()
            .open(ModelSource::File(path), &SessionOptions::default())
            .unwrap_err()
    };
    let missing = refuse(&fixture("missing.onnx"));
    assert!(
        matches!(&missing, Error::Io { doing: "read", .. }),
        "{missing}"
    );
    assert!(missing.to_string().contains("missing.onnx"), "{missing}");

    let text = refuse(&fixture("make_models.py"));
    assert!(matches!(&text, Error::Model { .. }), "{text}");
    assert!(text.to_string().contains("make_models.py"), "{text}");

    let folder = tempfile::tempdir().unwrap();
    let cut = folder.path().join("cut.onnx");
    let bytes = std::fs::read(fixture("conv.onnx")).unwrap();
    std::fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    assert!(matches!(refuse(&cut), Error::Model { .. }));
    std::fs::write(&cut, "").unwrap();
    assert!(matches!(refuse(&cut), Error::Model { .. }));
    assert!(matches!(refuse(folder.path()), Error::Model { .. }));
}

#[test]
fn cuda_is_never_replaced_by_the_cpu() {
    let options = SessionOptions {
        device: Device::Cuda,
        ..SessionOptions::default()
    };
    let opened = runtime().open(ModelSource::File(&fixture("gaussian.onnx")), &options);
    if runtime().devices().contains(&Device::Cuda) {
        return;
    }
    let error = opened.unwrap_err();
    assert!(
        matches!(
            &error,
            Error::Device {
                device: Device::Cuda,
                ..
            }
        ),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .starts_with("cannot use device cuda for model "),
        "{error}"
    );
}
