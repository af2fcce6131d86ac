#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use eidetic_sdk::batch::{condition, condition_values};
use eidetic_sdk::ndarray::{Array4, ArrayViewMut4, Axis, arr1};
use eidetic_sdk::registration::{make_mitigation, resolve_options};
use eidetic_sdk::{Batch, ErrorCode, ImageShape, conformance};
use proptest::prelude::*;

use super::*;

const RUN: TrainingRun = TrainingRun {
    shape: ImageShape {
        channels: 1,
        height: 1,
        width: 2,
    },
    steps: 3000,
    batch: 4,
    examples: 72,
};

/// sigma = 1 in every draw.
const AT_1: &str = r#"{"every": 10, "patience": 2, "ln_sigma_mean": 0, "ln_sigma_std": 0}"#;

/// 80 white images, x0 = 1; sd = 0.5 for want of contrast, so w(1) = 1.25 / 0.25 = 5.
fn white(count: usize) -> Array4<u8> {
    Array4::from_elem((count, 1, 1, 2), 255)
}

fn with_set<T>(images: &Array4<u8>, labels: bool, work: impl FnOnce(TrainingSet<'_>) -> T) -> T {
    let rows = images.dim().0 as u64;
    let index: Vec<u64> = (0..rows).map(|row| 3 * row + 1).collect();
    let classes: Vec<i64> = (0..rows as i64).map(|row| 3 * row + 1).collect();
    work(TrainingSet {
        images: images.view(),
        labels: labels.then_some(&classes),
        index: &index,
        classes: if labels { 1000 } else { 0 },
    })
}

fn make(options: &str) -> Box<dyn Mitigation> {
    with_set(&white(1), false, |set| {
        make_mitigation(&registrations()[0], options, set).unwrap()
    })
}

/// One that has curated 80 white images, and the identities that are left to train on.
fn curated(options: &str, labels: bool) -> (Box<dyn Mitigation>, BTreeSet<u64>) {
    let stop = make(options);
    let keep = with_set(&white(80), labels, |set| stop.curate(set, 9).unwrap().keep);
    (stop, keep.into_iter().map(|row| 3 * row + 1).collect())
}

/// D of the average is off by `withheld` or `training`; keeps what it was asked.
struct Off {
    kept: BTreeSet<u64>,
    withheld: f32,
    training: f32,
    asked: Mutex<Vec<(u64, f32, Vec<f32>)>>,
}

impl Off {
    fn new(kept: &BTreeSet<u64>, withheld: f32, training: f32) -> Self {
        Self {
            kept: kept.clone(),
            withheld,
            training,
            asked: Mutex::default(),
        }
    }
}

impl Trainer for Off {
    fn seed(&self) -> u64 {
        4
    }
    fn denoise(&self, _: Batch<'_>, _: ArrayViewMut4<'_, f32>) -> Result<()> {
        Err(Error::unsupported("denoise"))
    }
    fn denoise_ema(&self, batch: Batch<'_>, mut out: ArrayViewMut4<'_, f32>) -> Result<()> {
        assert!((1..=64).contains(&batch.rows()));
        let mut asked = self.asked.lock().unwrap();
        for (row, &id) in batch.row_id.iter().enumerate() {
            let error = match self.kept.contains(&id) {
                true => self.training,
                false => self.withheld,
            };
            out.index_axis_mut(Axis(0), row).fill(1.0 + error);
            let x = batch.x.index_axis(Axis(0), row);
            asked.push((id, batch.sigma[row], x.iter().copied().collect()));
            if let Some(label) = batch.condition("class") {
                assert_eq!(condition_values::<i64>(label)?[[row]] as u64, id);
                assert_eq!(label.null[row], 0);
            }
        }
        Ok(())
    }
}

/// A whole step, and whether it was the last.
fn step(stop: &dyn Mitigation, step: u64, trainer: &Off) -> Decision {
    let x0 = Array4::zeros((1, 1, 1, 2));
    let noise = Array4::ones(x0.dim());
    let batch = TrainingBatch {
        step,
        index: &[1],
        x0: x0.view(),
        sigma: &[2.0],
        noise: noise.view(),
        conditions: &[],
    };
    let groups = stop.batch(batch, trainer).unwrap();
    // What is trained on is left as it is.
    assert_eq!(groups[0].x, Array4::from_elem((1, 1, 1, 2), 2.0));
    assert_eq!(groups[0].target, x0);
    stop.after_step(step, &[1], &[2.0], &[0.1]).unwrap()
}

fn state(stop: &dyn Mitigation) -> String {
    String::from_utf8(stop.state().unwrap()).unwrap()
}

#[test]
fn a_share_is_withheld_by_identity_and_seed() {
    let keep = |count: usize, seed, options: &str| {
        with_set(&white(count), false, |set| {
            make(options)
                .curate(set, seed)
                .map(|curation| curation.keep)
        })
    };
    assert_eq!(keep(200, 1, "{}").unwrap().len(), 180);
    assert_eq!(keep(200, 1, r#"{"withhold": 0.25}"#).unwrap().len(), 150);
    // 8 at least, and no more than are left.
    assert_eq!(keep(40, 1, "{}").unwrap().len(), 32);
    assert_eq!(keep(16, 1, "{}").unwrap().len(), 8);
    let error = keep(15, 1, "{}").unwrap_err();
    assert_eq!(
        error.message,
        "early-stop: expected at least 16 images to withhold 8 of, got 15"
    );
    assert!(keep(0, 1, "{}").is_err());
    assert_eq!(keep(200, 1, "{}"), keep(200, 1, "{}"));
    assert_ne!(keep(200, 1, "{}"), keep(200, 2, "{}"));
    // Nothing without patience.
    let plain = keep(5, 1, r#"{"patience": null, "at_step": 7}"#).unwrap();
    assert_eq!(plain, [0, 1, 2, 3, 4]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn the_order_of_the_set_does_not_matter(seed: u64, turn in 0usize..40) {
        let kept = |index: &[u64]| {
            let images = white(40);
            let set = TrainingSet { images: images.view(), labels: None, index, classes: 0 };
            let keep = make("{}").curate(set, seed).unwrap().keep;
            keep.iter().map(|&row| index[row as usize]).collect::<BTreeSet<u64>>()
        };
        let mut index: Vec<u64> = (100..140).collect();
        let before = kept(&index);
        prop_assert_eq!(before.len(), 32);
        index.rotate_left(turn);
        prop_assert_eq!(kept(&index), before);
    }
}

#[test]
fn the_loss_is_that_of_both_parts() {
    let (stop, kept) = curated(AT_1, false);
    assert_eq!(kept.len(), 72);
    // 5 * 0.5^2 and 5 * 0.25^2.
    let trainer = Off::new(&kept, 0.5, 0.25);
    for at in 0..=10 {
        assert_eq!(step(&*stop, at, &trainer), Decision::Continue);
    }
    assert_eq!(
        state(&*stop),
        r#"{"checks":[{"step":10,"withheld":1.25,"training":0.3125}]}"#
    );
    let asked = trainer.asked.lock().unwrap();
    // 8 images each, 4 draws.
    assert_eq!(asked.len(), 64);
    let ids: BTreeSet<u64> = asked.iter().map(|(id, ..)| *id).collect();
    assert_eq!(ids.len(), 16);
    assert_eq!(ids.intersection(&kept).count(), 8);
    assert!(asked.iter().all(|(_, sigma, _)| *sigma == 1.0));
}

#[test]
fn noise_and_levels_stay_from_check_to_check() {
    let (stop, kept) = curated(r#"{"every": 10}"#, false);
    let trainer = Off::new(&kept, 0.5, 0.25);
    step(&*stop, 10, &trainer);
    let first = std::mem::take(&mut *trainer.asked.lock().unwrap());
    step(&*stop, 20, &trainer);
    let second = std::mem::take(&mut *trainer.asked.lock().unwrap());
    assert_eq!(first, second);
    // x = 1 + sigma n, with a level and noise of its own for each draw.
    let mut noise: Vec<f32> = first
        .iter()
        .flat_map(|(_, sigma, x)| x.iter().map(move |x| (x - 1.0) / sigma))
        .collect();
    assert!(noise.iter().any(|n| *n < -1.0) && noise.iter().any(|n| *n > 1.0));
    let mean = noise.iter().sum::<f32>() / noise.len() as f32;
    assert!(mean.abs() < 0.35, "{mean}");
    noise.sort_by(f32::total_cmp);
    noise.dedup();
    assert!(noise.len() > 120, "{}", noise.len());
    let ln: f64 = first
        .iter()
        .map(|(_, sigma, _)| f64::from(sigma.ln()))
        .sum();
    // Deviation 1.2 / 8.
    assert!((ln / 64.0 + 1.2).abs() < 0.6, "{ln}");
    let (again, _) = curated(r#"{"every": 10}"#, false);
    step(&*again, 10, &trainer);
    step(&*again, 20, &trainer);
    assert_eq!(state(&*again), state(&*stop));
}

#[test]
fn it_stops_after_patience_checks_without_a_minimum() {
    let (stop, kept) = curated(AT_1, false);
    let errors = [0.5, 0.4, 0.45, 0.3, 0.3, 0.35];
    for (place, error) in errors.into_iter().enumerate() {
        let trainer = Off::new(&kept, error, 0.1);
        let at = 10 * (place as u64 + 1);
        let last = place + 1 == errors.len();
        let expected = match last {
            true => Decision::Stop,
            false => Decision::Continue,
        };
        assert_eq!(step(&*stop, at, &trainer), expected, "{at}");
        if !last {
            assert_eq!(step(&*stop, at + 1, &trainer), Decision::Continue);
        }
    }
}

#[test]
fn a_resumed_run_stops_where_the_uninterrupted_one_does() {
    let errors = [0.5, 0.4, 0.41, 0.43];
    let (through, kept) = curated(AT_1, false);
    for (place, error) in errors[..3].iter().enumerate() {
        let trainer = Off::new(&kept, *error, 0.1);
        step(&*through, 10 * (place as u64 + 1), &trainer);
    }
    let (resumed, _) = curated(AT_1, false);
    resumed.restore(&through.state().unwrap()).unwrap();
    let trainer = Off::new(&kept, errors[3], 0.1);
    assert_eq!(step(&*resumed, 39, &trainer), Decision::Continue);
    assert_eq!(step(&*resumed, 40, &trainer), Decision::Stop);
    assert_eq!(step(&*through, 40, &trainer), Decision::Stop);
    assert_eq!(state(&*resumed), state(&*through));
}

#[test]
fn at_step_stops_without_any_check() {
    let stop = make(r#"{"patience": null, "at_step": 3, "every": 1}"#);
    let trainer = Off::new(&BTreeSet::new(), 0.5, 0.5);
    assert_eq!(step(&*stop, 0, &trainer), Decision::Continue);
    assert_eq!(step(&*stop, 1, &trainer), Decision::Continue);
    assert_eq!(step(&*stop, 2, &trainer), Decision::Stop);
    assert!(trainer.asked.lock().unwrap().is_empty());
    assert_eq!(state(&*stop), r#"{"checks":[]}"#);
    let note = |options| make(options).plan(RUN).unwrap().note;
    assert_eq!(
        note(r#"{"patience": null, "at_step": 3}"#),
        "stops after 3 steps"
    );
}

#[test]
fn the_plan_says_when_it_stops_and_changes_nothing_else() {
    let (stop, _) = curated(r#"{"at_step": 500}"#, false);
    let plan = stop.plan(RUN).unwrap();
    assert_eq!(
        plan.note,
        "stops when the loss of 8 withheld images has not improved for 5 checks, one every 100 \
         steps; stops after 500 steps"
    );
    let bare = TrainingPlan {
        note: String::new().into(),
        ..plan
    };
    assert_eq!(bare, Plain.plan(RUN).unwrap());
}

#[test]
fn labels_go_with_the_images() {
    let (stop, kept) = curated(AT_1, true);
    let (bare, _) = curated(AT_1, false);
    let trainer = Off::new(&kept, 0.5, 0.25);
    let x0 = Array4::zeros((2, 1, 1, 2));
    let labels = arr1(&[0i64, 2]);
    let class = [condition("class", labels.view(), &[0, 1]).unwrap()];
    let text = arr1(&[0f32, 2.0]);
    let text = [condition("text", text.view(), &[0, 1]).unwrap()];
    let batch = |conditions| TrainingBatch {
        step: 10,
        index: &[1, 4],
        x0: x0.view(),
        sigma: &[1.0, 1.0],
        noise: x0.view(),
        conditions,
    };
    stop.batch(batch(&class), &trainer).unwrap();
    assert_eq!(trainer.asked.lock().unwrap().len(), 64);
    let error = bare.batch(batch(&class), &trainer).unwrap_err();
    assert!(error.message.contains("with labels for condition `class`"));
    let error = stop.batch(batch(&text), &trainer).unwrap_err();
    assert_eq!(error.code, ErrorCode::Unsupported);
    assert!(
        error.message.ends_with("got F32 of 1 dimensions"),
        "{error}"
    );
}

#[test]
fn what_it_cannot_measure_is_refused() {
    let x0 = Array4::zeros((1, 1, 1, 2));
    let batch = TrainingBatch {
        step: 10,
        index: &[1],
        x0: x0.view(),
        sigma: &[1.0],
        noise: x0.view(),
        conditions: &[],
    };
    let trainer = Off::new(&BTreeSet::new(), f32::INFINITY, 0.5);
    let error = make(AT_1).batch(batch, &trainer).unwrap_err();
    assert!(error.message.contains("expected its data stage"), "{error}");
    let (stop, _) = curated(AT_1, false);
    let error = stop.batch(batch, &trainer).unwrap_err();
    assert!(error.message.ends_with("got inf"), "{error}");
    assert_eq!(state(&*stop), r#"{"checks":[]}"#);
}

#[test]
fn a_state_that_is_not_its_own_is_refused_and_changes_nothing() {
    let stop = make(AT_1);
    let check =
        |step: u64, loss: &str| format!(r#"{{"step":{step},"withheld":{loss},"training":0.5}}"#);
    let (ten, twenty) = (check(10, "1.5"), check(20, "1.5"));
    stop.restore(format!(r#"{{"checks":[{ten},{twenty}]}}"#).as_bytes())
        .unwrap();
    let before = state(&*stop);
    for (checks, message) in [
        (
            format!("{twenty},{ten}"),
            "a multiple of 10 above 20, got one at 10",
        ),
        (
            format!("{ten},{ten}"),
            "a multiple of 10 above 10, got one at 10",
        ),
        (check(0, "1.5"), "above 0, got one at 0"),
        (check(15, "1.5"), "got one at 15"),
        (check(10, "-1"), "expected losses of 0 or more, got -1"),
        (check(10, "null"), "invalid type: null"),
        (check(10, "1e999"), "number out of range"),
        (format!("{ten},"), "trailing comma"),
    ] {
        let text = format!(r#"{{"checks":[{checks}]}}"#);
        let error = stop.restore(text.as_bytes()).unwrap_err();
        assert!(
            error.message.starts_with("state of early-stop: "),
            "{error}"
        );
        assert!(error.message.contains(message), "{error}");
    }
    assert!(stop.restore(b"").is_err());
    assert_eq!(state(&*stop), before);
    let plain = make(r#"{"patience": null, "at_step": 3}"#);
    let error = plain.restore(before.as_bytes()).unwrap_err();
    assert!(
        error.message.ends_with("without patience, got 2"),
        "{error}"
    );
}

#[test]
fn options_without_sense_are_refused() {
    for (options, message) in [
        (
            r#"{"patience": null}"#,
            "expected `patience` or `at_step`, got null for both",
        ),
        (
            r#"{"withhold": 0.6}"#,
            "withhold: expected a share above 0 and at most 0.5, got 0.6",
        ),
        (r#"{"every": 0}"#, "every: expected at least 1, got 0"),
        (r#"{"patience": 0}"#, "patience: expected at least 1, got 0"),
        (r#"{"at_step": 0}"#, "at_step: expected at least 1, got 0"),
        (r#"{"draws": 0}"#, "draws: expected 1 to 1000, got 0"),
        (
            r#"{"ln_sigma_mean": 30}"#,
            "ln_sigma_mean: expected -20 to 20, got 30",
        ),
        (
            r#"{"ln_sigma_std": -1}"#,
            "ln_sigma_std: expected 0 to 5, got -1",
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
