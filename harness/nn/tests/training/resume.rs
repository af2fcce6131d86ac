//! A run is the same however often it was interrupted and on however many threads.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Mutex;

use eidetic_nn::{
    CHECKPOINT, Decision, Denoisers, End, Error, Examples, Graded, Objective, Plain, Task, Trained,
    Which,
};

use crate::setup::{Go, plain, task, training};

const STEPS: u64 = 24;

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let read = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().unwrap();
        (name, fs::read(entry.path()).unwrap())
    };
    entries.map(read).collect()
}

fn uninterrupted(task: &dyn Task) -> (Trained, BTreeMap<String, Vec<u8>>) {
    let folder = tempfile::tempdir().unwrap();
    let training = training(STEPS);
    let (trained, seen) = Go::new(folder.path(), &training).run(task).unwrap();
    assert_eq!(trained.end, End::Finished);
    assert_eq!(seen.len(), STEPS as usize);
    let files = files(folder.path());
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    assert_eq!(names, [CHECKPOINT, "loss.csv", "watched.csv"]);
    (trained, files)
}

#[test]
fn a_cancelled_run_continues_bit_for_bit() {
    let (whole, expected) = uninterrupted(&plain());
    let training = training(STEPS);
    for cuts in [vec![1], vec![10], vec![7, 13], vec![3, 4, 23]] {
        let folder = tempfile::tempdir().unwrap();
        for &cut in &cuts {
            let mut go = Go::new(folder.path(), &training);
            go.cancel_at = Some(cut);
            let (trained, _) = go.run(&plain()).unwrap();
            assert_eq!((trained.end, trained.step), (End::Cancelled, cut));
        }
        let (trained, seen) = Go::new(folder.path(), &training).run(&plain()).unwrap();
        assert_eq!(seen.len() as u64, STEPS - cuts[cuts.len() - 1]);
        assert_eq!(trained, whole);
        assert!(files(folder.path()) == expected, "{cuts:?}");
    }
}

#[test]
fn a_run_that_failed_continues_from_its_last_checkpoint() {
    let (whole, expected) = uninterrupted(&plain());
    let training = training(STEPS);
    for fail_at in [3, 12, 18, 21] {
        let folder = tempfile::tempdir().unwrap();
        let mut go = Go::new(folder.path(), &training);
        go.fail_at = Some(fail_at);
        assert!(matches!(go.run(&plain()), Err(Error::Task(_))));
        // What a crash can leave of a row.
        let log = folder.path().join("loss.csv");
        let text = fs::read_to_string(&log).unwrap();
        assert_eq!(text.lines().count() as u64, 1 + fail_at);
        fs::write(&log, format!("{text}2")).unwrap();
        let (trained, seen) = Go::new(folder.path(), &training).run(&plain()).unwrap();
        assert_eq!(seen.len() as u64, STEPS - fail_at / 10 * 10);
        assert_eq!(trained, whole);
        assert!(files(folder.path()) == expected, "{fail_at}");
    }
}

#[test]
fn threads_do_not_change_a_bit() {
    let (whole, expected) = uninterrupted(&plain());
    let folder = tempfile::tempdir().unwrap();
    let training = training(STEPS);
    let mut go = Go::new(folder.path(), &training);
    go.threads = 2;
    assert_eq!(go.run(&plain()).unwrap().0, whole);
    assert!(files(folder.path()) == expected);
}

#[test]
fn a_finished_run_is_read_and_not_run() {
    let folder = tempfile::tempdir().unwrap();
    let training = training(6);
    let (trained, _) = Go::new(folder.path(), &training).run(&plain()).unwrap();
    let before = files(folder.path());
    let (again, seen) = Go::new(folder.path(), &training).run(&plain()).unwrap();
    assert!(seen.is_empty());
    assert_eq!(again, trained);
    assert!(files(folder.path()) == before);
}

#[test]
fn the_seed_changes_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let mut other = training(STEPS);
    other.seed = 1;
    let (trained, _) = Go::new(folder.path(), &other).run(&plain()).unwrap();
    assert_ne!(trained.weights, uninterrupted(&plain()).0.weights);
}

