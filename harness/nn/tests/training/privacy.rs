//! DP-SGD.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use eidetic_nn::{
    Denoising, Draw, Drawing, Group, Objective, Parameters, Plan, Step, Task, Training, clip, norm,
};
use eidetic_runtime::{Device, SessionOptions};

use crate::setup::{Go, NoNetworks, images, mlp, plain, runtime, task, training};

struct Private(Plan);

impl Objective for Private {
    fn plan(&self) -> Plan {
        self.0
    }
}

fn private(clip: f64, noise_multiplier: f64, draws: usize) -> Denoising {
    task(Private(Plan {
        clip_per_example: Some(clip),
        noise_multiplier,
        draws_per_example: draws,
        ..Plan::default()
    }))
}

/// Step, loss and gradient norm of each row.
fn log(folder: &Path) -> Vec<(Option<f64>, f64)> {
    let text = fs::read_to_string(folder.join("loss.csv")).unwrap();
    let row = |row: &str| {
        let fields: Vec<&str> = row.split(',').collect();
        (fields[1].parse().ok(), fields[3].parse().unwrap())
    };
    text.lines().skip(1).map(row).collect()
}

#[test]
fn one_example_a_batch_is_clipping_of_the_whole() {
    let one = |clip| Training {
        batch: 1,
        microbatch: 1,
        clip,
        ..training(12)
    };
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let whole = Go::new(folders[0].path(), &one(Some(0.3)))
        .run(&plain())
        .unwrap()
        .0;
    let each = Go::new(folders[1].path(), &one(None))
        .run(&private(0.3, 0.0, 1))
        .unwrap()
        .0;
    assert_eq!(whole.weights, each.weights);
    assert!(log(folders[0].path()).iter().any(|(_, norm)| *norm > 0.3));
    assert!(log(folders[1].path()).iter().all(|(_, norm)| *norm <= 0.3));
}

#[test]
fn examples_are_clipped_one_by_one_with_their_draws() {
    let (most, draws, examples) = (0.5, 3, 4);
    let task = private(most, 0.0, draws);
    let draw = Draw {
        seed: 0,
        step: 0,
        batch: examples,
    };
    let batch = task.batch(&draw, &NoNetworks).unwrap();
    assert_eq!(batch.groups.len(), examples);
    let weights = task.initial(0).unwrap();
    let options = SessionOptions {
        device: Device::Cpu,
        sessions: 1,
        microbatch: 2,
    };
    let step = Step::new(|rows| task.loss(rows), &weights, runtime(), &options).unwrap();
    let mut sum: Vec<f64> = vec![0.0; weights.count()];
    let mut losses = 0.0;
    let mut clipped = 0;
    for (place, group) in batch.groups.iter().enumerate() {
        let Group { share, .. } = group;
        assert_eq!(share, &vec![1.0 / 3.0; draws]);
        let same = &batch.index[place * draws..(place + 1) * draws];
        assert!(same.iter().all(|index| *index == same[0]));
        let (rows, mut gradient) = step.run(&weights, group).unwrap();
        clipped += usize::from(clip(&mut gradient, most) > most);
        assert!(norm(&gradient) <= most);
        losses += rows.iter().map(|&loss| f64::from(loss)).sum::<f64>() / draws as f64;
        let all = gradient.list.iter().flat_map(|each| &each.values);
        sum.iter_mut()
            .zip(all)
            .for_each(|(sum, &x)| *sum += f64::from(x));
    }
    assert!(clipped > 0);
    let by_hand = sum.iter().map(|x| x * x).sum::<f64>().sqrt() / examples as f64;
    for threads in [1, 2] {
        let folder = tempfile::tempdir().unwrap();
        let training = Training {
            clip: None,
            ..training(1)
        };
        let mut go = Go::new(folder.path(), &training);
        go.threads = threads;
        go.run(&private(most, 0.0, draws)).unwrap();
        let (loss, norm) = log(folder.path())[0];
        assert!(
            (norm - by_hand).abs() < 1e-6 * by_hand,
            "{norm} and {by_hand}"
        );
        let expected = losses / examples as f64;
        assert!((loss.unwrap() - expected).abs() < 1e-6 * expected);
    }
}

fn trained(task: &Denoising, threads: usize, seed: u64) -> (Parameters, Vec<(Option<f64>, f64)>) {
    let folder = tempfile::tempdir().unwrap();
    let training = Training {
        clip: None,
        seed,
        ..training(8)
    };
    let mut go = Go::new(folder.path(), &training);
    go.threads = threads;
    let (trained, _) = go.run(task).unwrap();
    (trained.weights, log(folder.path()))
}

#[test]
fn noise_has_its_deviation_and_its_seed() {
    let (most, multiplier) = (1e-3, 50.0);
    let (weights, log) = trained(&private(most, multiplier, 1), 1, 0);
    // The clipped gradients, at most 1e-3 each, vanish beside noise of deviation 0.05 a weight.
    let expected = multiplier * most * (weights.count() as f64).sqrt() / 4.0;
    let share = 5.0 / (2.0 * weights.count() as f64).sqrt();
    for (_, norm) in &log {
        assert!(
            (norm / expected - 1.0).abs() < share + 0.01,
            "{norm} and {expected}"
        );
    }
    // Each step has noise of its own: the same would give norms within 0.5 % of each other.
    let norms = log.iter().map(|(_, norm)| norm / expected);
    let (least, most_seen) = norms.fold((f64::MAX, 0.0), |(least, most), norm: f64| {
        (norm.min(least), norm.max(most))
    });
    assert!(most_seen - least > 0.01, "{least} to {most_seen}");
    assert_eq!(trained(&private(most, multiplier, 1), 2, 0).0, weights);
    assert_ne!(trained(&private(most, multiplier, 1), 1, 1).0, weights);
}

#[test]
fn poisson_batches_may_be_empty() {
    let plan = Plan {
        clip_per_example: Some(1.0),
        noise_multiplier: 1.0,
        poisson: true,
        ..Plan::default()
    };
    for plan in [
        plan,
        Plan {
            clip_per_example: None,
            noise_multiplier: 0.0,
            ..plan
        },
    ] {
        let objective = Arc::new(Private(plan));
        let task = Denoising::new(mlp(), Drawing::default(), images(6), objective).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let training = Training {
            batch: 1,
            clip: None,
            ..training(40)
        };
        Go::new(folder.path(), &training).run(&task).unwrap();
        let log = log(folder.path());
        // A batch is empty with probability (5/6)^6 = 0.33.
        let empty = log.iter().filter(|(loss, _)| loss.is_none()).count();
        assert!((3..26).contains(&empty), "{empty}");
        for (loss, norm) in &log {
            // Noise comes also where nothing was drawn.
            let nothing = loss.is_none() && plan.clip_per_example.is_none();
            assert_eq!(*norm == 0.0, nothing);
        }
    }
}
