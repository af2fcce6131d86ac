//! PIAN: PIA with a first prediction of the size that normal noise has.
//!
//! Kong et al. 2024 (arXiv 2305.18355): each image's eps(x0, 0) is scaled so that the
//! mean of |eps| over its elements is E|N(0, 1)| = sqrt(2 / pi). A prediction of 0 stays 0.

use eidetic_sdk::Result;

use crate::pia::misses;
use crate::subjects::{Subjects, sums};

pub(crate) fn scores(
    subjects: &Subjects<'_>,
    first: f64,
    levels: &[f64],
    p: f64,
) -> Result<Vec<f64>> {
    let mut eps = subjects.ask(&subjects.unscaled(first), first)?.eps();
    let sizes = sums(&eps, f64::abs);
    let expected = std::f64::consts::FRAC_2_PI.sqrt() * eps.ncols() as f64;
    for (mut row, size) in eps.outer_iter_mut().zip(sizes) {
        if size > 0.0 {
            row *= expected / size;
        }
    }
    misses(subjects, &eps, levels, p)
}
