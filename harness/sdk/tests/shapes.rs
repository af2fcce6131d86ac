//! Tensors of a wrong shape, layout or type are refused by name before a plugin sees them, and so is
//! what a plugin gives back.
#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use eidetic_abi::abi_stable::std_types::RNone;
use eidetic_abi::error::AbiResult;
use eidetic_abi::model::{Batch as AbiBatch, ModelBox};
use eidetic_abi::tensor::{TensorMut, TensorRef};
use eidetic_sdk::batch::{condition, condition_values};
use eidetic_sdk::registration::{self, Kind, Origin, make_mitigation, make_model};
use eidetic_sdk::*;
use ndarray::{Array4, ArrayViewMut4, arr1, s};

const ORIGIN: Origin = Origin {
    version: "1",
    licence: "MIT",
};

struct Copies;

impl Model for Copies {
    fn info(&self) -> ModelInfo {
        info()
    }
    fn denoise(&self, batch: Batch<'_>, mut out: ArrayViewMut4<'_, f32>) -> Result<()> {
        out.assign(&batch.x);
        Ok(())
    }
}

impl ModelPlugin for Copies {
    const ID: &'static str = "copies";
    const SUMMARY: &'static str = "gives back what it gets";
    type Options = NoOptions;
    fn make(_: NoOptions, _: Option<TrainingSet<'_>>) -> Result<Self> {
        Ok(Self)
    }
}

fn model() -> Box<dyn Model> {
    make_model(&registration::model::<Copies>(ORIGIN), "{}", None).unwrap()
}

#[track_caller]
fn refused<T>(result: Result<T>, message: &str) {
    let error = result.err().unwrap();
    assert_eq!(
        (error.code, error.message.as_str()),
        (ErrorCode::BadInput, message)
    );
}

#[test]
fn strided_views() {
    let wide = tensor(3, 4);
    let strided = wide.slice(s![.., ..2, .., ..]);
    let mut out = Array4::zeros((3, 2, 3, 4));
    let batch = Batch::unconditional(strided, &[1.0; 3], &[0, 1, 2]);
    let error = model().denoise(batch, out.view_mut()).unwrap_err();
    assert!(error.help.contains("as_standard_layout()"));
    refused(
        Err::<(), _>(error),
        "x: expected contiguous row-major elements, got a strided view",
    );

    let mut wide_out = tensor(3, 4);
    let out = wide_out.slice_mut(s![.., ..2, .., ..]);
    let whole = tensor(3, 2);
    let batch = Batch::unconditional(whole.view(), &[1.0; 3], &[0, 1, 2]);
    let message = "out: expected contiguous row-major elements, got a strided view";
    refused(model().denoise(batch, out), message);

    let numbers = arr1(&[1i64, 2, 3, 4]);
    let every_other = numbers.slice(s![..;2]);
    let message = "class: expected contiguous row-major elements, got a strided view";
    refused(condition("class", every_other, &[0, 0]), message);
}

#[test]
fn rows_that_do_not_match() {
    let x = tensor(3, 2);
    let mut out = Array4::zeros((3, 2, 3, 4));
    let mut denoise = |sigma: &[f32], row_id: &[u64], conditions: &[_]| {
        let batch = Batch {
            x: x.view(),
            sigma,
            row_id,
            conditions,
        };
        model().denoise(batch, out.view_mut())
    };
    denoise(&[1.0; 3], &[0; 3], &[]).unwrap();
    let message = "expected 3 sigmas and row ids, one a row of x, got 2 and 3";
    refused(denoise(&[1.0; 2], &[0; 3], &[]), message);
    let message = "expected 3 sigmas and row ids, one a row of x, got 3 and 4";
    refused(denoise(&[1.0; 3], &[0; 4], &[]), message);
    let labels = arr1(&[1i64, 2]);
    let short = condition("class", labels.view(), &[0, 0, 0]).unwrap();
    let message = "condition class: expected 3 rows and null flags, got shape [2] and 3";
    refused(denoise(&[1.0; 3], &[0; 3], &[short]), message);
}

