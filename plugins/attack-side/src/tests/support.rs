//! A closed-form service over a few images, and a run around the attack.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use eidetic_sdk::ndarray::{Array4, ArrayView4, ArrayViewMut2, ArrayViewMut4, Axis};
use eidetic_sdk::pixels::to_u8;
use eidetic_sdk::registration::make_attack;
use eidetic_sdk::sampler::{RowNoise, Sampler, SamplerKind, draw};
use eidetic_sdk::{
    Access, Batch, Candidates, ConditionSpec, Context, Denoiser, ElementType, Error, ErrorCode,
    ImageShape, LogLevel, ModelInfo, Result, SampleRequest, Sink, Target,
};

use crate::registrations;

pub(super) const SIZE: usize = 8;
pub(super) const SEED: u64 = 11;
/// Heun's of the service and of the attack under test.
pub(super) const STEPS: usize = 18;
pub(super) const CALLS: u64 = 35;

/// D*(x; sigma), the posterior mean over images in [-1, 1]: the perfect memorizer.
pub(super) struct Service {
    pub(super) images: Vec<Vec<f32>>,
    pub(super) left: AtomicU64,
    pub(super) must_be_told: bool,
    /// Every so many-th sample of the service is refused.
    pub(super) refuse_every: Option<u64>,
}

/// Two groups of three images: bright above and dark below, or the other way round, with a spot of
/// their own each.
pub(super) fn two_groups() -> Vec<Vec<f32>> {
    let image = |number: usize| {
        let pixel = |place: usize| {
            let above = place < SIZE * SIZE / 2;
            match (place % SIZE == number, above == (number < 3)) {
                (true, _) => 0.2,
                (false, true) => 0.8,
                (false, false) => -0.8,
            }
        };
        (0..SIZE * SIZE).map(pixel).collect()
    };
    (0..6).map(image).collect()
}

impl Service {
    pub(super) fn new(images: Vec<Vec<f32>>) -> Self {
        Self {
            images,
            left: AtomicU64::new(u64::MAX),
            must_be_told: false,
            refuse_every: None,
        }
    }

    pub(super) fn with_calls(calls: u64) -> Self {
        let service = Self::new(two_groups());
        service.left.store(calls, Ordering::SeqCst);
        service
    }

    fn charge(&self, calls: u64) -> Result<()> {
        let take = |left: u64| left.checked_sub(calls);
        let taken = self
            .left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, take);
        taken
            .map(drop)
            .map_err(|_| Error::new(ErrorCode::Budget, "calls are spent"))
    }
}

/// The service's model, without its counter.
struct Free<'a>(&'a Service);

impl Denoiser for Free<'_> {
    fn info(&self) -> Result<ModelInfo> {
        Target::info(self.0)
    }

    fn denoise(&self, batch: Batch<'_>, mut out: ArrayViewMut4<'_, f32>) -> Result<()> {
        let rows = out.axis_iter_mut(Axis(0)).zip(batch.x.axis_iter(Axis(0)));
        for ((mut out, x), &sigma) in rows.zip(batch.sigma) {
            let x: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
            let logs: Vec<f64> = self
                .0
                .images
                .iter()
                .map(|image| {
                    let terms = image.iter().zip(&x);
                    let square: f64 = terms.map(|(&i, x)| (f64::from(i) - x).powi(2)).sum();
                    -square / (2.0 * f64::from(sigma).powi(2))
                })
                .collect();
            let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let weights: Vec<f64> = logs.iter().map(|log| (log - most).exp()).collect();
            let total: f64 = weights.iter().sum();
            for (place, out) in out.iter_mut().enumerate() {
                let terms = weights.iter().zip(&self.0.images);
                let sum: f64 = terms.map(|(w, image)| w * f64::from(image[place])).sum();
                *out = (sum / total) as f32;
            }
        }
        Ok(())
    }
}

