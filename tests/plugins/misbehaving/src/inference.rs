//! Small attacks that work: two tell members, by their loss and by its gradient, one fills in what
//! is missing.

use eidetic_sdk::ndarray::{Array4, ArrayView3, Axis, Zip, s};
use eidetic_sdk::sampler::RowNoise;
use eidetic_sdk::{
    Access, Attack, AttackPlugin, Batch, Candidates, Context, Error, Goal, ImageShape, NoOptions,
    Probe, Result, Sink, Target, pixels,
};

use crate::macros::attacks;

attacks! {
    OneStep, "one-step", Membership, Denoiser,
        "the loss of one denoiser call at sigma 0.5 (Carlini et al. 2023, section 5.2.1)",
        |run| {
            let Candidates::Membership { images } = run.target.candidates(0)? else {
                return Err(Error::bad_input("expected whole candidates"));
            };
            let x0 = images.mapv(pixels::to_unit);
            let ids: Vec<u64> = (0..x0.dim().0 as u64).collect();
            let mut noise = RowNoise::new(run.context.seed(), "one-step", &ids);
            let mut scores = Vec::with_capacity(ids.len());
            for row in 0..ids.len() {
                let clean = x0.slice(s![row..row + 1, .., .., ..]);
                let mut values = vec![0.0; clean.len()];
                noise.fill(row, &mut values);
                let noise = Array4::from_shape_vec(clean.raw_dim(), values)?;
                let x = Zip::from(&clean).and(&noise).map_collect(|x, n| x + 0.5 * *n as f32);
                let mut estimate = x.clone();
                let batch = Batch::unconditional(x.view(), &[0.5], &ids[row..=row]);
                run.target.denoise(batch, estimate.view_mut())?;
                scores.push(-(&estimate - &clean).fold(0.0, |sum, d| sum + f64::from(d * d)));
            }
            run.sink.scores(&ids, &scores)
        };
    Slope, "slope", Membership, Gradient,
        "the length of the gradient of |D(x) - x|^2 at each candidate, at sigma 3",
        |run| {
            let Candidates::Membership { images } = run.target.candidates(0)? else {
                return Err(Error::bad_input("expected whole candidates"));
            };
            let x = images.mapv(pixels::to_unit);
            let ids: Vec<u64> = (0..x.dim().0 as u64).collect();
            let sigma = vec![3.0; ids.len()];
            let batch = Batch::unconditional(x.view(), &sigma, &ids);
            let mut residual = x.clone();
            run.target.denoise(batch, residual.view_mut())?;
            residual -= &x;
            let mut gradient = x.clone();
            run.target.denoise_vjp(batch, residual.view(), gradient.view_mut())?;
            gradient -= &residual;
            let square = |row: ArrayView3<'_, f32>| row.fold(0.0, |sum, g| sum + f64::from(g * g));
            let scores: Vec<f64> = gradient.outer_iter().map(|row| -square(row)).collect();
            run.sink.scores(&ids, &scores)
        };
}

/// Fills in the right half by denoising what is known at falling levels of noise.
pub struct FillIn;

impl AttackPlugin for FillIn {
    const ID: &'static str = "fill-in";
    const SUMMARY: &'static str = "fills in the right half of each candidate by denoising it";
    const GOAL: Goal = Goal::Reconstruction;
    const ACCESS: Access = Access::Denoiser;
    type Options = NoOptions;

    fn make(_: NoOptions) -> Result<Self> {
        Ok(Self)
    }
}

impl Attack for FillIn {
    fn probes(&self, _candidates: u64, shape: ImageShape, _seed: u64) -> Result<Vec<Probe>> {
        let columns = 0..shape.height * shape.width;
        let known = columns.map(|at| u8::from(at % shape.width < shape.width / 2));
        Ok(vec![Probe {
            name: "left-half".into(),
            known: known.collect(),
            sigma: 0.0,
        }])
    }

    fn run(&self, target: &dyn Target, _: &dyn Context, sink: &dyn Sink) -> Result<()> {
        let Candidates::Reconstruction { images, known, .. } = target.candidates(0)? else {
            return Err(Error::bad_input("expected destroyed candidates"));
        };
        let ids: Vec<u64> = (0..images.dim().0 as u64).collect();
        let mut x = images.to_owned();
        for sigma in [4.0, 1.0, 0.25] {
            let mut estimate = x.clone();
            let sigmas = vec![sigma; ids.len()];
            let batch = Batch::unconditional(x.view(), &sigmas, &ids);
            target.denoise(batch, estimate.view_mut())?;
            let known = known.insert_axis(Axis(1));
            Zip::from(&mut x)
                .and(&images)
                .and(&estimate)
                .and_broadcast(known)
                .for_each(|x, &image, &estimate, &known| {
                    *x = if known == 1 { image } else { estimate };
                });
        }
        sink.reconstructions(0, &ids, x.mapv(pixels::to_u8).view())
    }
}
