//! Agreement with torch-fidelity, pytorch-fid, clean-fid, prdc, scipy and numpy:
//! `fixtures/make_quality.py`; the same bits however rows are batched and threads are counted; and
//! what too little or damaged input gives.
#![allow(clippy::unwrap_used)]

use eidetic_metrics::{
    Bootstrap, Error, Estimate, Features, Moments, Reason, auth_pct, c_t, fls, frechet, kid, prdc,
};
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::Deserialize;

#[derive(Deserialize)]
struct Fixture {
    sets: Vec<Set>,
}

#[derive(Deserialize)]
struct Set {
    name: String,
    dim: usize,
    generated: Vec<i32>,
    reference: Vec<i32>,
    holdout: Vec<i32>,
    frechet: Frechet,
    kid: Kernel,
    prdc: Vec<Shares>,
    authentic: u64,
    c_t: f64,
    fls: f64,
}

#[derive(Deserialize)]
struct Frechet {
    singular_values: f64,
    eigenvalues: f64,
    torch_fidelity: f64,
    pytorch_fid: f64,
}

#[derive(Deserialize)]
struct Kernel {
    all: f64,
    standard_error: f64,
    subset: Option<Subset>,
}

#[derive(Deserialize)]
struct Subset {
    torch_fidelity: f64,
    clean_fid: f64,
}

#[derive(Deserialize)]
struct Shares {
    k: usize,
    precision: f64,
    recall: f64,
    density: f64,
    coverage: f64,
}

fn sets() -> Vec<Set> {
    let text = include_str!("fixtures/quality.json");
    let sets = serde_json::from_str::<Fixture>(text).unwrap().sets;
    assert_eq!(sets.len(), 6);
    sets
}

fn floats(whole: &[i32]) -> Vec<f32> {
    whole.iter().map(|&x| x as f32 / 64.0).collect()
}

#[track_caller]
fn assert_close(name: &str, got: f64, expected: f64, relative: f64) {
    assert!(
        (got - expected).abs() <= relative * expected.abs(),
        "{name}: got {got}, expected {expected}"
    );
}

#[test]
fn frechet_is_that_of_torch_fidelity_and_pytorch_fid() {
    for set in sets() {
        let (generated, reference) = (floats(&set.generated), floats(&set.reference));
        let a = Moments::of(Features::new(&generated, set.dim).unwrap());
        let b = Moments::of(Features::new(&reference, set.dim).unwrap());
        let got = frechet(&a, &b).unwrap().value().unwrap();
        let of = set.frechet;
        assert_close(&set.name, got, of.singular_values, 1e-11);
        // The symmetric form in numpy, and theirs, take square roots of rounding where the rank is
        // low: 1e-8 of the largest eigenvalue each.
        for theirs in [of.eigenvalues, of.torch_fidelity, of.pytorch_fid] {
            assert_close(&set.name, got, theirs, 1e-6);
        }
        assert_eq!(frechet(&a, &a.clone()).unwrap().value(), Some(0.0));
    }
}

#[test]
fn kid_is_that_of_torch_fidelity_and_clean_fid() {
    let mut compared = 0;
    for set in sets() {
        let (generated, reference) = (floats(&set.generated), floats(&set.reference));
        let generated = Features::new(&generated, set.dim).unwrap();
        let reference = Features::new(&reference, set.dim).unwrap();
        let got = kid(generated, reference).unwrap().value().unwrap();
        let value = got.estimate.value;
        assert_close(&set.name, value, set.kid.all, 1e-9);
        assert_close(&set.name, got.standard_error, set.kid.standard_error, 1e-9);
        let half = got.estimate.high - value;
        assert_close(
            &set.name,
            half,
            1.959963984540054 * got.standard_error,
            1e-12,
        );
        if let Some(of) = set.kid.subset {
            assert_close(&set.name, value, of.torch_fidelity, 1e-9);
            assert_close(&set.name, value, of.clean_fid, 1e-9);
            compared += 1;
        }
    }
    assert_eq!(compared, 4);
}