#[test]
fn outputs_of_another_shape() {
    let x = tensor(3, 2);
    let denoise = |dim: (usize, usize, usize, usize)| {
        let mut out = Array4::zeros(dim);
        let batch = Batch::unconditional(x.view(), &[1.0; 3], &[0; 3]);
        model().denoise(batch, out.view_mut())
    };
    denoise((3, 2, 3, 4)).unwrap();
    for (dim, got) in [
        ((2, 2, 3, 4), "[2, 2, 3, 4]"),
        ((3, 2, 4, 3), "[3, 2, 4, 3]"),
        ((0, 2, 3, 4), "[0, 2, 3, 4]"),
    ] {
        let message = format!("out: expected [3, C, 3, 4] as x has, got {got}");
        refused(denoise(dim), &message);
    }
    let mut out = Array4::zeros((2, 2, 3, 4));
    let message = "expected an output of shape [3, 2, 3, 4], got [2, 2, 3, 4]";
    refused(model().encode(x.view(), out.view_mut()), message);
}

#[test]
fn no_rows_are_no_error() {
    let x = Array4::zeros((0, 2, 3, 4));
    let mut out = Array4::zeros((0, 2, 3, 4));
    let batch = Batch::unconditional(x.view(), &[], &[]);
    model().denoise(batch, out.view_mut()).unwrap();
}

#[test]
fn calls_that_are_not_offered() {
    let (x, mut out) = (tensor(3, 2), tensor(3, 2));
    let batch = Batch::unconditional(x.view(), &[1.0; 3], &[0; 3]);
    let error = model()
        .denoise_vjp(batch, x.view(), out.view_mut())
        .unwrap_err();
    assert_eq!(error, Error::unsupported("denoise_vjp"));
    let error = model().embed(x.view(), features(3).view_mut()).unwrap_err();
    assert_eq!(error.message, "embed is not offered");
}

#[test]
fn what_a_foreign_library_may_send() {
    let Kind::Model { make, .. } = registration::model::<Copies>(ORIGIN).kind else {
        panic!("expected a model");
    };
    let model: ModelBox = make("{}".into(), RNone).into_result().ok().unwrap();
    let call = |x: TensorRef<'_>| -> String {
        let (sigma, row_id) = ([1.0f32], [0u64]);
        let mut out = [0.0f32; 24];
        let batch = AbiBatch {
            x,
            sigma: sigma[..].into(),
            row_id: row_id[..].into(),
            conditions: [][..].into(),
        };
        let out = TensorMut::new(&mut out, &[1, 2, 3, 4]).unwrap();
        let result: AbiResult<()> = model.denoise(batch, out);
        result.into_result().unwrap_err().message.into()
    };
    let (floats, bytes) = ([0.0f32; 24], [0u8; 24]);
    let flat = TensorRef::new(&floats, &[1, 24]).unwrap();
    assert_eq!(call(flat), "x: expected [B, C, H, W], got shape [1, 24]");
    let deep = TensorRef::new(&floats, &[1, 2, 3, 4, 1]).unwrap();
    assert_eq!(
        call(deep),
        "x: expected [B, C, H, W], got shape [1, 2, 3, 4, 1]"
    );
    let levels = TensorRef::new(&bytes, &[1, 2, 3, 4]).unwrap();
    assert_eq!(call(levels), "x: expected F32 elements, got U8");
}

#[test]
fn a_condition_of_another_type() {
    let labels = arr1(&[1i64]);
    let labels = condition("class", labels.view(), &[0]).unwrap();
    let message = "class: expected F32 elements, got I64";
    refused(condition_values::<f32>(&labels), message);
    assert_eq!(condition_values::<i64>(&labels).unwrap()[[0]], 1);
}

struct Senseless;

impl Model for Senseless {
    fn info(&self) -> ModelInfo {
        ModelInfo {
            sigma_min: 5.0,
            sigma_max: 1.0,
            ..info()
        }
    }
    fn denoise(&self, _: Batch<'_>, _: ArrayViewMut4<'_, f32>) -> Result<()> {
        Ok(())
    }
}

impl ModelPlugin for Senseless {
    const ID: &'static str = "senseless";
    const SUMMARY: &'static str = "says what cannot be";
    type Options = NoOptions;
    fn make(_: NoOptions, _: Option<TrainingSet<'_>>) -> Result<Self> {
        Ok(Self)
    }
}

