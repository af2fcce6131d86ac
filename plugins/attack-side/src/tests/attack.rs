//! The whole attack on a perfect memorizer of two groups of images.

use std::sync::atomic::Ordering;

use eidetic_sdk::registration::make_attack;
use eidetic_sdk::{ErrorCode, ModelInfo, Target};
use serde_json::json;

use super::support::{CALLS, Run, SIZE, Service, attack, options, two_groups};
use crate::plugin::class_of;
use crate::registrations;

/// Whether an image is of the first group, bright above.
fn is_bright_above(image: &[u8]) -> bool {
    let sum = |half: &[u8]| half.iter().map(|&level| u32::from(level)).sum::<u32>();
    let (above, below) = image.split_at(SIZE * SIZE / 2);
    sum(above) > sum(below)
}

fn found(more: serde_json::Value) -> Vec<(Vec<u8>, f64)> {
    let run = Run::default();
    attack(&options(more), &Service::new(two_groups()), &run).unwrap();
    run.findings()
}

/// The share of samples of one group where that class was asked for and of the other where the
/// other was, whichever class is which group's: 0.5 by chance.
fn obeyed(found: &[(Vec<u8>, f64)]) -> f64 {
    let context = Run::default();
    let agrees = |(id, (image, _)): (usize, &(Vec<u8>, f64))| {
        (class_of(&context, id as u64, 2) == 0) == is_bright_above(image)
    };
    let share = found
        .iter()
        .enumerate()
        .filter(|&each| agrees(each))
        .count() as f64
        / found.len() as f64;
    share.max(1.0 - share)
}

#[test]
fn without_guidance_it_is_plain_sampling() {
    let service = Service::new(two_groups());
    let plain = service.sample_images(0, 48).unwrap();
    let plain: Vec<Vec<u8>> = plain
        .outer_iter()
        .map(|i| i.iter().copied().collect())
        .collect();
    let found = found(json!({ "lambda": 0 }));
    assert_eq!(found.iter().map(|f| f.0.clone()).collect::<Vec<_>>(), plain);
    // Both groups come up, whatever class a sample was for.
    let above = found.iter().filter(|f| is_bright_above(&f.0)).count();
    assert!((10..=38).contains(&above), "{above}");
    assert!(obeyed(&found) < 0.75, "{}", obeyed(&found));
}

#[test]
fn guidance_leads_to_the_class_that_was_drawn() {
    let plain = found(json!({ "lambda": 0 }));
    let guided = found(json!({ "lambda": 5 }));
    assert!(obeyed(&guided) > 0.9, "{}", obeyed(&guided));
    // The classifier agrees with the pixels, and says so.
    let sure = |found: &[(Vec<u8>, f64)]| found.iter().filter(|f| f.1 > 0.5f64.ln()).count();
    assert!(sure(&guided) > 43, "{}", sure(&guided));
    assert!(sure(&plain) < 38, "{}", sure(&plain));
    assert!(guided.iter().all(|f| f.1 <= 0.0 && f.1.is_finite()));
}

#[test]
fn the_other_teachings_lead_there_too() {
    // A classifier of clean images is sure of every estimate and has little to say: it takes more.
    for (teaching, lambda) in [("distilled", 5), ("clean", 200)] {
        let more = json!({ "lambda": lambda });
        let mut options: serde_json::Value = serde_json::from_str(&options(more)).unwrap();
        options["classifier"]["teaching"] = json!(teaching);
        let guided = found(options);
        assert!(obeyed(&guided) > 0.9, "{teaching}: {}", obeyed(&guided));
    }
}

#[test]
fn batches_do_not_show() {
    let expected = found(json!({ "batch": 16 }));
    assert_eq!(expected.len(), 48);
    for batch in [32, 64] {
        assert_eq!(found(json!({ "batch": batch })), expected, "{batch}");
    }
    let mut options: serde_json::Value = serde_json::from_str(&options(json!({}))).unwrap();
    options["classifier"]["seed"] = json!(1);
    assert_ne!(found(options), expected);
}

#[test]
fn a_budget_buys_whole_samples_and_no_more() {
    let more = json!({ "lambda": 1 });
    let all = found(more.clone());
    // 40 synthetic samples, 21 guided ones, and a rest that pays for none.
    let service = Service::with_calls(CALLS * 61 + 34);
    let run = Run::default();
    let error = attack(&options(more), &service, &run).unwrap_err();
    assert_eq!(error.code, ErrorCode::Budget);
    let message = "the budget of model calls ended after 21 of 48 guided samples";
    assert_eq!(error.message, message);
    assert!(error.help.contains("`samples`"));
    assert_eq!(run.findings(), all[..21]);
    assert_eq!(service.calls_left(), 34);
}

#[test]
fn the_calls_are_those_of_the_samples() {
    let service = Service::with_calls(CALLS * 88);
    let run = Run::default();
    attack(&options(json!({})), &service, &run).unwrap();
    assert_eq!(service.calls_left(), 0);
    assert_eq!(*run.progress.lock().unwrap(), (40 + 60 + 48, 40 + 60 + 48));
    let logs = run.logs.lock().unwrap();
    assert_eq!(logs[0], "kept 2 of 2 clusters of 40 samples");
    assert!(logs[1].starts_with("trained the classifier"), "{logs:?}");
}

