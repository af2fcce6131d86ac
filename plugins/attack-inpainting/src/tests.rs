#![allow(clippy::unwrap_used)]

//! A harness in small: it destroys images, counts calls and keeps what comes back.

use std::collections::BTreeMap;
use std::sync::Mutex;

use eidetic_sdk::ndarray::{
    Array3, Array4, ArrayView4, ArrayViewMut2, ArrayViewMut4, Axis, Zip, s,
};
use eidetic_sdk::pixels::to_unit;
use eidetic_sdk::random::rng;
use eidetic_sdk::registration::{make_attack, resolve_options};
use eidetic_sdk::{
    Access, Attack, Batch, Candidates, Context, Denoiser, Error, ErrorCode, ImageShape, LogLevel,
    ModelInfo, Probe, Registration, Result, SampleRequest, Sink, Target, conformance,
};
use rand::RngExt;

use crate::registrations;

mod ambient;
mod closed_forms;
mod masks;
mod plugins;
mod reference;

const IDS: [&str; 3] = ["inpainting", "inpainting-ddnm", "inpainting-dps"];

/// A denoiser of one image that is known in closed form.
trait Form: Send + Sync {
    fn denoise(&self, x: &[f64], sigma: f64) -> Vec<f64>;
    /// Its Jacobian is symmetric.
    fn vjp(&self, x: &[f64], sigma: f64, cotangent: &[f64]) -> Vec<f64>;
}

/// Images of equal weight, each a Gaussian of this variance around itself; at 0 the perfect
/// memorizer.
struct Mixture {
    images: Vec<Vec<f64>>,
    variance: f64,
}

impl Mixture {
    fn memorizer(images: &Array4<u8>) -> Self {
        let image = |row: eidetic_sdk::ndarray::ArrayView3<'_, u8>| {
            row.iter().map(|&level| f64::from(to_unit(level))).collect()
        };
        Self {
            images: images.outer_iter().map(image).collect(),
            variance: 0.0,
        }
    }

    fn weights(&self, x: &[f64], sigma: f64) -> Vec<f64> {
        let variance = self.variance + sigma * sigma;
        let logit = |image: &Vec<f64>| -> f64 {
            let square: f64 = x.iter().zip(image).map(|(a, b)| (a - b) * (a - b)).sum();
            -square / (2.0 * variance)
        };
        let logits: Vec<f64> = self.images.iter().map(logit).collect();
        let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = logits.iter().map(|l| (l - most).exp()).collect();
        let sum: f64 = weights.iter().sum();
        weights.iter().map(|weight| weight / sum).collect()
    }

    fn kept(&self, sigma: f64) -> f64 {
        self.variance / (self.variance + sigma * sigma)
    }
}

impl Form for Mixture {
    fn denoise(&self, x: &[f64], sigma: f64) -> Vec<f64> {
        let kept = self.kept(sigma);
        let mut out: Vec<f64> = x.iter().map(|x| kept * x).collect();
        for (weight, image) in self.weights(x, sigma).iter().zip(&self.images) {
            for (out, image) in out.iter_mut().zip(image) {
                *out += (1.0 - kept) * weight * image;
            }
        }
        out
    }

    fn vjp(&self, x: &[f64], sigma: f64, cotangent: &[f64]) -> Vec<f64> {
        let (kept, weights) = (self.kept(sigma), self.weights(x, sigma));
        let dot =
            |image: &Vec<f64>| -> f64 { image.iter().zip(cotangent).map(|(a, b)| a * b).sum() };
        let along: Vec<f64> = self.images.iter().map(dot).collect();
        let mean: f64 = weights.iter().zip(&along).map(|(w, a)| w * a).sum();
        let mut out: Vec<f64> = cotangent.iter().map(|v| kept * v).collect();
        let scale = (1.0 - kept) / (self.variance + sigma * sigma);
        for ((weight, along), image) in weights.iter().zip(&along).zip(&self.images) {
            for (out, image) in out.iter_mut().zip(image) {
                *out += scale * weight * (along - mean) * image;
            }
        }
        out
    }
}

/// A model that an attack is granted, and what it is asked.
struct Service<'a> {
    denoiser: &'a dyn Denoiser,
    access: Access,
    calls_left: Mutex<u64>,
    asked: Vec<(Array4<f32>, Array3<u8>)>,
}

/// A form as a model.
struct Model {
    form: Box<dyn Form>,
    info: ModelInfo,
}

impl Model {
    fn new(form: impl Form + 'static, [channels, height, width]: [usize; 3]) -> Self {
        let [channels, height, width] = [channels, height, width].map(|n| n as u32);
        let image = ImageShape {
            channels,
            height,
            width,
        };
        Self {
            form: Box::new(form),
            info: ModelInfo::pixel_denoiser(image, 0.5),
        }
    }

    fn each_row(
        &self,
        batch: Batch<'_>,
        mut out: ArrayViewMut4<'_, f32>,
        work: impl Fn(usize, &[f64], f64) -> Vec<f64>,
    ) {
        for (row, mut out) in out.outer_iter_mut().enumerate() {
            let x = batch.x.index_axis(Axis(0), row);
            let x: Vec<f64> = x.iter().copied().map(f64::from).collect();
            let values = work(row, &x, f64::from(batch.sigma[row]));
            let values = values.iter().map(|&value| value as f32);
            out.iter_mut().zip(values).for_each(|(to, v)| *to = v);
        }
    }
}

