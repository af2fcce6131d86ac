//! Sets large enough to be prepared: what the public searches find against every distance.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use eidetic_metrics::{
    Band, EmbeddingIndex, Embeddings, Error, Images, Index, Scales, TiledIndex, Tiling, Ums,
    cosine, duplicate_groups, extraction_scores, l2, nearest, nearest_excluding, nearest_others,
    squared_distance, ums_l2, ums_scaled_l2,
};
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

const SIDE: usize = 12;
const DIM: usize = 3 * SIDE * SIDE;

fn with_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    pool.unwrap().install(work)
}

/// Smooth images like photographs: a few waves each, a little noise; every eighth a near copy of
/// one before, every sixteenth an exact one.
fn photographs(count: usize, seed: u64) -> Vec<u8> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut uniform = move || f64::from(rng.next_u32()) / f64::from(u32::MAX);
    let mut pixels: Vec<u8> = Vec::with_capacity(count * DIM);
    for i in 0..count {
        if i % 8 == 7 {
            let from = (uniform() * (i - 1) as f64) as usize * DIM;
            for of in from..from + DIM {
                let noise = if i % 16 == 15 {
                    0
                } else {
                    (uniform() * 3.0) as u8
                };
                pixels.push(pixels[of].saturating_add(noise));
            }
            continue;
        }
        let waves: Vec<[f64; 4]> = (0..4)
            .map(|_| {
                [
                    uniform() * 70.0,
                    uniform() * 5.0,
                    uniform() * 5.0,
                    uniform() * 6.3,
                ]
            })
            .collect();
        let level = 60.0 + 140.0 * uniform();
        for of in 0..DIM {
            let (y, x) = ((of / SIDE % SIDE) as f64, (of % SIDE) as f64);
            let wave = |[size, down, across, phase]: &[f64; 4]| {
                size * (phase + (down * y + across * x) / SIDE as f64).sin()
            };
            let value = level + waves.iter().map(wave).sum::<f64>() + 4.0 * uniform();
            pixels.push(value.clamp(0.0, 255.0) as u8);
        }
    }
    pixels
}

fn noise(count: usize, dim: usize, seed: u64) -> Vec<u8> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut pixels = vec![0; count * dim];
    rng.fill_bytes(&mut pixels);
    pixels
}

fn images(pixels: &[u8]) -> Images<'_> {
    Images::new(pixels, DIM).unwrap()
}

/// (squared distance, index) of every reference but one, ascending.
fn every(query: &[u8], reference: Images<'_>, skip: Option<usize>) -> Vec<(u64, u32)> {
    let rows = reference
        .rows()
        .enumerate()
        .filter(|&(row, _)| Some(row) != skip);
    let mut all: Vec<_> = rows
        .map(|(row, other)| (squared_distance(query, other), row as u32))
        .collect();
    all.sort_unstable();
    all
}

#[test]
fn an_index_finds_what_brute_force_does_at_any_thread_count() {
    let (training, generated) = (photographs(1500, 1), photographs(70, 1));
    let unseen = photographs(60, 2);
    let queries = [&generated[..], &unseen, &noise(5, DIM, 3)].concat();
    let (queries, training) = (images(&queries), images(&training));
    let index = with_threads(1, || Index::new(training));
    assert!(index.bytes() > 0);
    let other_index = with_threads(3, || Index::new(training));
    for k in [1, 2, 50, 1500] {
        let found = with_threads(1, || index.nearest(queries, k).unwrap());
        assert_eq!(
            found,
            with_threads(3, || index.nearest(queries, k).unwrap())
        );
        assert_eq!(found, other_index.nearest(queries, k).unwrap());
        assert_eq!(found, nearest(queries, training, k).unwrap());
        for (query, row) in queries.rows().enumerate() {
            let all = every(row, training, None);
            for (rank, &(squared, of)) in all[..k].iter().enumerate() {
                assert_eq!(
                    (found.squared(query, rank), found.index(query, rank)),
                    (squared, of)
                );
            }
        }
        // Queries do not depend on those beside them.
        let pixels = queries.select(&[133, 7]).unwrap();
        let few = index.nearest(images(&pixels), k).unwrap();
        assert_eq!(
            (few.indices(0), few.indices(1)),
            (found.indices(133), found.indices(7))
        );
    }
}

