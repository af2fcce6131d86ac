//! SecMI-stat: a member's way up and down the deterministic sampler closes better.
//!
//! Duan et al. 2023, "Are Diffusion Models Vulnerable to Membership Inference Attacks?" (ICML,
//! arXiv 2302.01316), and the authors' `secmia.py`, which is followed: from x0, taken unscaled as
//! x_t at step 0, DDIM steps up to the stop; from there one step further up and one back; the
//! t-error is the square of how far that misses, |x_stop - x~_stop|^2 in variance preserving units
//! (1 / (1 + sigma^2) of those here), negated. At `secmi_stop` 100 with steps of 10, as in the
//! paper, 12 calls; the released code, told to stop at 100, stops at 90: 11 calls.
//!
//! SecMI-NNs, the paper's other decision, trains a ResNet on |x_stop - x~_stop| of a fifth of the
//! candidates with their labels. An attack here never sees a label, and the protocol has no third
//! split to train on, so it is left out.

use eidetic_sdk::Result;

use crate::subjects::{Subjects, squares};

/// `levels` ascend from step 0 to the stop and one step beyond it: at least three.
pub(crate) fn scores(subjects: &Subjects<'_>, levels: &[f64]) -> Result<Vec<f64>> {
    let [way @ .., stop, beyond] = levels else {
        return Ok(vec![0.0; subjects.x0.nrows()]);
    };
    let mut x = subjects.unscaled(levels[0]);
    for (&sigma, &next) in way.iter().zip(&levels[1..]) {
        x = subjects.ask(&x, sigma)?.step_to(&x, next);
    }
    let further = subjects.ask(&x, *stop)?.step_to(&x, *beyond);
    let back = subjects.ask(&further, *beyond)?.step_to(&further, *stop);
    let scale = -1.0 / (1.0 + stop * stop);
    let errors = squares(&(x - back));
    Ok(errors.into_iter().map(|error| scale * error).collect())
}