/// Drops rows whose loss by the average is below half of the running mean of losses: what it
/// remembers decides what is trained on.
#[derive(Default)]
struct DropEasy {
    mean: Mutex<f32>,
    stop_after: Option<u64>,
}

impl Objective for DropEasy {
    fn batch(
        &self,
        examples: &Examples<'_>,
        denoisers: &dyn Denoisers,
    ) -> Result<Vec<Graded>, Error> {
        let mut groups = Plain.batch(examples, denoisers)?;
        let group = &mut groups[0];
        let mean = *self.mean.lock().unwrap();
        let denoised = denoisers.denoise(Which::Average, group.x.view(), &group.sigma, None)?;
        let error = (&denoised - &group.target).mapv(|x| x * x);
        for (error, mut weight) in error.outer_iter().zip(group.weight.outer_iter_mut()) {
            if error.mean().unwrap() < 0.5 * mean {
                weight.fill(0.0);
            }
        }
        Ok(groups)
    }

    fn after_step(
        &self,
        step: u64,
        index: &[u64],
        sigma: &[f32],
        loss: &[f32],
    ) -> Result<Decision, Error> {
        assert_eq!((index.len(), sigma.len(), loss.len()), (4, 4, 4));
        assert!(index.iter().all(|index| index % 7 == 2 && *index < 142));
        let mut mean = self.mean.lock().unwrap();
        for (loss, sigma) in loss.iter().zip(sigma) {
            let weight = (sigma * sigma + 0.25) / (sigma * sigma * 0.25);
            *mean = 0.8 * *mean + 0.2 * loss / weight;
        }
        Ok(match self.stop_after {
            Some(last) if step + 1 >= last => Decision::Stop,
            _ => Decision::Continue,
        })
    }

    fn state(&self) -> Result<Vec<u8>, Error> {
        Ok(self.mean.lock().unwrap().to_le_bytes().to_vec())
    }

    fn restore(&self, state: &[u8]) -> Result<(), Error> {
        let bytes = state.try_into();
        let bytes = bytes.map_err(|_| Error::Task("expected 4 bytes".to_owned()))?;
        *self.mean.lock().unwrap() = f32::from_le_bytes(bytes);
        Ok(())
    }
}

#[test]
fn what_an_objective_remembers_is_continued() {
    let (whole, expected) = uninterrupted(&task(DropEasy::default()));
    assert_ne!(whole.weights, uninterrupted(&plain()).0.weights);
    let folder = tempfile::tempdir().unwrap();
    let training = training(STEPS);
    let mut go = Go::new(folder.path(), &training);
    go.cancel_at = Some(11);
    go.run(&task(DropEasy::default())).unwrap();
    let again = Go::new(folder.path(), &training).run(&task(DropEasy::default()));
    assert_eq!(again.unwrap().0, whole);
    assert!(files(folder.path()) == expected);
    // A state is not dropped where nothing takes it.
    let error = Go::new(folder.path(), &training).run(&plain()).unwrap_err();
    assert!(
        error.to_string().contains("expected none, got 4 bytes"),
        "{error}"
    );
}

#[test]
fn an_objective_ends_the_run_for_good() {
    let folder = tempfile::tempdir().unwrap();
    let training = training(STEPS);
    let stopping = || {
        task(DropEasy {
            stop_after: Some(5),
            ..DropEasy::default()
        })
    };
    let (trained, seen) = Go::new(folder.path(), &training).run(&stopping()).unwrap();
    assert_eq!(
        (trained.end, trained.step, seen.len()),
        (End::Stopped, 5, 5)
    );
    let watched = fs::read_to_string(folder.path().join("watched.csv")).unwrap();
    let steps: Vec<&str> = watched
        .lines()
        .map(|row| row.split(',').next().unwrap())
        .collect();
    assert_eq!(steps, ["step", "3", "5"]);
    let (again, seen) = Go::new(folder.path(), &training).run(&stopping()).unwrap();
    assert!(seen.is_empty());
    assert_eq!(again, trained);
}