#[test]
fn a_model_whose_info_makes_no_sense() {
    let plugin = registration::model::<Senseless>(ORIGIN);
    let message = "model info: expected 0 <= sigma_min < sigma_max, got 5 and 1";
    refused(make_model(&plugin, "{}", None), message);
}

/// Curates and groups as its options say.
#[derive(Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default)]
struct Careless {
    keep: Vec<u64>,
    labels: Option<Vec<i64>>,
    row: Vec<u64>,
    sigmas: usize,
    channels: usize,
    not_finite: bool,
}

impl Mitigation for Careless {
    fn curate(&self, _: TrainingSet<'_>, _: u64) -> Result<Curation> {
        Ok(Curation {
            keep: self.keep.clone(),
            labels: self.labels.clone(),
            classes: 1,
        })
    }
    fn batch(&self, _: TrainingBatch<'_>, _: &dyn Trainer) -> Result<Vec<TrainingGroup>> {
        let rows = self.row.len();
        let value = if self.not_finite { f32::NAN } else { 0.0 };
        Ok(vec![TrainingGroup {
            row: self.row.clone(),
            x: Array4::from_elem((rows, self.channels, 3, 4), value),
            extra: Array4::zeros((rows, 0, 3, 4)),
            sigma: vec![1.0; self.sigmas],
            target: Array4::zeros((rows, 2, 3, 4)),
            weight: Array4::zeros((rows, 2, 3, 4)),
        }])
    }
}

impl MitigationPlugin for Careless {
    const ID: &'static str = "careless";
    const SUMMARY: &'static str = "gives back what it is told to";
    const STAGES: Stages = Stages {
        data: true,
        training: true,
        sampling: false,
        output: false,
    };
    type Options = Self;
    fn make(options: Self, _: TrainingSet<'_>) -> Result<Self> {
        Ok(options)
    }
}

fn careless(options: &str) -> Box<dyn Mitigation> {
    let plugin = registration::mitigation::<Careless>(ORIGIN);
    with_set(&levels(3), |set| make_mitigation(&plugin, options, set)).unwrap()
}

#[test]
fn what_a_mitigation_curates() {
    let images = levels(3);
    let curate = |options: &str| with_set(&images, |set| careless(options).curate(set, 0));
    assert_eq!(curate(r#"{"keep": [0, 2]}"#).unwrap().keep, [0, 2]);
    let message = "curate: expected ascending, distinct rows below 3";
    for keep in ["[2, 0]", "[1, 1]", "[0, 3]"] {
        refused(curate(&format!(r#"{{"keep": {keep}}}"#)), message);
    }
    let labels = curate(r#"{"keep": [0, 2], "labels": [1]}"#);
    refused(labels, "curate: expected 2 labels, got 1");
}

#[test]
fn what_a_mitigation_trains_on() {
    let x = tensor(3, 2);
    let host = Host::default();
    let batch = |options: &str| {
        let batch = TrainingBatch {
            step: 0,
            index: &[0, 1, 2],
            x0: x.view(),
            sigma: &[1.0; 3],
            noise: x.view(),
            conditions: &[],
        };
        careless(options).batch(batch, &host)
    };
    let groups = batch(r#"{"row": [2, 0], "sigmas": 2, "channels": 2}"#).unwrap();
    assert_eq!(groups[0].x.dim(), (2, 2, 3, 4));
    let row = batch(r#"{"row": [3], "sigmas": 1, "channels": 2}"#);
    refused(row, "training group: row 3 of a batch of 3");
    let sigma = batch(r#"{"row": [1], "sigmas": 2, "channels": 2}"#);
    refused(sigma, "training group: expected 1 sigmas, got 2");
    let channels = batch(r#"{"row": [1], "sigmas": 1, "channels": 1}"#);
    refused(channels, "training group: x: expected 24 values, got 12");
    let finite = batch(r#"{"row": [1], "sigmas": 1, "channels": 2, "not_finite": true}"#);
    refused(finite, "training group: x is not finite");
}
