//! CLiD: a condition lowers the loss of a member more than that of another image.
//!
//! Zhai et al. 2024, "Membership Inference on Text-to-Image Diffusion Models via Conditional
//! Likelihood Discrepancy" (NeurIPS, arXiv 2405.14800), CLiD_th: weight (L_null - L_c) -
//! (1 - weight) L_c, with L the mean square error of the noise prediction. The authors' code averages
//! L_null over an empty caption and three cut ones, which a class has not, and takes t = 485, 495 and
//! 505 of Stable Diffusion's schedule, of which the middle is taken here. It scales both terms by
//! their medians and quartiles on a shadow model, and takes the weight that is best there: an attack
//! here has neither, so that the terms stay in their common unit and the weight is an option.

use eidetic_sdk::Result;

use crate::contrast::contrast;
use crate::subjects::Subjects;

pub(crate) fn scores(
    subjects: &mut Subjects<'_>,
    levels: &[f64],
    draws: u64,
    classes: &[u64],
    weight: f64,
) -> Result<Vec<f64>> {
    let seen = contrast(subjects, levels, draws, classes)?;
    let losses = seen.loss_null.iter().zip(&seen.loss_class);
    Ok(losses
        .map(|(null, class)| weight * (null - class) - (1.0 - weight) * class)
        .collect())
}
