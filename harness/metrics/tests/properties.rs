//! What holds for every input: exactness, thread counts, order, bounds, coverage.
#![allow(clippy::unwrap_used)]

use eidetic_metrics::{
    Band, Bootstrap, Candidates, Images, Proportion, Roc, Scales, Ums, ams, duplicate_groups,
    excess, extraction_scores, l2, nearest, nearest_others, percentiles, squared_distance,
    student_t, ums_l2, ums_scaled_l2,
};
use proptest::prelude::*;

fn with_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .unwrap()
        .install(work)
}

/// Few grey levels and small steps, so that equal and near distances are common.
fn image_set(images: std::ops::Range<usize>, dim: usize) -> impl Strategy<Value = Vec<u8>> {
    let pixel = |u: f64| match (u * 4.0) as u8 {
        0 => 0,
        1 => 255,
        2 => 100 + (u * 40.0) as u8 % 10,
        _ => (u * 65536.0) as u8,
    };
    (images, any::<u32>()).prop_map(move |(n, seed)| {
        uniform(u64::from(seed), n * dim)
            .into_iter()
            .map(pixel)
            .collect()
    })
}

fn two_sets() -> impl Strategy<Value = (usize, Vec<u8>, Vec<u8>)> {
    prop_oneof![Just(1_usize), Just(2), Just(33), Just(300)]
        .prop_flat_map(|dim| (Just(dim), image_set(1..40, dim), image_set(3..40, dim)))
}

fn brute_force(query: &[u8], reference: Images<'_>) -> Vec<(f64, u32)> {
    let distance = |row: &[u8]| {
        let squares = row
            .iter()
            .zip(query)
            .map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2));
        (squares.sum::<f64>() / query.len() as f64).sqrt() / 255.0
    };
    let mut all: Vec<_> = reference.rows().map(distance).zip(0..).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    all
}

fn scores() -> impl Strategy<Value = Vec<f64>> {
    let score = prop_oneof![(-3_i8..4).prop_map(f64::from), -4.0..4.0];
    prop::collection::vec(score, 2..40)
}

