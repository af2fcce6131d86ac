#![allow(clippy::unwrap_used)]

use std::sync::Mutex;

use eidetic_sdk::batch::{condition, condition_values};
use eidetic_sdk::ndarray::{Array1, ArrayViewMut4, s};
use eidetic_sdk::registration::{make_mitigation, resolve_options};
use eidetic_sdk::{Batch, Error, ErrorCode, ImageShape, conformance};

use super::*;

fn make(options: &str) -> Box<dyn Mitigation> {
    let images = Array4::zeros((2, 1, 4, 4));
    let set = TrainingSet {
        images: images.view(),
        labels: None,
        index: &[0, 1],
        classes: 0,
    };
    let mitigation = make_mitigation(&registrations()[0], options, set).unwrap();
    mitigation.plan(run()).unwrap();
    mitigation
}

fn run() -> TrainingRun {
    TrainingRun {
        shape: ImageShape {
            channels: 1,
            height: 4,
            width: 4,
        },
        steps: 10,
        batch: 4,
        examples: 2,
    }
}

/// Standard normal values.
fn normal(dim: (usize, usize, usize, usize), seed: u64) -> Array4<f32> {
    let mut stream = rng(seed, "values", 0);
    Array4::from_shape_simple_fn(dim, || stream.sample(StandardNormal))
}

/// The posterior mean of pixels N(0, data^2): D = data^2 / (data^2 + sigma^2) x. Keeps the levels
/// and labels that it was asked for.
struct Gaussian {
    data: f32,
    asked: Mutex<Vec<Vec<f32>>>,
    labels: Mutex<Vec<Vec<i64>>>,
}

impl Gaussian {
    fn of(data: f32) -> Self {
        Self {
            data,
            asked: Mutex::default(),
            labels: Mutex::default(),
        }
    }

    fn factor(&self, sigma: f32) -> f32 {
        let square = self.data * self.data;
        square / (square + sigma * sigma)
    }
}

impl Trainer for Gaussian {
    fn seed(&self) -> u64 {
        11
    }
    fn denoise(&self, batch: Batch<'_>, mut out: ArrayViewMut4<'_, f32>) -> Result<()> {
        self.asked.lock().unwrap().push(batch.sigma.to_vec());
        if let Some(label) = batch.condition("label") {
            let labels = condition_values::<i64>(label).unwrap();
            self.labels
                .lock()
                .unwrap()
                .push(labels.iter().copied().collect());
        }
        for (row, mut out) in out.outer_iter_mut().enumerate() {
            let factor = self.factor(batch.sigma[row]);
            out.assign(&(&batch.x.index_axis(Axis(0), row) * factor));
        }
        Ok(())
    }
    fn denoise_ema(&self, _: Batch<'_>, _: ArrayViewMut4<'_, f32>) -> Result<()> {
        Err(Error::unsupported("the average"))
    }
}

struct Step {
    step: u64,
    index: Vec<u64>,
    x0: Array4<f32>,
    sigma: Vec<f32>,
    noise: Array4<f32>,
}

impl Step {
    fn new(sigma: &[f32]) -> Self {
        let dim = (sigma.len(), 2, 3, 4);
        Self {
            step: 0,
            index: (40..40 + sigma.len() as u64).collect(),
            x0: normal(dim, 1).mapv(|x| (x / 3.0).clamp(-1.0, 1.0)),
            sigma: sigma.to_vec(),
            noise: normal(dim, 2),
        }
    }

    fn batch(&self) -> TrainingBatch<'_> {
        TrainingBatch {
            step: self.step,
            index: &self.index,
            x0: self.x0.view(),
            sigma: &self.sigma,
            noise: self.noise.view(),
            conditions: &[],
        }
    }

    fn groups(&self, mitigation: &dyn Mitigation) -> Vec<TrainingGroup> {
        mitigation.batch(self.batch(), &Gaussian::of(0.5)).unwrap()
    }

    fn group(&self, mitigation: &dyn Mitigation) -> TrainingGroup {
        let mut groups = self.groups(mitigation);
        assert_eq!(groups.len(), 1);
        groups.remove(0)
    }
}

/// x_n of a row above the fixed noise: x_t - s n.
fn noised(step: &Step, group: &TrainingGroup, row: usize, sigma_n: f32) -> Array3<f32> {
    let sigma = group.sigma[row];
    let spread = (sigma * sigma - sigma_n * sigma_n).sqrt();
    &group.x.index_axis(Axis(0), row) - &(&step.noise.index_axis(Axis(0), row) * spread)
}

