//! How search and preparation grow with the number of images, and what white noise costs: images of
//! 3 x 32 x 32 pixels, 200 queries.
#![allow(missing_docs)]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use eidetic_metrics::{EmbeddingIndex, Embeddings, Images, Index, TiledIndex, Tiling};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

const SIDE: usize = 32;
const DIM: usize = 3 * SIDE * SIDE;
const QUERIES: usize = 200;

/// Waves whose strength falls with their frequency, as that of photographs does.
fn photographs(count: usize, seed: u64) -> Vec<u8> {
    const WAVES: usize = 40;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut uniform = move || rng.next_u32() as f32 / u32::MAX as f32;
    let mut pixels = Vec::with_capacity(count * DIM);
    for _ in 0..count {
        let mut image = [0.0_f32; DIM];
        for _ in 0..WAVES {
            let (down, across) = (12.0 * uniform() * uniform(), 12.0 * (uniform() - 0.5));
            let strength = 30.0 / (1.0 + down.hypot(across));
            let phase = 6.3 * uniform();
            let tint = [uniform(), uniform(), uniform()];
            // sin(a + b) from sines and cosines of rows and columns.
            let turns = |by: f32, from: f32| -> Vec<(f32, f32)> {
                (0..SIDE)
                    .map(|at| (from + 6.3 * by * at as f32 / SIDE as f32).sin_cos())
                    .collect()
            };
            let (rows, columns) = (turns(down, phase), turns(across, 0.0));
            for (channel, tint) in image.chunks_exact_mut(SIDE * SIDE).zip(tint) {
                for (line, (sin_y, cos_y)) in channel.chunks_exact_mut(SIDE).zip(&rows) {
                    for (pixel, (sin_x, cos_x)) in line.iter_mut().zip(&columns) {
                        *pixel += strength * (0.5 + tint) * (sin_y * cos_x + cos_y * sin_x);
                    }
                }
            }
        }
        let level = 60.0 + 140.0 * uniform();
        pixels.extend(
            image
                .iter()
                .map(|&value| (level + value).clamp(0.0, 255.0) as u8),
        );
    }
    pixels
}

fn noise(count: usize, seed: u64) -> Vec<u8> {
    let mut pixels = vec![0; count * DIM];
    ChaCha8Rng::seed_from_u64(seed).fill_bytes(&mut pixels);
    pixels
}

fn images(pixels: &[u8]) -> Images<'_> {
    Images::new(pixels, DIM).expect("whole rows")
}

fn growth(c: &mut Criterion) {
    let (training, queries) = (photographs(50_000, 1), photographs(QUERIES, 2));
    let queries = images(&queries);
    let mut group = c.benchmark_group("neighbours");
    group.sample_size(10);
    for count in [1000, 5000, 20_000, 50_000] {
        let training = images(&training[..count * DIM]);
        group.bench_function(BenchmarkId::new("prepare", count), |b| {
            b.iter(|| black_box(Index::new(training)));
        });
        let index = Index::new(training);
        for k in [2, 50] {
            group.bench_function(BenchmarkId::new(format!("k{k}"), count), |b| {
                b.iter(|| black_box(index.nearest(queries, k).expect("enough images")));
            });
        }
    }
    group.finish();
}

fn other_distances(c: &mut Criterion) {
    let (training, queries) = (photographs(5000, 1), photographs(QUERIES, 2));
    let mut group = c.benchmark_group("others");
    group.sample_size(10);
    let tiling = Tiling::new(3, SIDE, SIDE, 4).expect("4 divides 32");
    let tiled = TiledIndex::new(images(&training), tiling).expect("images of that size");
    group.bench_function("tiled, 5000, k2", |b| {
        b.iter(|| black_box(tiled.nearest(images(&queries), 2).expect("enough images")));
    });
    let floats = |pixels: &[u8]| -> Vec<f32> {
        pixels
            .iter()
            .step_by(6)
            .map(|&x| f32::from(x) - 127.5)
            .collect()
    };
    let (training, queries) = (floats(&training), floats(&queries));
    let of = |values| Embeddings::new(values, 512).expect("whole rows");
    let index = EmbeddingIndex::new(of(&training));
    group.bench_function("cosine of 512, 5000, k2", |b| {
        b.iter(|| {
            black_box(
                index
                    .most_similar(of(&queries), 2)
                    .expect("enough embeddings"),
            )
        });
    });
    group.finish();
}

fn white_noise(c: &mut Criterion) {
    let (training, queries) = (noise(5000, 3), noise(QUERIES, 4));
    let mut group = c.benchmark_group("white noise, 5000, k2");
    group.sample_size(10);
    let indices = [
        ("index", Index::new(images(&training))),
        ("brute force", Index::unprepared(images(&training))),
    ];
    for (name, index) in indices {
        group.bench_function(name, |b| {
            b.iter(|| black_box(index.nearest(images(&queries), 2).expect("enough images")));
        });
    }
    group.finish();
}

criterion_group!(benches, growth, other_distances, white_noise);
criterion_main!(benches);