proptest! {
    #[test]
    fn neighbours_equal_brute_force_at_any_thread_count((dim, a, b) in two_sets(), k in 1_usize..4) {
        let (queries, reference) = (Images::new(&a, dim).unwrap(), Images::new(&b, dim).unwrap());
        let found = with_threads(1, || nearest(queries, reference, k)).unwrap();
        prop_assert_eq!(&found, &with_threads(3, || nearest(queries, reference, k)).unwrap());
        for (i, query) in queries.rows().enumerate() {
            for (rank, (distance, index)) in brute_force(query, reference)[..k].iter().enumerate() {
                prop_assert_eq!(found.index(i, rank), *index);
                prop_assert!((found.l2(i, rank) - distance).abs() < 1e-15);
            }
        }
    }

    #[test]
    fn no_image_is_its_own_neighbour((dim, _, b) in two_sets()) {
        let images = Images::new(&b, dim).unwrap();
        let found = nearest_others(images, 2).unwrap();
        for i in 0..images.len() {
            let expected: Vec<u32> = brute_force(images.row(i), images)
                .into_iter()
                .map(|(_, index)| index)
                .filter(|&index| index != i as u32)
                .take(2)
                .collect();
            prop_assert_eq!(found.indices(i), expected);
        }
    }

    #[test]
    fn groups_are_complete_and_cannot_be_joined(
        (dim, _, b) in two_sets(),
        threshold in prop_oneof![Just(0.0), 0.0..0.6],
    ) {
        let images = Images::new(&b, dim).unwrap();
        let groups = with_threads(1, || duplicate_groups(images, threshold)).unwrap();
        let again = with_threads(3, || duplicate_groups(images, threshold)).unwrap();
        prop_assert_eq!(&groups, &again);
        let n = images.len();
        let apart = |i, j| l2(squared_distance(images.row(i), images.row(j)), dim) > threshold;
        let groups = &groups;
        let members = |group: u32| (0..n).filter(move |&i| groups.group(i) == group);
        let representatives = groups.representatives();
        for &a in &representatives {
            prop_assert_eq!(members(a).next(), Some(a as usize));
            for i in members(a) {
                prop_assert!(members(a).all(|j| !apart(i, j)));
            }
            for &b in representatives.iter().filter(|&&b| b != a) {
                prop_assert!(members(a).any(|i| members(b).any(|j| apart(i, j))));
            }
        }
        prop_assert_eq!(groups.sizes().iter().sum::<u32>() as usize, n);
        prop_assert_eq!(groups.sizes().len(), representatives.len());
    }

    #[test]
    fn exact_duplicates_are_grouped_whatever_the_order(b in image_set(0..80, 1)) {
        // At threshold 0 the groups are the equivalence classes, so order only renames them.
        let groups = duplicate_groups(Images::new(&b, 1).unwrap(), 0.0).unwrap();
        for (i, pixel) in b.iter().enumerate() {
            let first = b.iter().position(|other| other == pixel).unwrap();
            prop_assert_eq!(groups.group(i) as usize, first);
        }
    }

    #[test]
    fn scores_follow_a_permutation_of_the_generated((dim, a, b) in two_sets()) {
        let (queries, training) = (Images::new(&a, dim).unwrap(), Images::new(&b, dim).unwrap());
        let n = queries.len() as u32;
        let order: Vec<u32> = (0..n).rev().collect();
        let turned = queries.select(&order).unwrap();
        let mut scores = extraction_scores(queries, training).unwrap();
        let turned = extraction_scores(Images::new(&turned, dim).unwrap(), training).unwrap();
        scores.reverse();
        prop_assert_eq!(scores, turned);
    }

    #[test]
    fn ratios_stay_in_range((dim, a, b) in two_sets()) {
        let (queries, training) = (Images::new(&a, dim).unwrap(), Images::new(&b, dim).unwrap());
        for score in extraction_scores(queries, training).unwrap() {
            prop_assert!((0.0..=1.0).contains(&score.l2));
            prop_assert!((0.0..=1.0).contains(&score.nn_ratio.value().unwrap()));
            prop_assert!(score.nl2_generated.reason().is_some());
        }
    }

    #[test]
    fn ams_and_ums_bounds((dim, a, b) in two_sets(), low in 0.0..0.5, width in 0.0..0.5) {
        let (generated, training) = (Images::new(&a, dim).unwrap(), Images::new(&b, dim).unwrap());
        let bands = [Band::new(low, low + width).unwrap(), Band::at_most(low + width).unwrap()];
        let ums = with_threads(1, || ums_l2(generated, training, &bands)).unwrap();
        prop_assert_eq!(&ums, &with_threads(3, || ums_l2(generated, training, &bands)).unwrap());
        let found = nearest(generated, training, 1).unwrap();
        let best: Vec<f64> = (0..found.len()).map(|i| found.l2(i, 0)).collect();
        let ams: Vec<_> = bands.iter().map(|&band| ams(&best, band).unwrap()).collect();
        for (ums, ams) in ums.iter().zip(&ams) {
            prop_assert!(ums.distinct <= training.len() as u64);
            prop_assert!(ams.hits() <= generated.len() as u64);
            // An image whose best match is in the band matches something there.
            prop_assert!(ams.hits() == 0 || ums.distinct > 0);
        }
        // A band is part of its cumulative one, for both.
        prop_assert!(ums[0].distinct <= ums[1].distinct && ams[0].hits() <= ams[1].hits());
        // Up to a distance, nothing matches unless the best does.
        prop_assert_eq!(ums[1].distinct == 0, ams[1].hits() == 0);
        // The blocks and the plain matrix agree.
        let mut plain = Ums::new(training.len(), &bands);
        for query in generated.rows() {
            let row: Vec<f64> =
                training.rows().map(|other| l2(squared_distance(query, other), dim)).collect();
            plain.add(&row).unwrap();
        }
        prop_assert_eq!(ums, plain.finish().collect::<Vec<_>>());
    }

    #[test]
    fn scaled_ums_is_the_plain_matrix_divided(
        (dim, a, b) in two_sets(), seed in any::<u64>(), low in 0.0..2.0, width in 0.0..2.0,
    ) {
        let (generated, training) = (Images::new(&a, dim).unwrap(), Images::new(&b, dim).unwrap());
        let bands = [Band::new(low, low + width).unwrap(), Band::at_most(low + width).unwrap()];
        let drawn = |n| uniform(seed, n).into_iter().map(|u| 0.05 + u).collect::<Vec<_>>();
        let (by_generated, by_training) = (drawn(generated.len()), drawn(training.len()));
        for scales in [Scales::Generated(&by_generated), Scales::Training(&by_training)] {
            let run = || ums_scaled_l2(generated, training, scales, &bands).unwrap();
            let ums = with_threads(1, run);
            prop_assert_eq!(&ums, &with_threads(3, run));
            let mut plain = Ums::new(training.len(), &bands);
            for (i, query) in generated.rows().enumerate() {
                let scale = |j: usize| match scales {
                    Scales::Generated(scales) => scales[i],
                    Scales::Training(scales) => scales[j],
                };
                let row: Vec<f64> = training
                    .rows()
                    .enumerate()
                    .map(|(j, other)| l2(squared_distance(query, other), dim) / scale(j))
                    .collect();
                plain.add(&row).unwrap();
            }
            prop_assert_eq!(ums, plain.finish().collect::<Vec<_>>());
        }
    }

    #[test]
    fn roc_ignores_order_and_monotone_change(a in scores(), b in scores()) {
        let roc = Roc::new(&a, &b).unwrap().value().unwrap();
        let pairs = a.iter().flat_map(|x| b.iter().map(move |y| (x, y)));
        let wins: f64 = pairs.map(|(x, y)| f64::from(x > y) + 0.5 * f64::from(x == y)).sum();
        prop_assert!((roc.area() - wins / (a.len() * b.len()) as f64).abs() < 1e-12);
        let change = |x: &Vec<f64>| x.iter().rev().map(|x| x.exp()).collect::<Vec<_>>();
        let changed = Roc::new(&change(&a), &change(&b)).unwrap().value().unwrap();
        prop_assert_eq!(roc.auc(), changed.auc());
        let swapped = Roc::new(&b, &a).unwrap().value().unwrap();
        prop_assert!((roc.area() + swapped.area() - 1.0).abs() < 1e-12);
        let points = roc.points();
        prop_assert_eq!((points[0].tpr.hits(), points[0].fpr.hits()), (0, 0));
        let last = points[points.len() - 1];
        prop_assert_eq!((last.tpr.hits(), last.fpr.hits()), (a.len() as u64, b.len() as u64));
        // The trapezium rule over the points is the area.
        let share = |p: Proportion| p.share().value().unwrap();
        let area: f64 = points
            .windows(2)
            .map(|p| (share(p[1].fpr) - share(p[0].fpr)) * (share(p[0].tpr) + share(p[1].tpr)) / 2.0)
            .sum();
        prop_assert!((roc.area() - area).abs() < 1e-12);
    }

    #[test]
    fn percentiles_ascend_within_the_values(values in scores()) {
        let of = percentiles(&values, &[0.0, 5.0, 50.0, 95.0, 100.0]).unwrap().value().unwrap();
        prop_assert!(of.is_sorted());
        prop_assert_eq!(of[0], values.iter().copied().fold(f64::INFINITY, f64::min));
        prop_assert_eq!(of[4], values.iter().copied().fold(f64::NEG_INFINITY, f64::max));
    }

    #[test]
    fn calibrated_rates_ignore_the_thread_count(values in scores(), seed in any::<u64>()) {
        let n = values.len().max(12);
        let scores: Vec<f64> = (0..n).map(|i| values[i % values.len()] + (i % 3) as f64).collect();
        let member: Vec<bool> = (0..n).map(|i| i.is_multiple_of(3)).collect();
        let half: Vec<bool> = (0..n).map(|i| i.is_multiple_of(2)).collect();
        let group: Vec<u32> = (0..n as u32).collect();
        let candidates = Candidates::new(&scores, &member, &group).unwrap();
        let bootstrap = Bootstrap { resamples: 64, seed };
        let run = || candidates.asr(&half, &bootstrap).unwrap();
        prop_assert_eq!(with_threads(1, run), with_threads(3, run));
    }

    #[test]
    fn bootstrap_ignores_the_thread_count(values in scores(), seed in any::<u64>()) {
        let bootstrap = Bootstrap { resamples: 64, seed };
        let run = || (bootstrap.mean(&values).unwrap(), bootstrap.percentile(&values, 95.0).unwrap());
        prop_assert_eq!(with_threads(1, run), with_threads(3, run));
    }

    #[test]
    fn intervals_hold_the_share(hits in 0_u64..300, misses in 0_u64..300) {
        let proportion = Proportion::new(hits, hits + misses).unwrap();
        for estimate in [proportion.wilson(), proportion.clopper_pearson()] {
            prop_assume!(hits + misses > 0);
            let of = estimate.value().unwrap();
            prop_assert!(0.0 <= of.low && of.low <= of.value);
            prop_assert!(of.value <= of.high && of.high <= 1.0);
        }
    }
}

