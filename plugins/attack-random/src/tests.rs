#![allow(clippy::unwrap_used)]

use std::sync::Mutex;

use eidetic_sdk::batch::{Batch, condition_values};
use eidetic_sdk::ndarray::{ArrayView4, ArrayViewMut2, ArrayViewMut4, Axis};
use eidetic_sdk::registration::{make_attack, resolve_options};
use eidetic_sdk::{
    Candidates, ConditionSpec, ElementType, ImageShape, ModelInfo, SampleRequest, conformance,
};

use super::*;

mod cliques;
mod graph;
mod near;

const SHAPE: ImageShape = ImageShape {
    channels: 1,
    height: 1,
    width: 2,
};

/// A service of two grey pixels, `[level(index); 2]`, at two calls a sample and four
/// under guidance.
struct Service {
    levels: Vec<u8>,
    calls_left: Mutex<u64>,
    broken_from: u64,
    /// Told classes: how many, and whether none is one of them. Class c adds 10 c, guidance the
    /// scale.
    classes: Option<(u64, bool)>,
}

impl Service {
    fn new(levels: &[u8], calls: u64) -> Self {
        Self {
            levels: levels.to_vec(),
            calls_left: Mutex::new(calls),
            broken_from: u64::MAX,
            classes: None,
        }
    }
}

impl Target for Service {
    fn info(&self) -> Result<ModelInfo> {
        let label = self.classes.map(|(classes, nullable)| ConditionSpec {
            name: "class_labels".to_owned(),
            element: ElementType::I64,
            dims: Vec::new(),
            classes: Some(classes),
            nullable,
        });
        Ok(ModelInfo {
            conditions: Vec::from_iter(label),
            ..ModelInfo::pixel_denoiser(SHAPE, 0.5)
        })
    }
    fn access(&self) -> Access {
        Access::Samples
    }
    fn calls_left(&self) -> u64 {
        *self.calls_left.lock().unwrap()
    }
    fn sample(&self, request: SampleRequest<'_>, mut out: ArrayViewMut4<'_, u8>) -> Result<()> {
        let count = out.dim().0 as u64;
        if request.first_index + count > self.broken_from {
            return Err("the service is down".into());
        }
        let mut left = self.calls_left.lock().unwrap();
        let guided = !request.conditions.is_empty() && request.guidance_scale != 1.0;
        let spent = left.checked_sub(if guided { 4 } else { 2 } * count);
        *left = spent.ok_or_else(|| Error::new(ErrorCode::Budget, "calls are spent"))?;
        for (index, mut row) in (request.first_index..).zip(out.axis_iter_mut(Axis(0))) {
            row.fill(self.levels[index as usize]);
        }
        if let [label] = request.conditions {
            assert!(label.null.iter().all(|&null| null == 0));
            let labels = condition_values::<i64>(label)?;
            for (&label, mut row) in labels.iter().zip(out.axis_iter_mut(Axis(0))) {
                row += label as u8 * 10 + request.guidance_scale as u8;
            }
        }
        Ok(())
    }
    fn denoise(&self, _: Batch<'_>, _: ArrayViewMut4<'_, f32>) -> Result<()> {
        Err(Error::unsupported("denoise"))
    }
    fn denoise_vjp(
        &self,
        _: Batch<'_>,
        _: ArrayView4<'_, f32>,
        _: ArrayViewMut4<'_, f32>,
    ) -> Result<()> {
        Err(Error::unsupported("denoise_vjp"))
    }
    fn encode(&self, _: ArrayView4<'_, f32>, _: ArrayViewMut4<'_, f32>) -> Result<()> {
        Err(Error::unsupported("encode"))
    }
    fn decode(&self, _: ArrayView4<'_, f32>, _: ArrayViewMut4<'_, f32>) -> Result<()> {
        Err(Error::unsupported("decode"))
    }
    fn embed(&self, _: ArrayView4<'_, f32>, _: ArrayViewMut2<'_, f32>) -> Result<()> {
        Err(Error::unsupported("embed"))
    }
    fn candidates(&self, _: u32) -> Result<Candidates<'_>> {
        Err(Error::unsupported("candidates"))
    }
}

#[derive(Default)]
struct Run {
    cancel_after: Option<u64>,
    done: Mutex<u64>,
    found: Mutex<Vec<(u8, Option<f64>)>>,
    said: Mutex<Vec<String>>,
}

impl Context for Run {
    fn seed(&self) -> u64 {
        0
    }
    fn cancelled(&self) -> bool {
        self.cancel_after
            .is_some_and(|after| *self.done.lock().unwrap() >= after)
    }
    fn progress(&self, done: u64, _total: u64) {
        *self.done.lock().unwrap() = done;
    }
    fn log(&self, _: LogLevel, message: &str) {
        self.said.lock().unwrap().push(message.to_owned());
    }
}

