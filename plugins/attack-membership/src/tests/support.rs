//! A service over a denoiser in closed form, and a sink that keeps what it is given.

use std::collections::BTreeMap;
use std::sync::Mutex;

use eidetic_sdk::batch::{Batch, condition_values};
use eidetic_sdk::ndarray::{Array3, Array4, ArrayView4, ArrayViewMut2, ArrayViewMut4};
use eidetic_sdk::registration::make_attack;
use eidetic_sdk::{
    Access, Candidates, ConditionSpec, Context, ElementType, Error, ErrorCode, ImageShape,
    LogLevel, ModelInfo, Result, SampleRequest, Sink, Target,
};

/// D(x; sigma), under a class or none, of one row.
pub(super) type Denoiser = Box<dyn Fn(&[f64], f64, Option<u64>) -> Vec<f64> + Send + Sync>;

/// D of normal data of mean 0 and deviation `s0`: x s0^2 / (s0^2 + sigma^2).
pub(super) fn gaussian(s0: f64) -> Denoiser {
    Box::new(move |x, sigma, _| {
        let k = s0 * s0 / (s0 * s0 + sigma * sigma);
        x.iter().map(|x| k * x).collect()
    })
}

/// The posterior mean of a mixture: normal data of deviation `spread` around each centre, with the
/// logarithm of each one's weight.
pub(super) fn mixture(x: &[f64], sigma: f64, of: &[(Vec<f64>, f64, f64)]) -> Vec<f64> {
    let logits: Vec<f64> = of
        .iter()
        .map(|(centre, spread, weight)| {
            let variance = spread * spread + sigma * sigma;
            let far: f64 = x.iter().zip(centre).map(|(x, c)| (x - c).powi(2)).sum();
            weight - far / (2.0 * variance) - 0.5 * x.len() as f64 * variance.ln()
        })
        .collect();
    let top = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = logits.iter().map(|logit| (logit - top).exp()).sum();
    let mut mean = vec![0.0; x.len()];
    for ((centre, spread, _), logit) in of.iter().zip(&logits) {
        let weight = (logit - top).exp() / total;
        let k = spread * spread / (spread * spread + sigma * sigma);
        for ((mean, x), c) in mean.iter_mut().zip(x).zip(centre) {
            *mean += weight * (c + k * (x - c));
        }
    }
    mean
}

/// The perfect memorizer of images.
pub(super) fn memorizer(images: &[Vec<f64>]) -> Denoiser {
    let of: Vec<_> = images.iter().map(|x| (x.clone(), 0.0, 0.0)).collect();
    Box::new(move |x, sigma, _| mixture(x, sigma, &of))
}

/// A model that has memorized some images and knows the others as normal data of deviation `s0`.
pub(super) fn half_memorizer(images: &[Vec<f64>], s0: f64) -> Denoiser {
    let mut of: Vec<_> = images.iter().map(|x| (x.clone(), 0.0, 0.0)).collect();
    of.push((vec![0.0; images[0].len()], s0, (images.len() as f64).ln()));
    Box::new(move |x, sigma, _| mixture(x, sigma, &of))
}

pub(super) struct Service {
    pub(super) info: ModelInfo,
    pub(super) images: Array4<u8>,
    pub(super) denoiser: Denoiser,
    pub(super) calls_left: Mutex<u64>,
    pub(super) sigmas_seen: Mutex<Vec<f32>>,
    pub(super) destroyed: Option<(Array4<f32>, Array3<u8>)>,
}

pub(super) const PLENTY: u64 = 1 << 40;

impl Service {
    pub(super) fn new(images: Array4<u8>, denoiser: Denoiser) -> Self {
        let (_, c, h, w) = images.dim();
        let [channels, height, width] = [c, h, w].map(|n| n as u32);
        let image = ImageShape {
            channels,
            height,
            width,
        };
        Self {
            info: ModelInfo::pixel_denoiser(image, 0.5),
            images,
            denoiser,
            calls_left: Mutex::new(PLENTY),
            sigmas_seen: Mutex::default(),
            destroyed: None,
        }
    }

    pub(super) fn with_classes(mut self, classes: u64) -> Self {
        self.info.conditions = vec![ConditionSpec {
            name: "class_labels".into(),
            element: ElementType::I64,
            dims: Vec::new(),
            classes: Some(classes),
            nullable: true,
        }];
        self
    }

    pub(super) fn spent(&self) -> u64 {
        PLENTY - *self.calls_left.lock().unwrap()
    }

    /// Scores in the order of the candidates, over the boundary as the harness has them.
    pub(super) fn scores(&self, options: &str) -> Vec<f64> {
        let run = Run::default();
        self.attack(options, &run).unwrap();
        run.found()
    }

    pub(super) fn attack(&self, options: &str, run: &Run) -> Result<()> {
        make_attack(&crate::registrations()[0], options)?.run(self, run, run)
    }

    pub(super) fn refusal(&self, options: &str) -> Error {
        self.attack(options, &Run::default()).unwrap_err()
    }
}

