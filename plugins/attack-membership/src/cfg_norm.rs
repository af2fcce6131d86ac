//! CFG norm: a condition moves the prediction far where it stands for a memorized image.
//!
//! Wen et al. 2024, "Detecting, Explaining, and Mitigating Memorization in Diffusion Models" (ICLR):
//! |eps(x_t, c) - eps(x_t, null)|_2, mean over steps and seeds. The paper looks along the way of
//! sampling, at 50 steps of Stable Diffusion's schedule; here at the noised candidate, at the levels
//! of its steps 100, 300, 500, 700 and 900.
//!
//! It tells prompts that give one image from prompts that do not: a class of many images is no such
//! prompt, and where sigma is small and the model has memorized, both predictions are the same. So it
//! ranks members of a class-conditional model last: of `fm16-n128-classes` in the zoo (128 members,
//! 1,000 holdout, 2 draws) AUC is 0.155 [0.129, 0.180], at sigma 8.35 alone (1 draw) 0.454 [0.400,
//! 0.508], and chance on its clean twin. With a label of its own for each image it is 0.146 [0.115,
//! 0.177] at sigma 0.833 and 0.528 [0.475, 0.581] at 8.35 (1 draw). The sign stays the paper's.

use eidetic_sdk::Result;

use crate::contrast::contrast;
use crate::subjects::Subjects;

pub(crate) fn scores(
    subjects: &mut Subjects<'_>,
    levels: &[f64],
    draws: u64,
    classes: &[u64],
) -> Result<Vec<f64>> {
    Ok(contrast(subjects, levels, draws, classes)?.gap)
}
