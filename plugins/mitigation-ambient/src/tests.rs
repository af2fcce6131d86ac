#![allow(clippy::unwrap_used)]

use std::sync::Mutex;

use eidetic_sdk::ndarray::Array2;
use eidetic_sdk::registration::{make_mitigation, resolve_options};
use eidetic_sdk::{ErrorCode, ImageShape, conformance};
use rand::RngExt;

use super::*;

mod sampling;
mod training;

/// A mitigation of `[C, H, W]`, behind the boundary, and its plan.
fn make(options: &str, shape: [usize; 3]) -> (Box<dyn Mitigation>, TrainingPlan) {
    let [channels, height, width] = shape;
    let images = Array4::zeros((2, channels, height, width));
    let set = TrainingSet {
        images: images.view(),
        labels: None,
        index: &[0, 1],
        classes: 0,
    };
    let ambient = make_mitigation(&registrations()[0], options, set).unwrap();
    let plan = ambient.plan(run(shape)).unwrap();
    (ambient, plan)
}

fn run(shape: [usize; 3]) -> TrainingRun {
    let [channels, height, width] = shape.map(|n| n as u32);
    TrainingRun {
        shape: ImageShape {
            channels,
            height,
            width,
        },
        steps: 10,
        batch: 4,
        examples: 2,
    }
}

fn random(dim: [usize; 4], seed: u64) -> Array4<f32> {
    let mut stream = rng(seed, "values", 0);
    Array4::from_shape_simple_fn(dim, || stream.random_range(-1.0..1.0))
}

/// A linear denoiser: D = M [x, extra], M a matrix between the planes of one row.
struct Linear {
    shape: [usize; 3],
    matrix: Array2<f32>,
    seen: Mutex<Vec<Array4<f32>>>,
}

impl Linear {
    fn new(shape: [usize; 3]) -> Self {
        let plane = shape[1] * shape[2];
        let mut stream = rng(9, "matrix", 0);
        let size = (shape[0] * plane, (shape[0] + 1) * plane);
        Self {
            shape,
            matrix: Array2::from_shape_simple_fn(size, || stream.random_range(-1.0..1.0)),
            seen: Mutex::new(Vec::new()),
        }
    }

    fn with_extra(&self, extra_channels: u32) -> ModelInfo {
        let [channels, height, width] = self.shape.map(|n| n as u32);
        let image = ImageShape {
            channels,
            height,
            width,
        };
        ModelInfo {
            extra_channels,
            differentiates: true,
            ..ModelInfo::pixel_denoiser(image, 0.5)
        }
    }

    fn times(matrix: &Array2<f32>, x: ArrayView4<'_, f32>, mut out: ArrayViewMut4<'_, f32>) {
        for (x, mut out) in x.outer_iter().zip(out.outer_iter_mut()) {
            let x = eidetic_sdk::ndarray::Array1::from_iter(x.iter().copied());
            let product = matrix.dot(&x);
            out.iter_mut().zip(product).for_each(|(o, p)| *o = p);
        }
    }
}

impl Denoiser for Linear {
    fn info(&self) -> Result<ModelInfo> {
        Ok(self.with_extra(1))
    }
    fn denoise(&self, batch: Batch<'_>, out: ArrayViewMut4<'_, f32>) -> Result<()> {
        self.seen.lock().unwrap().push(batch.x.to_owned());
        Self::times(&self.matrix, batch.x, out);
        Ok(())
    }
    fn denoise_vjp(
        &self,
        _: Batch<'_>,
        cotangent: ArrayView4<'_, f32>,
        out: ArrayViewMut4<'_, f32>,
    ) -> Result<()> {
        Self::times(&self.matrix.t().to_owned(), cotangent, out);
        Ok(())
    }
}

/// A run whose network is linear.
struct InRun<'a>(u64, &'a Linear);

impl Trainer for InRun<'_> {
    fn seed(&self) -> u64 {
        self.0
    }
    fn denoise(&self, batch: Batch<'_>, out: ArrayViewMut4<'_, f32>) -> Result<()> {
        self.1.denoise(batch, out)
    }
    fn denoise_ema(&self, _: Batch<'_>, _: ArrayViewMut4<'_, f32>) -> Result<()> {
        Err(Error::unsupported("the average"))
    }
}

const SHAPE: [usize; 3] = [2, 6, 5];

const INDEX: [u64; 3] = [70, 4, 19];

const SIGMA: [f32; 3] = [0.5, 2.0, 0.01];

fn step(ambient: &dyn Mitigation, step: u64, seed: u64, x0: &Array4<f32>) -> TrainingGroup {
    step_of(ambient, step, seed, x0, &INDEX)
}