impl Target for Service {
    fn info(&self) -> Result<ModelInfo> {
        Ok(self.info.clone())
    }
    fn access(&self) -> Access {
        Access::Denoiser
    }
    fn calls_left(&self) -> u64 {
        *self.calls_left.lock().unwrap()
    }
    fn sample(&self, _: SampleRequest<'_>, _: ArrayViewMut4<'_, u8>) -> Result<()> {
        Err(Error::unsupported("sample"))
    }
    fn denoise(&self, batch: Batch<'_>, mut out: ArrayViewMut4<'_, f32>) -> Result<()> {
        let mut left = self.calls_left.lock().unwrap();
        let after = left.checked_sub(batch.rows() as u64);
        *left = after.ok_or_else(|| Error::new(ErrorCode::Budget, "calls are spent"))?;
        self.sigmas_seen.lock().unwrap().extend(batch.sigma);
        let classes = match batch.conditions {
            [] => vec![None; batch.rows()],
            [only] => condition_values::<i64>(only)?
                .iter()
                .zip(only.null.as_slice())
                .map(|(&class, &null)| (null == 0).then_some(class as u64))
                .collect(),
            _ => return Err(Error::bad_input("more than one condition")),
        };
        let rows = batch.x.outer_iter().zip(batch.sigma).zip(classes);
        for (((x, &sigma), class), mut out) in rows.zip(out.outer_iter_mut()) {
            let x: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
            let estimate = (self.denoiser)(&x, f64::from(sigma), class);
            out.iter_mut()
                .zip(estimate)
                .for_each(|(out, d)| *out = d as f32);
        }
        Ok(())
    }
    fn denoise_vjp(
        &self,
        _: Batch<'_>,
        _: ArrayView4<'_, f32>,
        _: ArrayViewMut4<'_, f32>,
    ) -> Result<()> {
        Err(Error::unsupported("denoise_vjp"))
    }
    /// The sum of the pixels, and twice it.
    fn encode(&self, pixels: ArrayView4<'_, f32>, mut out: ArrayViewMut4<'_, f32>) -> Result<()> {
        for (pixels, mut out) in pixels.outer_iter().zip(out.outer_iter_mut()) {
            let sum: f32 = pixels.sum();
            (1..)
                .zip(&mut out)
                .for_each(|(n, out)| *out = n as f32 * sum);
        }
        Ok(())
    }
    fn decode(&self, _: ArrayView4<'_, f32>, _: ArrayViewMut4<'_, f32>) -> Result<()> {
        Err(Error::unsupported("decode"))
    }
    fn embed(&self, _: ArrayView4<'_, f32>, _: ArrayViewMut2<'_, f32>) -> Result<()> {
        Err(Error::unsupported("embed"))
    }
    fn candidates(&self, probe: u32) -> Result<Candidates<'_>> {
        assert_eq!(probe, 0);
        if let Some((images, known)) = &self.destroyed {
            return Ok(Candidates::Reconstruction {
                images: images.view(),
                known: known.view(),
                sigma: 0.0,
            });
        }
        Ok(Candidates::Membership {
            images: self.images.view(),
        })
    }
}

#[derive(Default)]
pub(super) struct Run {
    pub(super) seed: u64,
    pub(super) cancel_after: Option<u64>,
    pub(super) done: Mutex<u64>,
    pub(super) found: Mutex<BTreeMap<u64, f64>>,
}

impl Run {
    /// Scores of the candidates 0, 1, ..., without a gap.
    pub(super) fn found(&self) -> Vec<f64> {
        let found = self.found.lock().unwrap();
        assert!(found.keys().copied().eq(0..found.len() as u64));
        found.values().copied().collect()
    }
}

impl Context for Run {
    fn seed(&self) -> u64 {
        self.seed
    }
    fn cancelled(&self) -> bool {
        let done = *self.done.lock().unwrap();
        self.cancel_after.is_some_and(|after| done >= after)
    }
    fn progress(&self, done: u64, _total: u64) {
        *self.done.lock().unwrap() = done;
    }
    fn log(&self, _: LogLevel, _: &str) {}
}

impl Sink for Run {
    fn images(&self, _: ArrayView4<'_, u8>) -> Result<u64> {
        Err(Error::unsupported("images"))
    }
    fn confidence(&self, _: u64, _: &[f64]) -> Result<()> {
        Err(Error::unsupported("confidence"))
    }
    fn reconstructions(&self, _: u32, _: &[u64], _: ArrayView4<'_, u8>) -> Result<()> {
        Err(Error::unsupported("reconstructions"))
    }
    fn scores(&self, candidate: &[u64], values: &[f64]) -> Result<()> {
        assert_eq!(candidate.len(), values.len());
        let mut found = self.found.lock().unwrap();
        for (&candidate, &value) in candidate.iter().zip(values) {
            assert!(value.is_finite(), "candidate {candidate} has {value}");
            assert!(found.insert(candidate, value).is_none(), "scored twice");
        }
        Ok(())
    }
}
