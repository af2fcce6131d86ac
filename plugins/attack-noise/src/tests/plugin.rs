//! Batches, budgets, options and failures.

use std::sync::atomic::{AtomicU64, Ordering};

use super::*;

const SHAPE: [usize; 3] = [2, 4, 6];
/// Two levels, 1 + 7 calls each.
const FEW: &str = r#""sigmas": [1, 8.35], "steps": 4"#;
const CALLS: u64 = 16;

#[test]
fn the_batch_changes_nothing() {
    let images = random_images(7, SHAPE, 1);
    let model = Mixture::around(&images, 0.1);
    let at = |batch: u64| {
        let run = Run::default();
        let options = format!(r#"{{{FEW}, "batch": {batch}}}"#);
        let spent = attack(&options, &model, &images, &run, u64::MAX).unwrap();
        assert_eq!(spent, 7 * CALLS);
        assert_eq!(*run.done.lock().unwrap(), (7, 7));
        assert!(run.warnings.lock().unwrap().is_empty());
        run.found.into_inner().unwrap()
    };
    let alone = at(1);
    assert_eq!(alone.len(), 28);
    for batch in [2, 3, 7, 64] {
        assert_eq!(at(batch), alone, "batch {batch}");
    }
}

#[test]
fn a_run_costs_what_is_said_before() {
    let images = random_images(3, SHAPE, 5);
    let mut model = Mixture::around(&images, 0.1);
    for schedule in [Vec::new(), vec![0.05, 0.4, 3.0]] {
        model.info.schedule = schedule;
        // The last lies a rounding beyond a level of the schedule.
        for more in [FEW, r#""sigmas": [0.01, 0.4]"#] {
            let options = format!("{{{more}}}");
            let said = make_attack(&registrations()[0], &options)
                .unwrap()
                .model_calls(&model.info, 99, 3)
                .unwrap();
            let spent = attack(&options, &model, &images, &Run::default(), u64::MAX);
            assert_eq!(said, Some(spent.unwrap()), "{options}");
        }
    }
}

#[test]
fn a_budget_buys_the_same_candidates_at_any_batch() {
    let images = random_images(6, SHAPE, 2);
    let model = Mixture::around(&images, 0.1);
    let whole = found(&format!("{{{FEW}}}"), &model, &images);
    for batch in [1, 2, 4, 64] {
        let run = Run::default();
        let options = format!(r#"{{{FEW}, "batch": {batch}}}"#);
        // One call short of the fourth.
        let error = attack(&options, &model, &images, &run, 4 * CALLS - 1).unwrap_err();
        assert_eq!(error.code, ErrorCode::Budget);
        assert_eq!(
            error.message,
            "the budget of model calls ended after 3 of 6 candidates, at 16 calls each"
        );
        assert!(error.help.contains("`steps`"));
        assert_eq!(
            *run.warnings.lock().unwrap(),
            ["the budget of model calls pays for 3 of 6 candidates"]
        );
        let found = run.found.into_inner().unwrap();
        let first = whole.iter().filter(|((_, candidate), _)| *candidate < 3);
        assert!(found.iter().eq(first), "batch {batch}");
    }
    let run = Run::default();
    let error = attack("{}", &model, &images, &run, 0).unwrap_err();
    assert_eq!(error.code, ErrorCode::Budget);
    assert!(run.found.lock().unwrap().is_empty());
    assert_eq!(
        attack("{}", &model, &random_images(0, SHAPE, 2), &run, 0).unwrap(),
        0
    );
}

#[test]
fn a_cancelled_run_keeps_what_it_had() {
    let images = random_images(5, SHAPE, 3);
    let model = Mixture::around(&images, 0.1);
    let run = Run {
        cancel_after: Some(2),
        ..Run::default()
    };
    let options = format!(r#"{{{FEW}, "batch": 2}}"#);
    let error = attack(&options, &model, &images, &run, u64::MAX).unwrap_err();
    assert_eq!(error.code, ErrorCode::Cancelled);
    assert_eq!(run.found.into_inner().unwrap().len(), 8);
}

/// Fails, or gives what is no number, after some calls.
struct Worn<'a> {
    inner: &'a Mixture,
    calls: AtomicU64,
    value: Option<f32>,
}

impl Denoiser for Worn<'_> {
    fn info(&self) -> Result<ModelInfo> {
        self.inner.info()
    }
    fn denoise(&self, batch: Batch<'_>, mut out: ArrayViewMut4<'_, f32>) -> Result<()> {
        let last = self.calls.fetch_sub(1, Ordering::SeqCst) == 1;
        match self.value {
            Some(value) if last => out.fill(value),
            None if last => return Err("the model is down".into()),
            _ => self.inner.denoise(batch, out)?,
        }
        Ok(())
    }
}

#[test]
fn what_was_found_before_a_failure_counts() {
    let images = random_images(4, SHAPE, 4);
    let inner = &Mixture::around(&images, 0.1);
    for value in [None, Some(f32::NAN), Some(f32::NEG_INFINITY)] {
        let worn = Worn {
            inner,
            calls: AtomicU64::new(CALLS + 3),
            value,
        };
        let run = Run::default();
        let options = format!(r#"{{{FEW}, "batch": 2}}"#);
        let error = attack(&options, &worn, &images, &run, u64::MAX).unwrap_err();
        match value {
            None => assert_eq!(error.message, "the model is down"),
            Some(_) => assert!(
                error.message.starts_with("expected finite estimates"),
                "{error}"
            ),
        }
        // Two candidates at both levels by both estimates, and two more in one step from the first.
        assert_eq!(run.found.into_inner().unwrap().len(), 8 + 2);
    }
}

#[test]
fn a_latent_space_is_refused() {
    let images = random_images(1, SHAPE, 5);
    let mut model = Mixture::around(&images, 0.1);
    model.info.latent = Some(eidetic_sdk::LatentSpace {
        shape: model.info.image,
        scale: 1.0,
        shift: 0.0,
    });
    let error = attack("{}", &model, &images, &Run::default(), 1000).unwrap_err();
    assert_eq!(error.code, ErrorCode::Unsupported);
}

#[test]
fn probes_carry_level_and_estimate() {
    let attack = make_attack(&registrations()[0], "{}").unwrap();
    let shape = ImageShape {
        channels: 1,
        height: 2,
        width: 2,
    };
    let probes = attack.probes(3, shape, 0).unwrap();
    let names: Vec<&str> = probes.iter().map(|probe| probe.name.as_str()).collect();
    #[rustfmt::skip]
    assert_eq!(names, [
        "sigma-1-one-step", "sigma-1-reverse", "sigma-2-one-step", "sigma-2-reverse",
        "sigma-4-one-step", "sigma-4-reverse", "sigma-8.35-one-step", "sigma-8.35-reverse",
    ]);
    let sigmas: Vec<f32> = probes.iter().map(|probe| probe.sigma).collect();
    assert_eq!(sigmas, [1.0, 1.0, 2.0, 2.0, 4.0, 4.0, 8.35, 8.35]);
    assert!(probes.iter().all(|probe| probe.known.is_empty()));
}

#[test]
fn options_without_sense_are_refused() {
    let plugin = &registrations()[0];
    for (options, message) in [
        (
            r#"{"sigmas": [1, 0]}"#,
            "sigmas: expected levels above 0 that a float32 holds, got 0",
        ),
        (
            r#"{"sigmas": [1e-60]}"#,
            "sigmas: expected levels above 0 that a float32 holds, got 0.000000000000000000000000000000000000000000000000000000000001",
        ),
        (r#"{"sigmas": [2, 1, 2.0]}"#, "sigmas: 2 is there twice"),
        (
            r#"{"estimates": ["reverse", "reverse"]}"#,
            "estimates: reverse is there twice",
        ),
        (
            r#"{"sigmas": []}"#,
            "expected at least one of `sigmas` and of `estimates`, got none",
        ),
        (
            r#"{"estimates": []}"#,
            "expected at least one of `sigmas` and of `estimates`, got none",
        ),
        (r#"{"steps": 0}"#, "steps: expected 1 to 10000, got 0"),
        (r#"{"batch": 0}"#, "batch: expected at least 1, got 0"),
    ] {
        let error = resolve_options(plugin, options).unwrap_err();
        assert_eq!(error.code, ErrorCode::BadOptions);
        assert_eq!(error.message, message);
        assert_eq!(make_attack(plugin, options).err().unwrap().message, message);
    }
    assert!(resolve_options(plugin, r#"{"estimates": ["two-step"]}"#).is_err());
}

#[test]
fn it_keeps_the_rules_of_a_plugin() {
    conformance::check(registrations()).unwrap();
    let plugin = &registrations()[0];
    assert!(plugin.options_schema.contains("18 in EDM's sampler"));
    assert_eq!(
        resolve_options(plugin, "").unwrap(),
        r#"{"sigmas":[1.0,2.0,4.0,8.35],"estimates":["one-step","reverse"],"steps":18,"batch":64}"#
    );
}
