#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicBool, Ordering};

use eidetic_sdk::batch::condition;
use eidetic_sdk::ndarray::{Array1, Array4, ArrayView4, ArrayViewMut4, Axis, concatenate};
use eidetic_sdk::sampler::{Sampler, SamplerKind};
use eidetic_sdk::{
    Access, Batch, Denoiser, ErrorCode, ImageShape, Mitigation, Model, ModelInfo, Result,
    SampleRequest, Target,
};

use super::{Ask, Budget, Chain, HostTarget, Link, Service, ServiceOptions};

const IMAGE: ImageShape = ImageShape {
    channels: 1,
    height: 4,
    width: 4,
};

/// Data N(mu, 0.5^2) a pixel, where mu is 0, or a tenth of the class.
struct Gaussian {
    denoises: bool,
    nan_below_sigma: f32,
}

const FINE: Gaussian = Gaussian {
    denoises: true,
    nan_below_sigma: 0.0,
};

impl Model for Gaussian {
    fn info(&self) -> ModelInfo {
        let mut info = ModelInfo::pixel_denoiser(IMAGE, 0.5);
        (info.denoises, info.samples) = (self.denoises, !self.denoises);
        info.differentiates = self.denoises;
        info
    }

    fn denoise(&self, batch: Batch<'_>, mut out: ArrayViewMut4<'_, f32>) -> Result<()> {
        for (row, mut out) in out.axis_iter_mut(Axis(0)).enumerate() {
            let mu = batch
                .condition("class")
                .filter(|class| class.null[row] == 0)
                .map_or(0.0, |class| {
                    let labels = eidetic_sdk::batch::condition_values::<i64>(class).unwrap();
                    labels
                        .iter()
                        .nth(row)
                        .map_or(0.0, |&label| label as f32 / 10.0)
                });
            let sigma = batch.sigma[row];
            let gain = 0.25 / (0.25 + sigma * sigma);
            out.assign(
                &batch
                    .x
                    .index_axis(Axis(0), row)
                    .mapv(|x| mu + gain * (x - mu)),
            );
            if sigma < self.nan_below_sigma {
                out.fill(f32::NAN);
            }
        }
        Ok(())
    }

    fn denoise_vjp(
        &self,
        batch: Batch<'_>,
        cotangent: ArrayView4<'_, f32>,
        mut out: ArrayViewMut4<'_, f32>,
    ) -> Result<()> {
        if !self.denoises {
            return Err(eidetic_sdk::Error::unsupported("denoise_vjp"));
        }
        for (row, mut out) in out.axis_iter_mut(Axis(0)).enumerate() {
            let gain = 0.25 / (0.25 + batch.sigma[row] * batch.sigma[row]);
            out.assign(&cotangent.index_axis(Axis(0), row).mapv(|v| gain * v));
        }
        Ok(())
    }

    fn sample(&self, batch: Batch<'_>, mut out: ArrayViewMut4<'_, f32>) -> Result<()> {
        out.assign(&batch.x.mapv(|x| 0.1 * x));
        Ok(())
    }
}

/// Halves every estimate; lets through images whose first pixel is at most `level`.
struct HalveAndReject {
    level: i32,
}

impl Mitigation for HalveAndReject {
    fn denoise(
        &self,
        inner: &dyn Denoiser,
        batch: Batch<'_>,
        mut out: ArrayViewMut4<'_, f32>,
    ) -> Result<()> {
        inner.denoise(batch, out.view_mut())?;
        out.mapv_inplace(|value| value / 2.0);
        Ok(())
    }

    fn accept(&self, images: ArrayView4<'_, u8>, keep: &mut [bool]) -> Result<()> {
        for (image, keep) in images.axis_iter(Axis(0)).zip(keep) {
            *keep = i32::from(image[[0, 0, 0]]) <= self.level;
        }
        Ok(())
    }
}

fn link(sampling: bool, level: Option<i32>) -> Link {
    let mitigation = Box::new(HalveAndReject {
        level: level.unwrap_or(255),
    });
    Link {
        id: "halve".into(),
        mitigation,
        sampling,
        output: level.is_some(),
    }
}

fn options(model: &Gaussian) -> ServiceOptions {
    let sampler = Sampler {
        steps: 3,
        ..Sampler::for_model(SamplerKind::Heun, &model.info())
    };
    ServiceOptions {
        sampler: model.denoises.then_some(sampler),
        seed: 11,
        redraws: 2,
    }
}

