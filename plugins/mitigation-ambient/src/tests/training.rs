//! The training stage.

use super::*;

const MASKS: [&str; 2] = [
    r#"{"corruption": "pixel", "p": 0.4, "delta": 0.3}"#,
    r#"{"corruption": "box", "p": 0.15}"#,
];

#[test]
fn the_network_sees_a_part_and_is_graded_on_a_little_more() {
    let x0 = random([3, 2, 6, 5], 1);
    let noise = random([3, 2, 6, 5], 77);
    for options in MASKS {
        let (ambient, plan) = make(options, SHAPE);
        assert_eq!((plan.extra_channels, plan.masked), (1, true));
        let group = step(&*ambient, 0, 5, &x0);
        let (mut hidden, mut further) = (0, 0);
        for ((row, channel, y, x), &value) in group.x.indexed_iter() {
            let at = [row, channel, y, x];
            let (seen, graded) = (group.extra[[row, 0, y, x]], group.weight[at]);
            assert!([0.0, 1.0].contains(&seen) && [0.0, 1.0].contains(&graded));
            assert!(seen <= graded);
            assert_eq!(graded, group.weight[[row, 0, y, x]]);
            let noisy = x0[at] + SIGMA[row] * noise[at];
            assert_eq!(value, if seen == 1.0 { noisy } else { 0.0 });
            assert_eq!(group.target[at], if graded == 1.0 { x0[at] } else { 0.0 });
            hidden += usize::from(graded == 0.0);
            further += usize::from(seen < graded);
        }
        assert!(hidden > 0 && further > 0, "{options}");
    }
}

