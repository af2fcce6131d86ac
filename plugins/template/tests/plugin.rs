//! The attack against a model that remembers two images, run as the harness runs it.
#![allow(clippy::unwrap_used)]

use std::sync::Mutex;

use eidetic_attack_template::registrations;
use eidetic_sdk::ndarray::{Array4, ArrayView4, ArrayViewMut2, ArrayViewMut4};
use eidetic_sdk::registration::{make_attack, resolve_options};
use eidetic_sdk::*;

/// D(x; sigma) of the images black and white, 2 x 2 pixels: tanh(sum(x) / sigma^2) everywhere.
struct BlackAndWhite {
    calls_left: Mutex<u64>,
}

impl Target for BlackAndWhite {
    fn info(&self) -> Result<ModelInfo> {
        let image = ImageShape {
            channels: 1,
            height: 2,
            width: 2,
        };
        Ok(ModelInfo::pixel_denoiser(image, 1.0))
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
    fn denoise(&self, batch: Batch<'_>, mut out: ArrayViewMut4<'_, f32>) -> Result<()> {
        let mut left = self.calls_left.lock().unwrap();
        *left = left
            .checked_sub(batch.rows() as u64)
            .ok_or_else(|| Error::new(ErrorCode::Budget, "the calls are spent"))?;
        for ((x, &sigma), mut out) in batch
            .x
            .outer_iter()
            .zip(batch.sigma)
            .zip(out.outer_iter_mut())
        {
            out.fill((x.sum() / (sigma * sigma)).tanh());
        }
        Ok(())
    }
    fn denoise_vjp(
        &self,
        _: Batch<'_>,
        _: ArrayView4<'_, f32>,
        _: ArrayViewMut4<'_, f32>,
    ) -> Result<()> {
        Err(Error::unsupported("denoise_vjp"))
    }
    fn encode(&self, pixels: ArrayView4<'_, f32>, mut out: ArrayViewMut4<'_, f32>) -> Result<()> {
        out.assign(&pixels);
        Ok(())
    }
    fn decode(&self, latents: ArrayView4<'_, f32>, mut out: ArrayViewMut4<'_, f32>) -> Result<()> {
        out.assign(&latents);
        Ok(())
    }
    fn embed(&self, _: ArrayView4<'_, f32>, _: ArrayViewMut2<'_, f32>) -> Result<()> {
        Err(Error::unsupported("embed"))
    }
    fn candidates(&self, _: u32) -> Result<Candidates<'_>> {
        Err(Error::unsupported("candidates"))
    }
}

#[derive(Default)]
struct Run {
    images: Mutex<Vec<Array4<u8>>>,
    confidence: Mutex<Vec<f64>>,
}

impl Context for Run {
    fn seed(&self) -> u64 {
        5
    }
    fn cancelled(&self) -> bool {
        false
    }
    fn progress(&self, _: u64, _: u64) {}
    fn log(&self, _: LogLevel, _: &str) {}
}

impl Sink for Run {
    fn images(&self, images: ArrayView4<'_, u8>) -> Result<u64> {
        let mut all = self.images.lock().unwrap();
        all.push(images.to_owned());
        Ok(all.len() as u64 - 1)
    }
    fn confidence(&self, first: u64, values: &[f64]) -> Result<()> {
        let mut all = self.confidence.lock().unwrap();
        assert_eq!(first, all.len() as u64);
        all.extend(values);
        Ok(())
    }
    fn reconstructions(&self, _: u32, _: &[u64], _: ArrayView4<'_, u8>) -> Result<()> {
        Err(Error::unsupported("reconstructions"))
    }
    fn scores(&self, _: &[u64], _: &[f64]) -> Result<()> {
        Err(Error::unsupported("scores"))
    }
}

fn attack(options: &str, calls: u64) -> (Result<()>, Run, u64) {
    let target = BlackAndWhite {
        calls_left: Mutex::new(calls),
    };
    let run = Run::default();
    let attack = make_attack(&registrations()[0], options).unwrap();
    let result = attack.run(&target, &run, &run);
    (result, run, target.calls_left())
}

#[test]
fn it_finds_both_images_at_five_calls_each() {
    let (result, run, calls_left) = attack(r#"{"samples": 16}"#, 100);
    result.unwrap();
    assert_eq!(calls_left, 100 - 16 * 5);
    let images = run.images.into_inner().unwrap();
    let is = |level: u8| {
        images
            .iter()
            .filter(|i| i.iter().all(|&l| l == level))
            .count()
    };
    assert!(
        is(0) > 0 && is(255) > 0,
        "{} black, {} white",
        is(0),
        is(255)
    );
    assert_eq!(is(0) + is(255), 16);
    // tanh(4) = 0.99933 from 1: what was memorized stays where it is.
    let confidence = run.confidence.into_inner().unwrap();
    assert!(confidence.iter().all(|c| (-1e-5..=0.0).contains(c)));
}

#[test]
fn the_budget_ends_it_and_what_was_found_counts() {
    let (result, run, _) = attack("{}", 12);
    assert_eq!(result.unwrap_err().code, ErrorCode::Budget);
    assert_eq!(run.images.into_inner().unwrap().len(), 2);
}

#[test]
fn runs_repeat_and_a_longer_one_begins_as_a_shorter() {
    let images = |options| attack(options, 1000).1.images.into_inner().unwrap();
    let short = images(r#"{"samples": 4}"#);
    assert_eq!(short, images(r#"{"samples": 4}"#));
    assert_eq!(short, images(r#"{"samples": 8}"#)[..4]);
}

#[test]
fn a_sampler_without_steps_is_an_error() {
    let error = attack(r#"{"steps": 0}"#, 10).0.unwrap_err();
    assert_eq!(error.message, "sampler: expected at least one step, got 0");
}

#[test]
fn it_keeps_the_rules_of_a_plugin() {
    conformance::check(registrations()).unwrap();
    let defaults = resolve_options(&registrations()[0], "{}").unwrap();
    assert_eq!(defaults, r#"{"samples":256,"steps":4}"#);
}