#[test]
fn prdc_is_that_of_prdc() {
    for set in sets() {
        let (generated, reference) = (floats(&set.generated), floats(&set.reference));
        let generated = Features::new(&generated, set.dim).unwrap();
        let reference = Features::new(&reference, set.dim).unwrap();
        for of in set.prdc {
            let bootstrap = Bootstrap::new(0);
            let got = prdc(generated, reference, of.k, &bootstrap)
                .unwrap()
                .value()
                .unwrap();
            assert_eq!(
                got.precision.share().value(),
                Some(of.precision),
                "{}",
                set.name
            );
            assert_eq!(got.recall.share().value(), Some(of.recall), "{}", set.name);
            assert_eq!(
                got.coverage.share().value(),
                Some(of.coverage),
                "{}",
                set.name
            );
            assert_close(&set.name, got.density.value, of.density, 1e-14);
            assert!(got.density.low <= got.density.value && got.density.value <= got.density.high);
        }
    }
}

#[test]
fn copying_is_that_of_scikit_learn_scipy_and_torch() {
    for set in sets() {
        let (generated, reference) = (floats(&set.generated), floats(&set.reference));
        let holdout = floats(&set.holdout);
        let of = |values| Features::new(values, set.dim).unwrap();
        let authentic = auth_pct(of(&generated), of(&reference))
            .unwrap()
            .value()
            .unwrap();
        assert_eq!(authentic.hits(), set.authentic, "{}", set.name);
        let score = c_t(of(&generated), of(&reference), of(&holdout)).unwrap();
        assert_close(&set.name, score.value().unwrap(), set.c_t, 1e-12);
        let score = fls(of(&generated), of(&reference), of(&holdout)).unwrap();
        assert_close(&set.name, score.value().unwrap(), set.fls, 1e-6);
    }
}

/// Normal-like rows around `centre`, mixed so that features depend on each other.
fn noise(rows: usize, dim: usize, centre: f32, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut uniform = move || rng.next_u32() as f32 / u32::MAX as f32;
    let mut values = Vec::with_capacity(rows * dim);
    for _ in 0..rows {
        let shared = uniform() - 0.5;
        values.extend((0..dim).map(|i| {
            let own = uniform() + uniform() + uniform() - 1.5;
            centre + own + shared * (i % 3) as f32
        }));
    }
    values
}

fn on_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
    pool.build().unwrap().install(work)
}

#[test]
fn the_same_bits_for_any_batches_and_threads() {
    // More than one block of rows and one tile of features, neither whole.
    let (rows, dim) = (1130, 150);
    let (a, b) = (noise(rows, dim, 0.0, 1), noise(700, dim, 0.2, 2));
    let moments = |values: &[f32], batch: usize| {
        let mut moments = Moments::new(dim).unwrap();
        for batch in values.chunks(batch * dim) {
            moments.push(Features::new(batch, dim).unwrap()).unwrap();
        }
        moments
    };
    let bits = |values: Vec<f64>| values.into_iter().map(f64::to_bits).collect::<Vec<u64>>();
    let all = |threads, batch| {
        on_threads(threads, || {
            let (x, y) = (moments(&a, batch), moments(&b, batch));
            let distance = frechet(&x, &y).unwrap().value().unwrap();
            let mut values = x.covariance().value().unwrap();
            values.extend(x.mean().value().unwrap());
            values.push(distance);
            bits(values)
        })
    };
    let first = all(1, rows);
    for (threads, batch) in [(1, 1), (2, 7), (3, 512), (2, 513), (3, 1129)] {
        assert!(
            all(threads, batch) == first,
            "{threads} threads, batches of {batch}"
        );
    }
    let (x, y) = (
        Features::new(&a, dim).unwrap(),
        Features::new(&b, dim).unwrap(),
    );
    let others = |threads| {
        on_threads(threads, || {
            let bootstrap = Bootstrap {
                resamples: 50,
                seed: 1,
            };
            (
                kid(x, y).unwrap(),
                prdc(x, y, 5, &bootstrap).unwrap(),
                auth_pct(x, y).unwrap(),
                c_t(x, y, x).unwrap(),
                fls(x, y, x).unwrap(),
            )
        })
    };
    let first = others(1);
    assert!(first.0.value().is_some() && first.1.value().is_some());
    for threads in [2, 3] {
        assert_eq!(others(threads), first);
    }
}

