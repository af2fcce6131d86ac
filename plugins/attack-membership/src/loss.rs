//! The denoising loss: members lie nearer to their estimate.
//!
//! mean over elements, draws and levels of (n - eps(x0 + sigma n))^2, negated. Matsumoto, Miura and
//! Yanai 2023, "Membership Inference Attacks against Diffusion Models" (arXiv 2302.03262), and the
//! loss threshold attack of Carlini et al. 2023 (arXiv 2301.13188). Level: t = 200 of
//! the linear schedule, about where Matsumoto et al. find it strongest.

use eidetic_sdk::Result;

use crate::subjects::{Mean, Subjects, squares};

pub(crate) fn scores(subjects: &mut Subjects<'_>, levels: &[f64], draws: u64) -> Result<Vec<f64>> {
    let (rows, dim) = subjects.x0.dim();
    let mut mean = Mean::of(rows);
    for &sigma in levels {
        for _ in 0..draws {
            let noise = subjects.normal();
            let answer = subjects.ask(&(&subjects.x0 + &(&noise * sigma)), sigma)?;
            mean.add(squares(&(noise - answer.eps())));
        }
    }
    Ok(mean.times(-1.0 / dim as f64))
}
