//! What the tests share: real images, noise, networks whose D is known, and folders around them.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use eidetic_graph::proto::{AttributeProto, ModelProto, TensorProto};
use eidetic_graph::{Dim, Element, GraphBuilder, Value, encode};
use eidetic_runtime::{Device, Runtime, Search, SessionOptions, find};
use eidetic_sdk::batch::Condition;
use eidetic_sdk::{Batch, Model, pixels};
use ndarray::{Array4, ArrayView4};

use super::{Manifest, ModelFolder, OnnxModel, Prediction};
use crate::files::sha256_file;

pub(super) const SHAPE: [usize; 3] = [1, 28, 28];
pub(super) const PIXELS: usize = 784;

pub(super) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::load(&find(&Search::default()).unwrap()).unwrap())
}

/// The first images of Fashion-MNIST's test set.
pub(super) fn fashion(count: usize) -> Array4<u8> {
    let path = "../../benchmarks/datasets/fashion-mnist-10k/t10k-images-idx3-ubyte.gz";
    let file = fs::File::open(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let mut bytes = vec![0; 16 + count * PIXELS];
    flate2::read::GzDecoder::new(file)
        .read_exact(&mut bytes)
        .unwrap();
    Array4::from_shape_vec((count, 1, 28, 28), bytes.split_off(16)).unwrap()
}

/// Variance 1, uniform; the same first values whatever the size.
pub(super) fn noise(size: usize) -> Vec<f64> {
    let mut state = 7_u32;
    let mut draw = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (f64::from(state >> 8) / f64::from(1 << 23) - 1.0) * 3_f64.sqrt()
    };
    (0..size).map(|_| draw()).collect()
}

/// Row r is image r mixed with image r + 1 (not below sigma 0.3, where that decides by rounding)
/// under noise of its sigma.
pub(super) fn noised(images: &Array4<u8>, sigma: &[f32]) -> Array4<f32> {
    let draws = noise(sigma.len() * PIXELS);
    let count = images.shape()[0];
    Array4::from_shape_fn((sigma.len(), 1, 28, 28), |(row, _, h, w)| {
        let unit = |image: usize| f64::from(pixels::to_unit(images[[image % count, 0, h, w]]));
        let share = if sigma[row] < 0.3 { 0.0 } else { 0.4 };
        let x0 = (1.0 - share) * unit(row) + share * unit(row + 1);
        (x0 + f64::from(sigma[row]) * draws[row * PIXELS + h * 28 + w]) as f32
    })
}

pub(super) fn denoise_with(
    model: &dyn Model,
    x: ArrayView4<'_, f32>,
    sigma: &[f32],
    conditions: &[Condition<'_>],
) -> eidetic_sdk::Result<Array4<f32>> {
    let row_id: Vec<u64> = (0..sigma.len() as u64).collect();
    let batch = Batch {
        x,
        sigma,
        row_id: &row_id,
        conditions,
    };
    let image = model.info().image;
    let [c, h, w] = [image.channels, image.height, image.width].map(|size| size as usize);
    let mut out = Array4::zeros((sigma.len(), c, h, w));
    model.denoise(batch, out.view_mut())?;
    Ok(out)
}

pub(super) fn denoise(model: &dyn Model, x: ArrayView4<'_, f32>, sigma: &[f32]) -> Array4<f32> {
    denoise_with(model, x, sigma, &[]).unwrap()
}

pub(super) fn vjp_with(
    model: &dyn Model,
    batch: Batch<'_>,
    cotangent: ArrayView4<'_, f32>,
) -> eidetic_sdk::Result<Array4<f32>> {
    let mut out = Array4::zeros(batch.x.raw_dim());
    model.denoise_vjp(batch, cotangent, out.view_mut())?;
    Ok(out)
}

pub(super) fn vjp(
    model: &dyn Model,
    x: ArrayView4<'_, f32>,
    sigma: &[f32],
    cotangent: ArrayView4<'_, f32>,
) -> Array4<f32> {
    let row_id: Vec<u64> = (0..sigma.len() as u64).collect();
    vjp_with(model, Batch::unconditional(x, sigma, &row_id), cotangent).unwrap()
}

/// How a network takes its timestep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Timestep {
    pub(super) element: Element,
    pub(super) scalar: bool,
}