#[test]
fn nearest_others_and_excluded_ones_are_those_of_brute_force() {
    let training = photographs(1100, 4);
    let training = images(&training);
    let found = nearest_others(training, 3).unwrap();
    assert_eq!(found, Index::new(training).nearest_others(3).unwrap());
    let excluded: Vec<u32> = (0..1100).map(|i| (i * 7 + 3) % 1100).collect();
    let without = nearest_excluding(training, training, 2, &excluded).unwrap();
    for (query, row) in training.rows().enumerate() {
        let others = every(row, training, Some(query));
        assert_eq!(
            found.indices(query),
            [others[0].1, others[1].1, others[2].1]
        );
        let others = every(row, training, Some(excluded[query] as usize));
        assert_eq!(without.indices(query), [others[0].1, others[1].1]);
    }
}

#[test]
fn white_noise_and_ties_are_searched_as_well() {
    let binary: Vec<u8> = noise(900, 40, 6).iter().map(|x| x % 2).collect();
    let constant = vec![9; 700 * 40];
    for pixels in [noise(900, 40, 5), noise(900, 300, 5), binary, constant] {
        let dim = if pixels.len() == 900 * 300 { 300 } else { 40 };
        let set = Images::new(&pixels, dim).unwrap();
        let found = Index::new(set).nearest(set, 5).unwrap();
        for (query, row) in set.rows().enumerate() {
            let all = every(row, set, None);
            for (rank, &(squared, of)) in all[..5].iter().enumerate() {
                assert_eq!(
                    (found.squared(query, rank), found.index(query, rank)),
                    (squared, of)
                );
            }
        }
    }
}

#[test]
fn an_index_of_nothing_of_one_and_of_too_few() {
    let none = Images::new(&[], 3).unwrap();
    let index = Index::new(none);
    assert_eq!(
        index.nearest(none, 1),
        Err(Error::TooFewReferences {
            k: 1,
            references: 0
        })
    );
    let one = Images::new(&[1, 2, 3], 3).unwrap();
    let index = Index::new(one);
    assert_eq!(index.nearest(one, 1).unwrap().indices(0), [0]);
    assert!(index.nearest(none, 1).unwrap().is_empty());
    assert_eq!(index.nearest(one, 0), Err(Error::ZeroNeighbours));
    assert_eq!(
        index.nearest_others(1),
        Err(Error::TooFewReferences {
            k: 1,
            references: 0
        })
    );
    let other = Images::new(&[1, 2], 2).unwrap();
    assert_eq!(
        index.nearest(other, 1),
        Err(Error::DimMismatch {
            queries: 2,
            reference: 3
        })
    );
    assert!(matches!(
        index.nearest_excluding(one, 1, &[]),
        Err(Error::Length { .. })
    ));
    assert!(matches!(
        index.nearest_excluding(one, 1, &[1]),
        Err(Error::OutOfRange { .. })
    ));
}

#[test]
fn groups_of_a_large_set_join_the_planted_copies() {
    let training = photographs(1600, 7);
    let training = images(&training);
    let exact = duplicate_groups(training, 0.0).unwrap();
    let mut first = BTreeMap::new();
    for (i, row) in training.rows().enumerate() {
        assert_eq!(exact.group(i), *first.entry(row).or_insert(i as u32));
    }
    let near = duplicate_groups(training, 0.02).unwrap();
    assert_eq!(
        near,
        with_threads(3, || duplicate_groups(training, 0.02).unwrap())
    );
    assert!(exact.non_singletons() >= 70);
    assert!(near.representatives().len() + 70 <= exact.representatives().len());
    for i in 0..training.len() {
        let squared = squared_distance(training.row(i), training.row(near.group(i) as usize));
        assert!(l2(squared, DIM) <= 0.02);
    }
}

