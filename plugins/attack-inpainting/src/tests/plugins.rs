//! Batches, budgets, options and failures.

use std::sync::atomic::{AtomicU64, Ordering};

use super::*;

const SHAPE: [usize; 3] = [2, 4, 6];
const MASKS: &str = r#""masks": ["top-half", {"boxes": {"count": 2, "share": 0.2}}]"#;

/// Options of a plugin for few steps: 5 + 2 x 2 of RePaint with its two jumps, 4 of the others.
fn few_steps(id: &str, more: &str) -> (String, u64) {
    let (steps, calls) = match id {
        "inpainting" => (r#""steps": 5, "jump_length": 2, "resampling": 2"#, 9),
        "inpainting-ddnm" => (r#""steps": 4"#, 4),
        _ => (r#""steps": 4"#, 16),
    };
    (format!("{{{MASKS}, {steps}{more}}}"), 2 * calls)
}

fn smooth(images: &Array4<u8>) -> Model {
    let mut form = Mixture::memorizer(images);
    form.variance = 0.1;
    Model::new(form, SHAPE)
}

#[test]
fn the_batch_changes_nothing() {
    let images = random_images(7, SHAPE, 1);
    let model = smooth(&images);
    for id in IDS {
        let at = |batch: u64| {
            let (options, calls) = few_steps(id, &format!(r#", "batch": {batch}"#));
            let run = Run::default();
            let spent = attack(id, &options, &model, &images, &run, u64::MAX).unwrap();
            assert_eq!(spent, 7 * calls, "{id}");
            assert_eq!(*run.done.lock().unwrap(), (7, 7));
            assert!(run.warnings.lock().unwrap().is_empty());
            run.found.into_inner().unwrap()
        };
        let alone = at(1);
        assert_eq!(alone.len(), 14);
        for batch in [2, 3, 7, 64] {
            assert_eq!(at(batch), alone, "{id} at {batch}");
        }
    }
}

#[test]
fn a_run_costs_what_is_said_before() {
    let images = random_images(3, SHAPE, 5);
    let mut model = smooth(&images);
    for schedule in [Vec::new(), vec![0.05, 0.4, 3.0]] {
        model.info.schedule = schedule;
        for id in IDS {
            for (options, _) in [few_steps(id, ""), ("{}".into(), 0)] {
                let said = make_attack(&plugin(id), &options)
                    .unwrap()
                    .model_calls(&model.info, 99, 3)
                    .unwrap();
                let spent = attack(id, &options, &model, &images, &Run::default(), u64::MAX);
                assert_eq!(said, Some(spent.unwrap()), "{id} {options}");
            }
        }
    }
}

#[test]
fn noise_is_each_candidates_own_and_the_masks() {
    // The same image over and over, nothing known: all that differs is the noise.
    let images = Array4::from_elem((6, 1, 4, 4), 9);
    let form = Mixture {
        images: vec![vec![0.0; 16]],
        variance: 0.1,
    };
    let model = Model::new(form, [1, 4, 4]);
    for id in IDS {
        let options = r#"{"masks": [{"box": 1}, {"pixels": 1}]}"#;
        let all = found(id, options, &model, &images);
        let mut distinct: Vec<&Vec<u8>> = all.values().collect();
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len(), 12, "{id}");
        // A mask's results do not depend on which others there are.
        let one = found(id, r#"{"masks": [{"pixels": 1}]}"#, &model, &images);
        for candidate in 0..6 {
            assert_eq!(one[&(0, candidate)], all[&(1, candidate)], "{id}");
        }
    }
}

#[test]
fn a_budget_buys_the_same_candidates_at_any_batch() {
    let images = random_images(6, SHAPE, 2);
    let model = smooth(&images);
    for id in IDS {
        let mut whole = BTreeMap::new();
        for batch in [64, 1, 2, 4] {
            let (options, calls) = few_steps(id, &format!(r#", "batch": {batch}"#));
            let run = Run::default();
            // One call short of the fourth.
            let error = attack(id, &options, &model, &images, &run, 4 * calls - 1).unwrap_err();
            assert_eq!(error.code, ErrorCode::Budget);
            assert_eq!(
                error.message,
                format!(
                    "the budget of model calls ended after 3 of 6 candidates, at {calls} calls each"
                )
            );
            assert!(error.help.contains("`steps`"));
            assert_eq!(
                *run.warnings.lock().unwrap(),
                ["the budget of model calls pays for 3 of 6 candidates"]
            );
            let found = run.found.into_inner().unwrap();
            let candidates: Vec<u64> = found.keys().map(|&(_, candidate)| candidate).collect();
            assert_eq!(candidates, [0, 1, 2, 0, 1, 2], "{id} at {batch}");
            whole = match whole.is_empty() {
                true => found,
                false => {
                    assert_eq!(found, whole, "{id} at {batch}");
                    whole
                }
            };
        }
        let run = Run::default();
        let error = attack(id, "{}", &model, &images, &run, 0).unwrap_err();
        assert_eq!(error.code, ErrorCode::Budget);
        assert!(run.found.into_inner().unwrap().is_empty());
    }
}

#[test]
fn no_candidates_are_no_work() {
    let images = random_images(0, SHAPE, 2);
    let model = smooth(&random_images(1, SHAPE, 2));
    for id in IDS {
        assert_eq!(
            attack(id, "{}", &model, &images, &Run::default(), 0).unwrap(),
            0
        );
    }
}

#[test]
fn a_cancelled_run_keeps_what_it_had() {
    let images = random_images(5, SHAPE, 3);
    let model = smooth(&images);
    for id in IDS {
        let run = Run {
            cancel_after: Some(2),
            ..Run::default()
        };
        let (options, _) = few_steps(id, r#", "batch": 2"#);
        let error = attack(id, &options, &model, &images, &run, u64::MAX).unwrap_err();
        assert_eq!(error.code, ErrorCode::Cancelled);
        assert_eq!(run.found.into_inner().unwrap().len(), 4);
    }
}

/// Fails, or gives what is no number, after some calls.
struct Worn<'a> {
    inner: &'a Model,
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
    fn denoise_vjp(
        &self,
        batch: Batch<'_>,
        cotangent: ArrayView4<'_, f32>,
        out: ArrayViewMut4<'_, f32>,
    ) -> Result<()> {
        self.inner.denoise_vjp(batch, cotangent, out)
    }
}

#[test]
fn what_was_found_before_a_failure_counts() {
    let images = random_images(4, SHAPE, 4);
    let inner = &smooth(&images);
    for id in IDS {
        for value in [None, Some(f32::NAN), Some(f32::INFINITY)] {
            let (options, _) = few_steps(id, r#", "batch": 2"#);
            let passes = if id == "inpainting" { 9 } else { 4 };
            let worn = Worn {
                inner,
                calls: AtomicU64::new(2 * passes + 2),
                value,
            };
            let run = Run::default();
            let error = attack(id, &options, &worn, &images, &run, u64::MAX).unwrap_err();
            match value {
                None => assert_eq!(error.message, "the model is down"),
                Some(_) => assert!(
                    error.message.starts_with("expected a finite image, got"),
                    "{error}"
                ),
            }
            assert_eq!(run.found.into_inner().unwrap().len(), 4, "{id}");
        }
    }
}

#[test]
fn a_latent_space_is_refused() {
    let images = random_images(1, SHAPE, 5);
    let mut model = smooth(&images);
    model.info.latent = Some(eidetic_sdk::LatentSpace {
        shape: model.info.image,
        scale: 1.0,
        shift: 0.0,
    });
    let error = attack("inpainting", "{}", &model, &images, &Run::default(), 1000).unwrap_err();
    assert_eq!(error.code, ErrorCode::Unsupported);
}

#[test]
fn options_without_sense_are_refused() {
    let all = [
        (r#"{"masks": []}"#, "masks: expected at least one, got none"),
        (
            r#"{"masks": ["top-half", {"box": 0.5}, "top-half"]}"#,
            "masks: top-half is there twice",
        ),
        (
            r#"{"masks": [{"box": 0}]}"#,
            "masks: box-0: expected a share above 0 and at most 1, got 0",
        ),
        (
            r#"{"masks": [{"pixels": 1.5}]}"#,
            "masks: pixels-1.5: expected a share above 0 and at most 1, got 1.5",
        ),
        (
            r#"{"masks": [{"boxes": {"count": 0, "share": 0.5}}]}"#,
            "masks: boxes-0x0.5: expected 1 to 1000 boxes, got 0",
        ),
        (r#"{"batch": 0}"#, "batch: expected at least 1, got 0"),
        (r#"{"steps": 0}"#, "steps: expected 1 to 10000, got 0"),
    ];
    let repaint = [
        (
            r#"{"resampling": 0}"#,
            "resampling: expected 1 to 1000, got 0",
        ),
        (
            r#"{"jump_length": 0}"#,
            "jump_length: expected 1 to 10000, got 0",
        ),
        (
            r#"{"steps": 10}"#,
            "jump_length: expected fewer than the 10 steps, got 10",
        ),
    ];
    let ddnm = [(
        r#"{"eta": 1.5}"#,
        "eta: expected a share of 0 to 1, got 1.5",
    )];
    let dps = [(r#"{"zeta": 0}"#, "zeta: expected a length above 0, got 0")];
    let own: [&[(&str, &str)]; 3] = [&repaint, &ddnm, &dps];
    for (id, own) in IDS.into_iter().zip(own) {
        for (options, message) in all.iter().chain(own) {
            let error = resolve_options(&plugin(id), options).unwrap_err();
            assert_eq!(error.code, ErrorCode::BadOptions);
            assert_eq!(error.message, *message, "{id}");
            let error = make_attack(&plugin(id), options).err().unwrap();
            assert_eq!(error.message, *message);
        }
    }
    for wrong in [
        r#"{"masks": ["middle"]}"#,
        r#"{"masks": [{"boxes": {"count": 1}}]}"#,
    ] {
        let error = resolve_options(&plugin("inpainting"), wrong).unwrap_err();
        assert_eq!(error.code, ErrorCode::BadOptions);
    }
}

#[test]
fn they_keep_the_rules_of_a_plugin() {
    conformance::check(registrations()).unwrap();
    let ids: Vec<String> = registrations().iter().map(|p| p.id.to_string()).collect();
    assert_eq!(ids, IDS);
    assert_eq!(
        IDS.map(granted),
        [Access::Denoiser, Access::Denoiser, Access::Gradient]
    );
    assert!(
        plugin("inpainting")
            .options_schema
            .contains("10 in the paper")
    );
    let defaults = |id| resolve_options(&plugin(id), "").unwrap();
    assert_eq!(
        defaults("inpainting"),
        r#"{"masks":["left-half"],"batch":64,"steps":50,"jump_length":10,"resampling":3}"#
    );
    assert_eq!(
        defaults("inpainting-ddnm"),
        r#"{"masks":["left-half"],"batch":64,"steps":100,"eta":0.85,"jump_length":1,"resampling":1}"#
    );
    assert_eq!(
        defaults("inpainting-dps"),
        r#"{"masks":["left-half"],"batch":64,"steps":100,"zeta":1.0}"#
    );
}
