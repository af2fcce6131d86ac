//! A panic in any method, on either side, comes back as an error with its message.
#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use eidetic_sdk::registration::{
    self, Origin, make_attack, make_mitigation, make_model, resolve_options,
};
use eidetic_sdk::*;
use ndarray::{Array4, ArrayView4, ArrayViewMut2, ArrayViewMut4};
use serde::{Deserialize, Serialize};

const ORIGIN: Origin = Origin {
    version: "1",
    licence: "MIT",
};

#[derive(Serialize, Deserialize, schemars::JsonSchema, Default)]
#[serde(default, deny_unknown_fields)]
struct Where {
    panic_in: String,
}

impl Where {
    fn check(&self, method: &str) -> Result<()> {
        assert!(self.panic_in != method, "in {method}");
        Ok(())
    }
}

const RUN: TrainingRun = TrainingRun {
    shape: SHAPE,
    steps: 1,
    batch: 1,
    examples: 1,
};

/// Panics in every method but those of its options.
struct Panics;

impl Attack for Panics {
    fn probes(&self, _: u64, _: ImageShape, _: u64) -> Result<Vec<Probe>> {
        panic!("in probes")
    }
    fn run(&self, _: &dyn Target, _: &dyn Context, _: &dyn Sink) -> Result<()> {
        panic!("in run {}", 1)
    }
    fn model_calls(&self, _: &ModelInfo, _: u64, _: u64) -> Result<Option<u64>> {
        panic!("in model_calls")
    }
}

impl Model for Panics {
    fn info(&self) -> ModelInfo {
        info()
    }
    fn denoise(&self, _: Batch<'_>, _: ArrayViewMut4<'_, f32>) -> Result<()> {
        panic!("in denoise")
    }
    fn denoise_vjp(
        &self,
        _: Batch<'_>,
        _: ArrayView4<'_, f32>,
        _: ArrayViewMut4<'_, f32>,
    ) -> Result<()> {
        panic!("in denoise_vjp")
    }
    fn sample(&self, _: Batch<'_>, _: ArrayViewMut4<'_, f32>) -> Result<()> {
        panic!("in sample")
    }
    fn encode(&self, _: ArrayView4<'_, f32>, _: ArrayViewMut4<'_, f32>) -> Result<()> {
        panic!("in encode")
    }
    fn decode(&self, _: ArrayView4<'_, f32>, _: ArrayViewMut4<'_, f32>) -> Result<()> {
        panic!("in decode")
    }
    fn embed(&self, _: ArrayView4<'_, f32>, _: ArrayViewMut2<'_, f32>) -> Result<()> {
        std::panic::panic_any(7)
    }
}

impl Mitigation for Panics {
    fn curate(&self, _: TrainingSet<'_>, _: u64) -> Result<Curation> {
        panic!("in curate")
    }
    fn plan(&self, _: TrainingRun) -> Result<TrainingPlan> {
        panic!("in plan")
    }
    fn batch(&self, _: TrainingBatch<'_>, _: &dyn Trainer) -> Result<Vec<TrainingGroup>> {
        panic!("in batch")
    }
    fn after_step(&self, _: u64, _: &[u64], _: &[f32], _: &[f32]) -> Result<Decision> {
        panic!("in after_step")
    }
    fn state(&self) -> Result<Vec<u8>> {
        panic!("in state")
    }
    fn restore(&self, _: &[u8]) -> Result<()> {
        panic!("in restore")
    }
    fn wrapped_info(&self, _: ModelInfo) -> ModelInfo {
        panic!("in wrapped_info")
    }
    fn denoise(&self, _: &dyn Denoiser, _: Batch<'_>, _: ArrayViewMut4<'_, f32>) -> Result<()> {
        panic!("in denoise")
    }
    fn denoise_vjp(
        &self,
        _: &dyn Denoiser,
        _: Batch<'_>,
        _: ArrayView4<'_, f32>,
        _: ArrayViewMut4<'_, f32>,
    ) -> Result<()> {
        panic!("in denoise_vjp")
    }
    fn accept(&self, _: ArrayView4<'_, u8>, _: &mut [bool]) -> Result<()> {
        panic!("in accept")
    }
}

