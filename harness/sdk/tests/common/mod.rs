//! A host whose every answer is known: what plugins are tested against.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub, missing_docs)]

use std::sync::Mutex;

use eidetic_sdk::batch::{condition, condition_values};
use eidetic_sdk::*;
use ndarray::{Array2, Array3, Array4, ArrayView4, ArrayViewMut2, ArrayViewMut4, Axis};

pub const SHAPE: ImageShape = ImageShape {
    channels: 2,
    height: 3,
    width: 4,
};
pub const DIM: (usize, usize, usize) = (2, 3, 4);

/// Info with nothing left at its default, so that a field that does not cross is seen.
pub fn info() -> ModelInfo {
    ModelInfo {
        image: SHAPE,
        latent: Some(LatentSpace {
            shape: SHAPE,
            scale: 0.18215,
            shift: 0.5,
        }),
        sigma_min: 0.01,
        sigma_max: 70.0,
        sigma_data: 0.6,
        schedule: vec![0.01, 1.0, 70.0],
        conditions: vec![ConditionSpec {
            name: "text".into(),
            element: ElementType::F32,
            dims: vec![3, 5],
            classes: Some(9),
            nullable: true,
        }],
        extra_channels: 1,
        denoises: true,
        differentiates: true,
        samples: true,
        embedding: 6,
    }
}

/// `[rows, channels, 3, 4]` of distinct values.
pub fn tensor(rows: usize, channels: usize) -> Array4<f32> {
    let each = channels * 12;
    Array4::from_shape_fn((rows, channels, 3, 4), |(b, c, y, x)| {
        (b * each + c * 12 + y * 4 + x) as f32 / 100.0
    })
}

pub fn levels(rows: usize) -> Array4<u8> {
    tensor(rows, 2).mapv(|value| (value * 100.0).round() as u8)
}

/// Whatever a denoiser of this host's answers: x / 2 + sigma + row_id, and 100 more for each row
/// whose label, where there is one, is not null.
pub fn denoised(batch: &Batch<'_>, mut out: ArrayViewMut4<'_, f32>) -> Result<()> {
    let labels = batch.condition("class");
    for (i, mut row) in out.outer_iter_mut().enumerate() {
        row.assign(&batch.x.index_axis(Axis(0), i));
        let mut shift = batch.sigma[i] + batch.row_id[i] as f32;
        if let Some(labels) = labels.filter(|labels| labels.null[i] == 0) {
            shift += 100.0 * condition_values::<i64>(labels)?[[i]] as f32;
        }
        row.mapv_inplace(|value| value / 2.0 + shift);
    }
    Ok(())
}

/// Calls `work` with a batch of three rows, the second without a label.
pub fn with_batch<T>(channels: usize, work: impl FnOnce(Batch<'_>) -> T) -> T {
    let x = tensor(3, channels);
    let labels = ndarray::arr1(&[4i64, 5, 6]);
    let conditions = [condition("class", labels.view(), &[0, 1, 0]).unwrap()];
    work(Batch {
        x: x.view(),
        sigma: &[0.5, 1.0, 2.0],
        row_id: &[7, 8, 1 << 20],
        conditions: &conditions,
    })
}

/// What [`denoised`] makes of the batch of [`with_batch`].
pub fn expected(channels: usize) -> Array4<f32> {
    with_batch(channels, |batch| {
        let mut out = Array4::zeros(batch.x.dim());
        denoised(&batch, out.view_mut()).unwrap();
        out
    })
}

pub fn doubled(from: ArrayView4<'_, f32>, mut out: ArrayViewMut4<'_, f32>, by: f32) -> Result<()> {
    out.assign(&from);
    out.mapv_inplace(|value| value * by);
    Ok(())
}

/// Six features a row: its sum times 0..6.
pub fn embedded(pixels: ArrayView4<'_, f32>, mut out: ArrayViewMut2<'_, f32>) -> Result<()> {
    for (row, mut features) in pixels.outer_iter().zip(out.outer_iter_mut()) {
        let sum = row.sum();
        features.assign(&ndarray::Array1::from_shape_fn(6, |i| sum * i as f32));
    }
    Ok(())
}

/// Target, context, sink, denoiser and trainer in one; notes what the sink is given.
pub struct Host {
    pub images: Array4<u8>,
    pub destroyed: Array4<f32>,
    pub known: Array3<u8>,
    pub notes: Mutex<Vec<String>>,
    /// The name of the call that panics.
    pub broken: Option<&'static str>,
}

impl Default for Host {
    fn default() -> Self {
        Self {
            images: levels(5),
            destroyed: tensor(5, 2),
            known: Array3::from_shape_fn((5, 3, 4), |(n, y, x)| ((n + y + x) % 2) as u8),
            notes: Mutex::default(),
            broken: None,
        }
    }
}

impl Host {
    fn enter(&self, call: &str) {
        assert!(self.broken != Some(call), "the host's {call} is broken");
    }

    fn note(&self, note: String) {
        self.notes.lock().unwrap().push(note);
    }
}

impl Target for Host {
    fn info(&self) -> Result<ModelInfo> {
        self.enter("info");
        Ok(info())
    }
    fn access(&self) -> Access {
        self.enter("access");
        Access::Gradient
    }
    fn calls_left(&self) -> u64 {
        self.enter("calls_left");
        1 << 40
    }
    fn sample(&self, request: SampleRequest<'_>, mut out: ArrayViewMut4<'_, u8>) -> Result<()> {
        self.enter("sample");
        if request.first_index > 1000 {
            return Err(Error::new(ErrorCode::Budget, "spent").with_help("ask for less"));
        }
        let level = request.first_index as f32 + request.guidance_scale;
        out.fill(level as u8 + request.conditions.len() as u8);
        Ok(())
    }
    fn denoise(&self, batch: Batch<'_>, out: ArrayViewMut4<'_, f32>) -> Result<()> {
        self.enter("denoise");
        denoised(&batch, out)
    }
    fn denoise_vjp(
        &self,
        _: Batch<'_>,
        cotangent: ArrayView4<'_, f32>,
        out: ArrayViewMut4<'_, f32>,
    ) -> Result<()> {
        self.enter("denoise_vjp");
        doubled(cotangent, out, 3.0)
    }
    fn encode(&self, pixels: ArrayView4<'_, f32>, out: ArrayViewMut4<'_, f32>) -> Result<()> {
        self.enter("encode");
        doubled(pixels, out, 4.0)
    }
    fn decode(&self, latents: ArrayView4<'_, f32>, out: ArrayViewMut4<'_, f32>) -> Result<()> {
        self.enter("decode");
        doubled(latents, out, 0.25)
    }
    fn embed(&self, pixels: ArrayView4<'_, f32>, out: ArrayViewMut2<'_, f32>) -> Result<()> {
        self.enter("embed");
        embedded(pixels, out)
    }
    fn candidates(&self, probe: u32) -> Result<Candidates<'_>> {
        self.enter("candidates");
        match probe {
            0 => Ok(Candidates::Membership {
                images: self.images.view(),
            }),
            1 => Ok(Candidates::Reconstruction {
                images: self.destroyed.view(),
                known: self.known.view(),
                sigma: 0.75,
            }),
            _ => Err(Error::bad_input(format!("there is no probe {probe}"))),
        }
    }
}

