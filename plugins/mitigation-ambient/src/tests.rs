#![allow(clippy::unwrap_used)]

use std::sync::Mutex;

use eidetic_sdk::ndarray::Array2;
use eidetic_sdk::registration::{make_mitigation, resolve_options};
use eidetic_sdk::sampler::{RowNoise, Sampler, SamplerKind, draw};
use eidetic_sdk::{ErrorCode, ImageShape, conformance};
use rand::RngExt;

use super::*;

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

const MASKS: [&str; 2] = [
    r#"{"corruption": "pixel", "p": 0.4, "delta": 0.3}"#,
    r#"{"corruption": "box", "p": 0.15}"#,
];

#[test]
fn the_network_sees_a_part_and_is_graded_on_a_little_more() {
    let x0 = random([3, 2, 6, 5], 1);
    let noise = random([3, 2, 6, 5], 77);
    for options in MASKS {
        let (ambient, plan) = make(options, SHAPE);
        assert_eq!((plan.extra_channels, plan.masked), (1, true));
        let group = step(&*ambient, 0, 5, &x0);
        let (mut hidden, mut further) = (0, 0);
        for ((row, channel, y, x), &value) in group.x.indexed_iter() {
            let at = [row, channel, y, x];
            let (seen, graded) = (group.extra[[row, 0, y, x]], group.weight[at]);
            assert!([0.0, 1.0].contains(&seen) && [0.0, 1.0].contains(&graded));
            assert!(seen <= graded);
            assert_eq!(graded, group.weight[[row, 0, y, x]]);
            let noisy = x0[at] + SIGMA[row] * noise[at];
            assert_eq!(value, if seen == 1.0 { noisy } else { 0.0 });
            assert_eq!(group.target[at], if graded == 1.0 { x0[at] } else { 0.0 });
            hidden += usize::from(graded == 0.0);
            further += usize::from(seen < graded);
        }
        assert!(hidden > 0 && further > 0, "{options}");
    }
}