/// The chance that Binomial(n, p) gives each number of hits.
fn binomial(n: u64, p: f64) -> Vec<f64> {
    let mut chances = vec![(1.0 - p).powi(n as i32)];
    for hits in 0..n {
        let ratio = (n - hits) as f64 / (hits + 1) as f64 * p / (1.0 - p);
        chances.push(chances[hits as usize] * ratio);
    }
    chances
}

#[test]
fn proportion_intervals_cover_as_they_say() {
    // The exact coverage, summed over all outcomes, not a simulation of it.
    for n in [20, 100, 200] {
        for p in [0.05, 0.1, 0.3, 0.5, 0.77, 0.95] {
            let (mut wilson, mut exact) = (0.0, 0.0);
            for (hits, chance) in binomial(n, p).into_iter().enumerate() {
                let proportion = Proportion::new(hits as u64, n).unwrap();
                let covers = |of: eidetic_metrics::Estimate| of.low <= p && p <= of.high;
                wilson += if covers(proportion.wilson().value().unwrap()) {
                    chance
                } else {
                    0.0
                };
                let of = proportion.clopper_pearson().value().unwrap();
                exact += if covers(of) { chance } else { 0.0 };
            }
            assert!(
                (0.90..=0.99).contains(&wilson),
                "Wilson covers {wilson} at n {n}, p {p}"
            );
            assert!(
                exact >= 0.95,
                "Clopper-Pearson covers {exact} at n {n}, p {p}"
            );
        }
    }
}

