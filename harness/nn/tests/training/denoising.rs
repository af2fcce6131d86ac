//! What is drawn for a step.

use std::sync::Arc;

use eidetic_nn::{
    Batch, Denoiser, Denoisers, Denoising, Draw, Drawing, End, Error, Examples, Graded, Mlp,
    Network, Objective, Plain, Plan, Task, Training, TrainingImages, UNet, Which, names,
};
use ndarray::{Array4, ArrayView, Axis, concatenate, s};

use crate::setup::{Go, NoNetworks, images, mlp, plain, task, training};

fn draw(step: u64, batch: usize) -> Draw {
    Draw {
        seed: 5,
        step,
        batch,
    }
}

fn batch(task: &Denoising, draw: &Draw) -> Batch {
    task.batch(draw, &NoNetworks).unwrap()
}

/// Values of one row of a group's input.
fn row(batch: &Batch, name: &str, place: usize) -> Vec<f32> {
    let values = batch.groups[0].floats[name].index_axis(Axis(0), place);
    values.iter().copied().collect()
}

#[test]
fn sigma_has_the_mean_and_spread_asked_for() {
    for (mean, std) in [(-1.2, 1.2), (-0.8, 1.2), (0.5, 0.1)] {
        let drawing = Drawing {
            ln_sigma_mean: mean,
            ln_sigma_std: std,
            ..Drawing::default()
        };
        let task = Denoising::new(mlp(), drawing, images(6), Arc::new(Plain)).unwrap();
        let of = |step| batch(&task, &draw(step, 2000)).groups[0].floats[names::SIGMA].clone();
        let logs: Vec<f64> = (0..4)
            .flat_map(of)
            .map(|sigma| f64::from(sigma).ln())
            .collect();
        let count = logs.len() as f64;
        let got = logs.iter().sum::<f64>() / count;
        let spread = (logs.iter().map(|x| (x - got).powi(2)).sum::<f64>() / count).sqrt();
        // Five deviations of the estimates.
        assert!((got - mean).abs() < 5.0 * std / count.sqrt(), "{got}");
        assert!(
            (spread - std).abs() < 5.0 * std / (2.0 * count).sqrt(),
            "{spread}"
        );
    }
}

#[test]
fn plain_rows_are_noisy_images_graded_on_the_images() {
    let data = images(6);
    let task = Denoising::new(mlp(), Drawing::default(), data.clone(), Arc::new(Plain)).unwrap();
    let batch = batch(&task, &draw(3, 500));
    let group = &batch.groups[0];
    assert_eq!(batch.groups.len(), 1);
    assert_eq!(group.share, vec![1.0 / 500.0; 500]);
    assert_eq!(group.floats[names::SAMPLE].shape(), [500, 1, 4, 4]);
    let mut noise = Vec::new();
    for (place, index) in batch.index.iter().enumerate() {
        let image = data.index.iter().position(|each| each == index).unwrap();
        let image: Vec<f32> = data
            .images
            .index_axis(Axis(0), image)
            .iter()
            .copied()
            .collect();
        assert_eq!(row(&batch, names::TARGET, place), image);
        let sigma = group.floats[names::SIGMA][place];
        let weight = (sigma * sigma + 0.25) / (sigma * 0.5).powi(2);
        for got in row(&batch, names::WEIGHT, place) {
            assert!((got - weight).abs() < 1e-5 * weight);
        }
        let sample = row(&batch, names::SAMPLE, place);
        noise.extend(
            sample
                .iter()
                .zip(image)
                .map(|(x, x0)| f64::from((x - x0) / sigma)),
        );
    }
    let count = noise.len() as f64;
    let mean = noise.iter().sum::<f64>() / count;
    let variance = noise.iter().map(|x| x * x).sum::<f64>() / count;
    assert!(mean.abs() < 5.0 / count.sqrt(), "{mean}");
    assert!(
        (variance - 1.0).abs() < 5.0 * (2.0 / count).sqrt(),
        "{variance}"
    );
}

#[test]
fn a_step_depends_on_seed_and_step_alone() {
    let first = batch(&plain(), &draw(7, 4));
    let task = plain();
    batch(&task, &draw(3, 4));
    assert_eq!(batch(&task, &draw(7, 4)), first);
    assert_ne!(batch(&task, &draw(8, 4)), first);
    let other = Draw {
        seed: 6,
        ..draw(7, 4)
    };
    assert_ne!(batch(&task, &other), first);
}

/// x, extra channel and target are the image, the weight is the image plus 2; each row twice, in
/// two groups.
struct Traced(TrainingImages);