#[test]
fn moments_are_those_of_two_passes() {
    let (rows, dim) = (600, 131);
    let mut values = noise(rows, dim, 1000.0, 3);
    // The first row is far from all others.
    values[..dim].fill(900.0);
    let moments = Moments::of(Features::new(&values, dim).unwrap());
    let row = |i: usize| &values[i * dim..(i + 1) * dim];
    let mean: Vec<f64> = (0..dim)
        .map(|j| (0..rows).map(|i| f64::from(row(i)[j])).sum::<f64>() / rows as f64)
        .collect();
    for (got, expected) in moments.mean().value().unwrap().iter().zip(&mean) {
        assert_close("mean", *got, *expected, 1e-14);
    }
    let covariance = moments.covariance().value().unwrap();
    for (j, k) in [
        (0, 0),
        (5, 2),
        (130, 130),
        (129, 127),
        (130, 0),
        (0, 130),
        (128, 64),
    ] {
        let product = |i| (f64::from(row(i)[j]) - mean[j]) * (f64::from(row(i)[k]) - mean[k]);
        let expected = (0..rows).map(product).sum::<f64>() / (rows - 1) as f64;
        assert_close("covariance", covariance[j * dim + k], expected, 1e-12);
    }
}

#[test]
fn too_little_is_missing_and_damage_refused() {
    let of = |values| Features::new(values, 2).unwrap();
    let (none, one) = (of(&[]), of(&[1.0, 2.0]));
    let some = [0.0, 0.0, 1.0, 0.5, 3.0, 2.0, 5.0, 9.0];
    let bootstrap = Bootstrap::new(0);
    for few in [none, one] {
        let (few, all) = (Moments::of(few), Moments::of(of(&some)));
        for (a, b) in [(&few, &all), (&all, &few)] {
            let reason = frechet(a, b).unwrap().reason().unwrap();
            let what = "rows of features";
            let got = few.count();
            assert_eq!(
                reason,
                Reason::TooFew {
                    what,
                    needed: 2,
                    got
                }
            );
        }
        assert!(few.covariance().reason().is_some());
    }
    assert!(Moments::of(none).mean().reason().is_some());
    for (a, b) in [
        (none, of(&some)),
        (of(&some), one),
        (of(&some[..4]), of(&some)),
    ] {
        assert!(kid(a, b).unwrap().reason().is_some());
        assert!(prdc(a, b, 3, &bootstrap).unwrap().reason().is_some());
    }
    assert!(
        prdc(of(&some), of(&some), 4, &bootstrap)
            .unwrap()
            .reason()
            .is_some()
    );
    assert!(
        prdc(of(&some), of(&some), 3, &bootstrap)
            .unwrap()
            .value()
            .is_some()
    );
    let zero = prdc(of(&some), of(&some), 0, &bootstrap);
    assert_eq!(zero.unwrap_err(), Error::ZeroNeighbours);
    assert!(auth_pct(of(&some), one).unwrap().reason().is_some());
    assert!(auth_pct(none, of(&some)).unwrap().reason().is_some());
    let (two, all) = (of(&some[..4]), of(&some));
    for (generated, members, holdout) in [(two, two, two), (one, all, two), (two, all, one)] {
        assert!(fls(generated, members, holdout).unwrap().reason().is_some());
    }
    assert!(fls(two, all, two).unwrap().value().is_some());
    for (generated, members, holdout) in [(none, one, one), (one, none, one), (one, one, none)] {
        assert!(c_t(generated, members, holdout).unwrap().reason().is_some());
        assert!(fls(generated, members, holdout).unwrap().reason().is_some());
    }
    let wide = Features::new(&some, 4).unwrap();
    assert!(frechet(&Moments::of(wide), &Moments::of(one)).is_err());
    assert!(Moments::new(2).unwrap().push(wide).is_err());
    assert!(Moments::new(0).is_err());
    assert!(kid(wide, one).is_err() && prdc(wide, one, 1, &bootstrap).is_err());
    assert!(auth_pct(wide, one).is_err() && c_t(one, one, wide).is_err());
    assert!(fls(wide, one, one).is_err() && fls(one, one, wide).is_err());
    assert!(Features::new(&[0.0, f32::NAN], 2).is_err());
}

