//! Scoring on real images: the neighbour search, a whole set, and the search for duplicates.

use std::hint::black_box;

use anyhow::Result;
use criterion::{Criterion, Throughput};
use eidetic_metrics::{
    Bootstrap, Images, NN_RATIO_MEMORIZED, Roc, duplicate_groups, extraction_scores, memorized,
    nearest, nearest_others, percentiles, unique_extracted,
};
use eidetic_speed::{FASHION_MNIST_DIM as DIM, fashion_mnist};

const QUERIES: usize = 1024;
const TRAINING: usize = 4096;

fn main() -> Result<()> {
    let pixels = fashion_mnist()?;
    let all = Images::new(&pixels, DIM)?;
    let queries = Images::new(&pixels[..QUERIES * DIM], DIM)?;
    let training = Images::new(&pixels[QUERIES * DIM..(QUERIES + TRAINING) * DIM], DIM)?;
    // The worst case for pruning: no two of these are near.
    let noise: Vec<u8> = (0..pixels.len() as u64)
        .map(|i| (i.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32)
        .map(|i| (i.wrapping_mul(i | 1) >> 24) as u8)
        .collect();
    let noise_queries = Images::new(&noise[..QUERIES * DIM], DIM)?;
    let noise_training = Images::new(&noise[QUERIES * DIM..(QUERIES + TRAINING) * DIM], DIM)?;

    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("scoring");
    group.sample_size(10);
    group.throughput(Throughput::Elements((QUERIES * TRAINING) as u64));
    group.bench_function("nearest/k2/1024x4096x784", |b| {
        b.iter(|| nearest(black_box(queries), training, 2));
    });
    group.bench_function("nearest/k2/1024x4096x784/noise", |b| {
        b.iter(|| nearest(black_box(noise_queries), noise_training, 2));
    });
    group.bench_function("extraction_set/1024x4096x784", |b| {
        b.iter(|| score_set(black_box(queries), training));
    });
    group.throughput(Throughput::Elements((all.len() * all.len()) as u64));
    group.bench_function("nearest_others/k2/10000x784", |b| {
        b.iter(|| nearest_others(black_box(all), 2));
    });
    group.bench_function("duplicate_groups/10000x784", |b| {
        b.iter(|| duplicate_groups(black_box(all), 0.05));
    });
    group.finish();

    let scores: Vec<f64> = pixels.chunks(DIM).map(|row| f64::from(row[400])).collect();
    criterion.bench_function("scoring/roc/5000x5000", |b| {
        b.iter(|| {
            let roc = Roc::new(black_box(&scores[..5000]), &scores[5000..])?;
            Ok::<_, eidetic_metrics::Error>(roc.value().map(|roc| roc.points()))
        });
    });
    criterion.final_summary();
    Ok(())
}

/// What a cell computes on its findings.
fn score_set(generated: Images<'_>, training: Images<'_>) -> Result<(), eidetic_metrics::Error> {
    let scores = extraction_scores(generated, training)?;
    let l2: Vec<f64> = scores.iter().map(|score| score.l2).collect();
    let share = memorized(&scores, NN_RATIO_MEMORIZED)?.and_then(|hits| hits.wilson());
    let unique = unique_extracted(&scores, NN_RATIO_MEMORIZED)?;
    let of = percentiles(&l2, &[5.0, 50.0, 95.0])?;
    let interval = Bootstrap::new(0).mean(&l2)?;
    let _ = black_box((share, unique, of, interval));
    Ok(())
}