/// Uniform values in [0, 1) by Weyl's sequence through a mixer; independent of the crate's own.
fn uniform(stream: u64, n: usize) -> Vec<f64> {
    let mix = |mut x: u64| {
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    };
    let at = |i: u64| {
        mix((stream << 32 | i)
            .wrapping_add(1)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15))
    };
    (0..n as u64)
        .map(|i| (at(i) >> 11) as f64 / (1_u64 << 53) as f64)
        .collect()
}

#[test]
fn simulated_intervals_cover_as_they_say() {
    const RUNS: u64 = 400;
    let (mut of_mean, mut of_seeds, mut of_auc, mut of_excess) = (0, 0, 0, 0);
    for run in 0..RUNS {
        let values = uniform(run, 60);
        let covers = |of: eidetic_metrics::Estimate, truth| of.low <= truth && truth <= of.high;
        let bootstrap = Bootstrap {
            resamples: 400,
            seed: run,
        };
        of_mean += u64::from(covers(
            bootstrap.mean(&values).unwrap().value().unwrap(),
            0.5,
        ));
        of_seeds += u64::from(covers(
            student_t(&values[..5]).unwrap().value().unwrap(),
            0.5,
        ));
        let below = |share: f64| values.iter().map(|&u| u < share).collect::<Vec<_>>();
        let paired = excess(&below(0.4), &below(0.1)).unwrap().value().unwrap();
        of_excess += u64::from(covers(paired, 0.3));
        // P(u + 0.3 > v) for u, v uniform is 1 - 0.7^2 / 2.
        let members: Vec<f64> = values.iter().map(|u| u + 0.3).collect();
        let roc = Roc::new(&members, &uniform(run + RUNS, 60))
            .unwrap()
            .value()
            .unwrap();
        of_auc += u64::from(covers(roc.auc().value().unwrap(), 0.755));
    }
    let all = [
        ("bootstrap", of_mean),
        ("t", of_seeds),
        ("DeLong", of_auc),
        ("excess", of_excess),
    ];
    for (name, covered) in all {
        let share = covered as f64 / RUNS as f64;
        assert!(
            (0.90..=0.99).contains(&share),
            "the {name} interval covers {share}"
        );
    }
}