fn step_of(
    ambient: &dyn Mitigation,
    step: u64,
    seed: u64,
    x0: &Array4<f32>,
    index: &[u64],
) -> TrainingGroup {
    let (_, channels, height, width) = x0.dim();
    let noise = random([x0.dim().0, channels, height, width], 77);
    let batch = TrainingBatch {
        step,
        index,
        x0: x0.view(),
        sigma: &SIGMA[..index.len()],
        noise: noise.view(),
        conditions: &[],
    };
    let linear = Linear::new([channels, height, width]);
    let mut groups = ambient.batch(batch, &InRun(seed, &linear)).unwrap();
    assert_eq!(groups.len(), 1);
    let group = groups.remove(0);
    assert_eq!(group.row, (0..index.len() as u64).collect::<Vec<_>>());
    assert_eq!(group.sigma, SIGMA[..index.len()]);
    group
}

const ALL: [&str; 3] = [
    r#"{"corruption": "pixel", "p": 0.4, "delta": 0.3}"#,
    r#"{"corruption": "box", "p": 0.15}"#,
    r#"{"corruption": "fourier", "p": 0.5, "delta": 0.2}"#,
];

#[test]
fn empty_batches_pass() {
    for options in ALL {
        let (ambient, _) = make(options, SHAPE);
        let none = Array4::zeros((0, 2, 6, 5));
        assert!(step_of(&*ambient, 0, 5, &none, &[]).row.is_empty());
        let linear = Linear::new(SHAPE);
        let mut out = none.clone();
        let batch = Batch::unconditional(none.view(), &[], &[]);
        ambient.denoise(&linear, batch, out.view_mut()).unwrap();
    }
}

#[test]
fn plans_say_how_to_precondition() {
    for (options, masked) in [
        ("{}", true),
        (r#"{"plain_preconditioning": true}"#, false),
        (r#"{"corruption": "box"}"#, true),
        (r#"{"corruption": "fourier"}"#, false),
    ] {
        let (_, plan) = make(options, SHAPE);
        assert_eq!((plan.extra_channels, plan.masked), (1, masked), "{options}");
        assert_eq!(plan.draws_per_example, 1);
    }
    let (_, plan) = make(r#"{"corruption": "box", "p": 0.25}"#, SHAPE);
    assert_eq!(plan.note, "ambient: box, p 0.25, delta 0.1, seed 0");
}

#[test]
fn what_it_cannot_work_on_is_refused() {
    let (ambient, _) = make("{}", SHAPE);
    let error = ambient.plan(run([2, 5, 6])).unwrap_err();
    let message = "images: expected 6 x 5 as the training set has, got 5 x 6";
    assert_eq!(error.message, message);
    assert!(error.help.contains("pixel space"));

    struct Plain(Linear);
    impl Denoiser for Plain {
        fn info(&self) -> Result<ModelInfo> {
            Ok(self.0.with_extra(0))
        }
        fn denoise(&self, _: Batch<'_>, _: ArrayViewMut4<'_, f32>) -> Result<()> {
            Err(Error::unsupported("denoise"))
        }
    }
    let x = Array4::zeros((1, 2, 6, 5));
    let batch = Batch::unconditional(x.view(), &[1.0], &[0]);
    let mut out = x.clone();
    let plain = Plain(Linear::new(SHAPE));
    let error = ambient.denoise(&plain, batch, out.view_mut()).unwrap_err();
    let message = "expected a model with 1 extra channel, for the mask, got 0";
    assert_eq!(error.message, message);

    let images = Array4::zeros((0, 1, 0, 4));
    let set = TrainingSet {
        images: images.view(),
        labels: None,
        index: &[],
        classes: 0,
    };
    assert!(make_mitigation(&registrations()[0], "{}", set).is_err());
}

#[test]
fn options_without_sense_are_refused() {
    for (options, message) in [
        (
            r#"{"p": 1}"#,
            "p: expected a share of 0 or more and below 1, got 1",
        ),
        (
            r#"{"p": -0.1}"#,
            "p: expected a share of 0 or more and below 1, got -0.1",
        ),
        (
            r#"{"delta": 1}"#,
            "delta: expected a share of 0 or more and below 1, got 1",
        ),
    ] {
        let error = resolve_options(&registrations()[0], options).unwrap_err();
        assert_eq!(error.code, ErrorCode::BadOptions);
        assert_eq!(error.message, message);
    }
    let other = resolve_options(&registrations()[0], r#"{"corruption": "blur"}"#).unwrap_err();
    assert!(
        other.message.contains("`pixel`, `box`, `fourier`"),
        "{other}"
    );
}

#[test]
fn it_keeps_the_rules_of_a_plugin() {
    conformance::check(registrations()).unwrap();
}
