//! How figures of quality grow with the number of images: features of 64 numbers, a reference of
//! 1,000 rows.
#![allow(missing_docs)]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use eidetic_metrics::{
    Bootstrap, Features, Moments, PRDC_NEIGHBOURS, auth_pct, c_t, frechet, kid, prdc,
};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

const DIM: usize = 64;

fn noise(rows: usize, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut uniform = move || rng.next_u32() as f32 / u32::MAX as f32;
    (0..rows * DIM).map(|_| uniform() + uniform()).collect()
}

fn features(values: &[f32]) -> Features<'_> {
    Features::new(values, DIM).expect("whole rows")
}

fn moments(c: &mut Criterion) {
    let values = noise(50_000, 1);
    let mut group = c.benchmark_group("moments");
    group.sample_size(10);
    for rows in [1000, 5000, 20_000, 50_000] {
        let features = features(&values[..rows * DIM]);
        group.bench_function(BenchmarkId::from_parameter(rows), |b| {
            b.iter(|| black_box(Moments::of(features)));
        });
    }
    group.finish();
    let reference = Moments::of(features(&noise(1000, 2)));
    let generated = Moments::of(features(&values));
    c.bench_function("frechet of moments", |b| {
        b.iter(|| black_box(frechet(&generated, &reference).expect("the same dimension")));
    });
}

/// These compare every row with every other.
fn pairs(c: &mut Criterion) {
    let (generated, reference) = (noise(50_000, 1), noise(1000, 2));
    let reference = features(&reference);
    let bootstrap = Bootstrap::new(0);
    let mut group = c.benchmark_group("pairs");
    group.sample_size(10);
    for rows in [1000, 5000, 20_000, 50_000] {
        let generated = features(&generated[..rows * DIM]);
        group.bench_function(BenchmarkId::new("kid", rows), |b| {
            b.iter(|| black_box(kid(generated, reference).expect("the same dimension")));
        });
        group.bench_function(BenchmarkId::new("prdc", rows), |b| {
            let of = || prdc(generated, reference, PRDC_NEIGHBOURS, &bootstrap);
            b.iter(|| black_box(of().expect("the same dimension")));
        });
        group.bench_function(BenchmarkId::new("auth_pct", rows), |b| {
            b.iter(|| black_box(auth_pct(generated, reference).expect("the same dimension")));
        });
        group.bench_function(BenchmarkId::new("c_t", rows), |b| {
            let of = || c_t(generated, reference, reference);
            b.iter(|| black_box(of().expect("the same dimension")));
        });
    }
    group.finish();
}

criterion_group!(benches, moments, pairs);
criterion_main!(benches);
