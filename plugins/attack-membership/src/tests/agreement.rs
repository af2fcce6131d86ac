//! Against `tests/fixtures/make_scores.py`, with the same noise.

use eidetic_sdk::ndarray::{Array2, Array4};
use eidetic_sdk::pixels::to_unit;
use serde_json::Value;

use super::support::{Denoiser, Service, mixture};
use crate::plan::Plan;
use crate::{Method, Options, Subjects};

struct Fixture(Value);

impl Fixture {
    fn open() -> Self {
        Self(serde_json::from_str(include_str!("../../tests/fixtures/scores.json")).unwrap())
    }

    fn numbers(&self, key: &str) -> Vec<f64> {
        numbers(&self.0[key])
    }

    fn service(&self) -> Service {
        let shape: Vec<usize> = self.numbers("shape").iter().map(|&n| n as usize).collect();
        let levels: Vec<u8> = self.numbers("levels").iter().map(|&n| n as u8).collect();
        let [c, h, w] = shape[..] else { panic!() };
        let rows = levels.len() / (c * h * w);
        let images = Array4::from_shape_vec((rows, c, h, w), levels).unwrap();
        let spread = self.0["spread"].as_f64().unwrap();
        let classes = self.0["classes"].as_u64().unwrap();
        let centres: Vec<_> = self.0["centres"]
            .as_array()
            .unwrap()
            .iter()
            .map(|centre| (numbers(centre), spread, 0.0))
            .collect();
        let denoiser: Denoiser = Box::new(move |x, sigma, class| {
            let of = (0u64..).zip(&centres);
            let of = of.filter(|(i, _)| class.is_none_or(|class| i % classes == class));
            let of: Vec<_> = of.map(|(_, centre)| centre.clone()).collect();
            mixture(x, sigma, &of)
        });
        Service::new(images, denoiser).with_classes(classes)
    }

    /// Scores with the fixture's noise, which starts again for every call.
    fn scores(&self, options: Options) -> Vec<f64> {
        let service = self.service();
        let (rows, c, h, w) = service.images.dim();
        let values = service
            .images
            .iter()
            .map(|&level| f64::from(to_unit(level)));
        let plan = Plan::new(&options, &service.info).unwrap();
        let noise = &self.0["noise"];
        let mut drawn = vec![0; rows];
        let mut subjects = Subjects {
            target: &service,
            shape: [c, h, w],
            ids: (0..rows as u64).collect(),
            label: &plan.label,
            shown: plan.shown,
            noise: Box::new(move |row: usize, out: &mut [f64]| {
                out.copy_from_slice(&numbers(&noise[row][drawn[row]]));
                drawn[row] += 1;
            }),
            x0: Array2::from_shape_vec((rows, c * h * w), values.collect()).unwrap(),
        };
        plan.scores(&mut subjects).unwrap()
    }

    #[track_caller]
    fn agrees(&self, options: Options, sign: f64, key: &str, tolerance: f64) {
        let (got, want) = (self.scores(options), self.numbers(key));
        assert_eq!(got.len(), want.len());
        for (row, (got, want)) in got.iter().zip(&want).enumerate() {
            let far = (sign * got - want).abs() / want.abs();
            assert!(far < tolerance, "{key}, row {row}: {got} against {want}");
        }
    }
}

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(values) => values.iter().flat_map(numbers).collect(),
        value => vec![value.as_f64().unwrap()],
    }
}

fn options(method: Method) -> Options {
    Options {
        method,
        draws: 2,
        trace_probes: 2,
        ..Options::default()
    }
}

#[test]
fn loss() {
    let fixture = Fixture::open();
    let one = Options {
        draws: 1,
        ..options(Method::Loss)
    };
    fixture.agrees(one, -1.0, "loss_t200_draws1", 1e-5);
    fixture.agrees(options(Method::Loss), -1.0, "loss_t200_draws2", 1e-5);
}

#[test]
fn secmi_at_both_stops() {
    let fixture = Fixture::open();
    let released = Options {
        secmi_stop: 90,
        ..options(Method::Secmi)
    };
    fixture.agrees(options(Method::Secmi), -1.0, "secmi_stop100", 1e-4);
    fixture.agrees(released, -1.0, "secmi_stop90", 1e-4);
}

#[test]
fn pia_pian_and_sima() {
    let fixture = Fixture::open();
    fixture.agrees(options(Method::Pia), -1.0, "pia", 1e-4);
    fixture.agrees(options(Method::Pian), -1.0, "pian", 1e-4);
    fixture.agrees(options(Method::Sima), -1.0, "sima", 1e-5);
}

#[test]
fn flipd_and_score_norm() {
    let fixture = Fixture::open();
    fixture.agrees(options(Method::ScoreNorm), -1.0, "score_norm", 1e-4);
    fixture.agrees(options(Method::Flipd), -1.0, "flipd_hutchinson2", 1e-4);
    // Two directions are few, and come near all the same.
    fixture.agrees(options(Method::Flipd), -1.0, "flipd_exact", 0.15);
}

#[test]
fn sharpness() {
    let fixture = Fixture::open();
    let curvature = Options {
        sharpness_curvature: true,
        ..options(Method::Sharpness)
    };
    fixture.agrees(options(Method::Sharpness), 1.0, "sharpness_draws2", 1e-4);
    fixture.agrees(curvature, 1.0, "curvature_draws2", 1e-4);
}

#[test]
fn clid_and_cfg_norm() {
    let fixture = Fixture::open();
    let (null, class) = (
        fixture.numbers("clid_loss_null"),
        fixture.numbers("clid_loss_class"),
    );
    let got = fixture.scores(options(Method::Clid));
    for (row, got) in got.iter().enumerate() {
        let want = 0.5 * (null[row] - class[row]) - 0.5 * class[row];
        assert!(
            (got - want).abs() < 1e-5 * class[row],
            "row {row}: {got}, {want}"
        );
    }
    let middle = Options {
        sigmas: vec![crate::schedule::scaled_linear(500)],
        ..options(Method::CfgNorm)
    };
    fixture.agrees(middle, 1.0, "cfg_norm_t500_draws2", 1e-5);
}
