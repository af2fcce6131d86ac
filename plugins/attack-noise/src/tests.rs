#![allow(clippy::unwrap_used)]

//! A harness in small: it noises images, counts calls and keeps what comes back.

use std::collections::BTreeMap;
use std::sync::Mutex;

use eidetic_sdk::ndarray::{Array3, Array4, ArrayView4, ArrayViewMut2, ArrayViewMut4, Axis};
use eidetic_sdk::pixels::to_unit;
use eidetic_sdk::random::rng;
use eidetic_sdk::registration::{make_attack, resolve_options};
use eidetic_sdk::sampler::RowNoise;
use eidetic_sdk::{
    Access, Batch, Candidates, Context, Denoiser, Error, ErrorCode, ImageShape, LogLevel,
    ModelInfo, Probe, Result, SampleRequest, Sink, Target, conformance,
};
use rand::RngExt;

use crate::registrations;

mod ambient;
mod closed_forms;
mod plugin;

const SEED: u64 = 7;

/// Images of equal weight, each a Gaussian of this variance around itself; at 0 the perfect
/// memorizer.
struct Mixture {
    images: Vec<Vec<f64>>,
    variance: f64,
    info: ModelInfo,
}

impl Mixture {
    fn new(images: Vec<Vec<f64>>, variance: f64, [channels, height, width]: [usize; 3]) -> Self {
        let [channels, height, width] = [channels, height, width].map(|n| n as u32);
        let image = ImageShape {
            channels,
            height,
            width,
        };
        Self {
            images,
            variance,
            info: ModelInfo::pixel_denoiser(image, 0.5),
        }
    }

    fn around(images: &Array4<u8>, variance: f64) -> Self {
        let (_, c, h, w) = images.dim();
        let unit = |index| {
            levels(images, index)
                .iter()
                .map(|&l| to_unit(l).into())
                .collect()
        };
        let images = (0..images.dim().0 as u64).map(unit).collect();
        Self::new(images, variance, [c, h, w])
    }

    /// D(x; sigma), with the distance to each image over the pixels that are shown.
    fn at(&self, x: &[f64], shown: &[f64], sigma: f64) -> Vec<f64> {
        let variance = self.variance + sigma * sigma;
        let logit = |image: &Vec<f64>| -> f64 {
            let differences = x
                .iter()
                .zip(image)
                .zip(shown)
                .map(|((a, b), s)| s * (a - b));
            -differences.map(|d| d * d).sum::<f64>() / (2.0 * variance)
        };
        let logits: Vec<f64> = self.images.iter().map(logit).collect();
        let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = logits.iter().map(|l| (l - most).exp()).collect();
        let sum: f64 = weights.iter().sum();
        let kept = self.variance / variance;
        let mut out: Vec<f64> = x.iter().map(|x| kept * x).collect();
        for (weight, image) in weights.iter().zip(&self.images) {
            for (out, image) in out.iter_mut().zip(image) {
                *out += (1.0 - kept) * weight / sum * image;
            }
        }
        out
    }
}

impl Denoiser for Mixture {
    fn info(&self) -> Result<ModelInfo> {
        Ok(self.info.clone())
    }
    fn denoise(&self, batch: Batch<'_>, mut out: ArrayViewMut4<'_, f32>) -> Result<()> {
        for (row, mut out) in out.outer_iter_mut().enumerate() {
            let x = batch.x.index_axis(Axis(0), row);
            let x: Vec<f64> = x.iter().map(|&x| x.into()).collect();
            let values = self.at(&x, &vec![1.0; x.len()], batch.sigma[row].into());
            out.iter_mut()
                .zip(values)
                .for_each(|(to, v)| *to = v as f32);
        }
        Ok(())
    }
}

/// A model that the attack is granted, and what it is asked.
struct Service<'a> {
    denoiser: &'a dyn Denoiser,
    calls_left: Mutex<u64>,
    asked: Vec<(Array4<f32>, Array3<u8>, f32)>,
}

impl<'a> Service<'a> {
    fn new(denoiser: &'a dyn Denoiser, calls: u64) -> Self {
        Self {
            denoiser,
            calls_left: Mutex::new(calls),
            asked: Vec::new(),
        }
    }
}

impl Target for Service<'_> {
    fn info(&self) -> Result<ModelInfo> {
        self.denoiser.info()
    }
    fn access(&self) -> Access {
        Access::Denoiser
    }
    fn calls_left(&self) -> u64 {
        *self.calls_left.lock().unwrap()
    }
    fn sample(&self, _: SampleRequest<'_>, _: ArrayViewMut4<'_, u8>) -> Result<()> {
        Err(Error::unsupported("sample"))
    }
    fn denoise(&self, batch: Batch<'_>, out: ArrayViewMut4<'_, f32>) -> Result<()> {
        let mut left = self.calls_left.lock().unwrap();
        let rest = left.checked_sub(batch.rows() as u64);
        *left = rest.ok_or_else(|| Error::new(ErrorCode::Budget, "calls are spent"))?;
        self.denoiser.denoise(batch, out)
    }
    fn denoise_vjp(
        &self,
        _: Batch<'_>,
        _: ArrayView4<'_, f32>,
        _: ArrayViewMut4<'_, f32>,
    ) -> Result<()> {
        Err(Error::unsupported("denoise_vjp"))
    }
    fn encode(&self, _: ArrayView4<'_, f32>, _: ArrayViewMut4<'_, f32>) -> Result<()> {
        Err(Error::unsupported("encode"))
    }
    fn decode(&self, _: ArrayView4<'_, f32>, _: ArrayViewMut4<'_, f32>) -> Result<()> {
        Err(Error::unsupported("decode"))
    }
    fn embed(&self, _: ArrayView4<'_, f32>, _: ArrayViewMut2<'_, f32>) -> Result<()> {
        Err(Error::unsupported("embed"))
    }
    fn candidates(&self, probe: u32) -> Result<Candidates<'_>> {
        let (images, known, sigma) = &self.asked[probe as usize];
        Ok(Candidates::Reconstruction {
            images: images.view(),
            known: known.view(),
            sigma: *sigma,
        })
    }
}

