//! Every call of every trait over the boundary and back: what goes in comes out.
// Nothing is exported from here, so the feature that exports is not declared.
#![allow(clippy::unwrap_used, unexpected_cfgs)]

mod common;

use common::*;
use eidetic_sdk::batch::condition_values;
use eidetic_sdk::registration::{Kind, make_attack, make_mitigation, make_model};
use eidetic_sdk::*;
use ndarray::{Array4, ArrayView4, ArrayViewMut2, ArrayViewMut4, arr1};

const RUN: TrainingRun = TrainingRun {
    shape: SHAPE,
    steps: 10,
    batch: 3,
    examples: 5,
};

struct Everything;

impl Attack for Everything {
    fn model_calls(&self, info: &ModelInfo, each: u64, candidates: u64) -> Result<Option<u64>> {
        let channels = u64::from(info.image.channels);
        Ok((candidates > 0).then_some(channels * each + candidates))
    }
    fn probes(&self, candidates: u64, shape: ImageShape, seed: u64) -> Result<Vec<Probe>> {
        assert_eq!((candidates, shape, seed), (5, SHAPE, 1 << 63));
        let probe = |name: &str, known, sigma| Probe {
            name: name.into(),
            known,
            sigma,
        };
        Ok(vec![
            probe("half", vec![1; 12], 0.0),
            probe("noise", vec![], 2.5),
        ])
    }

    fn run(&self, target: &dyn Target, context: &dyn Context, sink: &dyn Sink) -> Result<()> {
        assert_eq!(target.info()?, info());
        assert_eq!(target.access(), Access::Gradient);
        assert_eq!(target.calls_left(), 1 << 40);

        assert!(
            target
                .sample_images(40, 2)?
                .iter()
                .all(|&level| level == 41)
        );
        let mut images = Array4::zeros((2, 2, 3, 4));
        with_batch(2, |batch| {
            let request = SampleRequest {
                conditions: batch.conditions,
                guidance_scale: 7.0,
                ..SampleRequest::unconditional(3)
            };
            target.sample(request, images.view_mut())
        })?;
        assert!(images.iter().all(|&level| level == 11));
        let spent = target.sample_images(1001, 1).unwrap_err();
        let expected_error = Error::new(ErrorCode::Budget, "spent").with_help("ask for less");
        assert_eq!(spent, expected_error);

        let mut out = Array4::zeros((3, 2, 3, 4));
        with_batch(2, |batch| target.denoise(batch, out.view_mut()))?;
        assert_eq!(out, expected(2));
        let ones = Array4::ones((3, 2, 3, 4));
        with_batch(2, |batch| {
            target.denoise_vjp(batch, ones.view(), out.view_mut())
        })?;
        assert_eq!(out, &ones * 3.0);
        target.encode(ones.view(), out.view_mut())?;
        assert_eq!(out, &ones * 4.0);
        target.decode(ones.view(), out.view_mut())?;
        assert_eq!(out, &ones * 0.25);
        let mut embedding = features(3);
        target.embed(ones.view(), embedding.view_mut())?;
        assert_eq!(
            embedding.row(2),
            arr1(&[0.0, 24.0, 48.0, 72.0, 96.0, 120.0])
        );

        let host = Host::default();
        let Candidates::Membership { images } = target.candidates(0)? else {
            panic!("expected whole images");
        };
        assert_eq!(images, host.images);
        let Candidates::Reconstruction {
            images,
            known,
            sigma,
        } = target.candidates(1)?
        else {
            panic!("expected destroyed images");
        };
        assert_eq!(
            (images, known, sigma),
            (host.destroyed.view(), host.known.view(), 0.75)
        );
        assert!(target.candidates(2).is_err());

        assert_eq!(context.seed(), 0xfeed);
        assert!(!context.cancelled());
        context.progress(1, 3);
        context.log(LogLevel::Debug, "schön");
        assert_eq!(sink.images(host.images.view())?, 11);
        sink.confidence(11, &[0.5, f64::MIN])?;
        sink.reconstructions(1, &[4, 2], host.images.slice(ndarray::s![..2, .., .., ..]))?;
        sink.scores(&[3], &[-0.0])
    }
}

/// A model that denoises as the host does and keeps what it was trained on.
struct Remembers(Option<Trained>);

struct Trained {
    images: Array4<u8>,
    labels: Vec<i64>,
    index: Vec<u64>,
    classes: u64,
}

