//! The bound search against every distance, on data that it prunes and on data that it does not:
//! here it may not fall back.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::best::{Best, Keep, Within};
use super::brute::{Integers, exhaust};
use super::cloud::Cloud;
use super::directions::Directions;
use super::metric::Metric;
use super::prepared::{Prepared, SquaredL2};
use super::projection::Projection;
use crate::Images;

/// Draws that repeat.
fn stream(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed;
    move |bound| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = state;
        x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ x >> 31) % bound
    }
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Noise,
    /// Around few centres, by a level or two.
    Clusters,
    /// One image over and over, but for one of them.
    Constant,
    /// One pixel of two levels set: all distances equal or nearly so.
    OneHot,
    /// Two levels: many ties.
    Binary,
    /// A plane and little else.
    Gradients,
}

fn pixels(kind: Kind, count: usize, dim: usize, seed: u64) -> Vec<u8> {
    let mut draw = stream(seed);
    // The same centres for queries and references.
    let mut shared = stream(dim as u64);
    let centres: Vec<u8> = (0..4 * dim).map(|_| shared(256) as u8).collect();
    let mut pixels = Vec::with_capacity(count * dim);
    for i in 0..count {
        let (a, b) = (draw(256), draw(256));
        let (centre, hot) = (draw(4) as usize * dim, draw(dim as u64) as usize);
        let odd = i + 1 == count;
        for pixel in 0..dim {
            pixels.push(match kind {
                Kind::Noise => draw(256) as u8,
                Kind::Clusters => centres[centre + pixel].saturating_add(draw(3) as u8),
                Kind::Constant => 77 + u8::from(odd && pixel == 0),
                Kind::OneHot if pixel == hot => 254 + (a % 2) as u8,
                Kind::OneHot => 0,
                Kind::Binary => 255 * draw(2) as u8,
                Kind::Gradients => {
                    let (x, span) = (pixel as u64, dim.max(2) as u64 - 1);
                    ((a * x + b * (span - x)) / span) as u8
                }
            });
        }
    }
    pixels
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop::sample::select(vec![
        Kind::Noise,
        Kind::Clusters,
        Kind::Constant,
        Kind::OneHot,
        Kind::Binary,
        Kind::Gradients,
    ])
}

fn with_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    pool.expect("a few threads").install(work)
}

/// All of a query's references as (squared distance, index), ascending.
fn sorted(query: &[u8], reference: Images<'_>) -> Vec<(u64, u32)> {
    let squared = |row: &[u8]| {
        let squares = row
            .iter()
            .zip(query)
            .map(|(&a, &b)| (i64::from(a) - i64::from(b)).pow(2));
        squares.sum::<i64>() as u64
    };
    let mut all: Vec<_> = reference.rows().map(squared).zip(0..).collect();
    all.sort_unstable();
    all
}

fn prepared(images: Images<'_>) -> Prepared {
    Prepared::new(images, Directions::new(images))
}

fn check(queries: Images<'_>, reference: Images<'_>, k: usize) {
    let prepared = prepared(reference);
    let metric = SquaredL2 { queries, reference };
    let ids: Vec<u32> = (0..queries.len() as u32).collect();
    let excluded = |query: u32| (query % 3 == 1).then_some(query % reference.len() as u32);
    let keep = |query: u32| Best::new(k, excluded(query));
    let by_bounds =
        |threads| with_threads(threads, || prepared.search(queries, &ids, &metric, keep).0);
    let ways = [
        by_bounds(1),
        by_bounds(3),
        Integers { queries, reference }.run(&ids, keep),
        with_threads(3, || exhaust(&metric, &ids, reference.len() as u32, keep)),
    ];
    let limit = sorted(queries.row(0), reference)[reference.len() / 2].0;
    let within = |query: u32| Within::new(limit, query / 2);
    let (near, _) = with_threads(2, || prepared.search(queries, &ids, &metric, within));
    let near_by_products = Integers { queries, reference }.run(&ids, within);
    for (query, row) in queries.rows().enumerate() {
        let all = sorted(row, reference);
        let skip = excluded(query as u32);
        let others = all
            .iter()
            .copied()
            .filter(|&(_, index)| Some(index) != skip);
        let mut best: Vec<_> = others.take(k).collect();
        best.resize(k, (u64::MAX, u32::MAX));
        for way in &ways {
            assert_eq!(way[query].kept(), best);
        }
        let wanted = all
            .into_iter()
            .filter(|&(key, index)| key <= limit && index >= query as u32 / 2);
        let wanted: Vec<_> = wanted.collect();
        for near in [&near, &near_by_products] {
            let mut kept = near[query].clone().into_kept();
            kept.sort_unstable();
            assert_eq!(kept, wanted);
        }
    }
}

