//! k-means over pixels: Lloyd's algorithm from k-means++ seeds.
//!
//! One thread, sums in the order of the rows: the same pixels and stream give the same clusters.

use eidetic_sdk::random::Rng;
use rand::RngExt;

/// Lloyd's steps at most. The sum of square distances falls in each, so the loop ends by itself
/// long before.
const MOST_STEPS: usize = 300;

/// The cluster of each image of `dim` pixels, below `count`; None where fewer than `count` images
/// differ, or there is none.
///
/// Seeds are drawn with probability proportional to the squared distance to the nearest seed so far
/// (Arthur and Vassilvitskii 2007). At equal distance the lower cluster wins; a cluster that loses
/// all its images keeps its centre.
pub(crate) fn clusters(
    pixels: &[u8],
    dim: usize,
    count: usize,
    stream: &mut Rng,
) -> Option<Vec<u64>> {
    if dim == 0 || pixels.is_empty() {
        return None;
    }
    let images: Vec<&[u8]> = pixels.chunks_exact(dim).collect();
    let mut centres = seeds(&images, count, stream)?;
    let mut cluster = nearest(&images, &centres);
    for _ in 0..MOST_STEPS {
        centres = means(&images, &cluster, centres);
        let next = nearest(&images, &centres);
        if next == cluster {
            break;
        }
        cluster = next;
    }
    Some(cluster.into_iter().map(|at| at as u64).collect())
}

fn seeds(images: &[&[u8]], count: usize, stream: &mut Rng) -> Option<Vec<Vec<f64>>> {
    let centre = |image: &[u8]| image.iter().map(|&level| f64::from(level)).collect();
    let mut centres: Vec<Vec<f64>> = vec![centre(images[stream.random_range(0..images.len())])];
    let mut away = vec![f64::INFINITY; images.len()];
    while centres.len() < count {
        let last = &centres[centres.len() - 1];
        for (away, image) in away.iter_mut().zip(images) {
            *away = away.min(square(image, last));
        }
        // Squares of differences of levels: whole numbers, exact in f64.
        let total: f64 = away.iter().sum();
        if total == 0.0 {
            return None;
        }
        let mut left = stream.random::<f64>() * total;
        let drawn = away.iter().position(|&away| {
            left -= away;
            left < 0.0
        });
        // Below 1 times a total that is exact passes 0 at the latest with the last image away.
        let drawn = drawn.or_else(|| away.iter().rposition(|&away| away > 0.0))?;
        centres.push(centre(images[drawn]));
    }
    Some(centres)
}

fn nearest(images: &[&[u8]], centres: &[Vec<f64>]) -> Vec<usize> {
    let of = |image: &&[u8]| {
        let mut best = (f64::INFINITY, 0);
        for (at, centre) in centres.iter().enumerate() {
            let square = square(image, centre);
            if square < best.0 {
                best = (square, at);
            }
        }
        best.1
    };
    images.iter().map(of).collect()
}

fn means(images: &[&[u8]], cluster: &[usize], mut centres: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    let mut sums = vec![vec![0u64; images[0].len()]; centres.len()];
    let mut counts = vec![0u64; centres.len()];
    for (image, &at) in images.iter().zip(cluster) {
        counts[at] += 1;
        for (sum, &level) in sums[at].iter_mut().zip(*image) {
            *sum += u64::from(level);
        }
    }
    for ((centre, sum), &count) in centres.iter_mut().zip(&sums).zip(&counts) {
        if count > 0 {
            for (centre, &sum) in centre.iter_mut().zip(sum) {
                *centre = sum as f64 / count as f64;
            }
        }
    }
    centres
}

fn square(image: &[u8], centre: &[f64]) -> f64 {
    let terms = image.iter().zip(centre);
    terms.map(|(&a, b)| (f64::from(a) - b).powi(2)).sum()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use eidetic_sdk::random::rng;
    use proptest::prelude::*;

    use super::*;

    fn of(pixels: &[u8], dim: usize, count: usize, seed: u64) -> Option<Vec<u64>> {
        clusters(pixels, dim, count, &mut rng(seed, "test", 0))
    }

    #[test]
    fn clumps_far_apart_are_found_whatever_the_seed() {
        let pixels = [0, 0, 250, 250, 3, 1, 251, 249, 1, 2, 0, 255];
        for seed in 0..20 {
            let found = of(&pixels, 2, 3, seed).unwrap();
            assert_eq!(
                [found[0], found[0], found[1]],
                [found[2], found[4], found[3]]
            );
            let mut distinct = found.clone();
            distinct.sort_unstable();
            distinct.dedup();
            assert_eq!(distinct, [0, 1, 2], "{seed}");
        }
    }

    #[test]
    fn seeds_are_drawn_by_squared_distance() {
        // From a first seed at 0 (drawn in 2 of 4), the next is 10 with probability
        // 100 / (100 + 400), 20 with 400 / 500.
        let images: Vec<&[u8]> = vec![&[0], &[0], &[10], &[20]];
        let (mut from_0, mut far) = (0, 0);
        for seed in 0..4000 {
            let centres = seeds(&images, 2, &mut rng(seed, "test", 0)).unwrap();
            if centres[0][0] == 0.0 {
                from_0 += 1;
                assert_ne!(centres[1][0], 0.0);
                far += usize::from(centres[1][0] == 20.0);
            }
        }
        // Deviations: 32 of 2000, and 18 of 1600.
        assert!((1850..2150).contains(&from_0), "{from_0}");
        let share = f64::from(far as u32) / f64::from(from_0);
        assert!((share - 0.8).abs() < 0.045, "{share}");
    }

    #[test]
    fn too_few_images_that_differ_have_no_clusters() {
        assert_eq!(of(&[], 1, 1, 0), None);
        assert_eq!(of(&[], 0, 1, 0), None);
        assert_eq!(of(&[7; 5], 1, 2, 0), None);
        assert_eq!(of(&[7, 8, 7], 1, 3, 0), None);
        assert_eq!(of(&[7; 5], 1, 1, 0), Some(vec![0; 5]));
        let mut each = of(&[1, 2, 3], 1, 3, 0).unwrap();
        each.sort_unstable();
        assert_eq!(each, [0, 1, 2]);
    }

    proptest! {
        #[test]
        fn each_image_is_nearest_to_the_mean_of_its_cluster(
            pixels in prop::collection::vec(any::<u8>(), 20..120), count in 1usize..4, seed: u64
        ) {
            let dim = 2;
            let pixels = &pixels[..pixels.len() / dim * dim];
            let Some(found) = of(pixels, dim, count, seed) else { return Ok(()) };
            let again = of(pixels, dim, count, seed);
            prop_assert_eq!(Some(&found), again.as_ref());
            let images: Vec<&[u8]> = pixels.chunks_exact(dim).collect();
            let cluster: Vec<usize> = found.iter().map(|&at| at as usize).collect();
            let centres = means(&images, &cluster, vec![vec![f64::INFINITY; dim]; count]);
            for (image, &at) in images.iter().zip(&cluster) {
                for other in &centres {
                    let other = square(image, other);
                    prop_assert!(square(image, &centres[at]) <= other || other.is_nan());
                }
            }
        }
    }
}