impl Model for Remembers {
    fn info(&self) -> ModelInfo {
        info()
    }
    fn denoise(&self, batch: Batch<'_>, out: ArrayViewMut4<'_, f32>) -> Result<()> {
        denoised(&batch, out)
    }
    fn denoise_vjp(
        &self,
        _: Batch<'_>,
        cotangent: ArrayView4<'_, f32>,
        out: ArrayViewMut4<'_, f32>,
    ) -> Result<()> {
        doubled(cotangent, out, 3.0)
    }
    fn sample(&self, batch: Batch<'_>, mut out: ArrayViewMut4<'_, f32>) -> Result<()> {
        let trained = self.0.as_ref().map_or(-1.0, |set| {
            assert_eq!((set.labels.len(), set.classes), (set.images.dim().0, 10));
            f32::from(set.images[[1, 0, 0, 0]]) + set.labels[2] as f32 + set.index[0] as f32
        });
        out.fill(trained + batch.rows() as f32);
        Ok(())
    }
    fn encode(&self, pixels: ArrayView4<'_, f32>, out: ArrayViewMut4<'_, f32>) -> Result<()> {
        doubled(pixels, out, 4.0)
    }
    fn decode(&self, latents: ArrayView4<'_, f32>, out: ArrayViewMut4<'_, f32>) -> Result<()> {
        doubled(latents, out, 0.25)
    }
    fn embed(&self, pixels: ArrayView4<'_, f32>, out: ArrayViewMut2<'_, f32>) -> Result<()> {
        embedded(pixels, out)
    }
}

struct AllStages {
    trained_on: usize,
}

impl Mitigation for AllStages {
    fn curate(&self, data: TrainingSet<'_>, seed: u64) -> Result<Curation> {
        assert_eq!((self.trained_on, data.images.dim().0), (4, 5));
        assert_eq!(data.labels, Some(&[0, -1, -2, -3, -4][..]));
        Ok(Curation {
            keep: vec![seed, 4],
            labels: Some(vec![data.index[0] as i64, 1]),
            classes: data.classes + 1,
        })
    }
    fn plan(&self, run: TrainingRun) -> Result<TrainingPlan> {
        assert_eq!(run, RUN);
        Ok(TrainingPlan {
            extra_channels: 1,
            masked: true,
            clip_per_example: Some(0.5).into(),
            noise_multiplier: 1.5,
            poisson: true,
            draws_per_example: 3,
            note: "spent".into(),
        })
    }
    fn batch(&self, batch: TrainingBatch<'_>, trainer: &dyn Trainer) -> Result<Vec<TrainingGroup>> {
        assert_eq!((batch.step, trainer.seed()), (9, 0xfeed));
        let mut target = Array4::zeros((3, 2, 3, 4));
        with_batch(2, |rows| trainer.denoise(rows, target.view_mut()))?;
        let mut weight = Array4::zeros((3, 2, 3, 4));
        with_batch(2, |rows| trainer.denoise_ema(rows, weight.view_mut()))?;
        let label = condition_values::<i64>(&batch.conditions[0])?[[0]];
        Ok(vec![TrainingGroup {
            row: vec![2, 2, 0],
            x: &batch.x0 + &batch.noise,
            extra: Array4::from_elem((3, 1, 3, 4), label as f32),
            sigma: batch.sigma.iter().map(|sigma| sigma * 2.0).collect(),
            target,
            weight,
        }])
    }
    fn after_step(
        &self,
        step: u64,
        index: &[u64],
        sigma: &[f32],
        loss: &[f32],
    ) -> Result<Decision> {
        assert_eq!(
            (index, sigma, loss),
            (&[1, 2][..], &[0.5, 1.0][..], &[3.0, 4.0][..])
        );
        Ok(if step > 9 {
            Decision::Stop
        } else {
            Decision::Continue
        })
    }
    fn state(&self) -> Result<Vec<u8>> {
        Ok(vec![3, 1, 4])
    }
    fn restore(&self, state: &[u8]) -> Result<()> {
        match state {
            [3, 1, 4] => Ok(()),
            _ => Err(Error::bad_input("expected [3, 1, 4]")),
        }
    }
    fn wrapped_info(&self, mut inner: ModelInfo) -> ModelInfo {
        inner.extra_channels = 0;
        inner
    }
    fn denoise(
        &self,
        inner: &dyn Denoiser,
        batch: Batch<'_>,
        mut out: ArrayViewMut4<'_, f32>,
    ) -> Result<()> {
        assert_eq!(inner.info()?, info());
        inner.denoise(batch, out.view_mut())?;
        out.mapv_inplace(|value| value + 1.0);
        Ok(())
    }
    fn denoise_vjp(
        &self,
        inner: &dyn Denoiser,
        batch: Batch<'_>,
        cotangent: ArrayView4<'_, f32>,
        out: ArrayViewMut4<'_, f32>,
    ) -> Result<()> {
        inner.denoise_vjp(batch, cotangent, out)
    }
    fn accept(&self, images: ArrayView4<'_, u8>, keep: &mut [bool]) -> Result<()> {
        for (image, keep) in images.outer_iter().zip(keep) {
            *keep = image[[0, 0, 0]] % 48 == 0;
        }
        Ok(())
    }
}

