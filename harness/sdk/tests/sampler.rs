//! Samplers against a model whose every answer is known: data N(mu, s^2) a pixel, for which
//! D(x; sigma) = mu + s^2 / (s^2 + sigma^2) (x - mu), and the probability flow's exact solution is
//! mu + s / sqrt(s^2 + sigma^2) (x - mu).
#![allow(clippy::unwrap_used)]

use eidetic_sdk::sampler::{RowNoise, Sampler, SamplerKind, draw, sigmas};
use eidetic_sdk::{Batch, Denoiser, ImageShape, ModelInfo, Result};
use ndarray::{Array4, ArrayViewMut4, s};

const MU: f64 = 0.25;
const S: f64 = 0.5;

struct Gaussian {
    schedule: Vec<f64>,
}

impl Denoiser for Gaussian {
    fn info(&self) -> Result<ModelInfo> {
        let image = ImageShape {
            channels: 1,
            height: 4,
            width: 4,
        };
        let mut info = ModelInfo::pixel_denoiser(image, S);
        info.schedule = self.schedule.clone();
        Ok(info)
    }

    fn denoise(&self, batch: Batch<'_>, mut out: ArrayViewMut4<'_, f32>) -> Result<()> {
        for (row, &sigma) in batch.sigma.iter().enumerate() {
            let gain = S * S / (S * S + f64::from(sigma).powi(2));
            let x = batch.x.slice(s![row, .., .., ..]);
            out.slice_mut(s![row, .., .., ..])
                .assign(&x.mapv(|x| (MU + gain * (f64::from(x) - MU)) as f32));
        }
        Ok(())
    }
}

fn sampler(kind: SamplerKind, steps: usize) -> Sampler {
    let info = Gaussian { schedule: vec![] }.info().unwrap();
    Sampler {
        steps,
        ..Sampler::for_model(kind, &info)
    }
}

fn samples(sampler: &Sampler, model: &Gaussian, ids: &[u64]) -> Array4<f32> {
    let mut out = Array4::zeros((ids.len(), 1, 4, 4));
    let mut noise = RowNoise::new(7, "sample", ids);
    draw(sampler, model, ids, &[], &mut noise, out.view_mut()).unwrap();
    out
}

/// Largest distance from the exact end of each path.
fn error(sampler: &Sampler) -> f64 {
    let ids: Vec<u64> = (0..8).collect();
    let got = samples(sampler, &Gaussian { schedule: vec![] }, &ids);
    let mut noise = RowNoise::new(7, "sample", &ids);
    let mut worst = 0f64;
    for row in 0..ids.len() {
        let mut start = [0.0; 16];
        noise.fill(row, &mut start);
        for (start, &got) in start.iter().zip(got.slice(s![row, .., .., ..])) {
            let sigma = sampler.sigma_max;
            let want = MU + S / (S * S + sigma * sigma).sqrt() * (sigma * start - MU);
            worst = worst.max((want - f64::from(got)).abs());
        }
    }
    worst
}

#[test]
fn heun_is_second_order_and_ddim_first() {
    let heun = [32, 64].map(|steps| error(&sampler(SamplerKind::Heun, steps)));
    let ddim = [64, 128].map(|steps| error(&sampler(SamplerKind::Ddim, steps)));
    assert!(heun[0] < 0.02 && heun[0] / heun[1] > 3.0, "{heun:?}");
    assert!(
        ddim[0] < 0.1 && (1.6..3.0).contains(&(ddim[0] / ddim[1])),
        "{ddim:?}"
    );
}

#[test]
fn ancestral_sampling_has_the_data_s_mean_and_spread() {
    let ids: Vec<u64> = (0..2000).collect();
    let got = samples(
        &sampler(SamplerKind::Ancestral, 256),
        &Gaussian { schedule: vec![] },
        &ids,
    );
    let n = got.len() as f64;
    let mean = got.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
    let variance = got
        .iter()
        .map(|&x| (f64::from(x) - mean).powi(2))
        .sum::<f64>()
        / n;
    assert!((mean - MU).abs() < 4.0 * S / n.sqrt(), "{mean}");
    assert!((variance.sqrt() - S).abs() < 0.02, "{}", variance.sqrt());
}

