//! Normal data of deviation 1 at sigma 1: D = x / 2, so that eps = x / 2 and dD/dx = 1/2.

use eidetic_sdk::ndarray::Array4;
use eidetic_sdk::sampler::RowNoise;

use super::support::{Denoiser, Run, Service, gaussian};
use crate::schedule::linear;

/// One candidate of two pixels, 1 and -1.
fn service(denoiser: Denoiser) -> Service {
    let images = Array4::from_shape_vec((1, 1, 1, 2), vec![255, 0]).unwrap();
    Service::new(images, denoiser)
}

fn score(options: &str) -> f64 {
    service(gaussian(1.0)).scores(options)[0]
}

#[track_caller]
fn near(got: f64, want: f64) {
    assert!(
        (got - want).abs() < 1e-5 * want.abs().max(1e-3),
        "{got}, expected {want}"
    );
}

/// The first two normal numbers of candidate 0.
fn noise(draws: usize) -> Vec<[f64; 2]> {
    let mut noise = RowNoise::new(Run::default().seed, "membership", &[0]);
    (0..draws)
        .map(|_| {
            let mut values = [0.0; 2];
            noise.fill(0, &mut values);
            values
        })
        .collect()
}

#[test]
fn sima_is_the_norm_of_eps() {
    // x0 unscaled is sqrt(2) (1, -1), eps half of it: |(0.70711, 0.70711)|_p.
    near(score(r#"{"method": "sima", "sigmas": [1]}"#), -0.840_896_4);
    near(
        score(r#"{"method": "sima", "sigmas": [1], "norm_p": 2}"#),
        -1.0,
    );
    near(
        score(r#"{"method": "sima", "sigmas": [1], "norm_p": 1}"#),
        -2.0_f64.sqrt(),
    );
}

#[test]
fn the_score_norm_and_flipd_are_of_the_image_itself() {
    // |x0 / 2|^2 = 0.5; the trace of a half of the identity is 1.
    near(score(r#"{"method": "score-norm", "sigmas": [1]}"#), -0.5);
    near(score(r#"{"method": "flipd", "sigmas": [1]}"#), -1.5);
    // At sigma 2 D is x / 5: 0.8^2 2 / 4 = 0.32, and 0.4. Levels are averaged.
    near(score(r#"{"method": "flipd", "sigmas": [2]}"#), -0.72);
    near(score(r#"{"method": "flipd", "sigmas": [1, 2]}"#), -1.11);
}

#[test]
fn pia_compares_eps_with_where_it_leads() {
    let first = linear(0);
    // eps at step 0 is a x0, that at x0 + a x0 is (1 + a) x0 / 2.
    let a = first / (1.0 + first * first) * (1.0 + first * first).sqrt();
    let norm = 2.0_f64.powf(0.25);
    let want = -(a - (1.0 + a) / 2.0).abs() * norm;
    let got = score(r#"{"method": "pia", "sigmas": [1]}"#);
    // x - D is 1e-4 of x at the first step.
    assert!((got - want).abs() < 1e-4, "{got}, expected {want}");
}

#[test]
fn pian_starts_from_eps_of_the_size_of_noise() {
    // eps is a (1, -1), of mean size sqrt(2 / pi): a = 0.7979; it leads to (1 + a) (1, -1), where
    // eps is half of that.
    let a = (2.0 / std::f64::consts::PI).sqrt();
    let want = -(a - (1.0 + a) / 2.0).abs() * 2.0_f64.powf(0.25);
    near(score(r#"{"method": "pian", "sigmas": [1]}"#), want);
}

#[test]
fn secmi_goes_up_and_back() {
    // Each DDIM step multiplies x by k + (to / from) (1 - k), k = 1 / (1 + from^2).
    let factor = |from: f64, to: f64| (1.0 + from * to) / (1.0 + from * from);
    let [zero, stop, beyond] = [0, 200, 400].map(linear);
    let x = (1.0 + zero * zero).sqrt() * factor(zero, stop);
    let miss = x * (1.0 - factor(stop, beyond) * factor(beyond, stop));
    near(
        score(r#"{"method": "secmi", "secmi_stop": 200, "secmi_step": 200}"#),
        -2.0 * miss * miss / (1.0 + stop * stop),
    );
}

#[test]
fn the_loss_is_the_mean_square_error_of_the_noise() {
    // n - eps = n - (x0 + n) / 2 = (n - x0) / 2.
    let error = |n: &[f64; 2]| ((n[0] - 1.0).powi(2) + (n[1] + 1.0).powi(2)) / 8.0;
    let n = noise(3);
    near(
        score(r#"{"method": "loss", "sigmas": [1], "draws": 1}"#),
        -error(&n[0]),
    );
    near(
        score(r#"{"method": "loss", "sigmas": [1], "draws": 3}"#),
        -n.iter().map(error).sum::<f64>() / 3.0,
    );
}

#[test]
fn sharpness_is_the_score_through_the_hessian() {
    // s = -x / 2, H = -1/2: |H s|^2 = |x|^2 / 16.
    let n = noise(1)[0];
    let size = (1.0 + n[0]).powi(2) + (n[1] - 1.0).powi(2);
    near(
        score(r#"{"method": "sharpness", "sigmas": [1], "draws": 1}"#),
        size / 16.0,
    );
    let curvature = r#"{"method": "sharpness", "sigmas": [1], "sharpness_curvature": true}"#;
    near(score(curvature), 0.5);
}

/// Deviation 1 without a class, 2 and 3 under the classes 0 and 1: D is x / 2, 0.8 x and 0.9 x.
fn with_classes() -> Service {
    let denoiser: Denoiser = Box::new(|x, sigma, class| {
        let s0 = class.map_or(1.0, |class| class as f64 + 2.0);
        gaussian(s0)(x, sigma, None)
    });
    service(denoiser).with_classes(2)
}

#[test]
fn the_class_of_the_lowest_loss_counts() {
    let n = noise(1)[0];
    let x = [1.0 + n[0], n[1] - 1.0];
    // n - eps, eps being x / 2, 0.2 x and 0.1 x.
    let loss = |share: f64| {
        let errors = x.iter().zip(&n).map(|(x, n)| (n - share * x).powi(2));
        errors.sum::<f64>() / 2.0
    };
    let size = (x[0] * x[0] + x[1] * x[1]).sqrt();
    let (null, zero, one) = (loss(0.5), loss(0.2), loss(0.1));
    let (class, share) = if zero <= one { (zero, 0.3) } else { (one, 0.4) };
    let ask = |options: &str| {
        let options = format!(r#"{{"sigmas": [1], "draws": 1, {options}}}"#);
        with_classes().scores(&options)[0]
    };
    near(ask(r#""method": "cfg-norm""#), share * size);
    near(ask(r#""method": "cfg-norm", "class": 0"#), 0.3 * size);
    near(ask(r#""method": "cfg-norm", "class": 1"#), 0.4 * size);
    near(
        ask(r#""method": "clid""#),
        0.5 * (null - class) - 0.5 * class,
    );
    near(
        ask(r#""method": "clid", "class": 1, "clid_weight": 1"#),
        null - one,
    );
    near(ask(r#""method": "clid", "clid_weight": 0"#), -class);
}

#[test]
fn a_class_that_is_given_is_what_all_are_shown_under() {
    let ask = |options: &str| with_classes().scores(options)[0];
    near(ask(r#"{"method": "score-norm", "sigmas": [1]}"#), -0.5);
    // eps is 0.1 x under class 1.
    let shown = r#"{"method": "score-norm", "sigmas": [1], "class": 1}"#;
    near(ask(shown), -0.02);
}