impl AttackPlugin for Everything {
    const ID: &'static str = "everything";
    const SUMMARY: &'static str = "calls everything";
    const GOAL: Goal = Goal::Reconstruction;
    const ACCESS: Access = Access::Gradient;
    type Options = NoOptions;
    fn make(_: NoOptions) -> Result<Self> {
        Ok(Self)
    }
}

impl ModelPlugin for Remembers {
    const ID: &'static str = "remembers";
    const SUMMARY: &'static str = "keeps its training set";
    const TRAINS: bool = true;
    type Options = NoOptions;
    fn make(_: NoOptions, train: Option<TrainingSet<'_>>) -> Result<Self> {
        Ok(Self(train.map(|set| Trained {
            images: set.images.to_owned(),
            labels: set.labels.unwrap().to_vec(),
            index: set.index.to_vec(),
            classes: set.classes,
        })))
    }
}

impl MitigationPlugin for AllStages {
    const ID: &'static str = "all-stages";
    const SUMMARY: &'static str = "writes every stage";
    const STAGES: Stages = Stages {
        data: true,
        training: true,
        sampling: true,
        output: true,
    };
    type Options = NoOptions;
    fn make(_: NoOptions, train: TrainingSet<'_>) -> Result<Self> {
        let trained_on = train.images.dim().0;
        Ok(Self { trained_on })
    }
}

export_plugins!(attack Everything, model Remembers, mitigation AllStages);

#[test]
fn registrations_say_what_the_types_say() {
    conformance::check(registrations()).unwrap();
    let [attack, model, mitigation] = &registrations()[..] else {
        panic!("expected three plugins");
    };
    assert_eq!(attack.id, "everything");
    assert_eq!(attack.summary, "calls everything");
    assert_eq!(attack.version, env!("CARGO_PKG_VERSION"));
    assert_eq!(attack.licence, env!("CARGO_PKG_LICENSE"));
    let goal = (Goal::Reconstruction, Access::Gradient);
    assert!(matches!(attack.kind, Kind::Attack { goal: g, access, .. } if (g, access) == goal));
    assert!(matches!(model.kind, Kind::Model { trains: true, .. }));
    let all = AllStages::STAGES;
    assert!(matches!(mitigation.kind, Kind::Mitigation { stages, .. } if stages == all));
}

#[test]
fn a_plugin_of_another_kind_is_refused() {
    let [attack, model, _] = &registrations()[..] else {
        panic!("expected three plugins");
    };
    let error = make_attack(model, "{}").err().unwrap();
    assert_eq!(error.message, "plugin `remembers` is not an attack");
    let error = make_model(attack, "{}", None).err().unwrap();
    assert_eq!(error.message, "plugin `everything` is not a model");
    let set = with_set(&levels(1), |set| make_mitigation(model, "{}", set).err());
    assert_eq!(
        set.unwrap().message,
        "plugin `remembers` is not a mitigation"
    );
}

#[test]
fn an_attack_reaches_all_of_the_host() {
    let host = Host::default();
    let attack = make_attack(&registrations()[0], "").unwrap();
    let probes = attack.probes(5, SHAPE, 1 << 63).unwrap();
    assert_eq!(probes, Everything.probes(5, SHAPE, 1 << 63).unwrap());
    let calls = |each, of| attack.model_calls(&info(), each, of).unwrap();
    let channels = u64::from(info().image.channels);
    assert_eq!(calls(1 << 40, 5), Some((channels << 40) + 5));
    assert_eq!(calls(1, 0), None);
    attack.run(&host, &host, &host).unwrap();
    let sum: u32 = (0..120).sum();
    let notes = [
        "progress 1/3".into(),
        "log Debug schön".into(),
        format!("images [5, 2, 3, 4] {sum}"),
        format!("confidence 11 {:?}", [0.5, f64::MIN]),
        "reconstructions 1 [4, 2] [2, 2, 3, 4]".into(),
        "scores [3] [-0.0]".into(),
    ];
    assert_eq!(*host.notes.lock().unwrap(), notes);
}