impl Objective for Traced {
    fn plan(&self) -> Plan {
        Plan {
            extra_channels: 1,
            masked: false,
            ..Plan::default()
        }
    }

    fn batch(&self, examples: &Examples<'_>, _: &dyn Denoisers) -> Result<Vec<Graded>, Error> {
        // Nothing is mirrored yet: a frozen corruption finds the image as it is.
        for (index, image) in examples.index.iter().zip(examples.x0.outer_iter()) {
            let place = self.0.index.iter().position(|each| each == index).unwrap();
            assert_eq!(image, self.0.images.index_axis(Axis(0), place));
        }
        let rows = |from, to| {
            let image = examples.x0.slice(s![from..to, .., .., ..]).to_owned();
            Graded {
                row: (from..to).collect(),
                x: image.clone(),
                extra: image.clone(),
                sigma: examples.sigma[from..to].to_vec(),
                target: image.clone(),
                weight: &image + 2.0,
            }
        };
        let count = examples.index.len();
        Ok(vec![
            rows(0, count),
            rows(count / 2, count),
            rows(0, count / 2),
        ])
    }
}

#[test]
fn flips_come_after_the_objective_and_turn_all_of_a_row() {
    let data = images(6);
    let denoiser = Denoiser {
        extra_channels: 1,
        masked: false,
        ..mlp()
    };
    let drawing = Drawing {
        flip: true,
        ..Drawing::default()
    };
    let objective = Arc::new(Traced(data.clone()));
    let task = Denoising::new(denoiser.clone(), drawing, data.clone(), objective).unwrap();
    let (count, batch) = (40, batch(&task, &draw(0, 40)));
    let group = &batch.groups[0];
    assert_eq!(group.share, vec![1.0 / 40.0; 80]);
    let mut flipped = 0;
    for (place, index) in batch.index.iter().enumerate() {
        let image = data.index.iter().position(|each| each == index).unwrap();
        let image = data.images.index_axis(Axis(0), image);
        let mirrored = image.slice(s![.., .., ..;-1]);
        let target = row(&batch, names::TARGET, place);
        let target = ArrayView::from_shape((1, 4, 4), &target).unwrap();
        assert!(target == image || target == mirrored);
        flipped += usize::from(target == mirrored);
        let twice = concatenate![Axis(0), target, target];
        let sample = row(&batch, names::SAMPLE, place);
        assert_eq!(sample, twice.iter().copied().collect::<Vec<_>>());
        let level = denoiser.loss_weight(group.floats[names::SIGMA][place]);
        let weight = row(&batch, names::WEIGHT, place);
        for (weight, target) in weight.iter().zip(target) {
            assert_eq!(*weight, (target + 2.0) * level);
        }
        // The second half is that of the first again, and mirrored as it was.
        let same = match place {
            40..60 => place - 20,
            60.. => place - 60,
            _ => place,
        };
        assert_eq!(batch.index[same], *index);
        assert_eq!(
            row(&batch, names::TARGET, same),
            row(&batch, names::TARGET, place)
        );
    }
    assert!(
        flipped > count / 2 && flipped < 2 * count - count / 2,
        "{flipped}"
    );
}

#[test]
fn every_step_flips_other_rows() {
    let data = images(6);
    let flips = |step| -> Vec<bool> {
        let batch = batch(&plain(), &draw(step, 40));
        let flipped = |(place, index): (usize, &u64)| {
            let image = data.index.iter().position(|each| each == index).unwrap();
            let image = data.images.index_axis(Axis(0), image);
            row(&batch, names::TARGET, place) != image.iter().copied().collect::<Vec<_>>()
        };
        batch.index.iter().enumerate().map(flipped).collect()
    };
    assert_ne!(flips(0), flips(1));
    assert_eq!(flips(0), flips(0));
}

