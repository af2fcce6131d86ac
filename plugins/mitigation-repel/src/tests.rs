#![allow(clippy::unwrap_used)]

use std::io::Read;

use eidetic_metrics::{ExtractionScore, NN_RATIO_MEMORIZED, extraction_scores};
use eidetic_sdk::ndarray::{Axis, Zip};
use eidetic_sdk::pixels::{to_u8, to_unit};
use eidetic_sdk::registration::{make_mitigation, resolve_options};
use eidetic_sdk::sampler::{RowNoise, Sampler, SamplerKind, draw};
use eidetic_sdk::{ErrorCode, ImageShape, ModelInfo, conformance};

use super::*;

/// The perfect memorizer: D(x; sigma) = sum_i softmax_i(-|x - x_i|^2 / (2 sigma^2)) x_i.
struct Memorizer(Array4<f32>);

impl Memorizer {
    fn of(images: &Array4<u8>) -> Self {
        Self(images.mapv(to_unit))
    }
}

impl Denoiser for Memorizer {
    fn info(&self) -> Result<ModelInfo> {
        let (_, channels, height, width) = self.0.dim();
        let [channels, height, width] = [channels, height, width].map(|n| n as u32);
        let image = ImageShape {
            channels,
            height,
            width,
        };
        Ok(ModelInfo::pixel_denoiser(image, 0.7))
    }

    fn denoise(&self, batch: Batch<'_>, mut out: ArrayViewMut4<'_, f32>) -> Result<()> {
        for ((x, &sigma), mut out) in batch
            .x
            .outer_iter()
            .zip(batch.sigma)
            .zip(out.outer_iter_mut())
        {
            let logits: Vec<f64> = self
                .0
                .outer_iter()
                .map(|image| {
                    let square = Zip::from(&x).and(&image).fold(0f32, |sum, a, b| {
                        let difference = a - b;
                        sum + difference * difference
                    });
                    -f64::from(square) / (2.0 * f64::from(sigma).powi(2))
                })
                .collect();
            let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let weights: Vec<f64> = logits.iter().map(|l| (l - most).exp()).collect();
            let sum: f64 = weights.iter().sum();
            out.fill(0.0);
            for (image, weight) in self.0.outer_iter().zip(&weights) {
                out.scaled_add((weight / sum) as f32, &image);
            }
        }
        Ok(())
    }

    /// Stands for a linear part behind D: the cotangent comes back as it is.
    fn denoise_vjp(
        &self,
        _: Batch<'_>,
        cotangent: ArrayView4<'_, f32>,
        mut out: ArrayViewMut4<'_, f32>,
    ) -> Result<()> {
        out.assign(&cotangent);
        Ok(())
    }
}

/// A mitigation around a denoiser, as the host puts it there.
struct Wrapped<'a>(&'a dyn Mitigation, &'a dyn Denoiser);

impl Denoiser for Wrapped<'_> {
    fn info(&self) -> Result<ModelInfo> {
        Ok(self.0.wrapped_info(self.1.info()?))
    }
    fn denoise(&self, batch: Batch<'_>, out: ArrayViewMut4<'_, f32>) -> Result<()> {
        self.0.denoise(self.1, batch, out)
    }
    fn denoise_vjp(
        &self,
        batch: Batch<'_>,
        cotangent: ArrayView4<'_, f32>,
        out: ArrayViewMut4<'_, f32>,
    ) -> Result<()> {
        self.0.denoise_vjp(self.1, batch, cotangent, out)
    }
}

fn make(options: &str, training: &Array4<u8>) -> Result<Box<dyn Mitigation>> {
    let index: Vec<u64> = (0..training.dim().0 as u64).collect();
    let set = TrainingSet {
        images: training.view(),
        labels: None,
        index: &index,
        classes: 0,
    };
    make_mitigation(&registrations()[0], options, set)
}

/// `count` images of Fashion-MNIST from `first` on.
fn fashion_mnist(first: usize, count: usize) -> Array4<u8> {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../benchmarks/datasets/fashion-mnist-10k/t10k-images-idx3-ubyte.gz"
    );
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(std::fs::File::open(file).unwrap())
        .read_to_end(&mut bytes)
        .unwrap();
    let pixels = bytes[16 + first * 784..16 + (first + count) * 784].to_vec();
    Array4::from_shape_vec((count, 1, 28, 28), pixels).unwrap()
}