#[test]
fn what_a_hides_leaves_no_trace() {
    let x0 = random([3, 2, 6, 5], 1);
    let options =
        [MASKS[0], MASKS[1]].map(|options| options.replace('}', r#", "frozen_b": true}"#));
    for options in MASKS.map(str::to_owned).iter().chain(&options) {
        let (ambient, _) = make(options, SHAPE);
        for at in 0..5 {
            let group = step(&*ambient, at, 5, &x0);
            // Other values, signs and all, where A hides.
            let other = eidetic_sdk::ndarray::Zip::from(&x0)
                .and(&group.weight)
                .map_collect(|&x, &keep| if keep == 1.0 { x } else { -7.0 * x });
            assert_ne!(other, x0);
            let same = step(&*ambient, at, 5, &other);
            let bits = |group: &TrainingGroup| -> Vec<u32> {
                let parts = [&group.x, &group.extra, &group.target, &group.weight];
                let values = parts.into_iter().flatten();
                values.map(|value| value.to_bits()).collect()
            };
            assert_eq!(bits(&group), bits(&same));
        }
    }
}

#[test]
fn a_is_frozen_and_b_redrawn_unless_it_is_frozen_too() {
    let x0 = random([3, 2, 6, 5], 1);
    for options in MASKS {
        let (ambient, _) = make(options, SHAPE);
        let (first, second) = (step(&*ambient, 0, 5, &x0), step(&*ambient, 1, 5, &x0));
        assert_eq!(first.weight, second.weight);
        assert_ne!(first.extra, second.extra);
        assert_eq!(first, step(&*ambient, 0, 5, &x0));
        // Another run of the same data: the same A, another B.
        let other = step(&*ambient, 0, 6, &x0);
        assert_eq!(first.weight, other.weight);
        assert_ne!(first.extra, other.extra);
        // Made again, as after a checkpoint.
        assert_eq!(first, step(&*make(options, SHAPE).0, 0, 5, &x0));

        let frozen = options.replace('}', r#", "frozen_b": true}"#);
        let (ambient, _) = make(&frozen, SHAPE);
        let frozen = step(&*ambient, 0, 5, &x0);
        assert_eq!(frozen.weight, first.weight);
        assert_eq!(frozen, step(&*ambient, 1, 6, &x0));
        assert!(frozen.extra.iter().zip(&frozen.weight).any(|(a, b)| a < b));

        let seeded = options.replace('}', r#", "seed": 1}"#);
        assert_ne!(
            step(&*make(&seeded, SHAPE).0, 0, 5, &x0).weight,
            first.weight
        );
    }
}

#[test]
fn a_row_depends_on_nothing_but_itself() {
    let x0 = random([3, 2, 6, 5], 1);
    let fourier = r#"{"corruption": "fourier", "p": 0.5}"#;
    for options in MASKS.into_iter().chain([fourier]) {
        let (ambient, _) = make(options, SHAPE);
        let together = step(&*ambient, 3, 5, &x0);
        let reversed = x0.select(Axis(0), &[2, 1, 0]);
        let turned = step_of(&*ambient, 3, 5, &reversed, &[19, 4, 70]);
        let masks =
            |group: &TrainingGroup, row: usize| group.extra.index_axis(Axis(0), row).to_owned();
        for row in 0..3 {
            assert_eq!(masks(&together, row), masks(&turned, 2 - row));
        }
        let first = x0.slice(s![..1, .., .., ..]).to_owned();
        let alone = step_of(&*ambient, 3, 5, &first, &INDEX[..1]);
        for (all, one) in [
            (&together.x, &alone.x),
            (&together.target, &alone.target),
            (&together.weight, &alone.weight),
        ] {
            // The noise of the first row is the same in both.
            assert_eq!(all.index_axis(Axis(0), 0), one.index_axis(Axis(0), 0));
        }
    }
}

#[test]
fn without_shares_it_is_ordinary_training() {
    let x0 = random([3, 2, 6, 5], 1);
    let noise = random([3, 2, 6, 5], 77);
    for corruption in ["pixel", "box", "fourier"] {
        let options = format!(r#"{{"corruption": "{corruption}", "p": 0, "delta": 0}}"#);
        let group = step(&*make(&options, SHAPE).0, 0, 5, &x0);
        assert!(
            group
                .extra
                .iter()
                .chain(&group.weight)
                .all(|&keep| keep == 1.0)
        );
        for ((row, channel, y, x), &value) in group.x.indexed_iter() {
            let at = [row, channel, y, x];
            assert!((value - x0[at] - SIGMA[row] * noise[at]).abs() < 1e-5);
            assert!((group.target[at] - x0[at]).abs() < 1e-4);
        }
    }
}

#[test]
fn without_b_what_is_seen_is_what_is_graded() {
    let x0 = random([3, 2, 6, 5], 1);
    for corruption in ["pixel", "box"] {
        let options = format!(r#"{{"corruption": "{corruption}", "p": 0.3, "delta": 0}}"#);
        let group = step(&*make(&options, SHAPE).0, 0, 5, &x0);
        let seen = group.extra.index_axis(Axis(1), 0);
        assert_eq!(seen, group.weight.index_axis(Axis(1), 1));
        assert!(seen.iter().any(|&keep| keep == 0.0));
    }
}

fn square(values: &Array4<f32>) -> f64 {
    values.iter().map(|&x| f64::from(x).powi(2)).sum()
}

#[test]
fn frequencies_are_graded_in_the_range_of_their_projection() {
    let options = r#"{"corruption": "fourier", "p": 0.5, "delta": 0.2}"#;
    let (ambient, plan) = make(options, SHAPE);
    assert_eq!((plan.extra_channels, plan.masked), (1, false));
    let x0 = random([3, 2, 6, 5], 1);
    let group = step(&*ambient, 2, 5, &x0);

    // The same by hand, from the masks.
    let local = local();
    let masks: Vec<[Mask; 2]> = INDEX.map(|index| local.training_masks(5, 2, index)).into();
    let [seen, further] = [0, 1].map(|which| {
        masks
            .iter()
            .map(|both| both[which].clone())
            .collect::<Vec<_>>()
    });
    for (row, mask) in further.iter().enumerate() {
        assert_eq!(group.extra.slice(s![row, 0, .., ..]), mask);
    }
    assert!(
        seen.iter()
            .zip(&further)
            .any(|(seen, further)| seen != further)
    );
    let noise = random([3, 2, 6, 5], 77);
    let mut x = x0.clone();
    for row in 0..3 {
        let noise = noise.index_axis(Axis(0), row);
        x.index_axis_mut(Axis(0), row)
            .scaled_add(SIGMA[row], &noise);
    }
    local.project(&further, x.view_mut());
    assert!(square(&(&x - &group.x)) < 1e-10);

    let linear = Linear::new(SHAPE);
    let input =
        eidetic_sdk::ndarray::concatenate(Axis(1), &[group.x.view(), group.extra.view()]).unwrap();
    let mut denoised = Array4::zeros(x0.dim());
    Linear::times(&linear.matrix, input.view(), denoised.view_mut());
    // Value and gradient of |D - t|^2 are those of |P (D - x0)|^2.
    let mut graded = &denoised - &x0;
    local.project(&seen, graded.view_mut());
    let residual = &denoised - &group.target;
    assert!(square(&(&graded - &residual)) < 1e-8 * square(&graded));
    assert!(group.weight.iter().all(|&weight| weight == 1.0));

    // Nothing of a hidden frequency is in x or, but for the network's own output, in the target.
    let mut other = x0.clone();
    local.project(&seen, other.view_mut());
    let hidden = &x0 - &other;
    assert!(square(&hidden) > 1.0);
    let same = step(&*ambient, 2, 5, &(&other - &(3.0 * &hidden)));
    assert!(square(&(&group.x - &same.x)) < 1e-10);
    assert!(square(&(&group.target - &same.target)) < 1e-6 * square(&group.target));
}

/// That mitigation on this side of the boundary.
fn local() -> Ambient {
    let options = Options {
        corruption: Kind::Fourier,
        p: 0.5,
        delta: 0.2,
        ..Options::default()
    };
    let images = Array4::zeros((1, 2, 6, 5));
    let set = TrainingSet {
        images: images.view(),
        labels: None,
        index: &[0],
        classes: 0,
    };
    Ambient::make(options, set).unwrap()
}

const ALL: [&str; 3] = [
    r#"{"corruption": "pixel", "p": 0.4, "delta": 0.3}"#,
    r#"{"corruption": "box", "p": 0.15}"#,
    r#"{"corruption": "fourier", "p": 0.5, "delta": 0.2}"#,
];

#[test]
fn a_sample_keeps_its_mask_whatever_the_batch_and_the_level() {
    for options in ALL {
        let (ambient, _) = make(options, SHAPE);
        let linear = Linear::new(SHAPE);
        let x = random([4, 2, 6, 5], 3);
        let call = |rows: &[usize], ids: &[u64], sigma: f32| {
            let x = x.select(Axis(0), rows);
            let sigma = vec![sigma; rows.len()];
            let mut out = Array4::zeros(x.dim());
            let batch = Batch::unconditional(x.view(), &sigma, ids);
            ambient.denoise(&linear, batch, out.view_mut()).unwrap();
            (linear.seen.lock().unwrap().pop().unwrap(), out)
        };
        let (input, out) = call(&[0, 1, 2, 3], &[8, 9, 8, 1 << 40], 3.0);
        let mask = |input: &Array4<f32>, row: usize| input.slice(s![row, 2, .., ..]).to_owned();
        assert_eq!(mask(&input, 0), mask(&input, 2));
        assert_ne!(mask(&input, 0), mask(&input, 1));
        assert_ne!(mask(&input, 0), mask(&input, 3));
        let (alone, out_alone) = call(&[1], &[9], 0.1);
        assert_eq!(alone.index_axis(Axis(0), 0), input.index_axis(Axis(0), 1));
        assert_eq!(out_alone.index_axis(Axis(0), 0), out.index_axis(Axis(0), 1));
        // Pixels: x where the mask is 1, else 0. The output is all that the network gave.
        if !options.contains("fourier") {
            let shown = &x * &input.slice(s![.., 2..3, .., ..]);
            assert_eq!(shown, input.slice(s![.., ..2, .., ..]));
        }
        let mut whole = Array4::zeros(x.dim());
        Linear::times(&linear.matrix, input.view(), whole.view_mut());
        assert_eq!(whole, out);
    }
}

#[test]
fn a_whole_sample_sees_one_mask_a_row() {
    let (ambient, _) = make(ALL[0], SHAPE);
    let linear = Linear::new(SHAPE);
    let wrapped = Wrapped(&*ambient, &linear);
    assert_eq!(wrapped.info().unwrap(), linear.with_extra(0));
    let info = wrapped.info().unwrap();
    let mut out = Array4::zeros(info.image_dim(2));
    let mut sampler = Sampler::for_model(SamplerKind::Heun, &info);
    sampler.clip_sample = true;
    let mut noise = RowNoise::new(3, "sample", &[4, 5]);
    draw(&sampler, &wrapped, &[4, 5], &[], &mut noise, out.view_mut()).unwrap();
    let seen = linear.seen.lock().unwrap();
    assert_eq!(seen.len(), 35);
    let masks = |input: &Array4<f32>| input.slice(s![.., 2, .., ..]).to_owned();
    assert!(seen.iter().all(|input| masks(input) == masks(&seen[0])));
}

/// A mitigation around a denoiser, as the host puts it there.
struct Wrapped<'a>(&'a dyn Mitigation, &'a dyn Denoiser);

impl Denoiser for Wrapped<'_> {
    fn info(&self) -> Result<ModelInfo> {
        Ok(self.0.wrapped_info(self.1.info()?))
    }
    fn denoise(&self, batch: Batch<'_>, out: ArrayViewMut4<'_, f32>) -> Result<()> {
        self.0.denoise(self.1, batch, out)
    }
}

#[test]
fn the_gradient_is_that_of_differences() {
    for options in ALL {
        let (ambient, _) = make(options, SHAPE);
        let linear = Linear::new(SHAPE);
        let (x, cotangent) = (random([2, 2, 6, 5], 3), random([2, 2, 6, 5], 4));
        let (sigma, ids) = ([0.5, 2.0], [12, 5]);
        let mut got = Array4::from_elem(x.dim(), 9.0);
        let batch = Batch::unconditional(x.view(), &sigma, &ids);
        ambient
            .denoise_vjp(&linear, batch, cotangent.view(), got.view_mut())
            .unwrap();
        let value = |x: &Array4<f32>| {
            let mut out = Array4::zeros(x.dim());
            let batch = Batch::unconditional(x.view(), &sigma, &ids);
            ambient.denoise(&linear, batch, out.view_mut()).unwrap();
            let pairs = out.iter().zip(&cotangent);
            pairs
                .map(|(&d, &v)| f64::from(d) * f64::from(v))
                .sum::<f64>()
        };
        for place in 0..x.len() {
            let (mut up, mut down) = (x.clone(), x.clone());
            up.as_slice_mut().unwrap()[place] += 0.5;
            down.as_slice_mut().unwrap()[place] -= 0.5;
            let want = value(&up) - value(&down);
            let got = f64::from(got.as_slice().unwrap()[place]);
            assert!((got - want).abs() < 2e-5, "{options} {place}: {got} {want}");
        }
    }
}

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
