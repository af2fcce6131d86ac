//! A denoiser asked of the same noised image with and without its class.
//!
//! A candidate comes without its label. Unless one class is given, all are asked, and each candidate
//! counts under the one where its loss is lowest (as in the diffusion classifier of Li et al. 2023,
//! arXiv 2303.16203; the first of equals).

use eidetic_sdk::Result;
use eidetic_sdk::ndarray::Array2;

use crate::subjects::{Mean, Shown, Subjects, squares};

/// Means over draws and levels of each candidate, `[B]`.
pub(crate) struct Contrast {
    /// Mean square error of the noise prediction without a class.
    pub(crate) loss_null: Vec<f64>,
    /// The same under the candidate's class.
    pub(crate) loss_class: Vec<f64>,
    /// |eps(class) - eps(null)|_2.
    pub(crate) gap: Vec<f64>,
}

/// Draws times one more call than there are `classes`.
pub(crate) fn contrast(
    subjects: &mut Subjects<'_>,
    levels: &[f64],
    draws: u64,
    classes: &[u64],
) -> Result<Contrast> {
    let (rows, dim) = subjects.x0.dim();
    let means = || classes.iter().map(|_| Mean::of(rows)).collect::<Vec<_>>();
    let (mut losses, mut gaps, mut null) = (means(), means(), Mean::of(rows));
    for &sigma in levels {
        for _ in 0..draws {
            let noise = subjects.normal();
            let x = &subjects.x0 + &(&noise * sigma);
            let without = subjects.ask_as(Shown::Null, &x, sigma)?.eps();
            null.add(squares(&(&noise - &without)));
            for (at, &class) in classes.iter().enumerate() {
                let with = subjects.ask_as(Shown::Class(class), &x, sigma)?.eps();
                losses[at].add(squares(&(&noise - &with)));
                gaps[at].add(lengths(&(with - &without)));
            }
        }
    }
    let losses = finish(losses, 1.0 / dim as f64);
    let gaps = finish(gaps, 1.0);
    let best: Vec<usize> = (0..rows).map(|row| lowest(&losses, row)).collect();
    let of = |values: &[Vec<f64>]| -> Vec<f64> {
        let rows = best.iter().enumerate();
        rows.map(|(row, &class)| values[class][row]).collect()
    };
    Ok(Contrast {
        loss_null: null.times(1.0 / dim as f64),
        loss_class: of(&losses),
        gap: of(&gaps),
    })
}

fn finish(means: Vec<Mean>, factor: f64) -> Vec<Vec<f64>> {
    means.into_iter().map(|mean| mean.times(factor)).collect()
}

fn lengths(rows: &Array2<f64>) -> Vec<f64> {
    squares(rows).into_iter().map(f64::sqrt).collect()
}

fn lowest(losses: &[Vec<f64>], row: usize) -> usize {
    let classes = losses.iter().enumerate();
    let lowest = classes.min_by(|(_, a), (_, b)| a[row].total_cmp(&b[row]));
    lowest.map_or(0, |(class, _)| class)
}