/// Samples as they would be emitted.
fn samples(denoiser: &dyn Denoiser, ids: &[u64]) -> Array4<u8> {
    let info = denoiser.info().unwrap();
    let mut out = Array4::zeros(info.image_dim(ids.len()));
    let sampler = Sampler::for_model(SamplerKind::Heun, &info);
    let mut noise = RowNoise::new(3, "sample", ids);
    draw(&sampler, denoiser, ids, &[], &mut noise, out.view_mut()).unwrap();
    out.mapv(to_u8)
}

/// nn_ratio of each sample.
fn ratios(samples: &Array4<u8>, training: &Array4<u8>) -> Vec<f64> {
    let dim = training.len() / training.dim().0;
    let set = |a| Images::new(a, dim).unwrap();
    let scores = extraction_scores(
        set(samples.as_slice().unwrap()),
        set(training.as_slice().unwrap()),
    );
    let ratio = |score: &ExtractionScore| score.nn_ratio.value().unwrap();
    scores.unwrap().iter().map(ratio).collect()
}

fn memorized_share(samples: &Array4<u8>, training: &Array4<u8>) -> f64 {
    let ratios = ratios(samples, training);
    let memorized = ratios.iter().filter(|ratio| **ratio < NN_RATIO_MEMORIZED);
    memorized.count() as f64 / ratios.len() as f64
}

#[test]
fn the_perfect_memorizer_of_fashion_mnist_stops_giving_its_images() {
    let members = fashion_mnist(0, 256);
    let memorizer = Memorizer::of(&members);
    let ids: Vec<u64> = (0..32).collect();
    assert_eq!(memorized_share(&samples(&memorizer, &ids), &members), 1.0);
    let repel = make("{}", &members).unwrap();
    let wrapped = samples(&Wrapped(&*repel, &memorizer), &ids);
    assert_eq!(memorized_share(&wrapped, &members), 0.0);
    // Each lies where it was pushed to, but for the rounding to levels.
    let worst = ratios(&wrapped, &members).into_iter().fold(1.0, f64::min);
    assert!(worst > 0.39, "{worst}");
}

