//! SimA: the noise prediction of the image itself is small for a member.
//!
//! Rao, Qu and Moyer 2025, "Score-based Membership Inference on Diffusion Models" (arXiv
//! 2509.25003): |eps(x, t)|_p, negated, p 4, with no noise added; one call. As in the authors' code
//! x0 is taken unscaled as x_t; that code has the p-th power of the norm, which ranks alike, and
//! reports the best of t = 0, 20, ..., 100, of which the last is taken here.

use eidetic_sdk::Result;

use crate::subjects::{Mean, Subjects, norms};

pub(crate) fn scores(subjects: &Subjects<'_>, levels: &[f64], p: f64) -> Result<Vec<f64>> {
    let mut mean = Mean::of(subjects.x0.nrows());
    for &sigma in levels {
        let answer = subjects.ask(&subjects.unscaled(sigma), sigma)?;
        mean.add(norms(&answer.eps(), p));
    }
    Ok(mean.times(-1.0))
}
