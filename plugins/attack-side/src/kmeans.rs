//! Spherical k-means: vectors of length 1, alike by their cosine (Dhillon and Modha 2001).
//!
//! One thread, sums in the order of the rows: the same vectors and stream give the same clusters.

use eidetic_sdk::random::Rng;
use rand::RngExt;

use crate::features::Features;

/// Steps at most. The sum of cosines rises in each, so the loop commonly ends long before.
const MOST_STEPS: usize = 100;
/// 1 - cosine up to which two vectors are the same one, but for rounding.
const SAME: f64 = 1e-6;

/// Centres of length 1, and the nearest of each row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Clusters {
    pub(crate) centres: Vec<Vec<f32>>,
    pub(crate) of: Vec<usize>,
}

/// At most `count` clusters: fewer where fewer vectors differ.
///
/// Seeds are drawn with probability proportional to 1 - the cosine to the nearest seed so far
/// (k-means++, Arthur and Vassilvitskii 2007: half the squared distance). At equal cosine the lower
/// cluster wins; a cluster that loses all its rows, or whose rows cancel, keeps its centre.
pub(crate) fn clusters(features: &Features, count: usize, stream: &mut Rng) -> Clusters {
    if features.len() == 0 || count == 0 {
        return Clusters {
            centres: Vec::new(),
            of: Vec::new(),
        };
    }
    let mut centres = seeds(features, count, stream);
    let mut of = nearest(features, &centres);
    for _ in 0..MOST_STEPS {
        centres = means(features, &of, centres);
        let next = nearest(features, &centres);
        if next == of {
            break;
        }
        of = next;
    }
    Clusters { centres, of }
}

fn seeds(features: &Features, count: usize, stream: &mut Rng) -> Vec<Vec<f32>> {
    let rows: Vec<&[f32]> = features.rows().collect();
    let mut centres = vec![rows[stream.random_range(0..rows.len())].to_vec()];
    let mut away = vec![f64::INFINITY; rows.len()];
    while centres.len() < count {
        let last = &centres[centres.len() - 1];
        for (away, row) in away.iter_mut().zip(&rows) {
            let distance = 1.0 - f64::from(dot(row, last));
            *away = away.min(if distance > SAME { distance } else { 0.0 });
        }
        let total: f64 = away.iter().sum();
        let mut left = stream.random::<f64>() * total;
        let drawn = away.iter().position(|&away| {
            left -= away;
            left < 0.0
        });
        // Rounding may leave the last one undrawn.
        let Some(drawn) = drawn.or_else(|| away.iter().rposition(|&away| away > 0.0)) else {
            break;
        };
        centres.push(rows[drawn].to_vec());
    }
    centres
}

/// The centre of the greatest cosine to each row.
pub(crate) fn nearest(features: &Features, centres: &[Vec<f32>]) -> Vec<usize> {
    let of = |row: &[f32]| {
        let mut best = (f32::NEG_INFINITY, 0);
        for (at, centre) in centres.iter().enumerate() {
            let cosine = dot(row, centre);
            if cosine > best.0 {
                best = (cosine, at);
            }
        }
        best.1
    };
    features.rows().map(of).collect()
}

fn means(features: &Features, of: &[usize], mut centres: Vec<Vec<f32>>) -> Vec<Vec<f32>> {
    let mut sums = vec![vec![0f64; features.dim]; centres.len()];
    for (row, &at) in features.rows().zip(of) {
        for (sum, &value) in sums[at].iter_mut().zip(row) {
            *sum += f64::from(value);
        }
    }
    for (centre, sum) in centres.iter_mut().zip(sums) {
        let length = sum.iter().map(|x| x * x).sum::<f64>().sqrt();
        if length > 1e-9 {
            *centre = sum.into_iter().map(|x| (x / length) as f32).collect();
        }
    }
    centres
}

/// The scalar product, in eight sums whatever the processor.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0f32; 8];
    let (a8, b8) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest = a8.remainder().iter().zip(b8.remainder());
    let rest: f32 = rest.map(|(a, b)| a * b).sum();
    for (a, b) in a8.zip(b8) {
        for (lane, (a, b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
            *lane += a * b;
        }
    }
    lanes.iter().sum::<f32>() + rest
}
