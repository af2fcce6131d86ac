//! Models for which it is known what has to come out.

use eidetic_sdk::pixels::to_u8;
use eidetic_sdk::sampler::{Sampler, SamplerKind, draw};

use super::*;
use crate::reverse::{Way, levels as way_down};

const SHAPE: [usize; 3] = [1, 8, 8];

/// x of so many images at a level, and where the reverse process takes it.
fn reverse(model: &Mixture, x: &Array4<f32>, sigma: f64, steps: u64) -> Array4<f32> {
    let service = Service::new(model, u64::MAX);
    let row_ids: Vec<u64> = (0..x.dim().0 as u64).collect();
    let way = Way {
        target: &service,
        context: &Run::default(),
        row_ids: &row_ids,
    };
    let levels = way_down(&model.info, sigma, steps);
    way.down(x.view(), &levels).unwrap()
}

#[test]
fn one_step_is_the_conditional_mean_of_a_gaussian() {
    // E[x0 | x] = mu + v / (v + sigma^2) (x - mu), in each pixel alone.
    let images = random_images(5, SHAPE, 1);
    let (mean, variance) = (0.1, 0.3);
    let model = Mixture::new(vec![vec![mean; 64]], variance, SHAPE);
    let options = r#"{"estimates": ["one-step"]}"#;
    let found = found(options, &model, &images);
    assert_eq!(found.len(), 4 * 5);
    for (probe, (noised, _, sigma)) in probes(options, &images).iter().enumerate() {
        let sigma = f64::from(*sigma);
        let kept = variance / (variance + sigma * sigma);
        let expected = noised.mapv(|x| to_u8((mean + kept * (f64::from(x) - mean)) as f32));
        for candidate in 0..5 {
            let got = &found[&(probe as u32, candidate)];
            assert_eq!(*got, levels(&expected, candidate), "sigma {sigma}");
        }
    }
}

#[test]
fn the_reverse_process_of_a_gaussian_has_a_closed_form() {
    // dx/dsigma = (x - D) / sigma takes x - mu to sqrt(v / (v + sigma^2)) (x - mu). Heun's error
    // falls with the square of the number of steps.
    let (mean, variance) = (0.1, 0.3);
    let model = Mixture::new(vec![vec![mean; 64]], variance, SHAPE);
    let images = random_images(3, SHAPE, 2);
    for (noised, _, sigma) in probes(r#"{"estimates": ["reverse"]}"#, &images) {
        let kept = (variance / (variance + f64::from(sigma).powi(2))).sqrt();
        let error = |steps: u64| {
            let got = reverse(&model, &noised, sigma.into(), steps);
            let off = got
                .iter()
                .zip(&noised)
                .map(|(&got, &x)| (f64::from(got) - mean - kept * (f64::from(x) - mean)).abs());
            off.fold(0.0, f64::max)
        };
        let [at_18, at_36, at_72] = [18, 36, 72].map(error);
        assert!(at_18 < 0.06, "sigma {sigma}: {at_18}");
        assert!(
            at_36 < at_18 / 3.0 && at_72 < at_36 / 3.0,
            "{at_18} {at_36} {at_72}"
        );
    }
}

#[test]
fn the_reverse_process_is_the_services_sampler() {
    let images = random_images(4, SHAPE, 3);
    let model = &Mixture::around(&images, 0.05);
    let ids = [0, 1, 2, 3];
    for (sigma, steps) in [(8.0, 18), (80.0, 18), (2.0, 5), (1.0, 1)] {
        let sampler = Sampler {
            steps: steps as usize,
            sigma_max: sigma,
            ..Sampler::for_model(SamplerKind::Heun, &model.info)
        };
        let noise = || RowNoise::new(1, "start", &ids);
        let mut drawn = Array4::zeros(images.dim());
        draw(&sampler, model, &ids, &[], &mut noise(), drawn.view_mut()).unwrap();
        let mut x = Array4::<f32>::zeros(images.dim());
        let mut start = noise();
        for (row, mut x) in x.outer_iter_mut().enumerate() {
            let mut values = vec![0.0; 64];
            start.fill(row, &mut values);
            let values = values.iter().map(|value| (sigma * value) as f32);
            x.iter_mut().zip(values).for_each(|(to, v)| *to = v);
        }
        let got = reverse(model, &x, sigma, steps);
        for (got, want) in got.iter().zip(&drawn) {
            assert!(
                (got - want).abs() < 1e-4,
                "{got} against {want} from {sigma}"
            );
        }
    }
}

#[test]
fn the_perfect_memorizer_gives_back_its_members() {
    let members = random_images(6, SHAPE, 4);
    let model = Mixture::around(&members, 0.0);
    // Two members are some 13 deviations of the noise apart, then 6.
    for options in [
        r#"{"sigmas": [0.5]}"#,
        r#"{"sigmas": [1], "estimates": ["reverse"]}"#,
    ] {
        for ((probe, candidate), image) in found(options, &model, &members) {
            assert_eq!(
                image,
                levels(&members, candidate),
                "{options}, probe {probe}"
            );
        }
    }
    // At sigma 80 nothing of them is left: one step gives the mean of all, the reverse a member.
    let far = found(r#"{"sigmas": [80]}"#, &model, &members);
    let mean = members.mapv(f64::from).mean_axis(Axis(0)).unwrap();
    for candidate in 0..6 {
        let near = far[&(0, candidate)].iter().zip(&mean);
        assert!(
            near.map(|(&a, b)| (f64::from(a) - b).abs())
                .all(|off| off < 8.0)
        );
        let whole = &far[&(1, candidate)];
        assert!((0..6).any(|member| levels(&members, member) == *whole));
    }
}

#[test]
fn what_the_memorizer_never_saw_becomes_a_member() {
    let all = random_images(8, SHAPE, 5);
    let members = all.select(Axis(0), &[0, 1, 2, 3]);
    let holdout = all.select(Axis(0), &[4, 5, 6, 7]);
    let model = Mixture::around(&members, 0.0);
    let options = r#"{"sigmas": [0.5], "estimates": ["reverse"]}"#;
    for image in found(options, &model, &holdout).values() {
        assert!((0..4).any(|member| levels(&members, member) == *image));
    }
}

#[test]
fn levels_reach_from_sigma_to_the_models_smallest() {
    let mut info = Mixture::new(Vec::new(), 0.0, SHAPE).info;
    let edm = way_down(&info, 8.35, 18);
    assert_eq!((edm.len(), edm[0]), (18, 8.35));
    assert!((edm[17] - 0.002).abs() < 1e-12 && edm.windows(2).all(|pair| pair[0] > pair[1]));
    assert_eq!(way_down(&info, 3.0, 1), [3.0]);
    assert_eq!(way_down(&info, 0.001, 18), [0.001]);
    info.schedule = vec![0.1, 0.2, 0.5, 1.0, 5.0, 80.0];
    assert_eq!(way_down(&info, 4.0, 18), [4.0, 1.0, 0.5, 0.2, 0.1]);
    assert_eq!(way_down(&info, 4.0, 2), [4.0, 1.0, 0.1]);
    assert_eq!(way_down(&info, 1.0, 18), [1.0, 0.5, 0.2, 0.1]);
    assert_eq!(way_down(&info, 0.05, 18), [0.05]);
}