#[test]
fn labels_follow_their_rows_and_some_become_the_null_class() {
    let denoiser = Denoiser {
        classes: 3,
        ..mlp()
    };
    let labels = vec![0, 1, 2, 0, 1, 2];
    let data = TrainingImages {
        labels: Some(labels.clone()),
        ..images(6)
    };
    let drawing = Drawing {
        label_dropout: 0.2,
        ..Drawing::default()
    };
    let task = Denoising::new(denoiser.clone(), drawing, data.clone(), Arc::new(Plain)).unwrap();
    let batch = batch(&task, &draw(0, 5000));
    let mut dropped = 0;
    let got = &batch.groups[0].integers[names::CLASS_LABELS];
    for (index, &got) in batch.index.iter().zip(got) {
        let place = data.index.iter().position(|each| each == index).unwrap();
        match got {
            3 => dropped += 1,
            label => assert_eq!(label, labels[place]),
        }
    }
    // Binomial(5000, 0.2): deviation 28.
    assert!((860..1140).contains(&dropped), "{dropped}");
    let folder = tempfile::tempdir().unwrap();
    let training = training(3);
    let run = Go::new(folder.path(), &training).run(&task);
    assert_eq!(run.unwrap().0.end, End::Finished);
    for labels in [None, Some(vec![0; 5]), Some(vec![3; 6]), Some(vec![-1; 6])] {
        let data = TrainingImages {
            labels,
            ..images(6)
        };
        let new = Denoising::new(denoiser.clone(), Drawing::default(), data, Arc::new(Plain));
        assert!(
            new.err()
                .unwrap()
                .to_string()
                .starts_with("labels: expected")
        );
    }
}

fn unet(dropout: f32) -> Denoising {
    let network = UNet {
        channels: vec![4, 8],
        blocks: 1,
        attention: vec![],
        embedding: Default::default(),
        dropout,
    };
    let denoiser = Denoiser {
        network: Network::Unet(network),
        ..mlp()
    };
    Denoising::new(denoiser, Drawing::default(), images(6), Arc::new(Asking)).unwrap()
}

/// Asks the network, which has no dropout then.
struct Asking;

impl Objective for Asking {
    fn batch(
        &self,
        examples: &Examples<'_>,
        denoisers: &dyn Denoisers,
    ) -> Result<Vec<Graded>, Error> {
        let x = &examples.x0 + 0.5;
        let of = |which| denoisers.denoise(which, x.view(), examples.sigma, examples.labels);
        let (present, average) = (of(Which::Present)?, of(Which::Average)?);
        assert_eq!(present.dim(), examples.x0.dim());
        assert_eq!(present == average, examples.step == 0);
        if examples.step == 0 {
            // The network's last layer starts at zero: D = c_skip x.
            for (place, sigma) in examples.sigma.iter().enumerate() {
                let skip = 0.25 / (sigma * sigma + 0.25);
                let x = x.index_axis(Axis(0), place);
                for (got, x) in present.index_axis(Axis(0), place).iter().zip(x) {
                    assert!((got - skip * x).abs() < 1e-6, "{got}");
                }
            }
        }
        Plain.batch(examples, denoisers)
    }
}

#[test]
fn networks_are_asked_and_dropout_masks_are_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let training = training(4);
    let run = Go::new(folder.path(), &training).run(&unet(0.25));
    assert_eq!(run.unwrap().0.end, End::Finished);

    let network = unet(0.25).denoiser().clone();
    let task = Denoising::new(network, Drawing::default(), images(6), Arc::new(Plain)).unwrap();
    let drawn = batch(&task, &draw(0, 64));
    let masks = drawn.groups[0].floats.iter();
    let masks: Vec<_> = masks
        .filter(|(name, _)| name.starts_with("dropout."))
        .collect();
    assert_eq!(masks.len(), 3);
    for (name, mask) in masks {
        assert_eq!(mask.shape()[0], 64);
        let kept = 1.0 / 0.75;
        assert!(
            mask.iter().all(|&x| x == 0.0 || (x - kept).abs() < 1e-6),
            "{name}"
        );
        let share = mask.iter().filter(|&&x| x == 0.0).count() as f64 / mask.len() as f64;
        assert!(
            (share - 0.25).abs() < 5.0 * (0.1875 / mask.len() as f64).sqrt(),
            "{share}"
        );
        assert_ne!(&batch(&task, &draw(1, 64)).groups[0].floats[name], mask);
    }
}

/// Returns a group with one fault.
struct Faulty(fn(&mut Graded));

impl Objective for Faulty {
    fn batch(
        &self,
        examples: &Examples<'_>,
        denoisers: &dyn Denoisers,
    ) -> Result<Vec<Graded>, Error> {
        let mut groups = Plain.batch(examples, denoisers)?;
        (self.0)(&mut groups[0]);
        Ok(groups)
    }
}

