//! PIA: the noise prediction of a member leads to where it is predicted again.
//!
//! Kong et al. 2024, "An Efficient Membership Inference Attack for the Diffusion Model by Proximal
//! Initialization" (ICLR, arXiv 2305.18355): |eps(x0, 0) - eps(sqrt(ab_t) x0 + sqrt(1 - ab_t)
//! eps(x0, 0), t)|_p, negated; p 4 and t 200. The second point is x0 + sigma_t eps(x0, 0) here. As
//! in the authors' code x0 is taken unscaled as x_t at step 0; that code has the p-th power of the
//! norm, which ranks alike.

use eidetic_sdk::Result;
use eidetic_sdk::ndarray::Array2;

use crate::subjects::{Mean, Subjects, norms};

pub(crate) fn scores(
    subjects: &Subjects<'_>,
    first: f64,
    levels: &[f64],
    p: f64,
) -> Result<Vec<f64>> {
    let eps = subjects.ask(&subjects.unscaled(first), first)?.eps();
    misses(subjects, &eps, levels, p)
}

/// How far the noise prediction at x0 + sigma eps is from eps.
pub(crate) fn misses(
    subjects: &Subjects<'_>,
    eps: &Array2<f64>,
    levels: &[f64],
    p: f64,
) -> Result<Vec<f64>> {
    let mut mean = Mean::of(eps.nrows());
    for &sigma in levels {
        let answer = subjects.ask(&(&subjects.x0 + &(eps * sigma)), sigma)?;
        mean.add(norms(&(eps - &answer.eps()), p));
    }
    Ok(mean.times(-1.0))
}
