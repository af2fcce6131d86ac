//! How well members are told from others, on models of which theory says how well.

use eidetic_sdk::ndarray::{Array4, Axis, Slice, concatenate};
use eidetic_sdk::pixels::{to_u8, to_unit};
use eidetic_sdk::sampler::RowNoise;

use super::support::{Denoiser, Service, gaussian, half_memorizer, memorizer};

/// The deviation of a pixel.
const DEVIATION: f64 = 0.35;

/// Independent images of independent normal pixels, `[count, 1, 16, 16]`.
fn images(purpose: &str, count: usize) -> Array4<u8> {
    let mut pixels = vec![0.0; count * 256];
    RowNoise::new(1, purpose, &[0]).fill(0, &mut pixels);
    let levels = pixels.iter().map(|n| to_u8((n * DEVIATION) as f32));
    Array4::from_shape_vec((count, 1, 16, 16), levels.collect()).unwrap()
}

fn values(images: &Array4<u8>) -> Vec<Vec<f64>> {
    let row = |row: eidetic_sdk::ndarray::ArrayView3<'_, u8>| {
        row.iter().map(|&level| f64::from(to_unit(level))).collect()
    };
    images.outer_iter().map(row).collect()
}

/// The share of pairs of a member and another that are ranked right, ties half.
fn auc(member: &[f64], other: &[f64]) -> f64 {
    let rank =
        |a: f64, b: f64| 0.5 * f64::from(u8::from(a > b)) + 0.5 * f64::from(u8::from(a >= b));
    let pairs = member
        .iter()
        .flat_map(|&a| other.iter().map(move |&b| rank(a, b)));
    pairs.sum::<f64>() / (member.len() * other.len()) as f64
}

/// Scores of members, which the model is made of, and of as many others.
fn scores(options: &str, count: usize, service: impl Fn(Array4<u8>) -> Service) -> [Vec<f64>; 2] {
    let views = [images("member", count), images("other", count)];
    let all = concatenate(Axis(0), &[views[0].view(), views[1].view()]).unwrap();
    let mut members = service(all).scores(options);
    let others = members.split_off(count);
    [members, others]
}

fn rate(options: &str, count: usize, service: impl Fn(Array4<u8>) -> Service) -> f64 {
    let [members, others] = scores(options, count, service);
    auc(&members, &others)
}

fn members(all: &Array4<u8>) -> Vec<Vec<f64>> {
    let half = all.dim().0 / 2;
    values(&all.slice_axis(Axis(0), Slice::from(..half)).to_owned())
}

#[test]
fn a_perfect_memorizer_gives_its_members_away() {
    for method in [
        "loss",
        "secmi",
        "pia",
        "pian",
        "sima",
        "score-norm",
        "flipd",
    ] {
        let options = format!(r#"{{"method": "{method}", "draws": 2, "trace_probes": 2}}"#);
        let rate = rate(&options, 40, |all| {
            let model = memorizer(&members(&all));
            Service::new(all, model)
        });
        assert!(rate > 0.999, "{method}: {rate}");
    }
}

#[test]
fn a_model_that_has_memorized_in_part_gives_its_members_away() {
    for method in [
        r#""method": "loss""#,
        r#""method": "secmi""#,
        r#""method": "secmi", "secmi_stop": 90"#,
        r#""method": "pia""#,
        r#""method": "sima""#,
        r#""method": "score-norm""#,
        r#""method": "flipd""#,
        r#""method": "sharpness", "sigmas": [0.4]"#,
        r#""method": "sharpness", "sigmas": [0.4], "sharpness_curvature": true"#,
    ] {
        let options = format!(r#"{{{method}, "draws": 2, "trace_probes": 2}}"#);
        let rate = rate(&options, 40, |all| {
            let model = half_memorizer(&members(&all), DEVIATION);
            Service::new(all, model)
        });
        assert!(rate > 0.999, "{method}: {rate}");
    }
}

/// What the docs of `sharpness` warn of: of what a perfect memorizer knows nothing of, the score is
/// longer, and between members its Hessian has large eigenvalues above 0.
#[test]
fn sharpness_takes_what_is_far_for_sharp_and_curvature_does_not() {
    let of = |curvature: bool| {
        let options = format!(
            r#"{{"method": "sharpness", "sigmas": [0.4], "sharpness_curvature": {curvature}}}"#
        );
        scores(&options, 40, |all| {
            let model = memorizer(&members(&all));
            Service::new(all, model)
        })
    };
    let [members, others] = of(false);
    assert_eq!(auc(&members, &others), 0.0);
    let [members, others] = of(true);
    // 1 / sigma^2 on a peak.
    assert!(members.iter().all(|score| (score - 6.25).abs() < 1e-6));
    assert!(others.iter().all(|&score| score < 6.25 + 1e-6));
    let between = others.iter().filter(|&&score| score < 6.24).count();
    assert!(between >= 20, "{between} of 40");
}

/// Class 0 has memorized its images and knows of others; without a class nothing is memorized.
fn overfitted_class(members: &[Vec<f64>]) -> Denoiser {
    let (null, class) = (gaussian(DEVIATION), half_memorizer(members, DEVIATION));
    Box::new(move |x, sigma, shown| match shown {
        Some(_) => class(x, sigma, None),
        None => null(x, sigma, None),
    })
}

#[test]
fn an_overfitted_class_gives_its_members_away() {
    for method in ["clid", "cfg-norm"] {
        let options = format!(r#"{{"method": "{method}", "draws": 2, "sigmas": [0.7]}}"#);
        let rate = rate(&options, 40, |all| {
            let model = overfitted_class(&members(&all));
            Service::new(all, model).with_classes(1)
        });
        assert!(rate > 0.999, "{method}: {rate}");
    }
}

/// Members and others are drawn alike, and the model has seen neither: the deviation of the AUC of
/// n against n such scores is sqrt((2 n + 1) / (12 n^2)), 0.041 at n = 100; four of them are allowed.
#[test]
fn a_model_that_has_seen_neither_is_at_chance() {
    const TOLERANCE: f64 = 0.164;
    let normal: fn() -> Denoiser = || gaussian(DEVIATION);
    let others: fn() -> Denoiser = || memorizer(&values(&images("aux", 40)));
    for method in [
        "loss",
        "secmi",
        "pia",
        "pian",
        "sima",
        "score-norm",
        "flipd",
        "sharpness",
        "cfg-norm",
        "clid",
    ] {
        for (name, model) in [("normal", normal), ("twin", others)] {
            let options = format!(r#"{{"method": "{method}", "draws": 1, "trace_probes": 1}}"#);
            let rate = rate(&options, 100, |all| {
                Service::new(all, model()).with_classes(1)
            });
            assert!((rate - 0.5).abs() < TOLERANCE, "{method}, {name}: {rate}");
        }
    }
}