fn worst(a: &Array3<f32>, b: &Array3<f32>) -> f32 {
    (a - b).iter().fold(0.0, |worst, off| off.abs().max(worst))
}

const HALF: &str = r#"{"sigma_n": 0.5}"#;

#[test]
fn below_the_fixed_noise_training_is_ordinary() {
    let step = Step::new(&[0.1, 0.499, 0.002]);
    let group = step.group(&*make(HALF));
    assert_eq!(group.target, step.x0);
    assert_eq!(group.sigma, step.sigma);
    assert!(group.weight.iter().all(|&weight| weight == 1.0));
    for (row, &sigma) in step.sigma.iter().enumerate() {
        let want =
            &step.x0.index_axis(Axis(0), row) + &(&step.noise.index_axis(Axis(0), row) * sigma);
        assert!(worst(&group.x.index_axis(Axis(0), row).to_owned(), &want) < 1e-6);
    }
}

#[test]
fn the_regression_is_the_field_guides_loss() {
    for sigma_n in [0.2_f64, 0.5, 2.0] {
        let sigma =
            [1.0, 1.0006, 1.05, 2.0, 40.0].map(|times| (sigma_n * times) as f32 * 1.000_001);
        let step = Step::new(&sigma);
        let group = step.group(&*make(&format!(r#"{{"sigma_n": {sigma_n}}}"#)));
        let local = AmbientNoise {
            options: Options {
                sigma_n,
                ..Options::default()
            },
        };
        let denoised = normal((5, 2, 3, 4), 3);
        for ((row, c, y, x), &d) in denoised.indexed_iter() {
            let at = [row, c, y, x];
            let z = local.fixed_noise(step.index[row], Ix3(2, 3, 4));
            let noised = f64::from(step.x0[at]) + sigma_n * f64::from(z[[c, y, x]]);
            let square = f64::from(group.sigma[row]).powi(2);
            assert!(square >= sigma_n * sigma_n * 1.000_999);
            assert!(group.sigma[row] >= step.sigma[row]);
            let spread = (square - sigma_n * sigma_n).sqrt();
            let x_t = noised + spread * f64::from(step.noise[at]);
            assert!((f64::from(group.x[at]) - x_t).abs() < 1e-5 * x_t.abs().max(1.0));
            let (a, b) = (spread * spread / square, sigma_n * sigma_n / square);
            let want = (a * f64::from(d) + b * x_t - noised).powi(2);
            let error = f64::from(d) - f64::from(group.target[at]);
            let got = f64::from(group.weight[at]) * error * error;
            assert!((got - want).abs() < 1e-5 * want.max(1e-3), "{got} {want}");
        }
    }
}

#[test]
fn its_minimiser_is_the_denoiser_of_clean_images() {
    // Pixels N(0, 0.6^2): the best D = k x_t has k = data^2 / (data^2 + sigma^2), though targets
    // are noised: found by least squares over many images.
    let (data, sigma_n, rows) = (0.6_f64, 0.5_f64, 16);
    for sigma in [0.55_f32, 0.8, 2.0] {
        let dim = (rows, 1, 128, 128);
        let step = Step {
            step: 0,
            index: (0..rows as u64).collect(),
            x0: normal(dim, 5) * data as f32,
            sigma: vec![sigma; rows],
            noise: normal(dim, 6),
        };
        let group = step.group(&*make(HALF));
        let sum = |values: &Array4<f32>| {
            let pairs = group.x.iter().zip(values);
            pairs
                .map(|(&x, &v)| f64::from(x) * f64::from(v))
                .sum::<f64>()
        };
        let slope = sum(&group.target) / sum(&group.x);
        let want = data * data / (data * data + f64::from(sigma).powi(2));
        // Standard deviation of the slope: that of (target - k x), over sqrt(count) that of x.
        let spread = (f64::from(sigma).powi(2) - sigma_n * sigma_n).sqrt();
        let deviation = (data + sigma_n + sigma_n * sigma_n / spread)
            / (f64::from(sigma) * (group.x.len() as f64).sqrt());
        assert!(deviation < 0.01);
        assert!(
            (slope - want).abs() < 4.0 * deviation,
            "{sigma}: {slope}, {want}"
        );
    }
}

#[test]
fn the_fixed_noise_stays_whatever_step_level_and_batch() {
    let mitigation = make(HALF);
    let first = Step::new(&[0.7, 3.0, 1.0]);
    let one = first.group(&*mitigation);
    let mut later = Step::new(&[9.0, 0.6, 0.8]);
    later.step = 8;
    later.noise = normal((3, 2, 3, 4), 12);
    later.index = vec![42, 41, 40];
    later.x0 = first.x0.select(Axis(0), &[2, 1, 0]);
    let two = later.group(&*make(HALF));
    for row in 0..3 {
        let here = noised(&first, &one, row, 0.5);
        assert!(worst(&here, &noised(&later, &two, 2 - row, 0.5)) < 1e-5);
        let z = (&here - &first.x0.index_axis(Axis(0), row)) * 2.0;
        assert!(z.iter().any(|z| z.abs() > 1.0));
    }
    // Images differ in it, and seeds do.
    let z = |group: &TrainingGroup, row: usize| {
        noised(&first, group, row, 0.5) - first.x0.index_axis(Axis(0), row)
    };
    assert!(worst(&z(&one, 0), &z(&one, 1)) > 0.3);
    let other = first.group(&*make(r#"{"sigma_n": 0.5, "seed": 1}"#));
    assert!(worst(&z(&one, 0), &z(&other, 0)) > 0.3);
}

#[test]
fn the_fixed_noise_is_standard_normal() {
    let local = AmbientNoise {
        options: Options::default(),
    };
    let z: Vec<f64> = (0..16)
        .flat_map(|index| local.fixed_noise(index, Ix3(1, 64, 64)))
        .map(f64::from)
        .collect();
    let count = z.len() as f64;
    let mean = z.iter().sum::<f64>() / count;
    let variance = z.iter().map(|z| z * z).sum::<f64>() / count;
    assert!(mean.abs() < 5.0 / count.sqrt());
    assert!((variance - 1.0).abs() < 5.0 * (2.0 / count).sqrt());
}

#[test]
fn without_fixed_noise_training_is_ordinary() {
    let step = Step::new(&[0.01, 1.0, 50.0]);
    let group = step.group(&*make(r#"{"sigma_n": 0}"#));
    assert_eq!(group.target, step.x0);
    assert_eq!(group.sigma, step.sigma);
    assert!(group.weight.iter().all(|&weight| weight == 1.0));
    for row in 0..3 {
        let want = &step.x0.index_axis(Axis(0), row)
            + &(&step.noise.index_axis(Axis(0), row) * step.sigma[row]);
        let got = group.x.index_axis(Axis(0), row).to_owned();
        assert!(worst(&got, &want) < 1e-5);
    }
}

#[test]
fn a_row_depends_on_nothing_but_itself() {
    let mitigation = make(r#"{"sigma_n": 0.5, "consistency": 2}"#);
    let all = Step::new(&[0.7, 0.1, 3.0]);
    let together = all.groups(&*mitigation);
    let alone = Step {
        step: 0,
        index: vec![42],
        x0: all.x0.slice(s![2.., .., .., ..]).to_owned(),
        sigma: vec![3.0],
        noise: all.noise.slice(s![2.., .., .., ..]).to_owned(),
    };
    let alone = alone.groups(&*mitigation);
    for (group, row) in [(0, 2), (1, 1)] {
        let (many, one) = (&together[group], &alone[group]);
        for (many, one) in [
            (&many.x, &one.x),
            (&many.target, &one.target),
            (&many.weight, &one.weight),
        ] {
            assert_eq!(many.index_axis(Axis(0), row), one.index_axis(Axis(0), 0));
        }
        assert_eq!(many.sigma[row], one.sigma[0]);
    }
}

#[test]
fn consistency_is_asked_above_the_fixed_noise_alone() {
    let mitigation = make(r#"{"sigma_n": 0.5, "consistency": 0.25}"#);
    let mut step = Step::new(&[0.7, 0.1, 3.0]);
    let groups = step.groups(&*mitigation);
    assert_eq!(groups[0], step.group(&*make(HALF)));
    let more = &groups[1];
    assert_eq!(more.row, [0, 2]);
    assert!(more.weight.iter().all(|&weight| weight == 0.25));
    for (&lower, sigma) in more.sigma.iter().zip([0.7, 3.0]) {
        assert!((0.0019..=sigma).contains(&lower));
    }
    // Drawn anew in every step, the same in the same.
    assert_eq!(groups, step.groups(&*mitigation));
    step.step = 1;
    assert_ne!(*more, step.groups(&*mitigation)[1]);
    // Three passes, each lower than the one before.
    let trainer = Gaussian::of(0.5);
    mitigation.batch(step.batch(), &trainer).unwrap();
    let asked = trainer.asked.lock().unwrap().clone();
    assert_eq!(asked.len(), 3);
    assert!((0..2).all(|row| asked[0][row] >= asked[1][row] && asked[1][row] >= asked[2][row]));
    assert_eq!(Step::new(&[0.1, 0.2]).groups(&*mitigation).len(), 1);
}

#[test]
fn a_true_posterior_mean_is_consistent() {
    // For Gaussian data D(x'; sigma') is the mean of D(x''; sigma'') over the reverse step.
    let (data, rows) = (0.5_f32, 24);
    let dim = (rows, 1, 64, 64);
    let step = Step {
        step: 3,
        index: (0..rows as u64).collect(),
        x0: normal(dim, 7) * data,
        sigma: vec![2.0; rows],
        noise: normal(dim, 8),
    };
    let mitigation = make(r#"{"sigma_n": 0.5, "consistency": 1}"#);
    let trainer = Gaussian::of(data);
    let groups = mitigation.batch(step.batch(), &trainer).unwrap();
    let more = &groups[1];
    let mut moved = 0.0_f32;
    for (row, &sigma) in more.sigma.iter().enumerate() {
        let x = more.x.index_axis(Axis(0), row);
        let off = &more.target.index_axis(Axis(0), row) - &(&x * trainer.factor(sigma));
        let product = |a: &Array3<f32>, b: &Array3<f32>| -> f64 {
            let pairs = a.iter().zip(b);
            pairs.map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
        };
        let x = x.to_owned();
        let (count, square) = (x.len() as f64, product(&x, &x));
        // x' = (f + k (1 - f)) x plus noise, of x at level 2.
        let keep = f64::from(sigma).powi(2) / 4.0;
        let factor = f64::from(trainer.factor(2.0));
        let of_x = (factor + keep * (1.0 - factor)).powi(2);
        let variance = of_x * f64::from(data * data + 4.0) + keep * (1.0 - keep) * 4.0;
        assert!((square / count / variance - 1.0).abs() < 5.0 * (2.0 / count).sqrt());
        // The rest is noise: uncorrelated with x'.
        let rest = product(&off, &off);
        let correlation = product(&off, &x) / (rest * square).sqrt().max(1e-30);
        assert!(
            correlation.abs() < 5.0 / count.sqrt(),
            "{sigma}: {correlation}"
        );
        let mean = f64::from(off.sum()) / count;
        assert!(mean.abs() <= 5.0 * (rest / count / count).sqrt());
        moved = off.iter().fold(moved, |most, off| off.abs().max(most));
    }
    assert!(moved > 0.05);
}

#[test]
fn conditions_follow_their_rows() {
    let mitigation = make(r#"{"sigma_n": 0.5, "consistency": 1}"#);
    let step = Step::new(&[0.7, 0.1, 3.0]);
    let labels = Array1::from(vec![100_i64, 200, 300]);
    let conditions = [condition("label", labels.view(), &[0, 0, 0]).unwrap()];
    let batch = TrainingBatch {
        conditions: &conditions,
        ..step.batch()
    };
    let trainer = Gaussian::of(0.5);
    mitigation.batch(batch, &trainer).unwrap();
    assert_eq!(*trainer.labels.lock().unwrap(), vec![vec![100, 300]; 3]);
}

#[test]
fn its_plan_says_what_it_does() {
    let plan = make(HALF).plan(run()).unwrap();
    assert_eq!((plan.extra_channels, plan.masked), (0, false));
    assert_eq!(
        plan.note,
        "ambient-noise: sigma_n 0.5, consistency 0, seed 0"
    );
    let none = Step::new(&[]);
    assert!(none.group(&*make(HALF)).row.is_empty());
}

#[test]
fn options_without_sense_are_refused() {
    for (options, message) in [
        (r#"{"sigma_n": -1}"#, "sigma_n: expected 0 to 1e6, got -1"),
        (
            r#"{"consistency": -0.5}"#,
            "consistency: expected 0 to 1e6, got -0.5",
        ),
        (
            r#"{"sigma_n": 1e7}"#,
            "sigma_n: expected 0 to 1e6, got 10000000",
        ),
    ] {
        let error = resolve_options(&registrations()[0], options).unwrap_err();
        assert_eq!(error.code, ErrorCode::BadOptions);
        assert_eq!(error.message, message);
    }
}

#[test]
fn it_keeps_the_rules_of_a_plugin() {
    conformance::check(registrations()).unwrap();
}