impl Sink for Run {
    fn images(&self, images: ArrayView4<'_, u8>) -> Result<u64> {
        let mut found = self.found.lock().unwrap();
        let first = found.len() as u64;
        found.extend(images.outer_iter().map(|row| (row[[0, 0, 0]], None)));
        Ok(first)
    }
    fn confidence(&self, first: u64, values: &[f64]) -> Result<()> {
        let mut found = self.found.lock().unwrap();
        for (offset, &value) in values.iter().enumerate() {
            let slot = &mut found[first as usize + offset].1;
            assert_eq!(*slot, None, "a confidence given twice");
            *slot = Some(value);
        }
        Ok(())
    }
    fn reconstructions(&self, _: u32, _: &[u64], _: ArrayView4<'_, u8>) -> Result<()> {
        Err(Error::unsupported("reconstructions"))
    }
    fn scores(&self, _: &[u64], _: &[f64]) -> Result<()> {
        Err(Error::unsupported("scores"))
    }
}

/// Runs the attack over the boundary, as the harness does.
fn attack(options: &str, service: &Service, run: &Run) -> Result<()> {
    make_attack(&registrations()[0], options)
        .unwrap()
        .run(service, run, run)
}

fn found(run: &Run) -> Vec<(u8, f64)> {
    let found = run.found.lock().unwrap();
    found.iter().map(|&(l, c)| (l, c.unwrap())).collect()
}