fn distance(a: &[f32], b: &[f32]) -> f64 {
    let squares = a
        .iter()
        .zip(b)
        .map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2));
    squares.sum::<f64>().sqrt()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn bounds_leave_what_brute_force_finds(
        (a, b) in (kinds(), kinds()),
        dim in prop::sample::select(vec![1_usize, 2, 33, 200]),
        (queries, references) in (1_usize..40, 1_usize..420),
        k in 1_usize..60,
        seed in any::<u64>(),
        alike in any::<bool>(),
    ) {
        let a = if alike { b } else { a };
        let queries = pixels(a, queries, dim, seed);
        let references = pixels(b, references, dim, seed.wrapping_add(u64::from(!alike)));
        check(Images::new(&queries, dim).unwrap(), Images::new(&references, dim).unwrap(), k);
    }

    #[test]
    fn coordinates_lengthen_no_distance(
        kind in kinds(),
        dim in prop::sample::select(vec![1_usize, 3, 150, 300]),
        count in 2_usize..200,
        seed in any::<u64>(),
    ) {
        let pixels = pixels(kind, count, dim, seed);
        let images = Images::new(&pixels, dim).unwrap();
        let all: Vec<u32> = (0..count as u32).collect();
        let cloud = Projection::new(Directions::new(images)).project(images, &all);
        let whole = |cloud: &Cloud, row| {
            let head = cloud.head(row);
            [&head[..head.len() - 1], cloud.tail(row)].concat()
        };
        for i in 0..count {
            let j = (i * 7 + 1) % count;
            let metric = SquaredL2 { queries: images, reference: images };
            let exact = metric.exact(i, j as u32, u64::MAX).unwrap() as f64;
            let reach = exact.sqrt() + cloud.errors[i] + cloud.errors[j];
            prop_assert!(distance(cloud.head(i), cloud.head(j)) <= reach);
            prop_assert!(distance(&whole(&cloud, i), &whole(&cloud, j)) <= reach);
        }
    }
}

#[test]
fn rows_longer_than_a_step_of_products() {
    for kind in [Kind::Noise, Kind::Clusters, Kind::Binary] {
        let (queries, references) = (pixels(kind, 9, 4500, 1), pixels(kind, 100, 4500, 2));
        check(
            Images::new(&queries, 4500).unwrap(),
            Images::new(&references, 4500).unwrap(),
            5,
        );
    }
}

#[test]
fn black_and_white_at_full_contrast() {
    // The largest sums that there are.
    let dim = 5000;
    let mut references = vec![0; 3 * dim];
    references[dim..2 * dim].fill(255);
    let queries = vec![255; dim];
    check(
        Images::new(&queries, dim).unwrap(),
        Images::new(&references, dim).unwrap(),
        3,
    );
}

#[test]
fn prunes_natural_structure() {
    let references = pixels(Kind::Clusters, 2000, 200, 3);
    let images = Images::new(&references, 200).unwrap();
    let ids: Vec<u32> = (0..200).collect();
    let metric = SquaredL2 {
        queries: images,
        reference: images,
    };
    let keep = |query| Best::new(2, Some(query));
    let (_, work) = prepared(images).search(images, &ids, &metric, keep);
    // Three quarters of the references are in other clusters.
    assert!(work.measured < 200 * 600, "{work:?}");
}

#[test]
fn equal_keys_are_kept_by_index() {
    let mut best = Best::new(2, Some(4));
    for reference in [9, 7, 8, 3] {
        best.offer(reference, 5);
    }
    assert_eq!(best.kept(), [(5, 3), (5, 7)]);
    assert!(!best.wants(4) && best.limit() == 5);
}