impl Denoiser for Model {
    fn info(&self) -> Result<ModelInfo> {
        Ok(self.info.clone())
    }
    fn denoise(&self, batch: Batch<'_>, out: ArrayViewMut4<'_, f32>) -> Result<()> {
        self.each_row(batch, out, |_, x, sigma| self.form.denoise(x, sigma));
        Ok(())
    }
    fn denoise_vjp(
        &self,
        batch: Batch<'_>,
        cotangent: ArrayView4<'_, f32>,
        out: ArrayViewMut4<'_, f32>,
    ) -> Result<()> {
        self.each_row(batch, out, |row, x, sigma| {
            let cotangent = cotangent.index_axis(Axis(0), row);
            let cotangent: Vec<f64> = cotangent.iter().copied().map(f64::from).collect();
            self.form.vjp(x, sigma, &cotangent)
        });
        Ok(())
    }
}

impl<'a> Service<'a> {
    fn new(
        denoiser: &'a dyn Denoiser,
        access: Access,
        asked: Vec<(Array4<f32>, Array3<u8>)>,
        calls: u64,
    ) -> Self {
        Self {
            denoiser,
            access,
            calls_left: Mutex::new(calls),
            asked,
        }
    }

    fn charge(&self, needed: Access, calls: u64) -> Result<()> {
        assert!(self.access >= needed, "a call beyond the declared access");
        let mut left = self.calls_left.lock().unwrap();
        let rest = left.checked_sub(calls);
        *left = rest.ok_or_else(|| Error::new(ErrorCode::Budget, "calls are spent"))?;
        Ok(())
    }
}

impl Target for Service<'_> {
    fn info(&self) -> Result<ModelInfo> {
        self.denoiser.info()
    }
    fn access(&self) -> Access {
        self.access
    }
    fn calls_left(&self) -> u64 {
        *self.calls_left.lock().unwrap()
    }
    fn sample(&self, _: SampleRequest<'_>, _: ArrayViewMut4<'_, u8>) -> Result<()> {
        Err(Error::unsupported("sample"))
    }
    fn denoise(&self, batch: Batch<'_>, out: ArrayViewMut4<'_, f32>) -> Result<()> {
        self.charge(Access::Denoiser, batch.rows() as u64)?;
        self.denoiser.denoise(batch, out)
    }
    fn denoise_vjp(
        &self,
        batch: Batch<'_>,
        cotangent: ArrayView4<'_, f32>,
        out: ArrayViewMut4<'_, f32>,
    ) -> Result<()> {
        self.charge(Access::Gradient, 3 * batch.rows() as u64)?;
        self.denoiser.denoise_vjp(batch, cotangent, out)
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
        let (images, known) = &self.asked[probe as usize];
        Ok(Candidates::Reconstruction {
            images: images.view(),
            known: known.view(),
            sigma: 0.0,
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
        7
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

fn plugin(id: &str) -> Registration {
    let mut all = registrations().into_iter();
    all.find(|plugin| plugin.id.as_str() == id).unwrap()
}

fn granted(id: &str) -> Access {
    match plugin(id).kind {
        eidetic_sdk::registration::Kind::Attack { access, .. } => access,
        _ => panic!("{id} is no attack"),
    }
}

/// Images as a probe leaves them.
fn destroy(images: &Array4<u8>, probe: &Probe) -> (Array4<f32>, Array3<u8>) {
    let (n, _, h, w) = images.dim();
    let flags = match probe.known.len() {
        len if len == h * w => probe.known.repeat(n),
        _ => probe.known.clone(),
    };
    let known = Array3::from_shape_vec((n, h, w), flags).unwrap();
    let mut given = images.mapv(to_unit);
    Zip::from(&mut given)
        .and_broadcast(known.view().insert_axis(Axis(1)))
        .for_each(|given, &known| *given *= f32::from(known));
    (given, known)
}

/// What an attack asks for of these images.
fn ask(attack: &dyn Attack, images: &Array4<u8>) -> Vec<(Array4<f32>, Array3<u8>)> {
    let (n, c, h, w) = images.dim();
    let shape = ImageShape {
        channels: c as u32,
        height: h as u32,
        width: w as u32,
    };
    let probes = attack.probes(n as u64, shape, 7).unwrap();
    assert!(probes.iter().all(|probe| probe.sigma == 0.0));
    probes.iter().map(|probe| destroy(images, probe)).collect()
}

/// Runs a plugin over the boundary, as the harness does; gives the calls that it took.
fn attack(
    id: &str,
    options: &str,
    denoiser: &dyn Denoiser,
    images: &Array4<u8>,
    run: &Run,
    calls: u64,
) -> Result<u64> {
    let attack = make_attack(&plugin(id), options)?;
    let asked = ask(&*attack, images);
    let service = Service::new(denoiser, granted(id), asked, calls);
    attack.run(&service, run, run)?;
    Ok(calls - service.calls_left())
}

/// What a plugin makes of images, with calls to spare.
fn found(id: &str, options: &str, denoiser: &dyn Denoiser, images: &Array4<u8>) -> Found {
    let run = Run::default();
    attack(id, options, denoiser, images, &run, u64::MAX).unwrap();
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