fn with_service<T>(
    model: &Gaussian,
    links: &[Link],
    limit: u64,
    run: impl FnOnce(&Service<'_>, &Budget) -> T,
) -> T {
    let (budget, stop) = (Budget::new(limit), AtomicBool::new(false));
    let service = Service::new(model, links, options(model), &budget, &stop).unwrap();
    run(&service, &budget)
}

fn images(service: &Service<'_>, first: u64, count: usize) -> Result<Array4<u8>> {
    let mut out = Array4::zeros((count, 1, 4, 4));
    service.sample(SampleRequest::unconditional(first), out.view_mut())?;
    Ok(out)
}

#[test]
fn samples_depend_on_their_index_alone() {
    let links = [link(true, Some(140))];
    let whole = with_service(&FINE, &links, 1_000_000, |service, _| {
        images(service, 0, 200).unwrap()
    });
    let parts = with_service(&FINE, &links, 1_000_000, |service, _| {
        let parts =
            [(0, 70), (70, 1), (71, 129)].map(|(from, n)| images(service, from, n).unwrap());
        concatenate(Axis(0), &parts.each_ref().map(|part| part.view())).unwrap()
    });
    assert_eq!(whole, parts);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .unwrap();
    let single = pool.install(|| {
        with_service(&FINE, &links, 1_000_000, |service, _| {
            images(service, 0, 200).unwrap()
        })
    });
    assert_eq!(whole, single);
}

#[test]
fn what_is_rejected_is_drawn_again_and_counted_apart() {
    // Heun with 3 steps is 5 calls. Everything is rejected: 2 redraws of 3 samples, then grey.
    with_service(&FINE, &[link(false, Some(-1))], 100, |service, budget| {
        let refused = images(service, 0, 3).unwrap();
        assert!(refused.iter().all(|&level| level == 128), "{refused}");
        assert_eq!((budget.model_calls(), budget.defence_calls()), (15, 30));
        assert!(service.output_applied());
    });
    // A redraw is another image, and leaves those that were let through as they are.
    let free = with_service(&FINE, &[], 10_000, |service, _| {
        images(service, 0, 64).unwrap()
    });
    with_service(
        &FINE,
        &[link(false, Some(127))],
        10_000,
        |service, budget| {
            let kept = images(service, 0, 64).unwrap();
            let mut redrawn = 0;
            for (free, kept) in free.axis_iter(Axis(0)).zip(kept.axis_iter(Axis(0))) {
                if free[[0, 0, 0]] <= 127 {
                    assert_eq!(free, kept);
                } else {
                    assert!(kept[[0, 0, 0]] <= 127 || kept.iter().all(|&level| level == 128));
                    redrawn += 1;
                }
            }
            assert!(redrawn > 10 && budget.defence_calls() >= redrawn * 5);
        },
    );
}

#[test]
fn the_budget_refuses_before_anything_is_drawn() {
    with_service(&FINE, &[], 14, |service, budget| {
        let refused = images(service, 0, 3).unwrap_err();
        assert_eq!(refused.code, ErrorCode::Budget);
        assert_eq!(budget.model_calls(), 0);
        images(service, 0, 2).unwrap();
        assert_eq!(budget.left(), 4);
    });
}

#[test]
fn guidance_costs_two_calls_and_moves_towards_the_class() {
    let (labels, null) = (Array1::from_elem(8, 5i64), vec![0u8; 8]);
    let mean = |guidance_scale| {
        with_service(&FINE, &[], 1_000, |service, budget| {
            let conditions = [condition("class", labels.view(), &null).unwrap()];
            let request = SampleRequest {
                first_index: 0,
                conditions: &conditions,
                guidance_scale,
            };
            let mut out = Array4::zeros((8, 1, 4, 4));
            service.sample(request, out.view_mut()).unwrap();
            let mean = out.iter().map(|&level| f64::from(level)).sum::<f64>() / 128.0;
            (mean, budget.model_calls())
        })
    };
    let (plain, plain_calls) = mean(1.0);
    let (guided, guided_calls) = mean(3.0);
    assert_eq!((plain_calls, guided_calls), (40, 80));
    assert!(guided > plain + 20.0, "{plain} {guided}");
}

#[test]
fn a_model_that_only_samples_serves_and_costs_one_call() {
    let model = Gaussian {
        denoises: false,
        nan_below_sigma: 0.0,
    };
    with_service(&model, &[], 10, |service, budget| {
        let first = images(service, 0, 4).unwrap();
        assert_eq!(first, images(service, 0, 4).unwrap());
        assert_eq!(budget.model_calls(), 8);
    });
}

#[test]
fn numbers_that_are_not_finite_are_refused_by_name() {
    let model = Gaussian {
        denoises: true,
        nan_below_sigma: 1.0,
    };
    let message = with_service(&model, &[], 100, |service, _| {
        images(service, 0, 1).unwrap_err()
    });
    assert!(
        message
            .message
            .starts_with("the model returned NaN where finite numbers"),
        "{message}"
    );
}

#[test]
fn a_stopped_service_says_so() {
    let (budget, stop) = (Budget::new(100), AtomicBool::new(true));
    let service = Service::new(&FINE, &[], options(&FINE), &budget, &stop).unwrap();
    assert_eq!(
        images(&service, 0, 1).unwrap_err().code,
        ErrorCode::Cancelled
    );
    stop.store(false, Ordering::SeqCst);
    images(&service, 0, 1).unwrap();
}

#[test]
fn a_target_grants_what_was_declared_and_charges_it() {
    let (budget, stop) = (Budget::new(5), AtomicBool::new(false));
    let links = [link(true, None)];
    let service = Service::new(&FINE, &links, options(&FINE), &budget, &stop).unwrap();
    let target = |access| HostTarget {
        service: &service,
        samples_from: &service,
        model: &FINE,
        access,
        budget: &budget,
        ask: &Ask::Nothing,
    };
    let x = Array4::from_elem((2, 1, 4, 4), 1.0f32);
    let ask = |target: &HostTarget<'_>, sigma: &[f32]| -> Result<Array4<f32>> {
        let mut out = Array4::zeros(x.dim());
        let batch = Batch {
            x: x.view(),
            sigma,
            row_id: &[0, 1],
            conditions: &[],
        };
        target.denoise(batch, out.view_mut())?;
        Ok(out)
    };
    let refused = ask(&target(Access::Samples), &[0.5, 0.5]).unwrap_err();
    assert!(
        refused.message.contains("needs Denoiser access"),
        "{refused}"
    );
    let refused = ask(&target(Access::Denoiser), &[0.5, f32::NAN]).unwrap_err();
    assert_eq!(
        refused.message,
        "sigma: expected finite and above 0, got NaN"
    );
    // 0.25 / (0.25 + 0.25) x, halved by the link around it.
    let out = ask(&target(Access::Denoiser), &[0.5, 0.5]).unwrap();
    assert!(out.iter().all(|&value| value == 0.25));
    assert_eq!(budget.model_calls(), 2);
    let chain = Chain::new(&FINE, &links);
    assert_eq!(chain.info().unwrap().image, IMAGE);
    assert!(target(Access::Denoiser).candidates(0).is_err());
}