#[test]
fn ums_of_large_sets_is_the_plain_matrix() {
    let (training, generated) = (photographs(1300, 8), photographs(900, 8));
    let (training, generated) = (images(&training), images(&generated[450 * DIM..]));
    let narrow = [Band::at_most(0.05).unwrap(), Band::new(0.02, 0.1).unwrap()];
    let wide = [Band::at_least(0.0).unwrap(), Band::at_most(0.3).unwrap()];
    let scales: Vec<f64> = (0..1300).map(|i| 0.5 + f64::from(i % 7) / 7.0).collect();
    for bands in [narrow, wide] {
        let mut plain = Ums::new(1300, &bands);
        let mut scaled = [Ums::new(1300, &bands), Ums::new(1300, &bands)];
        for (i, query) in generated.rows().enumerate() {
            let row: Vec<f64> = training
                .rows()
                .map(|other| l2(squared_distance(query, other), DIM))
                .collect();
            plain.add(&row).unwrap();
            let by_one: Vec<f64> = row.iter().map(|value| value / scales[i]).collect();
            let by_each: Vec<f64> = row
                .iter()
                .zip(&scales)
                .map(|(value, by)| value / by)
                .collect();
            scaled[0].add(&by_one).unwrap();
            scaled[1].add(&by_each).unwrap();
        }
        assert_eq!(
            ums_l2(generated, training, &bands).unwrap(),
            plain.finish().collect::<Vec<_>>()
        );
        let by = [Scales::Generated(&scales[..450]), Scales::Training(&scales)];
        for (scales, plain) in by.into_iter().zip(scaled) {
            let found = ums_scaled_l2(generated, training, scales, &bands).unwrap();
            assert_eq!(found, plain.finish().collect::<Vec<_>>());
        }
    }
}

#[test]
fn extraction_scores_of_a_large_set_come_from_its_50_nearest() {
    let (training, generated) = (photographs(1000, 9), photographs(60, 10));
    let (training, generated) = (images(&training), images(&generated));
    let scores = extraction_scores(generated, training).unwrap();
    for (score, row) in scores.iter().zip(generated.rows()) {
        let all = every(row, training, None);
        let mean = |all: &[(u64, u32)]| {
            all[..50]
                .iter()
                .map(|&(squared, _)| l2(squared, DIM))
                .sum::<f64>()
                / 50.0
        };
        assert_eq!(score.matched, all[0].1);
        assert_eq!(
            score.nl2_generated.value(),
            Some(score.l2 / (0.5 * mean(&all)))
        );
        let matched = score.matched as usize;
        let around = every(training.row(matched), training, Some(matched));
        assert_eq!(
            score.nl2_matched.value(),
            Some(score.l2 / (0.5 * mean(&around)))
        );
    }
}

#[test]
fn the_furthest_tile_by_hand_and_against_every_tile() {
    let (training, queries) = (photographs(700, 11), photographs(40, 11));
    let tiling = Tiling::new(3, SIDE, SIDE, 4).unwrap();
    assert_eq!((tiling.dim(), tiling.tile_dim()), (DIM, 27));
    let index = TiledIndex::new(images(&training), tiling).unwrap();
    let furthest = |a: &[u8], b: &[u8]| {
        let mut sums = [0_u64; 16];
        for (of, (&a, &b)) in a.iter().zip(b).enumerate() {
            let (y, x) = (of / SIDE % SIDE, of % SIDE);
            sums[y / 3 * 4 + x / 3] += u64::from(a.abs_diff(b)).pow(2);
        }
        sums.into_iter().max().unwrap()
    };
    let queries = [&queries[..], &noise(4, DIM, 2)].concat();
    for (set, k) in [(&queries, 1), (&queries, 20), (&training, 2)] {
        let set = images(set);
        let own: Vec<u32> = (0..set.len() as u32).collect();
        let found = with_threads(1, || index.nearest_excluding(set, k, &own).unwrap());
        assert_eq!(
            found,
            with_threads(3, || index.nearest_excluding(set, k, &own).unwrap())
        );
        for (query, row) in set.rows().enumerate() {
            let rows = images(&training).rows().map(|other| furthest(row, other));
            let mut all: Vec<_> = rows
                .zip(0..)
                .filter(|&(_, of)| of != query as u32)
                .collect();
            all.sort_unstable();
            for (rank, &(squared, of)) in all[..k].iter().enumerate() {
                assert_eq!(
                    (found.squared(query, rank), found.index(query, rank)),
                    (squared, of)
                );
            }
        }
    }
    assert!(matches!(
        Tiling::new(3, 12, 12, 5),
        Err(Error::Parameter { .. })
    ));
    assert_eq!(Tiling::new(0, 12, 12, 4), Err(Error::ZeroDim));
    let small = Images::new(&[0; 4], 4).unwrap();
    assert!(matches!(
        index.nearest(small, 1),
        Err(Error::DimMismatch { .. })
    ));
    assert!(matches!(
        TiledIndex::new(small, tiling),
        Err(Error::DimMismatch { .. })
    ));
}