#[test]
fn what_a_hides_leaves_no_trace() {
    let x0 = random([3, 2, 6, 5], 1);
    let options =
        [MASKS[0], MASKS[1]].map(|options| options.replace('}', r#", "frozen_b": true}"#));
    for options in MASKS.map(str::to_owned).iter().chain(&options) {
        let (ambient, _) = make(options, SHAPE);
        for at in 0..5 {
            let group = step(&*ambient, at, 5, &x0);
            // Other values, signs and all, where A hides.
            let other = eidetic_sdk::ndarray::Zip::from(&x0)
                .and(&group.weight)
                .map_collect(|&x, &keep| if keep == 1.0 { x } else { -7.0 * x });
            assert_ne!(other, x0);
            let same = step(&*ambient, at, 5, &other);
            let bits = |group: &TrainingGroup| -> Vec<u32> {
                let parts = [&group.x, &group.extra, &group.target, &group.weight];
                let values = parts.into_iter().flatten();
                values.map(|value| value.to_bits()).collect()
            };
            assert_eq!(bits(&group), bits(&same));
        }
    }
}

#[test]
fn a_is_frozen_and_b_redrawn_unless_it_is_frozen_too() {
    let x0 = random([3, 2, 6, 5], 1);
    for options in MASKS {
        let (ambient, _) = make(options, SHAPE);
        let (first, second) = (step(&*ambient, 0, 5, &x0), step(&*ambient, 1, 5, &x0));
        assert_eq!(first.weight, second.weight);
        assert_ne!(first.extra, second.extra);
        assert_eq!(first, step(&*ambient, 0, 5, &x0));
        // Another run of the same data: the same A, another B.
        let other = step(&*ambient, 0, 6, &x0);
        assert_eq!(first.weight, other.weight);
        assert_ne!(first.extra, other.extra);
        // Made again, as after a checkpoint.
        assert_eq!(first, step(&*make(options, SHAPE).0, 0, 5, &x0));

        let frozen = options.replace('}', r#", "frozen_b": true}"#);
        let (ambient, _) = make(&frozen, SHAPE);
        let frozen = step(&*ambient, 0, 5, &x0);
        assert_eq!(frozen.weight, first.weight);
        assert_eq!(frozen, step(&*ambient, 1, 6, &x0));
        assert!(frozen.extra.iter().zip(&frozen.weight).any(|(a, b)| a < b));

        let seeded = options.replace('}', r#", "seed": 1}"#);
        assert_ne!(
            step(&*make(&seeded, SHAPE).0, 0, 5, &x0).weight,
            first.weight
        );
    }
}

#[test]
fn a_row_depends_on_nothing_but_itself() {
    let x0 = random([3, 2, 6, 5], 1);
    let fourier = r#"{"corruption": "fourier", "p": 0.5}"#;
    for options in MASKS.into_iter().chain([fourier]) {
        let (ambient, _) = make(options, SHAPE);
        let together = step(&*ambient, 3, 5, &x0);
        let reversed = x0.select(Axis(0), &[2, 1, 0]);
        let turned = step_of(&*ambient, 3, 5, &reversed, &[19, 4, 70]);
        let masks =
            |group: &TrainingGroup, row: usize| group.extra.index_axis(Axis(0), row).to_owned();
        for row in 0..3 {
            assert_eq!(masks(&together, row), masks(&turned, 2 - row));
        }
        let first = x0.slice(s![..1, .., .., ..]).to_owned();
        let alone = step_of(&*ambient, 3, 5, &first, &INDEX[..1]);
        for (all, one) in [
            (&together.x, &alone.x),
            (&together.target, &alone.target),
            (&together.weight, &alone.weight),
        ] {
            // The noise of the first row is the same in both.
            assert_eq!(all.index_axis(Axis(0), 0), one.index_axis(Axis(0), 0));
        }
    }
}

#[test]
fn without_shares_it_is_ordinary_training() {
    let x0 = random([3, 2, 6, 5], 1);
    let noise = random([3, 2, 6, 5], 77);
    for corruption in ["pixel", "box", "fourier"] {
        let options = format!(r#"{{"corruption": "{corruption}", "p": 0, "delta": 0}}"#);
        let group = step(&*make(&options, SHAPE).0, 0, 5, &x0);
        assert!(
            group
                .extra
                .iter()
                .chain(&group.weight)
                .all(|&keep| keep == 1.0)
        );
        for ((row, channel, y, x), &value) in group.x.indexed_iter() {
            let at = [row, channel, y, x];
            assert!((value - x0[at] - SIGMA[row] * noise[at]).abs() < 1e-5);
            assert!((group.target[at] - x0[at]).abs() < 1e-4);
        }
    }
}

#[test]
fn without_b_what_is_seen_is_what_is_graded() {
    let x0 = random([3, 2, 6, 5], 1);
    for corruption in ["pixel", "box"] {
        let options = format!(r#"{{"corruption": "{corruption}", "p": 0.3, "delta": 0}}"#);
        let group = step(&*make(&options, SHAPE).0, 0, 5, &x0);
        let seen = group.extra.index_axis(Axis(1), 0);
        assert_eq!(seen, group.weight.index_axis(Axis(1), 1));
        assert!(seen.iter().any(|&keep| keep == 0.0));
    }
}

fn square(values: &Array4<f32>) -> f64 {
    values.iter().map(|&x| f64::from(x).powi(2)).sum()
}

#[test]
fn frequencies_are_graded_in_the_range_of_their_projection() {
    let options = r#"{"corruption": "fourier", "p": 0.5, "delta": 0.2}"#;
    let (ambient, plan) = make(options, SHAPE);
    assert_eq!((plan.extra_channels, plan.masked), (1, false));
    let x0 = random([3, 2, 6, 5], 1);
    let group = step(&*ambient, 2, 5, &x0);

    // The same by hand, from the masks.
    let local = local();
    let masks: Vec<[Mask; 2]> = INDEX.map(|index| local.training_masks(5, 2, index)).into();
    let [seen, further] = [0, 1].map(|which| {
        masks
            .iter()
            .map(|both| both[which].clone())
            .collect::<Vec<_>>()
    });
    for (row, mask) in further.iter().enumerate() {
        assert_eq!(group.extra.slice(s![row, 0, .., ..]), mask);
    }
    assert!(
        seen.iter()
            .zip(&further)
            .any(|(seen, further)| seen != further)
    );
    let noise = random([3, 2, 6, 5], 77);
    let mut x = x0.clone();
    for (row, &sigma) in SIGMA.iter().enumerate() {
        let noise = noise.index_axis(Axis(0), row);
        x.index_axis_mut(Axis(0), row).scaled_add(sigma, &noise);
    }
    local.project(&further, x.view_mut());
    assert!(square(&(&x - &group.x)) < 1e-10);

    let linear = Linear::new(SHAPE);
    let input =
        eidetic_sdk::ndarray::concatenate(Axis(1), &[group.x.view(), group.extra.view()]).unwrap();
    let mut denoised = Array4::zeros(x0.dim());
    Linear::times(&linear.matrix, input.view(), denoised.view_mut());
    // Value and gradient of |D - t|^2 are those of |P (D - x0)|^2.
    let mut graded = &denoised - &x0;
    local.project(&seen, graded.view_mut());
    let residual = &denoised - &group.target;
    assert!(square(&(&graded - &residual)) < 1e-8 * square(&graded));
    assert!(group.weight.iter().all(|&weight| weight == 1.0));

    // Nothing of a hidden frequency is in x or, but for the network's own output, in the target.
    let mut other = x0.clone();
    local.project(&seen, other.view_mut());
    let hidden = &x0 - &other;
    assert!(square(&hidden) > 1.0);
    let same = step(&*ambient, 2, 5, &(&other - &(3.0 * &hidden)));
    assert!(square(&(&group.x - &same.x)) < 1e-10);
    assert!(square(&(&group.target - &same.target)) < 1e-6 * square(&group.target));
}

/// That mitigation on this side of the boundary.
fn local() -> Ambient {
    let options = Options {
        corruption: Kind::Fourier,
        p: 0.5,
        delta: 0.2,
        ..Options::default()
    };
    let images = Array4::zeros((1, 2, 6, 5));
    let set = TrainingSet {
        images: images.view(),
        labels: None,
        index: &[0],
        classes: 0,
    };
    Ambient::make(options, set).unwrap()
}