/// Halves every estimate, and says so in its gradient.
struct Halve;

impl Mitigation for Halve {
    fn denoise_vjp(
        &self,
        inner: &dyn Denoiser,
        batch: Batch<'_>,
        cotangent: ArrayView4<'_, f32>,
        out: ArrayViewMut4<'_, f32>,
    ) -> Result<()> {
        inner.denoise_vjp(batch, cotangent.mapv(|v| v / 2.0).view(), out)
    }
}

#[test]
fn gradients_pass_what_does_not_touch_them_and_cost_three_calls() {
    let halve = |sampling| Link {
        id: "halve-with-gradient".into(),
        mitigation: Box::new(Halve),
        sampling,
        output: false,
    };
    let at = |links: &[Link], access| -> Result<(Array4<f32>, u64)> {
        with_service(&FINE, links, 7, |service, budget| {
            let target = HostTarget {
                service,
                samples_from: service,
                model: &FINE,
                access,
                budget,
                ask: &Ask::Nothing,
            };
            let x = Array4::from_elem((2, 1, 4, 4), 1.0f32);
            let batch = Batch::unconditional(x.view(), &[0.5, 0.5], &[0, 1]);
            let mut out = Array4::zeros(x.dim());
            target.denoise_vjp(batch, x.view(), out.view_mut())?;
            Ok((out, budget.model_calls()))
        })
    };
    // The slope of D is 1/2 at sigma 0.5. An output stage is not a sampling stage.
    for (links, slope) in [
        (vec![], 0.5),
        (vec![link(false, Some(-1)), halve(false)], 0.5),
        (vec![halve(true)], 0.25),
        (vec![halve(true), link(false, None), halve(true)], 0.125),
    ] {
        assert_eq!(Chain::new(&FINE, &links).without_gradient(), None);
        let (product, calls) = at(&links, Access::Gradient).unwrap();
        assert!(product.iter().all(|&value| value == slope), "{product}");
        assert_eq!(calls, 6);
    }
    let refused = at(&[], Access::Denoiser).unwrap_err();
    assert!(
        refused.message.contains("needs Gradient access"),
        "{refused}"
    );

    // A sampling stage that writes no gradient has none, whatever stands around it.
    let links = [halve(true), link(true, None), halve(true)];
    let refused = at(&links, Access::Gradient).unwrap_err();
    assert_eq!(refused.code, ErrorCode::Unsupported);
    assert_eq!(
        Chain::new(&FINE, &links).without_gradient().unwrap(),
        "mitigation `halve`: denoise_vjp through this mitigation is not offered"
    );
    let samples = Gaussian {
        denoises: false,
        nan_below_sigma: 0.0,
    };
    assert_eq!(
        Chain::new(&samples, &links).without_gradient().unwrap(),
        "the model: denoise_vjp is not offered"
    );
}