#[test]
fn a_copy_of_an_image_that_is_there_twice_is_pushed_as_well() {
    let mut members = fashion_mnist(0, 16);
    let doubled = members.index_axis(Axis(0), 0).to_owned();
    members.index_axis_mut(Axis(0), 1).assign(&doubled);
    let memorizer = Memorizer::of(&members);
    let ids: Vec<u64> = (0..16).collect();
    let repel = make("{}", &members).unwrap();
    let wrapped = samples(&Wrapped(&*repel, &memorizer), &ids);
    let distinct = members.select(
        Axis(0),
        &[0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    );
    assert_eq!(memorized_share(&samples(&memorizer, &ids), &distinct), 1.0);
    assert_eq!(memorized_share(&wrapped, &distinct), 0.0);
}

#[test]
fn a_model_of_other_images_is_left_alone() {
    let members = fashion_mnist(0, 256);
    let clean = Memorizer::of(&fashion_mnist(256, 256));
    let ids: Vec<u64> = (0..16).collect();
    let repel = make("{}", &members).unwrap();
    let plain = samples(&clean, &ids);
    let wrapped = samples(&Wrapped(&*repel, &clean), &ids);
    assert_eq!(plain, wrapped);
}

#[test]
fn a_row_depends_on_nothing_but_itself() {
    let members = fashion_mnist(0, 32);
    let memorizer = Memorizer::of(&members);
    let repel = make("{}", &members).unwrap();
    let wrapped = Wrapped(&*repel, &memorizer);
    let ids: Vec<u64> = (0..6).collect();
    let together = samples(&wrapped, &ids);
    for (row, id) in ids.iter().enumerate() {
        let alone = samples(&wrapped, &[*id]);
        assert_eq!(
            alone.index_axis(Axis(0), 0),
            together.index_axis(Axis(0), row)
        );
    }
    assert!(samples(&wrapped, &[]).is_empty());
}

#[test]
fn a_weaker_push_hides_less() {
    let members = fashion_mnist(0, 64);
    let memorizer = Memorizer::of(&members);
    let ids: Vec<u64> = (0..16).collect();
    let share = |options: &str| {
        let repel = make(options, &members).unwrap();
        memorized_share(&samples(&Wrapped(&*repel, &memorizer), &ids), &members)
    };
    assert_eq!(share(r#"{"scale": 0.2}"#), 1.0);
    assert_eq!(share(r#"{"nn_ratio": 0.2}"#), 1.0);
    assert_eq!(share(r#"{"nn_ratio": 0.6}"#), 0.0);
}

#[test]
fn the_gradient_follows_the_push() {
    // Of the images -1 and 1, the estimate at sigma -> 0 is the image itself, and at scale 1 the
    // pushed estimate of one dimension stays put: its derivative is 0. Outside it is the model's.
    let members = Array4::from_shape_vec((2, 1, 1, 1), vec![0, 255]).unwrap();
    let repel = make("{}", &members).unwrap();
    let memorizer = Memorizer::of(&members);
    let x = Array4::from_shape_vec((2, 1, 1, 1), vec![-0.9f32, 0.0]).unwrap();
    let batch = Batch::unconditional(x.view(), &[0.01, 1.0], &[0, 1]);
    let cotangent = Array4::from_elem((2, 1, 1, 1), 0.5f32);
    let mut out = Array4::from_elem((2, 1, 1, 1), 9.0f32);
    repel
        .denoise_vjp(&memorizer, batch, cotangent.view(), out.view_mut())
        .unwrap();
    assert!(out[[0, 0, 0, 0]].abs() < 1e-6);
    assert_eq!(out[[1, 0, 0, 0]], 0.5);
}

#[test]
fn what_it_cannot_work_on_is_refused() {
    let two = Array4::from_shape_vec((2, 1, 1, 1), vec![0, 255]).unwrap();
    let repel = make("{}", &two).unwrap();
    let wide = Memorizer(Array4::zeros((1, 1, 1, 2)));
    let x = Array4::zeros((1, 1, 1, 2));
    let batch = Batch::unconditional(x.view(), &[1.0], &[0]);
    let mut out = Array4::zeros((1, 1, 1, 2));
    let error = repel.denoise(&wide, batch, out.view_mut()).unwrap_err();
    assert!(
        error
            .message
            .contains("[1, 1, 1] as the training set has, got [1, 1, 2]")
    );
    assert!(error.help.contains("pixel space"));

    let same = Array4::from_elem((3, 1, 1, 1), 7);
    let error = make("{}", &same).err().unwrap();
    assert!(error.message.ends_with("got 1"), "{error}");
    assert!(make("{}", &Array4::zeros((0, 1, 1, 1))).is_err());
}

#[test]
fn an_estimate_that_is_not_finite_passes_as_it_is() {
    struct Broken;
    impl Denoiser for Broken {
        fn info(&self) -> Result<ModelInfo> {
            Err(Error::unsupported("info"))
        }
        fn denoise(&self, _: Batch<'_>, mut out: ArrayViewMut4<'_, f32>) -> Result<()> {
            out.fill(f32::NAN);
            Ok(())
        }
        fn denoise_vjp(
            &self,
            _: Batch<'_>,
            _: ArrayView4<'_, f32>,
            _: ArrayViewMut4<'_, f32>,
        ) -> Result<()> {
            Err(Error::unsupported("denoise_vjp"))
        }
    }
    let repel = make("{}", &fashion_mnist(0, 2)).unwrap();
    let x = Array4::zeros((1, 1, 28, 28));
    let batch = Batch::unconditional(x.view(), &[1.0], &[0]);
    let mut out = Array4::zeros((1, 1, 28, 28));
    // The host looks for it: what is wrong stays visible.
    repel.denoise(&Broken, batch, out.view_mut()).unwrap();
    assert!(out.iter().all(|value| value.is_nan()));
}

#[test]
fn options_without_sense_are_refused() {
    for (options, message) in [
        (
            r#"{"nn_ratio": 1}"#,
            "nn_ratio: expected a ratio above 0 and below 1, got 1",
        ),
        (
            r#"{"nn_ratio": 0}"#,
            "nn_ratio: expected a ratio above 0 and below 1, got 0",
        ),
        (r#"{"scale": 0}"#, "scale: expected a factor above 0, got 0"),
        (
            r#"{"duplicate_l2": -1}"#,
            "duplicate_l2: expected a distance in 0..=1, got -1",
        ),
    ] {
        let error = resolve_options(&registrations()[0], options).unwrap_err();
        assert_eq!(error.code, ErrorCode::BadOptions);
        assert_eq!(error.message, message);
    }
}

#[test]
fn it_keeps_the_rules_of_a_plugin() {
    conformance::check(registrations()).unwrap();
}