/// Reconstructions by probe and candidate.
type Found = BTreeMap<(u32, u64), Vec<u8>>;

#[derive(Default)]
struct Run {
    cancel_after: Option<u64>,
    done: Mutex<(u64, u64)>,
    warnings: Mutex<Vec<String>>,
    found: Mutex<Found>,
}

impl Context for Run {
    fn seed(&self) -> u64 {
        SEED
    }
    fn cancelled(&self) -> bool {
        self.cancel_after
            .is_some_and(|after| self.done.lock().unwrap().0 >= after)
    }
    fn progress(&self, done: u64, total: u64) {
        *self.done.lock().unwrap() = (done, total);
    }
    fn log(&self, _: LogLevel, message: &str) {
        self.warnings.lock().unwrap().push(message.to_owned());
    }
}

impl Sink for Run {
    fn images(&self, _: ArrayView4<'_, u8>) -> Result<u64> {
        Err(Error::unsupported("images"))
    }
    fn confidence(&self, _: u64, _: &[f64]) -> Result<()> {
        Err(Error::unsupported("confidence"))
    }
    fn reconstructions(
        &self,
        probe: u32,
        candidate: &[u64],
        images: ArrayView4<'_, u8>,
    ) -> Result<()> {
        assert_eq!(images.dim().0, candidate.len());
        for (&candidate, image) in candidate.iter().zip(images.outer_iter()) {
            let image = image.iter().copied().collect();
            let before = self.found.lock().unwrap().insert((probe, candidate), image);
            assert_eq!(before, None, "a reconstruction given twice");
        }
        Ok(())
    }
    fn scores(&self, _: &[u64], _: &[f64]) -> Result<()> {
        Err(Error::unsupported("scores"))
    }
}

/// Images as a probe leaves them.
fn destroy(images: &Array4<u8>, at: usize, probe: &Probe) -> (Array4<f32>, Array3<u8>, f32) {
    assert!(probe.known.is_empty());
    let (n, c, h, w) = images.dim();
    let ids: Vec<u64> = (0..n as u64).collect();
    let mut noise = RowNoise::new(SEED, &format!("probe {at}"), &ids);
    let mut noised = images.mapv(to_unit);
    for (row, mut image) in noised.outer_iter_mut().enumerate() {
        let mut values = vec![0.0; c * h * w];
        noise.fill(row, &mut values);
        let values = values.iter().map(|&value| probe.sigma * value as f32);
        image.iter_mut().zip(values).for_each(|(to, v)| *to += v);
    }
    (noised, Array3::ones((n, h, w)), probe.sigma)
}

fn probes(options: &str, images: &Array4<u8>) -> Vec<(Array4<f32>, Array3<u8>, f32)> {
    let attack = make_attack(&registrations()[0], options).unwrap();
    let (n, c, h, w) = images.dim();
    let shape = ImageShape {
        channels: c as u32,
        height: h as u32,
        width: w as u32,
    };
    let probes = attack.probes(n as u64, shape, SEED).unwrap();
    let probes = probes.iter().enumerate();
    probes
        .map(|(at, probe)| destroy(images, at, probe))
        .collect()
}

/// Runs the plugin over the boundary, as the harness does; gives the calls that it took.
fn attack(
    options: &str,
    denoiser: &dyn Denoiser,
    images: &Array4<u8>,
    run: &Run,
    calls: u64,
) -> Result<u64> {
    let mut service = Service::new(denoiser, calls);
    service.asked = probes(options, images);
    make_attack(&registrations()[0], options)?.run(&service, run, run)?;
    Ok(calls - service.calls_left())
}

/// What the plugin makes of images, with calls to spare.
fn found(options: &str, denoiser: &dyn Denoiser, images: &Array4<u8>) -> Found {
    let run = Run::default();
    attack(options, denoiser, images, &run, u64::MAX).unwrap();
    run.found.into_inner().unwrap()
}

/// Images of levels drawn one by one.
fn random_images(count: usize, [c, h, w]: [usize; 3], seed: u64) -> Array4<u8> {
    let mut rng = rng(seed, "test images", 0);
    Array4::from_shape_simple_fn((count, c, h, w), || rng.random())
}

/// The levels of one image.
fn levels(images: &Array4<u8>, index: u64) -> Vec<u8> {
    let image = images.index_axis(Axis(0), index as usize);
    image.iter().copied().collect()
}
