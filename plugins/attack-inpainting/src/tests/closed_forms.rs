//! Models for which it is known what has to come out.

use super::*;

const SHAPE: [usize; 3] = [1, 8, 8];

/// Two pixels of variance v and correlation rho around 0.
struct Pair {
    variance: f64,
    correlation: f64,
}

impl Pair {
    /// S (S + sigma^2)^-1 v: half sum and half difference are independent.
    fn shrink(&self, v: &[f64], sigma: f64) -> Vec<f64> {
        let kept = |variance: f64| variance / (variance + sigma * sigma);
        let sum = kept(self.variance * (1.0 + self.correlation)) * (v[0] + v[1]) / 2.0;
        let difference = kept(self.variance * (1.0 - self.correlation)) * (v[0] - v[1]) / 2.0;
        vec![sum + difference, sum - difference]
    }
}

impl Form for Pair {
    fn denoise(&self, x: &[f64], sigma: f64) -> Vec<f64> {
        self.shrink(x, sigma)
    }
    fn vjp(&self, _: &[f64], sigma: f64, cotangent: &[f64]) -> Vec<f64> {
        self.shrink(cotangent, sigma)
    }
}

/// What was filled in for the right one of two pixels, the left one of which has a level.
fn right_pixel(id: &str, options: &str, pair: Pair, level: u8, count: usize) -> Vec<f64> {
    let options = options.replace('{', r#"{"masks": ["right-half"], "#);
    let images = Array4::from_elem((count, 1, 1, 2), level);
    let found = found(id, &options, &Model::new(pair, [1, 1, 2]), &images);
    let pixel = |image: &Vec<u8>| f64::from(to_unit(image[1]));
    found.values().map(pixel).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[test]
fn the_perfect_memorizer_gives_back_its_members() {
    let members = random_images(6, SHAPE, 1);
    let model = Model::new(Mixture::memorizer(&members), SHAPE);
    let masks = r#"{"masks": ["left-half", "right-half", "top-half", "bottom-half",
        {"box": 0.5}, {"boxes": {"count": 3, "share": 0.1}}, {"pixels": 0.5}]}"#;
    for id in IDS {
        let found = found(id, masks, &model, &members);
        let exact = |((_, candidate), image): &(&(u32, u64), &Vec<u8>)| {
            **image == levels(&members, *candidate)
        };
        let right = found.iter().filter(exact).count();
        match id {
            // Few passes now and then leave it with the wrong member in what is hidden.
            "inpainting" => assert!((40..=42).contains(&right), "{right}"),
            _ => assert_eq!(right, 42, "{id}"),
        }
    }
}

#[test]
fn what_the_memorizer_never_saw_is_filled_with_a_member() {
    let all = random_images(8, SHAPE, 2);
    let members = all.slice(s![..4, .., .., ..]).to_owned();
    let holdout = all.slice(s![4.., .., .., ..]).to_owned();
    let model = Model::new(Mixture::memorizer(&members), SHAPE);
    let members: Vec<Vec<u8>> = (0..4).map(|index| levels(&members, index)).collect();
    for id in IDS {
        for ((_, candidate), image) in found(id, "{}", &model, &holdout) {
            let given = levels(&holdout, candidate);
            let column = |pixel: usize| pixel % 8;
            let left_of_a_member = members.iter().any(|member| {
                let mut left = (0..64).filter(|&pixel| column(pixel) < 4);
                left.all(|pixel| image[pixel] == member[pixel])
            });
            assert!(left_of_a_member, "{id}, candidate {candidate}");
            let right = (0..64).filter(|&pixel| column(pixel) >= 4);
            let kept = right.filter(|&pixel| image[pixel] == given[pixel]).count();
            // RePaint and DDNM keep what is known; DPS has no way to.
            match id {
                "inpainting-dps" => assert!(kept < 8, "{kept}"),
                _ => assert_eq!(kept, 32, "{id}"),
            }
        }
    }
}