#[test]
fn too_small_a_budget_finds_nothing() {
    for (calls, message) in [
        (
            0,
            "the budget of model calls ended after 0 of 40 synthetic samples: calls are spent",
        ),
        (
            CALLS * 39,
            "the budget of model calls ended after 32 of 40 synthetic samples: calls are spent",
        ),
        // Without a classifier that would be trained for nothing.
        (
            CALLS * 41 - 1,
            "the budget of model calls ended after 0 of 48 guided samples",
        ),
    ] {
        let run = Run::default();
        let service = Service::with_calls(calls);
        let error = attack(&options(json!({ "batch": 16 })), &service, &run).unwrap_err();
        assert_eq!(error.code, ErrorCode::Budget);
        assert_eq!(error.message, message);
        assert!(error.help.contains("`n_syn`"));
        assert!(run.findings().is_empty());
    }
}

#[test]
fn refused_samples_are_no_cluster() {
    let service = Service {
        refuse_every: Some(2),
        ..Service::new(two_groups())
    };
    let run = Run::default();
    let more = json!({ "n_syn": 80, "samples": 1, "clusters": 3 });
    attack(&options(more), &service, &run).unwrap();
    let log = run.logs.lock().unwrap()[0].clone();
    assert!(log.ends_with("clusters of 40 samples"), "{log}");
}

#[test]
fn without_a_cluster_it_samples_without_guidance_and_says_so() {
    let flat = || vec![vec![0.5; SIZE * SIZE]];
    for (images, more, warning) in [
        (
            two_groups(),
            json!({ "thin": 41 }),
            "expected a cluster of at least 41 samples and a mean cosine of at least 0.5, got none \
             among 2 of 40 samples (40 drawn, flat ones left out); lower `tau` or `thin`, or raise \
             `n_syn`",
        ),
        (
            flat(),
            json!({ "lambda": 50, "tau": null }),
            "expected a cluster of at least 5 samples and a mean cosine of at least 0.97, got none \
             among 0 of 0 samples (40 drawn, flat ones left out); lower `tau` or `thin`, or raise \
             `n_syn`",
        ),
    ] {
        let (run, service) = (Run::default(), Service::new(images));
        // The calls are those of a run with guidance: the budgets of a board stay comparable.
        service.left.store(CALLS * 88, Ordering::SeqCst);
        attack(&options(more), &service, &run).unwrap();
        assert_eq!(service.calls_left(), 0);
        service.left.store(u64::MAX, Ordering::SeqCst);
        let plain = service.sample_images(0, 48).unwrap();
        assert_eq!(run.findings().len(), 48);
        for ((image, confidence), plain) in run.findings().iter().zip(plain.outer_iter()) {
            assert_eq!(*confidence, 0.0);
            assert!(image.iter().eq(plain.iter()));
        }
        let logs = run.logs.lock().unwrap();
        let said = "nothing to guide to, so sampling goes on without guidance, as at lambda 0: ";
        assert_eq!(*logs, [format!("{said}{warning}")]);
        assert_eq!(*run.warnings.lock().unwrap(), 1);
    }
}

#[test]
fn what_it_costs_is_known_before() {
    let plugin = &registrations()[0];
    let info = Service::new(two_groups()).info().unwrap();
    let calls = |options: &str, info: &ModelInfo, each| {
        let attack = make_attack(plugin, options).unwrap();
        attack.model_calls(info, each, 7).unwrap()
    };
    // That of `the_calls_are_those_of_the_samples`.
    let expected = Some(CALLS * 88);
    assert_eq!(calls(&options(json!({})), &info, CALLS), expected);
    // The service's sampler is not the attack's.
    let ddim = options(json!({ "sampler": "ddim", "steps": 50 }));
    assert_eq!(calls(&ddim, &info, 3), Some(3 * 40 + 50 * 48));
    assert_eq!(calls("{}", &info, 35), Some(35 * (1024 + 256)));
    assert_eq!(calls("{}", &info, u64::MAX), None);

    let told = Service {
        must_be_told: true,
        ..Service::new(two_groups())
    };
    let attack = make_attack(plugin, "{}").unwrap();
    let error = attack.model_calls(&told.info().unwrap(), 35, 0);
    assert_eq!(error.unwrap_err().code, ErrorCode::Unsupported);
}

#[test]
fn one_cluster_is_certain() {
    let service = Service::new(two_groups()[..1].to_vec());
    let run = Run::default();
    attack(&options(json!({ "lambda": 50 })), &service, &run).unwrap();
    let plain = service.sample_images(0, 48).unwrap();
    for ((image, confidence), plain) in run.findings().iter().zip(plain.outer_iter()) {
        assert_eq!(*confidence, 0.0);
        assert!(image.iter().eq(plain.iter()));
    }
    let logs = run.logs.lock().unwrap();
    assert_eq!(logs[0], "kept 1 of 1 clusters of 40 samples");
    assert!(logs[1].starts_with("one cluster"), "{logs:?}");
}

#[test]
fn a_cancelled_run_ends_where_it_is() {
    for (at, message, found) in [
        (16, "cancelled after 16 of 40 synthetic samples", 0),
        (45, "cancelled after 5 of 60 steps of the classifier", 0),
        (116, "cancelled between steps", 16),
    ] {
        let run = Run {
            cancel_at: Some(at),
            ..Run::default()
        };
        let service = Service::new(two_groups());
        let error = attack(&options(json!({ "batch": 16 })), &service, &run).unwrap_err();
        assert_eq!(error.code, ErrorCode::Cancelled);
        assert_eq!(error.message, message);
        assert_eq!(run.findings().len(), found);
    }
}

#[test]
fn a_model_that_must_be_told_a_class_is_refused() {
    let service = Service {
        must_be_told: true,
        ..Service::with_calls(7)
    };
    let error = attack("{}", &service, &Run::default()).unwrap_err();
    assert_eq!(error.code, ErrorCode::Unsupported);
    assert!(error.message.contains("`class_labels`"));
    assert_eq!(service.left.load(Ordering::SeqCst), 7);
}
