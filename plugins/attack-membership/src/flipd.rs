//! FLIPD: around a memorized image the model's data have few dimensions.
//!
//! Ross et al. 2025, "A Geometric Framework for Understanding Memorization in Generative Models"
//! (ICLR, arXiv 2411.00113), with the estimator of local intrinsic dimension of Kamkari et al. 2024
//! (NeurIPS, arXiv 2406.03537), d + sigma^2 (tr ds/dx + |s|^2) at the image itself. With
//! s = (D - x) / sigma^2 that is tr dD/dx + |D - x|^2 / sigma^2, to which the authors'
//! `fokker_planck.py` comes as well under the change of variables; negated. `score_norms` is its
//! second term alone, which needs one call.
//!
//! The trace is Hutchinson's: the mean of v^T (dD/dx) v over directions v of independent signs. The
//! products are central differences of D, which any denoiser offers, at 2 calls each where a
//! `denoise_vjp` costs 3. The papers vary the level; here it is t = 0.05 of the variance preserving
//! SDE with beta from 0.1 to 20. The default of the authors' code, t = 1e-4, is sigma 0.003, where the
//! rounding of D to float32 begins to show.

use eidetic_sdk::Result;

use crate::subjects::{Mean, Subjects, squares};

pub(crate) fn scores(
    subjects: &mut Subjects<'_>,
    levels: &[f64],
    probes: u64,
    reach: f64,
) -> Result<Vec<f64>> {
    let mut mean = Mean::of(subjects.x0.nrows());
    for &sigma in levels {
        let norm = norm(subjects, sigma)?;
        let mut trace = Mean::of(norm.len());
        for _ in 0..probes {
            let signs = subjects.normal().mapv(f64::signum);
            let product = subjects.derivative(&subjects.x0, sigma, &signs, reach)?;
            trace.add((product * &signs).outer_iter().map(|row| row.iter().sum()));
        }
        let trace = trace.times(1.0);
        mean.add(norm.iter().zip(trace).map(|(norm, trace)| norm + trace));
    }
    Ok(mean.times(-1.0))
}

pub(crate) fn score_norms(subjects: &Subjects<'_>, levels: &[f64]) -> Result<Vec<f64>> {
    let mut mean = Mean::of(subjects.x0.nrows());
    for &sigma in levels {
        mean.add(norm(subjects, sigma)?);
    }
    Ok(mean.times(-1.0))
}

/// sigma^2 |s|^2 = |D - x|^2 / sigma^2 at the image itself.
fn norm(subjects: &Subjects<'_>, sigma: f64) -> Result<Vec<f64>> {
    Ok(squares(&subjects.ask(&subjects.x0, sigma)?.eps()))
}