#[test]
fn a_row_does_not_depend_on_its_batch() {
    let model = Gaussian { schedule: vec![] };
    for kind in [SamplerKind::Heun, SamplerKind::Ddim, SamplerKind::Ancestral] {
        let mut sampler = sampler(kind, 9);
        if kind == SamplerKind::Heun {
            sampler.s_churn = 4.0;
        }
        let together = samples(&sampler, &model, &[3, 9, 4, 1]);
        for (row, id) in [3u64, 9, 4, 1].into_iter().enumerate() {
            let alone = samples(&sampler, &model, &[id]);
            assert_eq!(
                alone.slice(s![0, .., .., ..]),
                together.slice(s![row, .., .., ..])
            );
        }
    }
}

#[test]
fn ddim_at_eta_one_is_the_ancestral_step() {
    let ids = [0, 1, 2];
    let model = Gaussian { schedule: vec![] };
    let ancestral = samples(&sampler(SamplerKind::Ancestral, 12), &model, &ids);
    let ddim = Sampler {
        eta: 1.0,
        ..sampler(SamplerKind::Ddim, 12)
    };
    assert_eq!(ancestral, samples(&ddim, &model, &ids));
}

#[test]
fn levels_are_edm_s_or_the_schedule_s() {
    let edm = sigmas(&sampler(SamplerKind::Heun, 18), &[]);
    // numpy: (80 ** (1/7) + i/17 * (0.002 ** (1/7) - 80 ** (1/7))) ** 7
    let want = [
        (0, 80.0),
        (1, 57.585_984_7),
        (8, 3.256_821_519_8),
        (17, 0.002),
    ];
    for (i, sigma) in want {
        assert!(
            (edm[i] / sigma - 1.0).abs() < 1e-6,
            "{i}: {} not {sigma}",
            edm[i]
        );
    }
    let schedule: Vec<f64> = (1..=10).map(f64::from).collect();
    let few = Sampler {
        sigma_max: 10.0,
        ..sampler(SamplerKind::Ddim, 4)
    };
    assert_eq!(sigmas(&few, &schedule), [10.0, 7.0, 4.0, 1.0]);
    let many = Sampler {
        sigma_max: 3.0,
        ..sampler(SamplerKind::Ddim, 40)
    };
    assert_eq!(sigmas(&many, &schedule), [3.0, 2.0, 1.0]);
}

#[test]
fn a_schedule_starts_where_diffusers_does() {
    let model = Gaussian {
        schedule: vec![0.5, 1.0, 3.0],
    };
    let one = Sampler {
        sigma_max: 3.0,
        ..sampler(SamplerKind::Ddim, 1)
    };
    let got = samples(&one, &model, &[5]);
    let mut start = [0.0; 16];
    RowNoise::new(7, "sample", &[5]).fill(0, &mut start);
    let want = MU + S * S / (S * S + 9.0) * (10f64.sqrt() * start[0] - MU);
    assert!((f64::from(got[[0, 0, 0, 0]]) - want).abs() < 1e-6);
}

#[test]
fn senseless_samplers_are_refused() {
    let mut out = Array4::zeros((1, 1, 4, 4));
    let mut refuse = |sampler: Sampler| {
        let mut noise = RowNoise::new(0, "sample", &[0]);
        let model = Gaussian {
            schedule: vec![100.0, 200.0],
        };
        draw(&sampler, &model, &[0], &[], &mut noise, out.view_mut())
            .unwrap_err()
            .message
    };
    let base = sampler(SamplerKind::Ddim, 3);
    assert!(refuse(Sampler { steps: 0, ..base }).contains("at least one step, got 0"));
    assert!(
        refuse(Sampler {
            sigma_min: 90.0,
            ..base
        })
        .contains("90 and 80")
    );
    assert!(refuse(Sampler { eta: 1.5, ..base }).contains("1.5"));
    assert!(refuse(base).contains("no level of the model's schedule lies in 0.002..=80"));
}
