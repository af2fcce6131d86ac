//! Sharpness: the model's density has a narrow peak at what it memorized.
//!
//! Jeon, Kim and No 2025, "Understanding and Mitigating Memorization in Generative Models via
//! Sharpness of Probability Landscapes" (ICML, arXiv 2412.04140): |H s|^2 with the score
//! s = (D - x) / sigma^2 and H = ds/dx = (dD/dx - I) / sigma^2. The paper takes it where sampling
//! starts; nothing of a candidate is left there, so that here it is taken of x0 + sigma n.
//!
//! H s is a product with the Jacobian itself, as in the authors' code (a jvp), and not with its
//! transpose as a vjp would be; for a network the two differ. It comes from central differences of D
//! along s.
//!
//! The measure assumes points that the model's own density gives. Of an image that lies far from
//! all that the model knows s is long, and |H s| with it; and between two peaks of the density H has
//! large eigenvalues of the other sign. On a model that has nothing but its members it therefore
//! ranks holdout above members, and so it may on any that memorizes. `sharpness_curvature` is for
//! those: -s.H s / |s|^2 is 1 / sigma^2 on a peak, less on a slope that is no peak, and below 0
//! between peaks. It is no published attack.

use eidetic_sdk::Result;

use crate::subjects::{Mean, Subjects, squares, sums};

pub(crate) fn scores(
    subjects: &mut Subjects<'_>,
    levels: &[f64],
    draws: u64,
    reach: f64,
    curvature: bool,
) -> Result<Vec<f64>> {
    let (rows, dim) = subjects.x0.dim();
    let mut mean = Mean::of(rows);
    for &sigma in levels {
        for _ in 0..draws {
            let noise = subjects.normal();
            let x = &subjects.x0 + &(noise * sigma);
            let score = subjects.ask(&x, sigma)?.score();
            let lengths = squares(&score);
            let mut direction = score;
            for (mut row, length) in direction.outer_iter_mut().zip(&lengths) {
                if *length > 0.0 {
                    row /= (length / dim as f64).sqrt();
                }
            }
            let product = subjects.derivative(&x, sigma, &direction, reach)?;
            let along = (product - &direction) / (sigma * sigma);
            // The direction's length is sqrt(d), that of s as in `lengths`.
            if curvature {
                mean.add(sums(&(along * direction), |product| -product / dim as f64));
            } else {
                let lengths = lengths.iter().map(|length| length / dim as f64);
                mean.add(
                    squares(&along)
                        .iter()
                        .zip(lengths)
                        .map(|(along, by)| along * by),
                );
            }
        }
    }
    Ok(mean.times(1.0))
}