#[test]
fn one_step_gives_the_mean_of_a_gaussian() {
    // D = mu + v / (v + 80^2) (x - mu) at the one level, and its Jacobian has no entry between
    // pixels: x - mu, some 80, is left with 6e-4, a twelfth of a level.
    let form = || Mixture {
        images: vec![vec![to_unit(159).into(); 64]],
        variance: 0.05,
    };
    let images = random_images(2, SHAPE, 3);
    for id in IDS {
        let options = match id {
            "inpainting" => r#"{"steps": 1, "resampling": 1}"#,
            _ => r#"{"steps": 1}"#,
        };
        for image in found(id, options, &Model::new(form(), SHAPE), &images).values() {
            let hidden = (0..64).filter(|pixel| pixel % 8 < 4);
            assert!(
                hidden.map(|pixel| image[pixel]).all(|level| level == 159),
                "{id}: {image:?}"
            );
        }
    }
}

#[test]
fn a_pixel_that_another_determines_is_found() {
    let known = f64::from(to_unit(191));
    // DPS's step has one length whatever the number of known pixels; one alone needs a short one.
    for (id, options, each, on_average) in [
        ("inpainting", r#"{"batch": 64}"#, 0.04, 0.005),
        ("inpainting-ddnm", r#"{"batch": 64}"#, 0.01, 0.001),
        ("inpainting-dps", r#"{"zeta": 0.1}"#, 0.2, 0.01),
    ] {
        let pair = Pair {
            variance: 0.05,
            correlation: 1.0,
        };
        let values = right_pixel(id, options, pair, 191, 300);
        let worst = values.iter().map(|v| (v - known).abs()).fold(0.0, f64::max);
        let off = (mean(&values) - known).abs();
        assert!(worst < each && off < on_average, "{id}: {worst} and {off}");
    }
}

#[test]
fn resampling_takes_repaint_to_the_conditional_distribution() {
    // Given the left pixel, the right one has mean rho y = 0.398 and deviation
    // sqrt(v (1 - rho^2)) = 0.134; the mean of 300 is known to 0.0077, the deviation to 0.0055.
    let right_pixel = |options: &str| {
        let pair = Pair {
            variance: 0.05,
            correlation: 0.8,
        };
        right_pixel("inpainting", options, pair, 191, 300)
    };
    // The sizes of the paper.
    let values = right_pixel(r#"{"steps": 250, "resampling": 10}"#);
    let centre = mean(&values);
    let squares: Vec<f64> = values.iter().map(|v| (v - centre).powi(2)).collect();
    let deviation = mean(&squares).sqrt();
    assert!((centre - 0.398).abs() < 0.04, "{centre}");
    assert!((deviation - 0.134).abs() < 0.02, "{deviation}");
    // Without jumps, hidden pixels follow the known ones too late.
    let plain = mean(&right_pixel(r#"{"resampling": 1}"#));
    assert!(plain < 0.3, "{plain}");
}

#[test]
fn nothing_known_is_a_sample_and_all_known_is_left_alone() {
    let members = random_images(5, SHAPE, 4);
    let model = Model::new(Mixture::memorizer(&members), SHAPE);
    for id in IDS {
        let samples = found(id, r#"{"masks": [{"box": 1}]}"#, &model, &members);
        assert_eq!(samples.len(), 5);
        for image in samples.values() {
            assert!(
                (0..5).any(|index| levels(&members, index) == *image),
                "{id}"
            );
        }
        let known = Array3::ones((5, 8, 8));
        let asked = vec![(members.mapv(to_unit), known)];
        let service = Service::new(&model, granted(id), asked, u64::MAX);
        let run = Run::default();
        let attack = make_attack(&plugin(id), "{}").unwrap();
        attack.run(&service, &run, &run).unwrap();
        for ((_, candidate), image) in run.found.into_inner().unwrap() {
            assert_eq!(image, levels(&members, candidate), "{id}");
        }
    }
}