impl Denoiser for Host {
    fn info(&self) -> Result<ModelInfo> {
        Target::info(self)
    }
    fn denoise(&self, batch: Batch<'_>, out: ArrayViewMut4<'_, f32>) -> Result<()> {
        Target::denoise(self, batch, out)
    }
    fn denoise_vjp(
        &self,
        batch: Batch<'_>,
        cotangent: ArrayView4<'_, f32>,
        out: ArrayViewMut4<'_, f32>,
    ) -> Result<()> {
        Target::denoise_vjp(self, batch, cotangent, out)
    }
}

impl Trainer for Host {
    fn seed(&self) -> u64 {
        self.enter("seed");
        0xfeed
    }
    fn denoise(&self, batch: Batch<'_>, out: ArrayViewMut4<'_, f32>) -> Result<()> {
        Target::denoise(self, batch, out)
    }
    fn denoise_ema(&self, batch: Batch<'_>, mut out: ArrayViewMut4<'_, f32>) -> Result<()> {
        self.enter("denoise_ema");
        out.fill(batch.rows() as f32);
        Ok(())
    }
}

impl Context for Host {
    fn seed(&self) -> u64 {
        self.enter("seed");
        0xfeed
    }
    fn cancelled(&self) -> bool {
        self.enter("cancelled");
        false
    }
    fn progress(&self, done: u64, total: u64) {
        self.enter("progress");
        self.note(format!("progress {done}/{total}"));
    }
    fn log(&self, level: LogLevel, message: &str) {
        self.enter("log");
        self.note(format!("log {level:?} {message}"));
    }
}

impl Sink for Host {
    fn images(&self, images: ArrayView4<'_, u8>) -> Result<u64> {
        self.enter("images");
        let sum: u32 = images.iter().copied().map(u32::from).sum();
        self.note(format!("images {:?} {sum}", images.shape()));
        Ok(11)
    }
    fn confidence(&self, first: u64, values: &[f64]) -> Result<()> {
        self.enter("confidence");
        self.note(format!("confidence {first} {values:?}"));
        Ok(())
    }
    fn reconstructions(
        &self,
        probe: u32,
        candidate: &[u64],
        images: ArrayView4<'_, u8>,
    ) -> Result<()> {
        self.enter("reconstructions");
        self.note(format!(
            "reconstructions {probe} {candidate:?} {:?}",
            images.shape()
        ));
        Ok(())
    }
    fn scores(&self, candidate: &[u64], values: &[f64]) -> Result<()> {
        self.enter("scores");
        self.note(format!("scores {candidate:?} {values:?}"));
        Ok(())
    }
}

pub fn features(rows: usize) -> Array2<f32> {
    Array2::zeros((rows, 6))
}

/// A training set over `images`, numbered from 100, with as many labels.
pub fn with_set<T>(images: &Array4<u8>, work: impl FnOnce(TrainingSet<'_>) -> T) -> T {
    let rows = images.dim().0;
    let index: Vec<u64> = (100..100 + rows as u64).collect();
    let labels: Vec<i64> = (0..rows as i64).map(|i| -i).collect();
    work(TrainingSet {
        images: images.view(),
        labels: Some(&labels),
        index: &index,
        classes: 10,
    })
}
