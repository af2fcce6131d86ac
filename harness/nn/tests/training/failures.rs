//! What diverges, and what is there afterwards.

use std::fs;

use eidetic_graph::Graph;
use eidetic_nn::{
    Batch, CHECKPOINT, Denoising, Draw, Error, Networks, Parameters, Task, Training, names,
};

use crate::setup::{Go, plain, training};

/// Changes the batch of one step.
struct Broken {
    task: Denoising,
    at: u64,
    change: fn(&mut Batch),
}

impl Task for Broken {
    fn initial(&self, seed: u64) -> Result<Parameters, Error> {
        self.task.initial(seed)
    }

    fn loss(&self, rows: usize) -> Result<Graph, Error> {
        self.task.loss(rows)
    }

    fn forward(&self, rows: usize) -> Result<Graph, Error> {
        self.task.forward(rows)
    }

    fn batch(&self, draw: &Draw, networks: &dyn Networks) -> Result<Batch, Error> {
        let mut batch = self.task.batch(draw, networks)?;
        if draw.step == self.at {
            (self.change)(&mut batch);
        }
        Ok(batch)
    }
}

fn nan_target(batch: &mut Batch) {
    let target = batch.groups[0].floats.get_mut(names::TARGET).unwrap();
    target.fill(f32::NAN);
}

/// The gradient overflows, the loss does not.
fn huge_share(batch: &mut Batch) {
    batch.groups[0].share.fill(f32::MAX);
}

#[test]
fn a_loss_or_gradient_that_is_not_finite_keeps_the_last_checkpoint() {
    let training = training(24);
    for (what, change) in [
        ("loss", nan_target as fn(&mut Batch)),
        ("gradient", huge_share as fn(&mut Batch)),
    ] {
        for at in [4, 10, 17] {
            let folder = tempfile::tempdir().unwrap();
            let broken = Broken {
                task: plain(),
                at,
                change,
            };
            let error = Go::new(folder.path(), &training).run(&broken).unwrap_err();
            let text = error.to_string();
            let Error::NotFinite {
                step,
                what: got,
                value,
                ..
            } = error
            else {
                panic!("{text}");
            };
            assert_eq!((step, got), (at, what));
            assert!(!value.is_finite());
            let checkpoint = folder.path().join(CHECKPOINT);
            match at {
                4 => {
                    assert!(text.contains("no checkpoint was written yet"), "{text}");
                    assert!(!checkpoint.exists());
                }
                _ => assert!(text.contains("the checkpoint after 10 steps"), "{text}"),
            }
            // The checkpoint is good: the run that is not broken goes on from it.
            let (_, seen) = Go::new(folder.path(), &training).run(&plain()).unwrap();
            assert_eq!(seen[0].step, if at == 4 { 1 } else { 11 });
        }
    }
}

#[test]
fn weights_that_are_not_finite_do_not_replace_a_checkpoint() {
    let mut last = training(1);
    last.optimiser.learning_rate = 1e39;
    let folder = tempfile::tempdir().unwrap();
    let error = Go::new(folder.path(), &last).run(&plain()).unwrap_err();
    assert!(
        matches!(
            error,
            Error::NotFinite {
                step: 0,
                what: "weight",
                ..
            }
        ),
        "{error}"
    );
    assert!(!folder.path().join(CHECKPOINT).exists());
}

#[test]
fn a_damaged_checkpoint_or_log_is_not_continued() {
    let training = training(12);
    let folder = tempfile::tempdir().unwrap();
    let mut go = Go::new(folder.path(), &training);
    go.cancel_at = Some(8);
    go.run(&plain()).unwrap();
    go.cancel_at = None;
    let refused = |go: &Go<'_>| match go.run(&plain()) {
        Err(Error::Checkpoint { what, .. }) => what,
        other => panic!("{other:?}"),
    };

    let log = folder.path().join("loss.csv");
    let text = fs::read_to_string(&log).unwrap();
    fs::write(
        &log,
        text.lines()
            .take(4)
            .map(|row| format!("{row}\n"))
            .collect::<String>(),
    )
    .unwrap();
    assert!(refused(&go).contains("the rows of the 8 steps of the checkpoint, got 3"));
    assert_eq!(fs::read_to_string(&log).unwrap().lines().count(), 4);
    fs::write(&log, &text).unwrap();

    let other_seed = Training {
        seed: 3,
        ..training.clone()
    };
    assert!(refused(&Go::new(folder.path(), &other_seed)).contains("got a recipe with seed 0"));
    let shorter = Training {
        steps: 5,
        ..training.clone()
    };
    assert!(refused(&Go::new(folder.path(), &shorter)).contains("at most 5 steps, got 8"));

    let path = folder.path().join(CHECKPOINT);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(&path, &bytes).unwrap();
    assert!(refused(&go).contains("damaged"));
    assert_eq!(fs::read(&path).unwrap(), bytes);
}
