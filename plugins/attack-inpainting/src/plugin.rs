//! The plugins: candidates in, reconstructions out, a batch at a time.

use eidetic_sdk::ndarray::{ArrayView3, ArrayView4, s};
use eidetic_sdk::pixels::to_u8;
use eidetic_sdk::sampler::RowNoise;
use eidetic_sdk::{
    Access, Attack, AttackPlugin, Candidates, Context, Error, Goal, ImageShape, ModelInfo, Probe,
    Result, Sink, Target, Work,
};

use crate::ddnm::Ddnm;
use crate::dps::Dps;
use crate::levels::Levels;
use crate::mask::Mask;
use crate::repaint::RePaint;
use crate::solver::{Course, Solver, check};
use crate::walk::Walk;

/// Inpainting with a solver, whose options are the plugin's.
pub struct Inpainting<S>(pub(crate) S);

impl AttackPlugin for Inpainting<RePaint> {
    const ID: &'static str = "inpainting";
    const SUMMARY: &'static str = "fills what is hidden of an image, by RePaint";
    const GOAL: Goal = Goal::Reconstruction;
    const ACCESS: Access = Access::Denoiser;
    type Options = RePaint;

    fn check(options: &RePaint) -> Result<()> {
        check(options)
    }

    fn make(options: RePaint) -> Result<Self> {
        <Self as AttackPlugin>::check(&options)?;
        Ok(Self(options))
    }
}

impl AttackPlugin for Inpainting<Ddnm> {
    const ID: &'static str = "inpainting-ddnm";
    const SUMMARY: &'static str = "fills what is hidden of an image, by DDNM";
    const GOAL: Goal = Goal::Reconstruction;
    const ACCESS: Access = Access::Denoiser;
    type Options = Ddnm;

    fn check(options: &Ddnm) -> Result<()> {
        check(options)?;
        options.check()
    }

    fn make(options: Ddnm) -> Result<Self> {
        <Self as AttackPlugin>::check(&options)?;
        Ok(Self(options))
    }
}

impl AttackPlugin for Inpainting<Dps> {
    const ID: &'static str = "inpainting-dps";
    const SUMMARY: &'static str = "fills what is hidden of an image, by DPS, through gradients";
    const GOAL: Goal = Goal::Reconstruction;
    const ACCESS: Access = Access::Gradient;
    type Options = Dps;

    fn check(options: &Dps) -> Result<()> {
        check(options)?;
        options.check()
    }

    fn make(options: Dps) -> Result<Self> {
        <Self as AttackPlugin>::check(&options)?;
        Ok(Self(options))
    }
}

/// What a probe left of all candidates.
struct Given<'a> {
    name: String,
    images: ArrayView4<'a, f32>,
    known: ArrayView3<'a, u8>,
}

/// What a run works with.
struct Run<'a> {
    solver: &'a dyn Solver,
    target: &'a dyn Target,
    context: &'a dyn Context,
    sink: &'a dyn Sink,
    levels: Levels,
}

impl<S: Solver> Attack for Inpainting<S> {
    fn probes(&self, candidates: u64, shape: ImageShape, seed: u64) -> Result<Vec<Probe>> {
        let probe = |mask: &Mask| Probe {
            name: mask.name(),
            known: mask.known(candidates, shape, seed),
            sigma: 0.0,
        };
        Ok(self.0.course().masks.iter().map(probe).collect())
    }

    fn model_calls(&self, info: &ModelInfo, _: u64, candidates: u64) -> Result<Option<u64>> {
        let each = calls_each(&self.0, &levels(&self.0, info)?);
        Ok(Some(candidates.saturating_mul(each)))
    }

    /// Candidate after candidate under all masks, so that a budget buys whole candidates, as many
    /// at any batch. Where the calls end, the run is cancelled or the model fails, what was given
    /// to the sink by then counts. Holds a few copies of a batch, whatever the candidates' number.
    fn run(&self, target: &dyn Target, context: &dyn Context, sink: &dyn Sink) -> Result<()> {
        let levels = levels(&self.0, &target.info()?)?;
        let calls_each = calls_each(&self.0, &levels);
        let Course { masks, batch, .. } = self.0.course();
        let given = every_given(masks, target)?;
        let total = given.first().map_or(0, |given| given.images.dim().0 as u64);
        let run = Run {
            solver: &self.0,
            target,
            context,
            sink,
            levels,
        };
        let work = Work {
            units: "candidates",
            total,
            batch,
            calls_each,
            help: "raise the limit of model calls, or lower `steps`",
        };
        work.for_each_batch(target, context, |ids| {
            let ids: Vec<u64> = ids.collect();
            for (probe, given) in given.iter().enumerate() {
                fill(&run, probe as u32, given, &ids)?;
            }
            Ok(())
        })
    }
}

/// The way of a solver on a model.
///
/// # Errors
/// `Unsupported` in a latent space.
pub(crate) fn levels(solver: &dyn Solver, info: &ModelInfo) -> Result<Levels> {
    if info.latent.is_some() {
        return Err(Error::unsupported(
            "inpainting in a latent space, which has no place for a mask of pixels,",
        ));
    }
    let course = solver.course();
    Levels::new(info, course.steps, course.jump_length, course.resampling)
}

/// Model calls of a candidate under all masks.
fn calls_each(solver: &dyn Solver, levels: &Levels) -> u64 {
    levels.downwards() * solver.calls_per_step() * solver.course().masks.len() as u64
}

/// The candidates of every mask: as many images each, with a mask each.
fn every_given<'a>(masks: &[Mask], target: &'a dyn Target) -> Result<Vec<Given<'a>>> {
    let mut all: Vec<Given<'a>> = Vec::new();
    for (probe, mask) in masks.iter().enumerate() {
        let Candidates::Reconstruction { images, known, .. } = target.candidates(probe as u32)?
        else {
            return Err(Error::bad_input(
                "expected images to make whole, got images to tell apart",
            ));
        };
        let name = mask.name();
        let (_, _, h, w) = images.dim();
        let n = all
            .first()
            .map_or(images.dim().0, |first| first.images.dim().0);
        if images.dim().0 != n || known.dim() != (n, h, w) {
            let (images, known) = (images.shape(), known.shape());
            return Err(Error::bad_input(format!(
                "{name}: expected {n} images and masks of {h} x {w}, got {images:?} and {known:?}"
            )));
        }
        all.push(Given {
            name,
            images,
            known,
        });
    }
    Ok(all)
}

/// Fills candidates under one mask and gives them to the sink.
fn fill(run: &Run<'_>, probe: u32, given: &Given<'_>, ids: &[u64]) -> Result<()> {
    let (Some(&first), Some(&last)) = (ids.first(), ids.last()) else {
        return Ok(());
    };
    let rows = first as usize..last as usize + 1;
    let purpose = format!("inpainting {}", given.name);
    let mut noise = RowNoise::new(run.context.seed(), &purpose, ids);
    let mut draw = |row: usize, values: &mut [f64]| noise.fill(row, values);
    let walk = Walk::new(
        run.target,
        ids,
        given.images.slice(s![rows.clone(), .., .., ..]),
        given.known.slice(s![rows, .., ..]),
        &mut draw,
    );
    let whole = walk.solve(run.solver, &run.levels, run.context)?;
    let whole = whole.mapv(|value| to_u8(value as f32));
    run.sink.reconstructions(probe, ids, whole.view())
}
