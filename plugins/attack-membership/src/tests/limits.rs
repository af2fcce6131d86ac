//! Batches, budgets, and input with little in it.

use eidetic_sdk::ndarray::{Array4, Axis, Slice};
use eidetic_sdk::registration::make_attack;
use eidetic_sdk::{ErrorCode, ImageShape, LatentSpace};
use proptest::prelude::*;

use super::support::{Denoiser, PLENTY, Run, Service, gaussian, mixture};

/// Every method, and what a candidate costs at the settings of [`ask`] with two classes.
const METHODS: [(&str, u64); 10] = [
    ("loss", 2),
    ("secmi", 12),
    ("pia", 2),
    ("pian", 2),
    ("sima", 1),
    ("score-norm", 1),
    ("flipd", 7),
    ("sharpness", 6),
    ("cfg-norm", 30),
    ("clid", 6),
];

fn ask(method: &str, batch: u64) -> String {
    format!(r#"{{"method": "{method}", "draws": 2, "trace_probes": 3, "batch": {batch}}}"#)
}

fn images(levels: &[u8]) -> Array4<u8> {
    Array4::from_shape_vec((levels.len() / 4, 1, 2, 2), levels.to_vec()).unwrap()
}

/// Seven candidates before a model with some structure.
fn service() -> Service {
    let levels: Vec<u8> = (0..28_u32).map(|i| (i * 73 % 256) as u8).collect();
    let known = [[0.5, -0.5, 0.1, 0.9], [-0.9, 0.2, 0.4, -0.3], [0.3; 4]];
    let known = known.map(|image| (image.to_vec(), 0.2, 0.0));
    let denoiser: Denoiser = Box::new(move |x, sigma, class| {
        let from = class.map_or(0, |class| class as usize);
        mixture(x, sigma, &known[from..])
    });
    Service::new(images(&levels), denoiser).with_classes(2)
}

fn bits(scores: &[f64]) -> Vec<u64> {
    scores.iter().map(|score| score.to_bits()).collect()
}

#[test]
fn the_batch_changes_nothing_and_the_price_is_the_stated_one() {
    for (method, calls) in METHODS {
        let alone = service();
        let want = alone.scores(&ask(method, 1));
        assert_eq!(want.len(), 7);
        assert_eq!(alone.spent(), 7 * calls, "{method}");
        for batch in [2, 3, 7, 64] {
            let service = service();
            let got = service.scores(&ask(method, batch));
            assert_eq!(bits(&got), bits(&want), "{method}, batch {batch}");
            assert_eq!(service.spent(), 7 * calls, "{method}");
        }
    }
}

#[test]
fn a_run_costs_what_is_said_before() {
    for (method, _) in METHODS {
        for options in [ask(method, 3), format!(r#"{{"method": "{method}"}}"#)] {
            let service = service();
            let attack = make_attack(&crate::registrations()[0], &options).unwrap();
            let said = attack.model_calls(&service.info, 99, 7).unwrap();
            service.scores(&options);
            assert_eq!(said, Some(service.spent()), "{options}");
        }
    }
    let attack = make_attack(&crate::registrations()[0], r#"{"method": "clid"}"#).unwrap();
    let error = attack.model_calls(&Service::new(images(&[]), gaussian(1.0)).info, 1, 1);
    assert_eq!(error.unwrap_err().code, ErrorCode::Unsupported);
}

#[test]
fn a_candidate_does_not_depend_on_the_others() {
    for (method, _) in METHODS {
        let all = service().scores(&ask(method, 64));
        let mut fewer = service();
        fewer.images = fewer
            .images
            .slice_axis(Axis(0), Slice::from(..3))
            .to_owned();
        assert_eq!(
            bits(&fewer.scores(&ask(method, 64))),
            bits(&all[..3]),
            "{method}"
        );
    }
}

#[test]
fn the_seed_changes_the_noise_and_nothing_else() {
    for (method, _) in METHODS {
        let of = |seed: u64| {
            let run = Run {
                seed,
                ..Run::default()
            };
            service().attack(&ask(method, 64), &run).unwrap();
            bits(&run.found())
        };
        let drawn = ["loss", "flipd", "sharpness", "cfg-norm", "clid"].contains(&method);
        assert_eq!(of(1) != of(2), drawn, "{method}");
        assert_eq!(of(3), of(3), "{method}");
    }
}

#[test]
fn a_budget_buys_the_same_scores_at_any_batch() {
    for (method, calls) in METHODS {
        let want = service().scores(&ask(method, 64));
        for batch in [1, 2, 5, 64] {
            let (service, run) = (service(), Run::default());
            // Five candidates, and not quite a sixth.
            *service.calls_left.lock().unwrap() = 6 * calls - 1;
            let error = service.attack(&ask(method, batch), &run).unwrap_err();
            assert_eq!(error.code, ErrorCode::Budget);
            let message = format!(
                "the budget of model calls ended after 5 of 7 candidates, at {calls} calls each"
            );
            assert_eq!(error.message, message, "{method}");
            assert_eq!(
                bits(&run.found()),
                bits(&want[..5]),
                "{method}, batch {batch}"
            );
        }
    }
}

#[test]
fn no_budget_at_all_scores_nothing() {
    let (service, run) = (service(), Run::default());
    *service.calls_left.lock().unwrap() = 0;
    let error = service.attack("{}", &run).unwrap_err();
    assert!(error.message.contains("after 0 of 7"), "{error}");
    assert!(error.help.contains("cheaper method"));
    assert!(run.found().is_empty());
}

#[test]
fn a_cancelled_run_keeps_what_it_has() {
    let run = Run {
        cancel_after: Some(4),
        ..Run::default()
    };
    let error = service().attack(&ask("sima", 2), &run).unwrap_err();
    assert_eq!(error.code, ErrorCode::Cancelled);
    assert_eq!(error.message, "cancelled after 4 of 7 candidates");
    assert_eq!(run.found().len(), 4);
}

#[test]
fn nothing_to_judge_is_no_error() {
    for (method, _) in METHODS {
        let service = Service::new(images(&[]), gaussian(1.0)).with_classes(2);
        assert!(service.scores(&ask(method, 64)).is_empty(), "{method}");
        assert_eq!(*service.calls_left.lock().unwrap(), PLENTY);
    }
}

#[test]
fn a_model_that_changes_nothing_has_a_score_for_all() {
    for (method, _) in METHODS {
        let identity = Box::new(|x: &[f64], _, _| x.to_vec());
        let flat = images(&[[0; 4], [255; 4], [128; 4]].concat());
        let scores = Service::new(flat, identity)
            .with_classes(2)
            .scores(&ask(method, 64));
        assert_eq!(scores.len(), 3, "{method}");
    }
}

#[test]
fn equal_images_have_equal_scores_where_no_noise_is_drawn() {
    for method in ["secmi", "pia", "pian", "sima", "score-norm"] {
        let twice = images(&[[9, 90, 200, 30], [9, 90, 200, 30]].concat());
        let scores = Service::new(twice, gaussian(0.6)).scores(&ask(method, 64));
        assert_eq!(scores[0].to_bits(), scores[1].to_bits(), "{method}");
    }
}

#[test]
fn an_estimate_that_is_no_number_is_refused() {
    let service = Service::new(images(&[1; 4]), Box::new(|x, _, _| vec![f64::NAN; x.len()]));
    let error = service.refusal(r#"{"method": "sima", "sigmas": [0.5]}"#);
    assert_eq!(
        error.message,
        "denoise: expected finite estimates, got NaN at sigma 0.5"
    );
}

#[test]
fn a_schedule_is_asked_at_its_own_levels() {
    let mut service = service();
    service.info.schedule = vec![0.02, 0.1, 0.5, 2.0];
    (service.info.sigma_min, service.info.sigma_max) = (0.02, 2.0);
    service.scores(&ask("pia", 64));
    // Step 0 is the lowest; 0.7236 is nearer to 0.5 than to 2.
    let seen = service.sigmas_seen.lock().unwrap();
    assert_eq!(seen[..7], [0.02; 7]);
    assert_eq!(seen[7..], [0.5; 7]);
}

#[test]
fn a_latent_model_is_asked_about_latents() {
    let mut service = Service::new(images(&[255; 4]), gaussian(1.0));
    let shape = ImageShape {
        channels: 2,
        height: 1,
        width: 1,
    };
    service.info.latent = Some(LatentSpace {
        shape,
        scale: 1.0,
        shift: 0.0,
    });
    // The latents are 4 and 8: |(2, 4)|^2.
    let scores = service.scores(r#"{"method": "score-norm", "sigmas": [1]}"#);
    assert!((scores[0] + 20.0).abs() < 1e-9, "{scores:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_images_score_alike_in_any_batch(
        levels in prop::collection::vec(any::<[u8; 4]>(), 1..6),
        method in 0..METHODS.len(),
        batch in 2_u64..7,
    ) {
        let of = |batch| {
            let service = Service::new(images(&levels.concat()), gaussian(0.4)).with_classes(2);
            bits(&service.scores(&ask(METHODS[method].0, batch)))
        };
        prop_assert_eq!(of(1), of(batch));
    }
}
