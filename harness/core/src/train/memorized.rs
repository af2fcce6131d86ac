//! The memorized fraction of a network in training.

use std::sync::atomic::AtomicBool;

use eidetic_metrics::{
    Estimate, Images, Measured, NN_RATIO_MEMORIZED, extraction_scores, memorized,
};
use eidetic_nn::{Figure, Parameters, Watch, names};
use eidetic_runtime::{Runtime, SessionOptions};
use eidetic_sdk::batch::condition;
use eidetic_sdk::sampler::{Sampler, SamplerKind};
use eidetic_sdk::{Model, SampleRequest};
use ndarray::{Array4, ArrayView1, Ix1};

use super::prepare::Prepared;
use super::served::Served;
use crate::service::{Budget, Service, ServiceOptions};

/// Name of the figure in the log of what is watched.
pub(super) const FIGURE: &str = "memorized_fraction";

/// Draws images with the averaged weights, as the service of a suite does, and says which share of
/// them is memorized: nn_ratio below 1/3, over one image a group of duplicates of the part that is
/// trained on, as in the headline of extraction. A conditional network is asked for the classes of
/// the training images, one after another.
pub(super) struct Memorizing<'a> {
    pub(super) prepared: &'a Prepared,
    pub(super) runtime: &'a Runtime,
    pub(super) options: SessionOptions,
    pub(super) pool: rayon::ThreadPool,
}

impl Memorizing<'_> {
    fn images(&self, model: &dyn Model) -> eidetic_sdk::Result<Array4<u8>> {
        let recipe = &self.prepared.recipe;
        let count = recipe.memorized.samples as usize;
        let info = model.info();
        let sampler = Sampler {
            steps: recipe.memorized.sampler_steps,
            ..Sampler::for_model(SamplerKind::Heun, &info)
        };
        let options = ServiceOptions {
            sampler: Some(sampler),
            seed: recipe.training.seed,
            redraws: 0,
        };
        let (budget, stop) = (Budget::new(u64::MAX), AtomicBool::new(false));
        let links = &self.prepared.links;
        let service = Service::new(model, links, options, &budget, &stop)?;
        let labels: Vec<i64> = match (recipe.conditional, self.prepared.data.labels()) {
            (true, Some(labels)) => labels.iter().copied().cycle().take(count).collect(),
            _ => Vec::new(),
        };
        let null = vec![0; labels.len()];
        let asked = (!labels.is_empty()).then(|| {
            let labels = ArrayView1::from(labels.as_slice());
            condition::<i64, Ix1>(names::CLASS_LABELS, labels, &null)
        });
        let request = SampleRequest {
            conditions: &Vec::from_iter(asked.transpose()?),
            ..SampleRequest::unconditional(0)
        };
        let mut images = Array4::zeros(info.image_dim(count));
        service.sample(request, images.view_mut())?;
        Ok(images)
    }

    fn fraction(&self, ema: &Parameters) -> Result<Measured<Estimate>, eidetic_nn::Error> {
        let task = |error: &dyn std::fmt::Display| eidetic_nn::Error::Task(error.to_string());
        let prepared = self.prepared;
        let model = Served::open(
            &prepared.denoiser,
            ema,
            prepared.info(),
            self.runtime,
            &self.options,
        )?;
        let images = self.images(&model).map_err(|error| task(&error))?;
        let share = || {
            let dim = prepared.denoiser.shape.iter().product();
            let pixels = images.as_slice().unwrap_or_default();
            let generated = Images::new(pixels, dim)?;
            let scores = extraction_scores(generated, Images::new(&prepared.reference, dim)?)?;
            Ok(memorized(&scores, NN_RATIO_MEMORIZED)?.and_then(|hits| hits.wilson()))
        };
        share().map_err(|error: eidetic_metrics::Error| task(&error))
    }
}

impl Watch for Memorizing<'_> {
    fn watch(&mut self, step: u64, ema: &Parameters) -> Result<Vec<Figure>, eidetic_nn::Error> {
        let estimate = self.pool.install(|| self.fraction(ema))?.value();
        if let Some(Estimate { value, low, high }) = estimate {
            tracing::info!("step {step}: {value:.3} [{low:.3}, {high:.3}] memorized");
        }
        Ok(vec![Figure {
            name: FIGURE.to_owned(),
            value: estimate.map(|estimate| estimate.value),
            interval: estimate.map(|estimate| (estimate.low, estimate.high)),
        }])
    }
}