#[test]
fn constant_rows() {
    let of = |value: f32| [value; 12];
    let (a, b) = (of(1.0), of(3.0));
    let (a, b) = (Features::new(&a, 3).unwrap(), Features::new(&b, 3).unwrap());
    // No spread: the squared distance of the means alone.
    let distance = frechet(&Moments::of(a), &Moments::of(b)).unwrap();
    assert_eq!(distance.value(), Some(12.0));
    // Spread in features that the other has none in: the roots have nothing in common.
    let (x, y) = ([0.0, 0.0, 2.0, 0.0], [0.0, 0.0, 0.0, 4.0]);
    let moments = |values| Moments::of(Features::new(values, 2).unwrap());
    let distance = frechet(&moments(&x), &moments(&y)).unwrap();
    assert_eq!(distance.value(), Some(1.0 + 4.0 + 2.0 + 8.0));
    // (1 + 1)^3, (9 + 1)^3 and (3 + 1)^3, each without error.
    let kernel = kid(a, b).unwrap().value().unwrap();
    assert_eq!(kernel.estimate.value, 8.0 + 1000.0 - 2.0 * 64.0);
    assert_eq!(
        (kernel.standard_error, kernel.estimate.low),
        (0.0, kernel.estimate.value)
    );
    let bootstrap = Bootstrap::new(0);
    let reason = prdc(b, a, 2, &bootstrap).unwrap().reason();
    assert!(matches!(reason, Some(Reason::NoSpread { .. })));
    // A collapsed model beside a reference that spreads: in its balls or not, but none recalled.
    let spread = noise(30, 3, 1.0, 4);
    let spread = Features::new(&spread, 3).unwrap();
    let of = prdc(a, spread, 2, &bootstrap).unwrap().value().unwrap();
    assert_eq!(of.recall.hits(), 0);
    assert_eq!(
        c_t(a, a, a).unwrap().reason().unwrap().to_string(),
        "no spread: distances to the nearest training image are all the same"
    );
    assert_eq!(auth_pct(a, a).unwrap().value().unwrap().hits(), 0);
    assert!(fls(a, a, a).unwrap().reason().is_some());
}

#[test]
fn identical_sets() {
    let values = noise(60, 5, 0.0, 5);
    let features = Features::new(&values, 5).unwrap();
    let of = prdc(features, features, 5, &Bootstrap::new(0))
        .unwrap()
        .value()
        .unwrap();
    for share in [of.precision, of.recall, of.coverage] {
        assert_eq!(share.hits(), 60);
    }
    // Each ball holds its centre and four of its five nearest: the fifth is on the surface.
    assert_eq!(of.density.value, 1.0);
    assert_eq!(
        auth_pct(features, features)
            .unwrap()
            .value()
            .unwrap()
            .hits(),
        0
    );
    // The unbiased estimate lies below 0 there.
    let same = kid(features, features).unwrap().value().unwrap();
    assert!(same.estimate.value < 0.0);
}

/// The share of 400 simulated sets whose interval holds the truth.
fn covered(truth: f64, mut simulate: impl FnMut(&mut ChaCha8Rng) -> Estimate) -> f64 {
    let mut rng = ChaCha8Rng::seed_from_u64(20261122);
    let held = (0..400).filter(|_| {
        let of = simulate(&mut rng);
        of.low <= truth && truth <= of.high
    });
    held.count() as f64 / 400.0
}

fn uniform(rng: &mut ChaCha8Rng) -> f64 {
    f64::from(rng.next_u32()) / f64::from(u32::MAX)
}