#[test]
fn confidence_is_the_share_of_near_others() {
    // 0.05 is 12.75 levels: 0-10 and 10-20 are near, 0-20 is not, 200 is alone.
    let expected = vec![(0, 1.0 / 3.0), (10, 2.0 / 3.0), (20, 1.0 / 3.0), (200, 0.0)];
    for batch in [1, 2, 3, 4, 100] {
        let run = Run::default();
        let service = Service::new(&[0, 10, 20, 200], 8);
        let options = format!(r#"{{"samples": 4, "batch": {batch}}}"#);
        attack(&options, &service, &run).unwrap();
        assert_eq!(found(&run), expected, "batch {batch}");
        assert_eq!(*run.done.lock().unwrap(), 4);
        assert_eq!(service.calls_left(), 0);
    }
}

#[test]
fn the_density_is_counted_over_the_first_samples_alone() {
    let expected = vec![(0, 0.0), (200, 0.0), (0, 0.5), (100, 0.0), (200, 0.5)];
    for batch in [1, 2, 3, 5] {
        let run = Run::default();
        let service = Service::new(&[0, 200, 0, 100, 200], 10);
        let options = format!(r#"{{"samples": 5, "density_over": 2, "batch": {batch}}}"#);
        attack(&options, &service, &run).unwrap();
        assert_eq!(found(&run), expected, "batch {batch}");
    }
}

#[test]
fn a_distance_of_0_joins_exact_copies_and_1_joins_all() {
    for (near_l2, expected) in [("0", [0.5, 0.5, 0.0]), ("1.0", [1.0, 1.0, 1.0])] {
        let run = Run::default();
        let options = format!(r#"{{"samples": 3, "near_l2": {near_l2}}}"#);
        attack(&options, &Service::new(&[0, 0, 255], 6), &run).unwrap();
        assert_eq!(
            found(&run).iter().map(|f| f.1).collect::<Vec<_>>(),
            expected
        );
    }
}

#[test]
fn a_single_sample_has_no_likeness() {
    let run = Run::default();
    attack(r#"{"samples": 1}"#, &Service::new(&[7], 2), &run).unwrap();
    assert_eq!(found(&run), [(7, 0.0)]);
}

#[test]
fn a_budget_buys_the_same_samples_at_any_batch() {
    for batch in [1, 2, 3, 4, 8] {
        let run = Run::default();
        // 11 calls pay for five samples of two.
        let service = Service::new(&[5, 5, 5, 5, 99, 5, 5, 5], 11);
        let options = format!(r#"{{"samples": 8, "batch": {batch}}}"#);
        let error = attack(&options, &service, &run).unwrap_err();
        assert_eq!(error.code, ErrorCode::Budget);
        assert_eq!(
            error.message,
            "the budget of model calls ended after 5 of 8 samples"
        );
        assert!(error.help.contains("`samples`"));
        let expected = [(5, 0.75), (5, 0.75), (5, 0.75), (5, 0.75), (99, 0.0)];
        assert_eq!(found(&run), expected, "batch {batch}");
    }
}

#[test]
fn no_budget_at_all_finds_nothing() {
    let run = Run::default();
    let error = attack("{}", &Service::new(&[1; 256], 1), &run).unwrap_err();
    assert!(error.message.ends_with("after 0 of 256 samples"));
    assert!(found(&run).is_empty());
}

#[test]
fn what_was_found_before_a_failure_counts() {
    let run = Run::default();
    let mut service = Service::new(&[1, 1, 1, 1], 100);
    service.broken_from = 2;
    let error = attack(r#"{"samples": 4, "batch": 2}"#, &service, &run).unwrap_err();
    assert_eq!(error.message, "the service is down");
    assert_eq!(found(&run), [(1, 1.0), (1, 1.0)]);
}

#[test]
fn a_cancelled_run_ends_after_its_batch() {
    let run = Run {
        cancel_after: Some(2),
        ..Run::default()
    };
    let service = Service::new(&[1, 200, 1, 1], 100);
    let error = attack(r#"{"samples": 4, "batch": 2}"#, &service, &run).unwrap_err();
    assert_eq!(error.code, ErrorCode::Cancelled);
    assert_eq!(error.message, "cancelled after 2 of 4 samples");
    assert_eq!(found(&run), [(1, 0.0), (200, 0.0)]);
}

#[test]
fn classes_are_asked_for_one_after_another() {
    let levels = |classes, options: &str| {
        let run = Run::default();
        let service = Service {
            classes,
            ..Service::new(&[0; 5], 20)
        };
        attack(options, &service, &run)?;
        Ok::<_, Error>(found(&run).into_iter().map(|f| f.0).collect::<Vec<_>>())
    };
    for batch in [1, 2, 5] {
        let options = |more| format!(r#"{{"samples": 5, "near_l2": 0, "batch": {batch}{more}}}"#);
        let guided = options(r#", "guidance_scale": 3"#);
        let none = options(r#", "classes": "none""#);
        assert_eq!(
            levels(Some((3, false)), &options("")).unwrap(),
            [1, 11, 21, 1, 11]
        );
        assert_eq!(
            levels(Some((3, true)), &guided).unwrap(),
            [3, 13, 23, 3, 13]
        );
        assert_eq!(levels(Some((3, true)), &none).unwrap(), [0; 5]);
        assert_eq!(levels(None, &options("")).unwrap(), [0; 5]);
        for classes in [None, Some((3, false))] {
            let error = levels(classes, &guided).unwrap_err();
            assert_eq!(error.code, ErrorCode::Unsupported);
        }
    }
}

#[test]
fn a_run_costs_what_is_said_before() {
    for options in [
        r#"{"samples": 5}"#,
        r#"{"samples": 5, "batch": 2, "guidance_scale": 3}"#,
        r#"{"samples": 4, "guidance_scale": 0}"#,
        r#"{"samples": 3, "classes": "none"}"#,
    ] {
        let service = Service {
            classes: Some((3, true)),
            ..Service::new(&[0; 5], 100)
        };
        let said = make_attack(&registrations()[0], options)
            .unwrap()
            .model_calls(&service.info().unwrap(), 2, 99)
            .unwrap();
        attack(options, &service, &Run::default()).unwrap();
        assert_eq!(said, Some(100 - service.calls_left()), "{options}");
    }
}

#[test]
fn options_without_sense_are_refused() {
    let plugin = &registrations()[0];
    for (options, message) in [
        (r#"{"samples": 0}"#, "samples: expected at least 1, got 0"),
        (r#"{"batch": 0}"#, "batch: expected at least 1, got 0"),
        (
            r#"{"density_over": 1}"#,
            "density_over: expected at least 2, got 1",
        ),
        (r#"{"tiles": 0}"#, "tiles: expected at least 1, got 0"),
        (
            r#"{"clique_at_least": 0}"#,
            "clique_at_least: expected at least 1, got 0",
        ),
        (
            r#"{"near_l2": 1.5}"#,
            "near_l2: expected a distance in 0..=1, got 1.5",
        ),
        (
            r#"{"guidance_scale": -1}"#,
            "guidance_scale: expected 0 to 1000, got -1",
        ),
    ] {
        let error = resolve_options(plugin, options).unwrap_err();
        assert_eq!(error.code, ErrorCode::BadOptions);
        assert_eq!(error.message, message);
        assert_eq!(make_attack(plugin, options).err().unwrap().message, message);
    }
    let error = resolve_options(plugin, r#"{"samples": -1}"#).unwrap_err();
    assert!(error.message.contains("invalid value: integer `-1`"));
}

#[test]
fn it_keeps_the_rules_of_a_plugin() {
    conformance::check(registrations()).unwrap();
    let schema = &registrations()[0].options_schema;
    assert!(schema.contains("Samples to draw"), "{schema}");
}