/// The memorizer of `images` as a network of another family: it takes x_vp and a timestep of the
/// schedule, computes in f64, and gives what that family predicts.
pub(super) fn family(
    images: &Array4<u8>,
    prediction: Prediction,
    timestep: Timestep,
    sigmas: &[f64],
) -> ModelProto {
    let units: Vec<f32> = images.iter().map(|&level| pixels::to_unit(level)).collect();
    let count = images.shape()[0];
    let half_norms: Vec<f64> = units
        .chunks(PIXELS)
        .map(|image| {
            image
                .iter()
                .map(|&x| f64::from(x) * f64::from(x))
                .sum::<f64>()
                / 2.0
        })
        .collect();
    let log_sigmas: Vec<f64> = sigmas.iter().map(|sigma| sigma.ln()).collect();
    let dims = image_dims(1);
    let mut g = GraphBuilder::new("family");
    let sample = g.input("sample", Element::F32, &dims);
    let times: &[Dim] = if timestep.scalar { &[] } else { &dims[..1] };
    let t = g.input("timestep", timestep.element, times);
    let images = g.constant(TensorProto::f32("images", &[count, PIXELS], &units));
    let half_norms = g.constant(TensorProto::f64("half_norms", &[count], &half_norms));
    let logs = g.constant(TensorProto::f64("log_sigmas", &[sigmas.len()], &log_sigmas));
    let last = g.constant(TensorProto::f64("last", &[], &[sigmas.len() as f64 - 1.0]));
    let one = g.constant(TensorProto::f64("one", &[], &[1.0]));
    let column = g.constant(TensorProto::i64("column", &[2], &[-1, 1]));
    let whole = g.constant(TensorProto::i64("whole", &[4], &[0, 1, 28, 28]));

    // log sigma between the steps, as training on fractional timesteps would define it.
    let t = g.cast(t, Element::F64);
    let below = g.op("Floor", &[t]);
    let above = g.op("Add", &[below, one]);
    let above = g.op("Min", &[above, last]);
    let share = g.op("Sub", &[t, below]);
    let at = |g: &mut GraphBuilder, t: Value| {
        let t = g.cast(t, Element::I64);
        g.op("Gather", &[logs, t])
    };
    let (low, high) = (at(&mut g, below), at(&mut g, above));
    let rise = g.op("Sub", &[high, low]);
    let rise = g.op("Mul", &[rise, share]);
    let log = g.op("Add", &[low, rise]);
    let sigma = g.op("Exp", &[log]);
    let sigma = g.op("Reshape", &[sigma, column]);
    let variance = g.op("Mul", &[sigma, sigma]);
    let total = g.op("Add", &[variance, one]);
    let scale = g.op("Sqrt", &[total]);

    let flat = g.op_with("Flatten", &[sample], vec![AttributeProto::int("axis", 1)]);
    let flat = g.cast(flat, Element::F64);
    let x = g.op("Mul", &[flat, scale]);
    let images = g.cast(images, Element::F64);
    let columns = g.op_with(
        "Transpose",
        &[images],
        vec![AttributeProto::ints("perm", &[1, 0])],
    );
    let dots = g.op("MatMul", &[x, columns]);
    let distances = g.op("Sub", &[dots, half_norms]);
    let logits = g.op("Div", &[distances, variance]);
    let weights = g.op_with("Softmax", &[logits], vec![AttributeProto::int("axis", -1)]);
    let denoised = g.op("MatMul", &[weights, images]);
    let residual = g.op("Sub", &[x, denoised]);
    let eps = g.op("Div", &[residual, sigma]);
    let said = match prediction {
        Prediction::Epsilon => eps,
        Prediction::Sample => denoised,
        Prediction::VPrediction => {
            let pull = g.op("Mul", &[sigma, denoised]);
            let v = g.op("Sub", &[eps, pull]);
            g.op("Div", &[v, scale])
        }
        Prediction::Edm => unreachable!("it takes no timestep"),
    };
    let said = g.cast(said, Element::F32);
    let out = g.op("Reshape", &[said, whole]);
    g.output("out_sample", out, Element::F32, &dims);
    g.build().unwrap()
}

