//! Which clusters count, and the pseudo-labels that they give.

use eidetic_sdk::ndarray::Array2;

use crate::features::Features;
use crate::kmeans::{Clusters, dot, nearest};

/// The kept clusters as classes, or those of a given classifier.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Kept {
    /// How many there are.
    pub(crate) classes: usize,
    /// Of how many clusters with samples.
    pub(crate) formed: usize,
    /// The class of each row: its nearest kept cluster, whichever it was in.
    pub(crate) labels: Vec<i64>,
}

impl Kept {
    /// Keeps clusters of at least `thin` rows and a mean cosine to their centre of at least `tau`.
    pub(crate) fn of(features: &Features, found: &Clusters, tau: f64, thin: u64) -> Self {
        let mut sizes = vec![0u64; found.centres.len()];
        let mut cosines = vec![0f64; found.centres.len()];
        for (row, &at) in features.rows().zip(&found.of) {
            sizes[at] += 1;
            cosines[at] += f64::from(dot(row, &found.centres[at]));
        }
        let whole = |&at: &usize| {
            sizes[at] > 0 && sizes[at] >= thin && cosines[at] / sizes[at] as f64 >= tau
        };
        let kept = (0..sizes.len()).filter(whole);
        let centres: Vec<Vec<f32>> = kept.map(|at| found.centres[at].clone()).collect();
        let labels = match centres.is_empty() {
            true => Vec::new(),
            false => nearest(features, &centres),
        };
        Self {
            classes: centres.len(),
            formed: sizes.iter().filter(|&&size| size > 0).count(),
            labels: labels.into_iter().map(|at| at as i64).collect(),
        }
    }

    /// Keeps classes that are the greatest of at least `thin` rows of logits `[rows, classes]`.
    pub(crate) fn labelled(logits: &Array2<f32>, thin: u64) -> Self {
        // Places among `among`; at equal logits the lower one.
        let greatest = |among: &[usize]| -> Vec<usize> {
            let of = |row: usize| {
                let mut best = (f32::NEG_INFINITY, 0);
                for (place, &class) in among.iter().enumerate() {
                    let logit = logits[[row, class]];
                    if logit > best.0 {
                        best = (logit, place);
                    }
                }
                best.1
            };
            (0..logits.dim().0).map(of).collect()
        };
        let all: Vec<usize> = (0..logits.dim().1).collect();
        let mut sizes = vec![0u64; all.len()];
        if !all.is_empty() {
            greatest(&all).iter().for_each(|&class| sizes[class] += 1);
        }
        let whole = |&class: &usize| sizes[class] > 0 && sizes[class] >= thin;
        let kept: Vec<usize> = all.into_iter().filter(whole).collect();
        let labels = match kept.is_empty() {
            true => Vec::new(),
            false => greatest(&kept),
        };
        Self {
            classes: kept.len(),
            formed: sizes.iter().filter(|&&size| size > 0).count(),
            labels: labels.into_iter().map(|at| at as i64).collect(),
        }
    }
}
