//! The average network's denoising loss on images that stay the same.

use eidetic_sdk::batch::Condition;
use eidetic_sdk::batch::condition;
use eidetic_sdk::ndarray::{Array1, Array4, Axis, Zip};
use eidetic_sdk::random::rng;
use eidetic_sdk::{Batch, ElementType, Error, ErrorCode, Result, Trainer};
use rand::RngExt;
use rand_distr::StandardNormal;

use crate::Options;
use crate::withheld::{Part, Split};

/// Rows in one call, which bounds memory.
const ROWS: usize = 64;

/// Mean over images and draws of w(sigma) |D - x0|^2 / pixels, w(sigma) = (sigma^2 + sd^2) /
/// (sigma sd)^2. Noise and levels of an image follow from the trainer's seed and its identity.
///
/// `conditions` are those of a training batch: class labels are given as the images have them.
pub(crate) fn loss(
    split: &Split,
    part: &Part,
    options: &Options,
    conditions: &[Condition<'_>],
    trainer: &dyn Trainer,
) -> Result<f64> {
    let draws = options.draws as usize;
    let names = class_conditions(conditions)?;
    let (_, channels, height, width) = part.images.dim();
    let places: Vec<usize> = (0..part.len())
        .flat_map(|place| std::iter::repeat_n(place, draws))
        .collect();
    let (sigma, noise) = drawn(part, options, trainer.seed());
    let mut sum = 0.0;
    for first in (0..places.len()).step_by(ROWS) {
        let rows = first..(first + ROWS).min(places.len());
        let here = &places[rows.clone()];
        let x0 = part.images.select(Axis(0), here);
        let sigma = &sigma[rows.clone()];
        let mut x = x0.clone();
        for (row, at) in rows.clone().enumerate() {
            let noise = noise.index_axis(Axis(0), at);
            x.index_axis_mut(Axis(0), row)
                .scaled_add(sigma[row], &noise);
        }
        let index: Vec<u64> = here.iter().map(|&place| part.index[place]).collect();
        let labels = labels(part, here, names.first().copied())?;
        let null = vec![0; here.len()];
        let conditions: Vec<Condition<'_>> = names
            .iter()
            .map(|name| condition(name, labels.view(), &null))
            .collect::<Result<_>>()?;
        let mut out = Array4::zeros((here.len(), channels, height, width));
        let batch = Batch {
            x: x.view(),
            sigma,
            row_id: &index,
            conditions: &conditions,
        };
        trainer.denoise_ema(batch, out.view_mut())?;
        for ((out, x0), &sigma) in out.outer_iter().zip(x0.outer_iter()).zip(sigma) {
            let (sigma, data) = (f64::from(sigma), split.sigma_data);
            let weight = (sigma * sigma + data * data) / (sigma * data).powi(2);
            let square = Zip::from(&out).and(&x0).fold(0.0, |sum, &d, &x| {
                let error = f64::from(d) - f64::from(x);
                sum + error * error
            });
            sum += weight * square / x0.len() as f64;
        }
    }
    let mean = sum / places.len() as f64;
    match mean.is_finite() {
        true => Ok(mean),
        false => Err(Error::new(
            ErrorCode::Failed,
            format!("early-stop: expected a finite loss of the average network, got {mean}"),
        )),
    }
}

/// Level and noise `[N * draws, C, H, W]` of each draw, images one after another.
fn drawn(part: &Part, options: &Options, seed: u64) -> (Vec<f32>, Array4<f32>) {
    let (images, channels, height, width) = part.images.dim();
    let rows = images * options.draws as usize;
    let mut sigma = Vec::with_capacity(rows);
    let mut noise = Array4::zeros((rows, channels, height, width));
    let mut each = noise.outer_iter_mut();
    for &index in &part.index {
        let mut stream = rng(seed, "early stopping", index);
        for mut noise in each.by_ref().take(options.draws as usize) {
            let normal: f64 = stream.sample(StandardNormal);
            let ln_sigma = options.ln_sigma_mean + options.ln_sigma_std * normal;
            sigma.push(ln_sigma.exp() as f32);
            noise.mapv_inplace(|_| stream.sample(StandardNormal));
        }
    }
    (sigma, noise)
}

/// Names of the conditions, all of which have to be one whole number a row.
fn class_conditions<'a>(conditions: &'a [Condition<'_>]) -> Result<Vec<&'a str>> {
    let class = |each: &'a Condition<'_>| {
        let (element, shape) = (each.value.element(), each.value.shape());
        match (element, shape.dims().count()) {
            (ElementType::I64, 1) => Ok(each.name.as_str()),
            (_, dims) => Err(Error::new(
                ErrorCode::Unsupported,
                format!(
                    "early-stop: expected class labels as condition `{}`, got {element:?} of \
                     {dims} dimensions",
                    each.name
                ),
            )),
        }
    };
    conditions.iter().map(class).collect()
}

/// Labels of some images; empty where no condition asks for them.
fn labels(part: &Part, places: &[usize], name: Option<&str>) -> Result<Array1<i64>> {
    match (name, &part.labels) {
        (None, _) => Ok(Array1::zeros(0)),
        (Some(_), Some(labels)) => Ok(places.iter().map(|&place| labels[place]).collect()),
        (Some(name), None) => Err(Error::bad_input(format!(
            "early-stop: expected a training set with labels for condition `{name}`, got none"
        ))),
    }
}