#[test]
fn what_an_objective_makes_is_checked() {
    type Fault = (fn(&mut Graded), &'static str);
    let faults: [Fault; 8] = [
        (
            |group| group.row[1] = 4,
            "row: expected a row below 4, got 4",
        ),
        (
            |group| group.sigma.truncate(3),
            "sigma: expected 4 levels, got 3",
        ),
        (
            |group| group.sigma[0] = 0.0,
            "sigma: expected finite and above 0, got 0",
        ),
        (
            |group| group.x[(2, 0, 1, 1)] = f32::NAN,
            "x: expected finite values, got NaN",
        ),
        (
            |group| group.extra = Array4::zeros((4, 1, 4, 4)),
            "extra: expected [4, 0, 4, 4]",
        ),
        (
            |group| group.target = Array4::zeros((4, 1, 4, 5)),
            "target: expected [4, 1, 4, 4]",
        ),
        (
            |group| group.weight.fill(f32::INFINITY),
            "weight: expected finite values, got inf",
        ),
        (
            |group| group.weight.fill(-1.0),
            "weight: expected 0 or more, got -1",
        ),
    ];
    for (fault, expected) in faults {
        let error = task(Faulty(fault))
            .batch(&draw(0, 4), &NoNetworks)
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with(&format!("the objective's {expected}")),
            "{error}"
        );
    }
}

struct Planned(Plan);

impl Objective for Planned {
    fn plan(&self) -> Plan {
        self.0
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let data = |change: fn(&mut TrainingImages)| {
        let mut data = images(6);
        change(&mut data);
        let new = Denoising::new(mlp(), Drawing::default(), data, Arc::new(Plain));
        new.err().unwrap().to_string()
    };
    assert!(data(|data| data.images[(0, 0, 0, 0)] = 1.5).contains("[-1, 1], got 1.5"));
    assert!(data(|data| data.images[(0, 0, 0, 0)] = f32::NAN).contains("got NaN"));
    assert!(data(|data| data.index[1] = 100).contains("100 twice"));
    assert!(data(|data| data.index.truncate(5)).contains("[5, 1, 4, 4]"));
    assert!(data(|data| *data = images(0)).contains("of at least one"));
    let planned = |plan: Plan| {
        let new = Denoising::new(
            mlp(),
            Drawing::default(),
            images(6),
            Arc::new(Planned(plan)),
        );
        new.err().unwrap().to_string()
    };
    let plan = Plan::default();
    assert!(
        planned(Plan {
            extra_channels: 1,
            masked: false,
            ..plan
        })
        .starts_with("extra_channels: expected 0")
    );
    assert!(
        planned(Plan {
            draws_per_example: 0,
            ..plan
        })
        .starts_with("draws_per_example")
    );
    assert!(
        planned(Plan {
            noise_multiplier: 1.0,
            ..plan
        })
        .starts_with("clip_per_example")
    );
    assert!(
        planned(Plan {
            clip_per_example: Some(0.0),
            ..plan
        })
        .starts_with("clip_per_example")
    );
    let drawing = |text| serde_json::from_str::<Drawing>(text);
    assert!(drawing(r#"{"flips": true}"#).is_err());
    for text in [r#"{"label_dropout": 1.5}"#, r#"{"ln_sigma_std": -1}"#] {
        let new = Denoising::new(mlp(), drawing(text).unwrap(), images(6), Arc::new(Plain));
        assert!(matches!(new, Err(Error::Configuration { .. })));
    }
    let training = |text| serde_json::from_str::<Training>(text);
    assert_eq!(training(r#"{"steps": 9}"#).unwrap(), Training::of(9));
    assert!(training(r#"{"steps": 9, "epochs": 1}"#).is_err());
    for text in [
        r#"{"steps": 0}"#,
        r#"{"steps": 1, "batch": 0}"#,
        r#"{"steps": 1, "ema": 1}"#,
        r#"{"steps": 1, "clip": 0}"#,
    ] {
        assert!(training(text).unwrap().check().is_err(), "{text}");
    }
}

#[test]
fn the_loss_falls() {
    let folder = tempfile::tempdir().unwrap();
    let training = Training {
        watch_every: None,
        checkpoint_every: 1000,
        batch: 16,
        microbatch: 16,
        ..training(400)
    };
    let network = Mlp {
        width: 64,
        depth: 2,
        embedding: Default::default(),
    };
    let denoiser = Denoiser {
        network: Network::Mlp(network),
        ..mlp()
    };
    let task = Denoising::new(denoiser, Drawing::default(), images(4), Arc::new(Plain)).unwrap();
    let (_, seen) = Go::new(folder.path(), &training).run(&task).unwrap();
    let mean = |part: &[eidetic_nn::Progress]| {
        part.iter().map(|each| each.loss.unwrap()).sum::<f64>() / part.len() as f64
    };
    let (first, last) = (mean(&seen[..20]), mean(&seen[380..]));
    assert!(last < 0.5 * first, "{first} to {last}");
}