impl Target for Service {
    fn info(&self) -> Result<ModelInfo> {
        let shape = ImageShape {
            channels: 1,
            height: SIZE as u32,
            width: SIZE as u32,
        };
        let told = ConditionSpec {
            name: "class_labels".to_owned(),
            element: ElementType::I64,
            dims: Vec::new(),
            classes: Some(2),
            nullable: false,
        };
        Ok(ModelInfo {
            conditions: Vec::from_iter(self.must_be_told.then_some(told)),
            ..ModelInfo::pixel_denoiser(shape, 0.7)
        })
    }
    fn access(&self) -> Access {
        Access::Denoiser
    }
    fn calls_left(&self) -> u64 {
        self.left.load(Ordering::SeqCst)
    }
    fn sample(&self, request: SampleRequest<'_>, mut out: ArrayViewMut4<'_, u8>) -> Result<()> {
        assert!(request.conditions.is_empty());
        let rows = out.dim().0 as u64;
        self.charge(CALLS * rows)?;
        let ids: Vec<u64> = (request.first_index..request.first_index + rows).collect();
        let info = Target::info(self)?;
        let mut sampler = Sampler::for_model(SamplerKind::Heun, &info);
        sampler.steps = STEPS;
        let mut noise = RowNoise::new(SEED, "sample", &ids);
        let mut drawn = Array4::zeros(info.space_dim(ids.len()));
        draw(
            &sampler,
            &Free(self),
            &ids,
            &[],
            &mut noise,
            drawn.view_mut(),
        )?;
        out.assign(&drawn.mapv(to_u8));
        for (id, mut image) in ids.iter().zip(out.axis_iter_mut(Axis(0))) {
            if self
                .refuse_every
                .is_some_and(|every| id.is_multiple_of(every))
            {
                image.fill(128);
            }
        }
        Ok(())
    }
    fn denoise(&self, batch: Batch<'_>, out: ArrayViewMut4<'_, f32>) -> Result<()> {
        self.charge(batch.rows() as u64)?;
        Free(self).denoise(batch, out)
    }
    fn denoise_vjp(
        &self,
        _: Batch<'_>,
        _: ArrayView4<'_, f32>,
        _: ArrayViewMut4<'_, f32>,
    ) -> Result<()> {
        Err(Error::unsupported("denoise_vjp"))
    }
    fn encode(&self, pixels: ArrayView4<'_, f32>, mut out: ArrayViewMut4<'_, f32>) -> Result<()> {
        out.assign(&pixels);
        Ok(())
    }
    fn decode(&self, latents: ArrayView4<'_, f32>, mut out: ArrayViewMut4<'_, f32>) -> Result<()> {
        out.assign(&latents);
        Ok(())
    }
    fn embed(&self, _: ArrayView4<'_, f32>, _: ArrayViewMut2<'_, f32>) -> Result<()> {
        Err(Error::unsupported("embed"))
    }
    fn candidates(&self, _: u32) -> Result<Candidates<'_>> {
        Err(Error::unsupported("candidates"))
    }
}

/// Pixels of an image and its confidence.
pub(super) type Finding = (Vec<u8>, Option<f64>);

#[derive(Default)]
pub(super) struct Run {
    /// Cancelled from so many units on.
    pub(super) cancel_at: Option<u64>,
    pub(super) progress: Mutex<(u64, u64)>,
    pub(super) logs: Mutex<Vec<String>>,
    /// How many of them warn.
    pub(super) warnings: Mutex<u64>,
    pub(super) found: Mutex<Vec<Finding>>,
}

impl Run {
    pub(super) fn findings(&self) -> Vec<(Vec<u8>, f64)> {
        let found = self.found.lock().unwrap();
        let whole = |(image, confidence): &Finding| (image.clone(), confidence.unwrap());
        found.iter().map(whole).collect()
    }
}

impl Context for Run {
    fn seed(&self) -> u64 {
        SEED
    }
    fn cancelled(&self) -> bool {
        self.cancel_at
            .is_some_and(|at| self.progress.lock().unwrap().0 >= at)
    }
    fn progress(&self, done: u64, total: u64) {
        let mut progress = self.progress.lock().unwrap();
        assert!(done > progress.0 && done <= total, "{done} of {total}");
        *progress = (done, total);
    }
    fn log(&self, level: LogLevel, message: &str) {
        *self.warnings.lock().unwrap() += u64::from(level == LogLevel::Warn);
        self.logs.lock().unwrap().push(message.to_owned());
    }
}

impl Sink for Run {
    fn images(&self, images: ArrayView4<'_, u8>) -> Result<u64> {
        let mut found = self.found.lock().unwrap();
        let first = found.len() as u64;
        let each = images.outer_iter();
        found.extend(each.map(|image| (image.iter().copied().collect(), None)));
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

/// Options for a small run: 40 synthetic samples, so two clusters, loose enough for groups of
/// images that differ, and a small classifier.
pub(super) fn options(more: serde_json::Value) -> String {
    let mut options = serde_json::json!({
        "n_syn": 40,
        "samples": 48,
        "tau": 0.5,
        "steps": STEPS,
        "classifier": { "channels": [8, 16], "blocks": [1, 1], "steps": 60, "batch": 32 },
    });
    for (key, value) in more.as_object().unwrap() {
        options[key] = value.clone();
    }
    options.to_string()
}

/// Runs the attack over the boundary, as the harness does.
pub(super) fn attack(options: &str, service: &Service, run: &Run) -> Result<()> {
    make_attack(&registrations()[0], options)
        .unwrap()
        .run(service, run, run)
}