/// The lowest score of a member on one half, of those above which a twentieth of the non-members
/// of that half lie at most.
fn calibrating(scores: &[f64], member: &[bool], half: impl Fn(usize) -> bool) -> f64 {
    let of = |wanted: bool| -> Vec<f64> {
        (0..scores.len())
            .filter(|&i| half(i) && member[i] == wanted)
            .map(|i| scores[i])
            .collect()
    };
    let others = of(false);
    let fits = |t: f64| 20 * others.iter().filter(|&&score| score >= t).count() <= others.len();
    of(true)
        .into_iter()
        .filter(|&t| fits(t))
        .fold(f64::INFINITY, f64::min)
}

#[test]
fn calibrated_intervals_cover_as_they_say() {
    // Scores of non-members uniform in [0, 1), of members the square root of such: TPR at the
    // threshold t is 1 - t^2, FPR 1 - t. At FPR 1/20, TPR is 1 - 0.95^2; the best threshold by
    // balanced accuracy is 1/2, which gives 5/8. The FPR that is realised is that of the very
    // thresholds. Every non-member is there twice.
    const RUNS: u64 = 250;
    let (mut of_tpr, mut of_fpr, mut of_asr, mut of_auc) = (0, 0, 0, 0);
    for run in 0..RUNS {
        let drawn = uniform(run + 10_000, 400);
        let mut scores: Vec<f64> = drawn[..200].iter().map(|u| u.sqrt()).collect();
        scores.extend(drawn[200..].iter().flat_map(|&u| [u, u]));
        let member: Vec<bool> = (0..600).map(|i| i < 200).collect();
        let group: Vec<u32> = (0..200).chain((200..400).flat_map(|i| [i, i])).collect();
        let half: Vec<bool> = group.iter().map(|group| group.is_multiple_of(2)).collect();
        let candidates = Candidates::new(&scores, &member, &group).unwrap();
        let bootstrap = Bootstrap {
            resamples: 300,
            seed: run,
        };
        let covers =
            |of: eidetic_metrics::Estimate, truth| u64::from(of.low <= truth && truth <= of.high);
        let rates = candidates.tpr_at_fpr(&half, 0.05, &bootstrap).unwrap();
        let rates = rates.value().unwrap();
        of_tpr += covers(rates.tpr, 1.0 - 0.95 * 0.95);
        let realised = [true, false].map(|of| {
            let threshold = calibrating(&scores, &member, |i| half[i] == of);
            1.0 - threshold.min(1.0)
        });
        of_fpr += covers(rates.fpr, (realised[0] + realised[1]) / 2.0);
        let asr = candidates.asr(&half, &bootstrap).unwrap();
        of_asr += covers(asr.value().unwrap(), 0.625);
        // P(sqrt(u) > v) = E sqrt(u).
        let auc = candidates.auc(&bootstrap).unwrap();
        of_auc += covers(auc.value().unwrap(), 2.0 / 3.0);
    }
    let all = [
        ("TPR", of_tpr),
        ("FPR", of_fpr),
        ("success rate", of_asr),
        ("AUC", of_auc),
    ];
    let shares = all.map(|(name, covered)| (name, covered as f64 / RUNS as f64));
    for (_, share) in shares {
        assert!((0.90..=0.99).contains(&share), "coverage: {shares:?}");
    }
}
