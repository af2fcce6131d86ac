//! The plugin on real images, against scipy, and for its independence of the batch.
#![allow(clippy::unwrap_used)]

use std::io::Read;
use std::path::Path;

use eidetic_model_memorizer::{Memorizer, registrations};
use eidetic_sdk::ndarray::{Array4, ArrayView4, Axis, s};
use eidetic_sdk::registration::make_model;
use eidetic_sdk::{Batch, Model, TrainingSet, conformance, pixels};

const PIXELS: usize = 784;

fn fashion(count: usize) -> Array4<u8> {
    let path = "../../benchmarks/datasets/fashion-mnist-10k/t10k-images-idx3-ubyte.gz";
    let file = std::fs::File::open(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let mut bytes = vec![0; 16 + count * PIXELS];
    flate2::read::GzDecoder::new(file)
        .read_exact(&mut bytes)
        .unwrap();
    Array4::from_shape_vec((count, 1, 28, 28), bytes.split_off(16)).unwrap()
}

/// The generator of the fixture's script.
fn noise(size: usize) -> Vec<f64> {
    let mut state = 1_u32;
    let mut draw = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (f64::from(state >> 8) / f64::from(1 << 23) - 1.0) * 3_f64.sqrt()
    };
    (0..size).map(|_| draw()).collect()
}

fn denoise(model: &dyn Model, x: ArrayView4<'_, f32>, sigma: &[f32]) -> Array4<f32> {
    let row_id: Vec<u64> = (0..sigma.len() as u64).collect();
    let batch = Batch {
        x,
        sigma,
        row_id: &row_id,
        conditions: &[],
    };
    let mut out = Array4::zeros(x.raw_dim());
    model.denoise(batch, out.view_mut()).unwrap();
    out
}

fn vjp(model: &dyn Model, x: &Array4<f32>, sigma: &[f32], cotangent: &Array4<f32>) -> Array4<f32> {
    let row_id: Vec<u64> = (0..sigma.len() as u64).collect();
    let batch = Batch {
        x: x.view(),
        sigma,
        row_id: &row_id,
        conditions: &[],
    };
    let mut out = Array4::zeros(x.raw_dim());
    model
        .denoise_vjp(batch, cotangent.view(), out.view_mut())
        .unwrap();
    out
}

#[test]
fn it_is_what_scipy_computes() {
    let text = std::fs::read_to_string("tests/fixtures/closed_form.json").unwrap();
    let fixture: serde_json::Value = serde_json::from_str(&text).unwrap();
    let count = fixture["count"].as_u64().unwrap() as usize;
    let images = fashion(count);
    let model = Memorizer::new(images.view()).unwrap();
    let sigma_data = fixture["sigma_data"].as_f64().unwrap();
    assert!((model.info().sigma_data - sigma_data).abs() < 1e-6);

    let rows = fixture["rows"].as_array().unwrap();
    let sigma: Vec<f32> = rows
        .iter()
        .map(|row| row["sigma"].as_f64().unwrap() as f32)
        .collect();
    let draws = noise(PIXELS * rows.len());
    let unit = |row: usize, pixel: usize| {
        f64::from(pixels::to_unit(images[[row, 0, pixel / 28, pixel % 28]]))
    };
    let (mut x, mut cotangent) = (Vec::new(), Vec::new());
    for row in 0..rows.len() {
        for pixel in 0..PIXELS {
            let x0 = 0.5 * (unit(row, pixel) + unit(row + 8, pixel));
            let at = |pixel: usize| draws[row * PIXELS + pixel];
            x.push((x0 + f64::from(sigma[row]) * at(pixel)) as f32);
            cotangent.push(at((pixel + PIXELS - 1) % PIXELS) as f32);
        }
    }
    let shape = (rows.len(), 1, 28, 28);
    let x = Array4::from_shape_vec(shape, x).unwrap();
    let cotangent = Array4::from_shape_vec(shape, cotangent).unwrap();
    for (name, got) in [
        ("denoised", denoise(&model, x.view(), &sigma)),
        ("vjp", vjp(&model, &x, &sigma, &cotangent)),
    ] {
        for (row, expected) in rows.iter().enumerate() {
            let expected = expected[name].as_array().unwrap();
            let got = got.index_axis(Axis(0), row);
            let got: Vec<f32> = got.iter().step_by(7).copied().collect();
            assert_eq!(got.len(), expected.len());
            for (got, want) in got.iter().zip(expected) {
                let want = want.as_f64().unwrap();
                let error = (f64::from(*got) - want).abs();
                assert!(
                    error < 2e-7 * want.abs().max(1.0),
                    "{name}, row {row}: {got}, {want}"
                );
            }
        }
    }
}