impl AttackPlugin for Panics {
    const ID: &'static str = "panics";
    const SUMMARY: &'static str = "panics";
    const GOAL: Goal = Goal::Extraction;
    const ACCESS: Access = Access::Samples;
    type Options = Where;
    fn check(options: &Where) -> Result<()> {
        options.check("check")
    }
    fn make(options: Where) -> Result<Self> {
        options.check("make").map(|()| Self)
    }
}

impl ModelPlugin for Panics {
    const ID: &'static str = "panics";
    const SUMMARY: &'static str = "panics";
    type Options = Where;
    fn check(options: &Where) -> Result<()> {
        options.check("check")
    }
    fn make(options: Where, _: Option<TrainingSet<'_>>) -> Result<Self> {
        options.check("make").map(|()| Self)
    }
}

impl MitigationPlugin for Panics {
    const ID: &'static str = "panics";
    const SUMMARY: &'static str = "panics";
    const STAGES: Stages = Stages {
        data: true,
        training: true,
        sampling: true,
        output: true,
    };
    type Options = Where;
    fn check(options: &Where) -> Result<()> {
        options.check("check")
    }
    fn make(options: Where, _: TrainingSet<'_>) -> Result<Self> {
        options.check("make").map(|()| Self)
    }
}

fn all() -> [Registration; 3] {
    [
        registration::attack::<Panics>(ORIGIN),
        registration::model::<Panics>(ORIGIN),
        registration::mitigation::<Panics>(ORIGIN),
    ]
}

#[track_caller]
fn assert_panicked<T>(result: Result<T>, message: &str) {
    let error = result.err().unwrap();
    assert_eq!(error.code, ErrorCode::Panic, "{error}");
    assert_eq!(error.message, format!("panicked: {message}"));
}