/// Features uniform in 2 around 0 and around a shift: the moments of their inner products, and so
/// the distance, are known. Without a shift the statistic is degenerate.
#[test]
fn intervals_of_kid_hold_the_truth() {
    for (dim, shift, n, m) in [
        (2, 1.0, 60, 60),
        (8, 0.3, 100, 50),
        (64, 0.3, 60, 60),
        (8, 0.0, 60, 60),
    ] {
        let moments = |by: f64| [by, 1.0 / 3.0 + by * by, by + by.powi(3)];
        let kernel = |x: [f64; 3], y: [f64; 3]| {
            let d = dim as f64;
            let [a, b, c] = std::array::from_fn(|k| x[k] * y[k]);
            let first = d * a;
            let second = d * b + d * (d - 1.0) * a * a;
            let third = d * c + 3.0 * d * (d - 1.0) * a * b + d * (d - 1.0) * (d - 2.0) * a.powi(3);
            third / d.powi(3) + 3.0 * second / (d * d) + 3.0 * first / d + 1.0
        };
        let (x, y) = (moments(0.0), moments(shift));
        let truth = kernel(x, x) + kernel(y, y) - 2.0 * kernel(x, y);
        let share = covered(truth, |rng| {
            let mut rows = |rows: usize, by: f64| -> Vec<f32> {
                let values = (0..rows * dim).map(|_| (2.0 * uniform(rng) - 1.0 + by) as f32);
                values.collect()
            };
            let (x, y) = (rows(n, 0.0), rows(m, shift));
            let of = |values| Features::new(values, dim).unwrap();
            kid(of(&x), of(&y)).unwrap().value().unwrap().estimate
        });
        assert!((0.90..=0.995).contains(&share), "{dim}, {shift}: {share}");
    }
}