#[test]
fn a_row_is_the_same_in_every_batch() {
    let images = fashion(40);
    let model = Memorizer::new(images.view()).unwrap();
    let sigma: Vec<f32> = (0..9).map(|row| 0.05 * 2.5_f32.powi(row)).collect();
    let draws = noise(9 * PIXELS);
    let x = Array4::from_shape_fn((9, 1, 28, 28), |(row, _, h, w)| {
        pixels::to_unit(images[[row, 0, h, w]])
            + sigma[row] * draws[row * PIXELS + h * 28 + w] as f32
    });
    let bits = |values: ArrayView4<'_, f32>| -> Vec<u32> {
        values.iter().map(|value| value.to_bits()).collect()
    };
    let whole = denoise(&model, x.view(), &sigma);
    for first in 0..9 {
        for last in first + 1..=9 {
            let part = denoise(
                &model,
                x.slice(s![first..last, .., .., ..]),
                &sigma[first..last],
            );
            assert_eq!(
                bits(part.view()),
                bits(whole.slice(s![first..last, .., .., ..]))
            );
        }
    }
    let mut backwards = sigma.clone();
    backwards.reverse();
    let reversed = denoise(&model, x.slice(s![..;-1, .., .., ..]), &backwards);
    assert_eq!(
        bits(reversed.slice(s![..;-1, .., .., ..])),
        bits(whole.view())
    );
    // Alone it is another row's NaN that must not matter.
    let mut broken = x.clone();
    broken[[3, 0, 0, 0]] = f32::NAN;
    let broken = denoise(&model, broken.view(), &sigma);
    for row in 0..9 {
        let part = s![row..=row, .., .., ..];
        if row == 3 {
            assert!(broken.slice(part).iter().all(|value| value.is_nan()));
        } else {
            assert_eq!(bits(broken.slice(part)), bits(whole.slice(part)));
        }
    }
}

#[test]
fn it_works_over_the_boundary() {
    conformance::check(registrations()).unwrap();
    let images = fashion(5);
    let index = [0, 1, 2, 3, 4];
    let train = TrainingSet {
        images: images.view(),
        labels: None,
        index: &index,
        classes: 0,
    };
    let plugin = &registrations()[0];
    let remote = make_model(plugin, "{}", Some(train)).unwrap();
    let local = Memorizer::new(images.view()).unwrap();
    assert_eq!(remote.info(), local.info());
    let info = remote.info();
    assert!(info.denoises && info.differentiates && info.schedule.is_empty());

    let x = images.mapv(|level| pixels::to_unit(level) * 0.9);
    let sigma = [0.1, 0.5, 1.0, 2.0, 3.0];
    assert_eq!(
        denoise(&*remote, x.view(), &sigma),
        denoise(&local, x.view(), &sigma)
    );
    assert_eq!(vjp(&*remote, &x, &sigma, &x), vjp(&local, &x, &sigma, &x));

    let error = make_model(plugin, "{}", None).err().unwrap();
    assert_eq!(error.to_string(), "expected a training set, got none");
    let error = make_model(plugin, r#"{"samples": 3}"#, Some(train))
        .err()
        .unwrap();
    assert!(error.to_string().contains("samples"), "{error}");
}

#[test]
fn bad_input_is_named() {
    let model = Memorizer::new(fashion(3).view()).unwrap();
    let said =
        |x: (usize, usize, usize, usize), out: (usize, usize, usize, usize), sigma: &[f32]| {
            let (x, mut out) = (Array4::zeros(x), Array4::zeros(out));
            let row_id = vec![0; sigma.len()];
            let batch = Batch {
                x: x.view(),
                sigma,
                row_id: &row_id,
                conditions: &[],
            };
            model
                .denoise(batch, out.view_mut())
                .unwrap_err()
                .to_string()
        };
    let right = (1, 1, 28, 28);
    let wrong = (1, 1, 28, 27);
    assert_eq!(
        said(wrong, right, &[1.0]),
        "x: expected shape [1, 1, 28, 28], got [1, 1, 28, 27]"
    );
    assert_eq!(
        said(right, wrong, &[1.0]),
        "out: expected shape [1, 1, 28, 28], got [1, 1, 28, 27]"
    );
    for (sigma, shown) in [
        (0.0, "0"),
        (-1.0, "-1"),
        (f32::NAN, "NaN"),
        (f32::INFINITY, "inf"),
    ] {
        assert_eq!(
            said(right, right, &[sigma]),
            format!("sigma of row 0: expected a finite number above 0, got {shown}")
        );
    }
    let refused = |images: Array4<u8>| Memorizer::new(images.view()).err().unwrap().to_string();
    assert_eq!(
        refused(Array4::zeros((0, 1, 2, 2))),
        "expected at least one training image, got 0 of shape [1, 2, 2]"
    );
    assert_eq!(
        refused(Array4::from_elem((3, 1, 2, 2), 9)),
        "expected training pixels that vary, got 12 times level 9"
    );
    // No rows are no work.
    let empty = Array4::<f32>::zeros((0, 1, 28, 28));
    assert_eq!(denoise(&model, empty.view(), &[]).len(), 0);
}