#[test]
fn options_and_constructors() {
    let [attack, model, mitigation] = all();
    let images = levels(1);
    for plugin in [&attack, &model, &mitigation] {
        assert_panicked(
            resolve_options(plugin, r#"{"panic_in": "check"}"#),
            "in check",
        );
    }
    let options = r#"{"panic_in": "make"}"#;
    assert_panicked(make_attack(&attack, options), "in make");
    assert_panicked(make_model(&model, options, None), "in make");
    let made = with_set(&images, |set| make_mitigation(&mitigation, options, set));
    assert_panicked(made, "in make");
}

#[test]
fn attacks() {
    let host = Host::default();
    let attack = make_attack(&all()[0], "{}").unwrap();
    assert_panicked(attack.probes(1, SHAPE, 0), "in probes");
    assert_panicked(attack.model_calls(&info(), 1, 1), "in model_calls");
    assert_panicked(attack.run(&host, &host, &host), "in run 1");
}

#[test]
fn models() {
    let model = make_model(&all()[1], "{}", None).unwrap();
    let x = tensor(3, 2);
    let mut out = Array4::zeros((3, 2, 3, 4));
    with_batch(2, |batch| {
        assert_panicked(model.denoise(batch, out.view_mut()), "in denoise");
        let vjp = model.denoise_vjp(batch, x.view(), out.view_mut());
        assert_panicked(vjp, "in denoise_vjp");
        assert_panicked(model.sample(batch, out.view_mut()), "in sample");
    });
    assert_panicked(model.encode(x.view(), out.view_mut()), "in encode");
    assert_panicked(model.decode(x.view(), out.view_mut()), "in decode");
    let embedded = model.embed(x.view(), features(3).view_mut());
    assert_panicked(embedded, "a panic without a message");
}

#[test]
fn mitigations() {
    let (host, images, x) = (Host::default(), levels(3), tensor(3, 2));
    let mitigation = with_set(&images, |set| make_mitigation(&all()[2], "{}", set)).unwrap();
    assert_panicked(
        with_set(&images, |set| mitigation.curate(set, 0)),
        "in curate",
    );
    assert_panicked(mitigation.plan(RUN), "in plan");
    let batch = TrainingBatch {
        step: 0,
        index: &[0, 1, 2],
        x0: x.view(),
        sigma: &[1.0; 3],
        noise: x.view(),
        conditions: &[],
    };
    assert_panicked(mitigation.batch(batch, &host), "in batch");
    assert_panicked(mitigation.after_step(0, &[], &[], &[]), "in after_step");
    assert_panicked(mitigation.state(), "in state");
    assert_panicked(mitigation.restore(&[]), "in restore");
    // There is no error to give: what is wrapped speaks for itself.
    assert_eq!(mitigation.wrapped_info(info()), info());
    let mut out = Array4::zeros((3, 2, 3, 4));
    with_batch(2, |batch| {
        let denoised = mitigation.denoise(&host, batch, out.view_mut());
        assert_panicked(denoised, "in denoise");
        let vjp = mitigation.denoise_vjp(&host, batch, x.view(), out.view_mut());
        assert_panicked(vjp, "in denoise_vjp");
    });
    assert_panicked(
        mitigation.accept(images.view(), &mut [true; 3]),
        "in accept",
    );
}

#[derive(Serialize, Deserialize, schemars::JsonSchema, Default)]
#[serde(default, deny_unknown_fields)]
struct Call {
    call: String,
}

/// Calls one thing of the host and gives back what it got.
struct CallsOne(Call);

impl Attack for CallsOne {
    fn run(&self, target: &dyn Target, context: &dyn Context, sink: &dyn Sink) -> Result<()> {
        let (x, levels) = (tensor(3, 2), levels(1));
        let mut out = Array4::zeros((3, 2, 3, 4));
        match self.0.call.as_str() {
            "info" => target.info().map(drop),
            "sample" => {
                let mut images = Array4::zeros((1, 2, 3, 4));
                target.sample(SampleRequest::unconditional(0), images.view_mut())
            }
            "denoise" => with_batch(2, |batch| target.denoise(batch, out.view_mut())),
            "denoise_vjp" => with_batch(2, |batch| {
                target.denoise_vjp(batch, x.view(), out.view_mut())
            }),
            "encode" => target.encode(x.view(), out.view_mut()),
            "decode" => target.decode(x.view(), out.view_mut()),
            "embed" => target.embed(x.view(), features(3).view_mut()),
            "candidates" => target.candidates(0).map(drop),
            "images" => sink.images(levels.view()).map(drop),
            "confidence" => sink.confidence(0, &[1.0]),
            "reconstructions" => sink.reconstructions(0, &[0], levels.view()),
            "scores" => sink.scores(&[0], &[1.0]),
            // Calls that cannot fail: the most careful answer stands for a broken host's.
            "access" => (target.access() == Access::Samples)
                .then_some(())
                .ok_or("more".into()),
            "calls_left" => (target.calls_left() == 0)
                .then_some(())
                .ok_or("more".into()),
            "cancelled" => context.cancelled().then_some(()).ok_or("goes on".into()),
            "progress" => {
                context.progress(0, 1);
                Ok(())
            }
            "log" => {
                context.log(LogLevel::Warn, "");
                Ok(())
            }
            "seed" => (context.seed() == 0).then_some(()).ok_or("more".into()),
            other => Err(format!("no call {other}").into()),
        }
    }
}

impl AttackPlugin for CallsOne {
    const ID: &'static str = "calls-one";
    const SUMMARY: &'static str = "calls one thing of the host";
    const GOAL: Goal = Goal::Extraction;
    const ACCESS: Access = Access::Gradient;
    type Options = Call;
    fn make(options: Call) -> Result<Self> {
        Ok(Self(options))
    }
}

#[test]
fn the_host() {
    let fail = [
        "info",
        "sample",
        "denoise",
        "denoise_vjp",
        "encode",
        "decode",
        "embed",
        "candidates",
        "images",
        "confidence",
        "reconstructions",
        "scores",
    ];
    let cannot_fail = [
        "access",
        "calls_left",
        "cancelled",
        "progress",
        "log",
        "seed",
    ];
    let run = |call: &'static str| {
        let plugin = registration::attack::<CallsOne>(ORIGIN);
        let attack = make_attack(&plugin, &format!(r#"{{"call": "{call}"}}"#)).unwrap();
        let host = Host {
            broken: Some(call),
            ..Host::default()
        };
        attack.run(&host, &host, &host)
    };
    for call in fail {
        assert_panicked(run(call), &format!("the host's {call} is broken"));
    }
    for call in cannot_fail {
        run(call).unwrap();
    }
}