#[test]
fn a_model_answers_as_it_does_at_home() {
    let images = levels(3);
    let plugin = &registrations()[1];
    let model = with_set(&images, |set| make_model(plugin, "{}", Some(set))).unwrap();
    assert_eq!(model.info(), info());
    let mut out = Array4::zeros((3, 2, 3, 4));
    with_batch(2, |batch| model.denoise(batch, out.view_mut())).unwrap();
    assert_eq!(out, expected(2));
    let ones = Array4::ones((3, 2, 3, 4));
    with_batch(2, |batch| {
        model.denoise_vjp(batch, ones.view(), out.view_mut())
    })
    .unwrap();
    assert_eq!(out, &ones * 3.0);
    // Level 24 of the second image, label -2, index 100, and three rows.
    with_batch(2, |batch| model.sample(batch, out.view_mut())).unwrap();
    assert_eq!(out, &ones * 125.0);
    model.encode(ones.view(), out.view_mut()).unwrap();
    assert_eq!(out, &ones * 4.0);
    model.decode(ones.view(), out.view_mut()).unwrap();
    assert_eq!(out, &ones * 0.25);
    let mut embedding = features(3);
    model.embed(ones.view(), embedding.view_mut()).unwrap();
    assert_eq!(embedding.column(1).to_vec(), [24.0; 3]);

    let untrained = make_model(plugin, "{}", None).unwrap();
    with_batch(2, |batch| untrained.sample(batch, out.view_mut())).unwrap();
    assert_eq!(out, &ones * 2.0);
}

#[test]
fn a_mitigation_answers_at_all_stages() {
    let (host, four, five) = (Host::default(), levels(4), levels(5));
    let plugin = &registrations()[2];
    let mitigation = with_set(&four, |set| make_mitigation(plugin, "{}", set)).unwrap();
    let curation = with_set(&five, |set| mitigation.curate(set, 3)).unwrap();
    let expected_curation = Curation {
        keep: vec![3, 4],
        labels: Some(vec![100, 1]),
        classes: 11,
    };
    assert_eq!(curation, expected_curation);

    let here = AllStages { trained_on: 4 };
    assert_eq!(mitigation.plan(RUN).unwrap(), here.plan(RUN).unwrap());
    let (x0, noise) = (tensor(3, 2), tensor(3, 2) * 10.0);
    with_batch(2, |rows| {
        let batch = TrainingBatch {
            step: 9,
            index: &[1, 2, 3],
            x0: x0.view(),
            sigma: &[0.5, 1.0, 2.0],
            noise: noise.view(),
            conditions: rows.conditions,
        };
        let groups = mitigation.batch(batch, &host).unwrap();
        assert_eq!(groups, here.batch(batch, &host).unwrap());
        assert_eq!(groups[0].extra[[0, 0, 0, 0]], 4.0);
    });
    let step = |n| {
        mitigation
            .after_step(n, &[1, 2], &[0.5, 1.0], &[3.0, 4.0])
            .unwrap()
    };
    assert_eq!((step(9), step(10)), (Decision::Continue, Decision::Stop));
    let state = mitigation.state().unwrap();
    assert_eq!(state, [3, 1, 4]);
    mitigation.restore(&state).unwrap();
    assert!(mitigation.restore(&[1]).is_err());

    assert_eq!(mitigation.wrapped_info(info()).extra_channels, 0);
    let mut out = Array4::zeros((3, 2, 3, 4));
    with_batch(2, |batch| mitigation.denoise(&host, batch, out.view_mut())).unwrap();
    assert_eq!(out, expected(2) + 1.0);
    let ones = Array4::ones((3, 2, 3, 4));
    with_batch(2, |batch| {
        mitigation.denoise_vjp(&host, batch, ones.view(), out.view_mut())
    })
    .unwrap();
    assert_eq!(out, &ones * 3.0);
    let mut keep = [false; 5];
    mitigation.accept(five.view(), &mut keep).unwrap();
    assert_eq!(keep, [true, false, true, false, true]);
}
