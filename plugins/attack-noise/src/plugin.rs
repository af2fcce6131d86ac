//! The plugin: candidates in, estimates out, a batch at a time.

use eidetic_sdk::ndarray::{ArrayView4, s};
use eidetic_sdk::pixels::to_u8;
use eidetic_sdk::{
    Access, Attack, AttackPlugin, Candidates, Context, Error, Goal, ImageShape, ModelInfo, Probe,
    Result, Sink, Target, Work,
};

use crate::options::{Estimate, Options};
use crate::reverse::{Way, calls, levels};

/// The attack.
pub struct Noise(Options);

impl AttackPlugin for Noise {
    const ID: &'static str = "noise";
    const SUMMARY: &'static str = "gives back an image from a noised copy, in one step and by Heun";
    const GOAL: Goal = Goal::Reconstruction;
    const ACCESS: Access = Access::Denoiser;
    type Options = Options;

    fn check(options: &Options) -> Result<()> {
        options.check()
    }

    fn make(options: Options) -> Result<Self> {
        options.check()?;
        Ok(Self(options))
    }
}

/// One probe's candidates, and the levels on the way down; one alone is one step.
struct Noised<'a> {
    images: ArrayView4<'a, f32>,
    levels: Vec<f64>,
}

impl Noised<'_> {
    /// Model calls a candidate.
    fn calls(&self) -> u64 {
        calls(&self.levels)
    }
}

impl Attack for Noise {
    fn probes(&self, _candidates: u64, _shape: ImageShape, _seed: u64) -> Result<Vec<Probe>> {
        let probe = |(sigma, estimate): (f64, Estimate)| Probe {
            name: format!("sigma-{sigma}-{}", estimate.name()),
            known: Vec::new(),
            sigma: sigma as f32,
        };
        Ok(self.0.probes().map(probe).collect())
    }

    fn model_calls(&self, info: &ModelInfo, _: u64, candidates: u64) -> Result<Option<u64>> {
        let mut each = 0_u64;
        for (sigma, estimate) in self.0.probes() {
            // As the boundary carries it.
            let sigma = f64::from(sigma as f32);
            each += calls(&self.levels(info, sigma, estimate)?);
        }
        Ok(Some(candidates.saturating_mul(each)))
    }

    /// Candidate after candidate at all levels, so that a budget buys whole candidates, as many at
    /// any batch. Where the calls end, the run is cancelled or the model fails, what was given to
    /// the sink by then counts. Holds a few copies of a batch, however many candidates there are.
    fn run(&self, target: &dyn Target, context: &dyn Context, sink: &dyn Sink) -> Result<()> {
        let noised = self.noised(target)?;
        let total = noised
            .first()
            .map_or(0, |first| first.images.dim().0 as u64);
        let each: u64 = noised.iter().map(Noised::calls).sum();
        let work = Work {
            units: "candidates",
            total,
            batch: self.0.batch,
            calls_each: each,
            help: "raise the limit of model calls, or lower `steps`",
        };
        work.for_each_batch(target, context, |range| {
            let ids: Vec<u64> = range.clone().collect();
            let rows = range.start as usize..range.end as usize;
            let way = Way {
                target,
                context,
                row_ids: &ids,
            };
            for (probe, noised) in noised.iter().enumerate() {
                let x = noised.images.slice(s![rows.clone(), .., .., ..]);
                let clean = way.down(x, &noised.levels)?;
                sink.reconstructions(probe as u32, &ids, clean.mapv(to_u8).view())?;
            }
            Ok(())
        })
    }
}

impl Noise {
    /// The levels on the way down from `sigma`.
    ///
    /// # Errors
    /// `Unsupported` in a latent space.
    fn levels(&self, info: &ModelInfo, sigma: f64, estimate: Estimate) -> Result<Vec<f64>> {
        if info.latent.is_some() {
            return Err(Error::unsupported(
                "denoising in a latent space, which pixels are not noised in,",
            ));
        }
        Ok(match estimate {
            Estimate::OneStep => vec![sigma],
            Estimate::Reverse => levels(info, sigma, self.0.steps),
        })
    }

    /// The candidates of every probe: as many images each.
    fn noised<'a>(&self, target: &'a dyn Target) -> Result<Vec<Noised<'a>>> {
        let info = target.info()?;
        let mut all: Vec<Noised<'a>> = Vec::new();
        for (probe, (_, estimate)) in self.0.probes().enumerate() {
            let Candidates::Reconstruction { images, sigma, .. } =
                target.candidates(probe as u32)?
            else {
                return Err(Error::bad_input(
                    "expected images to make whole, got images to tell apart",
                ));
            };
            let n = all
                .first()
                .map_or(images.dim().0, |first| first.images.dim().0);
            if images.dim().0 != n {
                let got = images.dim().0;
                return Err(Error::bad_input(format!(
                    "probe {probe}: expected {n} images as the first has, got {got}"
                )));
            }
            let levels = self.levels(&info, f64::from(sigma), estimate)?;
            all.push(Noised { images, levels });
        }
        Ok(all)
    }
}