/// On a line with balls that are given, of generated images that are drawn evenly from 64 places.
#[test]
fn intervals_of_density_hold_the_truth() {
    let reference: Vec<f32> = (0..30_u16).map(|i| f32::from(i * i % 53) / 4.0).collect();
    let radius = |x: f32| {
        let mut apart: Vec<f32> = reference.iter().map(|y| (x - y).abs()).collect();
        apart.sort_by(f32::total_cmp);
        apart[3]
    };
    let place = |i: u32| i as f32 * 0.3 + 0.01;
    let balls = |x: f32| {
        reference
            .iter()
            .filter(|&&y| (x - y).abs() < radius(y))
            .count()
    };
    let truth = (0..64).map(|i| balls(place(i))).sum::<usize>() as f64 / 64.0 / 3.0;
    let share = covered(truth, |rng| {
        let generated: Vec<f32> = (0..80).map(|_| place(rng.next_u32() % 64)).collect();
        let of = |values| Features::new(values, 1).unwrap();
        let bootstrap = Bootstrap {
            resamples: 400,
            seed: 3,
        };
        let of = prdc(of(&generated), of(&reference), 3, &bootstrap);
        of.unwrap().value().unwrap().density
    });
    assert!((0.90..=0.99).contains(&share), "{share}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn frechet_is_symmetric_and_moves_with_a_shift(
        seed in 0_u64..1000, rows in 2_usize..40, dim in 1_usize..30, by in -3.0_f32..3.0,
    ) {
        let (a, b) = (noise(rows, dim, 0.0, seed), noise(rows + 3, dim, 0.5, seed + 1));
        let moments = |values: &[f32]| Moments::of(Features::new(values, dim).unwrap());
        let (x, y) = (moments(&a), moments(&b));
        let there = frechet(&x, &y).unwrap().value().unwrap();
        let back = frechet(&y, &x).unwrap().value().unwrap();
        prop_assert!(there >= 0.0 && (there - back).abs() <= 1e-9 * (1.0 + there));
        // Whole 64ths, so that the shift is exact.
        let by = (by * 64.0).round() / 64.0;
        let whole: Vec<f32> = a.iter().map(|x| (x * 64.0).round() / 64.0).collect();
        let moved: Vec<f32> = whole.iter().map(|x| x + by).collect();
        let distance = frechet(&moments(&whole), &moments(&moved)).unwrap().value().unwrap();
        let expected = dim as f64 * f64::from(by).powi(2);
        prop_assert!((distance - expected).abs() <= 1e-9 * (1.0 + expected));
    }

    /// Twice the features have the same root as once, at any rank: some features repeat, some are
    /// sums of others or constant, and there may be fewer rows than features.
    #[test]
    fn frechet_of_multiples_at_any_rank(
        seed in 0_u64..10_000, rows in 2_usize..60, rank in 1_usize..20, copies in 0_usize..20,
    ) {
        let dim = rank + copies + 1;
        let values: Vec<f32> = noise(rows, rank, 0.5, seed)
            .chunks(rank)
            .flat_map(|row| {
                let others = (0..copies).map(|i| match i % 3 {
                    0 => row[i % rank],
                    1 => row[i % rank] + row[(i + 1) % rank],
                    _ => 1000.0 * row[i % rank],
                });
                let all: Vec<f32> = row.iter().copied().chain(others).chain([7.5]).collect();
                all
            })
            .collect();
        let double: Vec<f32> = values.iter().map(|x| 2.0 * x).collect();
        let moments = |values: &[f32]| Moments::of(Features::new(values, dim).unwrap());
        let (once, twice) = (moments(&values), moments(&double));
        let (mean, covariance) = (once.mean().value().unwrap(), once.covariance().value().unwrap());
        let trace: f64 = covariance.iter().step_by(dim + 1).sum();
        let expected = mean.iter().map(|x| x * x).sum::<f64>() + trace;
        let got = frechet(&once, &twice).unwrap().value().unwrap();
        prop_assert!((got - expected).abs() <= 1e-10 * expected, "{got}, expected {expected}");
    }

    #[test]
    fn kid_is_symmetric_and_any_order_of_rows_will_do(
        seed in 0_u64..1000, rows in 3_usize..30, dim in 1_usize..12,
    ) {
        let (a, b) = (noise(rows, dim, 0.0, seed), noise(rows + 4, dim, 0.5, seed + 1));
        let reversed: Vec<f32> = a.chunks(dim).rev().flatten().copied().collect();
        let of = |values| Features::new(values, dim).unwrap();
        let there = kid(of(&a), of(&b)).unwrap().value().unwrap();
        for again in [kid(of(&b), of(&a)), kid(of(&reversed), of(&b))] {
            let again = again.unwrap().value().unwrap();
            let near = |x: f64, y: f64| (x - y).abs() <= 1e-10 * (1.0 + x.abs());
            prop_assert!(near(there.estimate.value, again.estimate.value));
            prop_assert!(near(there.standard_error, again.standard_error));
        }
    }

    /// On a grid with ties, where products of matrices decide nothing by themselves.
    #[test]
    fn prdc_is_that_of_all_distances(
        seed in 0_u64..1000, n in 4_usize..40, m in 4_usize..40, k in 1_usize..4, far in 0_u32..2,
    ) {
        let dim = 2;
        let grid = |rows: usize, seed| -> Vec<f32> {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let of = |rng: &mut ChaCha8Rng| (rng.next_u32() % 7) as f32 + 1e6 * far as f32;
            (0..rows * dim).map(|_| of(&mut rng)).collect()
        };
        let (generated, reference) = (grid(n, seed), grid(m, seed + 7));
        let squared = |a: &[f32], b: &[f32]| -> f64 {
            a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum()
        };
        let radii = |values: &[f32]| -> Vec<f64> {
            values.chunks(dim).map(|row| {
                let mut all: Vec<f64> = values.chunks(dim).map(|x| squared(row, x)).collect();
                all.sort_by(f64::total_cmp);
                all[k]
            }).collect()
        };
        let (of_generated, of_reference) = (radii(&generated), radii(&reference));
        let inside = |i: usize, j: usize, radius: f64| {
            squared(&generated[i * dim..(i + 1) * dim], &reference[j * dim..(j + 1) * dim]) < radius
        };
        let got = prdc(
            Features::new(&generated, dim).unwrap(),
            Features::new(&reference, dim).unwrap(),
            k,
            &Bootstrap { resamples: 1, seed: 0 },
        ).unwrap();
        if of_reference.iter().all(|&radius| radius == 0.0) {
            prop_assert!(got.reason().is_some());
            return Ok(());
        }
        let got = got.value().unwrap();
        let precise = (0..n).filter(|&i| (0..m).any(|j| inside(i, j, of_reference[j]))).count();
        let recalled = (0..m).filter(|&j| (0..n).any(|i| inside(i, j, of_generated[i]))).count();
        let covered = (0..m).filter(|&j| (0..n).any(|i| inside(i, j, of_reference[j]))).count();
        prop_assert_eq!(got.precision.hits(), precise as u64);
        prop_assert_eq!(got.recall.hits(), recalled as u64);
        prop_assert_eq!(got.coverage.hits(), covered as u64);
    }
}