fn embedding_sets() -> impl Strategy<Value = (usize, Vec<f32>, Vec<f32>, usize)> {
    let dim = prop::sample::select(vec![1_usize, 2, 3, 17, 64]);
    (dim, 1_usize..30, 1_usize..400, any::<u64>(), 0_u8..3).prop_map(|(dim, a, b, seed, kind)| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut draw = |count: usize| -> Vec<f32> {
            let mut value = || match kind {
                // Many ties, opposite and equal directions.
                0 => (rng.next_u32() % 3) as f32 - 1.0,
                // Near each other, and of very different norms.
                1 => 1e6 + (rng.next_u32() % 1000) as f32,
                _ => rng.next_u32() as f32 / u32::MAX as f32 - 0.5,
            };
            let mut values: Vec<f32> = (0..count * dim).map(|_| value()).collect();
            for row in values
                .chunks_exact_mut(dim)
                .filter(|row| row.iter().all(|&x| x == 0.0))
            {
                row[0] = 1.0;
            }
            values
        };
        let (queries, references) = (draw(a), draw(b));
        (dim, queries, references, b)
    })
}

proptest! {
    #[test]
    fn cosines_are_those_of_every_pair((dim, a, b, count) in embedding_sets(), k in 1_usize..20) {
        let (queries, references) = (Embeddings::new(&a, dim).unwrap(), Embeddings::new(&b, dim).unwrap());
        let k = k.min(count);
        let index = with_threads(1, || EmbeddingIndex::new(references));
        let found = with_threads(1, || index.most_similar(queries, k).unwrap());
        prop_assert_eq!(&found, &with_threads(3, || EmbeddingIndex::new(references).most_similar(queries, k).unwrap()));
        for query in 0..queries.len() {
            let rows = (0..count).map(|row| cosine(queries.row(query), references.row(row)));
            let mut all: Vec<_> = rows.zip(0_u32..).collect();
            all.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            let expected: Vec<u32> = all[..k].iter().map(|&(_, row)| row).collect();
            prop_assert_eq!(found.indices(query), &expected[..]);
            let expected: Vec<f64> = all[..k].iter().map(|&(value, _)| value).collect();
            prop_assert_eq!(found.cosines(query), &expected[..]);
        }
    }
}

#[test]
fn embeddings_that_are_refused() {
    assert_eq!(Embeddings::new(&[1.0], 0).unwrap_err(), Error::ZeroDim);
    assert!(matches!(
        Embeddings::new(&[1.0; 3], 2),
        Err(Error::Length { .. })
    ));
    let infinite = [1.0, 1.0, 1.0, f32::INFINITY];
    assert!(matches!(
        Embeddings::new(&infinite, 2),
        Err(Error::NotFinite { index: 3, .. })
    ));
    assert!(matches!(
        Embeddings::new(&[f32::NAN], 1),
        Err(Error::NotFinite { .. })
    ));
    assert!(matches!(
        Embeddings::new(&[1.0, 2.0, 0.0, -0.0], 2),
        Err(Error::Parameter { .. })
    ));
    let (one, none) = (
        Embeddings::new(&[1.0, 2.0], 2).unwrap(),
        Embeddings::new(&[], 2).unwrap(),
    );
    let index = EmbeddingIndex::new(one);
    assert_eq!(index.most_similar(one, 0), Err(Error::ZeroNeighbours));
    assert!(matches!(
        index.most_similar(one, 2),
        Err(Error::TooFewReferences { .. })
    ));
    let excluding = index.most_similar_excluding(one, 1, &[0]);
    assert!(matches!(excluding, Err(Error::TooFewReferences { .. })));
    assert!(index.most_similar(none, 1).unwrap().is_empty());
    let empty = EmbeddingIndex::new(none);
    assert!(matches!(
        empty.most_similar(one, 1),
        Err(Error::TooFewReferences { .. })
    ));
    let other = Embeddings::new(&[1.0], 1).unwrap();
    assert!(matches!(
        index.most_similar(other, 1),
        Err(Error::DimMismatch { .. })
    ));
}