pub(super) fn image_dims(channels: usize) -> Vec<Dim> {
    let mut dims = vec![Dim::Named("batch".to_owned())];
    dims.extend([channels, 28, 28].map(Dim::Fixed));
    dims
}

/// `scheduler_config.json` of the linear DDPM schedule, as diffusers writes it.
pub(super) fn linear_schedule(prediction: Prediction) -> String {
    format!(
        r#"{{"_class_name": "DDPMScheduler", "_diffusers_version": "0.42.1", "beta_end": 0.02,
        "beta_schedule": "linear", "beta_start": 0.0001, "clip_sample": true,
        "num_train_timesteps": 1000, "prediction_type": "{prediction}", "steps_offset": 0,
        "timestep_spacing": "leading", "trained_betas": null}}"#
    )
}

/// A model folder in the making: files are written as they are given, the manifest with digests.
pub(super) struct Folder {
    guard: tempfile::TempDir,
    files: Vec<String>,
}

impl Folder {
    pub(super) fn new() -> Self {
        Self {
            guard: tempfile::tempdir().unwrap(),
            files: Vec::new(),
        }
    }

    pub(super) fn path(&self) -> &Path {
        self.guard.path()
    }

    pub(super) fn file(mut self, path: &str, bytes: &[u8]) -> Self {
        let at = self.path().join(path);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        fs::write(at, bytes).unwrap();
        self.files.push(path.to_owned());
        self
    }

    pub(super) fn network(self, network: &ModelProto) -> Self {
        self.file(Manifest::NETWORK, &encode(network))
    }

    pub(super) fn schedule(self, json: &str) -> Self {
        self.file(Manifest::SCHEDULE, json.as_bytes())
    }

    /// `keys` are lines of the manifest; the rest is filled in.
    pub(super) fn manifest(self, keys: &str) -> Self {
        let mut text = String::from("version: 1\nname: toy\ntitle: a toy\nlicence: MIT\n");
        for (key, line) in [
            ("shape", "shape: [1, 28, 28]\n"),
            ("range", "range: [-1, 1]\n"),
            ("sigma_data", "sigma_data: 0.7\n"),
            ("training", "training: { part: unknown }\n"),
        ] {
            if !keys
                .lines()
                .any(|given| given.starts_with(&format!("{key}:")))
            {
                text.push_str(line);
            }
        }
        text.push_str(keys);
        if !keys.contains("\nfiles:") {
            text.push_str("\nfiles:\n");
            for file in &self.files {
                let digest = sha256_file(&self.path().join(file)).unwrap();
                text.push_str(&format!("  - {{ path: {file}, sha256: {digest} }}\n"));
            }
        }
        fs::write(self.path().join(Manifest::FILE), text).unwrap();
        self
    }

    pub(super) fn open(&self) -> ModelFolder {
        ModelFolder::open(self.path()).unwrap()
    }

    /// The error of opening it, without the folder's own path.
    pub(super) fn refused(&self) -> String {
        let error = ModelFolder::open(self.path()).unwrap_err().to_string();
        let prefix = format!("{}{}", self.path().display(), std::path::MAIN_SEPARATOR);
        error.replace(&prefix, "")
    }

    pub(super) fn at(&self, path: &str) -> PathBuf {
        self.path().join(path)
    }
}

pub(super) fn open(folder: ModelFolder, sessions: usize, microbatch: usize) -> OnnxModel {
    let options = SessionOptions {
        device: Device::Cpu,
        sessions,
        microbatch,
    };
    OnnxModel::open(folder, runtime(), &options).unwrap()
}
