//! The sampling service: from a sample's index to an image that may leave.

use std::sync::atomic::{AtomicBool, Ordering};

use eidetic_sdk::batch::{Condition, condition_rows};
use eidetic_sdk::ndarray::{Array4, ArrayViewMut4, Axis, s};
use eidetic_sdk::pixels::to_u8;
use eidetic_sdk::sampler::{RowNoise, Sampler, draw, sigmas};
use eidetic_sdk::{Batch, Denoiser, Error, ErrorCode, Model, ModelInfo, Result, SampleRequest};
use rayon::prelude::*;

use super::budget::Budget;
use super::chain::{Chain, Link};
use super::guided::Guided;

/// Level of an image that the service returns where it refuses one.
const REFUSED_LEVEL: u8 = 128;
/// Samples drawn together. Blocks begin at multiples of this whatever was asked for, so that a
/// sample keeps its place in a runtime's microbatch.
const BLOCK: u64 = 64;

/// What a service is told.
#[derive(Debug, Clone)]
pub struct ServiceOptions {
    /// How to sample; absent where the model has a sampler of its own and no denoiser.
    pub sampler: Option<Sampler>,
    /// Seed of the run: the same sample index starts from the same noise in every cell of it.
    pub seed: u64,
    /// Times that one sample is drawn again after an output stage rejected it.
    pub redraws: u32,
}

/// A model behind its mitigations, as a service that returns images.
pub struct Service<'a> {
    model: &'a dyn Model,
    links: &'a [Link],
    chain: Chain<'a>,
    info: ModelInfo,
    options: ServiceOptions,
    calls_per_sample: u64,
    budget: &'a Budget,
    stop: &'a AtomicBool,
    filtered: AtomicBool,
}

impl<'a> Service<'a> {
    /// A service over `model`.
    ///
    /// # Errors
    /// A model that neither denoises (with a sampler) nor samples; a sampler without sense.
    pub fn new(
        model: &'a dyn Model,
        links: &'a [Link],
        options: ServiceOptions,
        budget: &'a Budget,
        stop: &'a AtomicBool,
    ) -> Result<Self> {
        let chain = Chain::new(model, links);
        let info = chain.info()?;
        let calls_per_sample = match &options.sampler {
            Some(sampler) => {
                sampler.check()?;
                let steps = sigmas(sampler, &info.schedule).len().max(1);
                Sampler { steps, ..*sampler }.calls_per_sample()
            }
            // What happens inside a sampler of the model's own cannot be counted.
            None => 1,
        };
        let filtered = AtomicBool::new(false);
        Ok(Self {
            model,
            links,
            chain,
            info,
            options,
            calls_per_sample,
            budget,
            stop,
            filtered,
        })
    }

    /// What the wrapped model says of itself.
    pub fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// The wrapped denoiser.
    pub fn chain(&self) -> &Chain<'a> {
        &self.chain
    }

    /// Whether an output stage has judged any image.
    pub fn output_applied(&self) -> bool {
        self.filtered.load(Ordering::SeqCst)
    }

    /// Images for a request into `out`, u8 `[N, C, H, W]`. A sample that is still rejected after
    /// the last redraw comes back as flat mid-grey: the attacker learns that there was a refusal,
    /// and nothing else.
    ///
    /// # Errors
    /// `Budget` before anything is drawn; `Cancelled`; what the model or a mitigation says.
    pub fn sample(&self, request: SampleRequest<'_>, mut out: ArrayViewMut4<'_, u8>) -> Result<()> {
        let rows = out.shape()[0] as u64;
        let image = self.info.image;
        let want = [image.channels, image.height, image.width].map(|n| n as usize);
        if out.shape()[1..] != want {
            let got = &out.shape()[1..];
            return Err(Error::bad_input(format!(
                "out: expected [N, {want:?}], got {got:?}"
            )));
        }
        let end = request.first_index.checked_add(rows);
        let end = end.ok_or_else(|| Error::bad_input("sample indices overflow"))?;
        let guided = request.guidance_scale != 1.0 && !request.conditions.is_empty();
        let each = self.calls_per_sample * if guided { 2 } else { 1 };
        self.budget.charge(rows.saturating_mul(each))?;

        let mut blocks = Vec::new();
        let mut rest = out.view_mut();
        let mut from = request.first_index;
        while from < end {
            let to = ((from / BLOCK + 1) * BLOCK).min(end);
            let (block, tail) = rest.split_at(Axis(0), (to - from) as usize);
            blocks.push((from, block));
            (rest, from) = (tail, to);
        }
        blocks.into_par_iter().try_for_each(|(from, block)| {
            let skip = (from - request.first_index) as usize;
            self.block(from, skip, &request, each, block)
        })
    }

    /// One block: drawn, judged, and drawn again where it was rejected.
    fn block(
        &self,
        from: u64,
        skip: usize,
        request: &SampleRequest<'_>,
        each: u64,
        mut out: ArrayViewMut4<'_, u8>,
    ) -> Result<()> {
        let mut open: Vec<usize> = (0..out.shape()[0]).collect();
        for attempt in 0..=self.options.redraws {
            if self.stop.load(Ordering::SeqCst) {
                return Err(Error::new(ErrorCode::Cancelled, "the run was cancelled"));
            }
            let ids: Vec<u64> = open.iter().map(|&row| from + row as u64).collect();
            let rows: Vec<usize> = open.iter().map(|&row| skip + row).collect();
            let images = self.draw(&ids, &rows, request, attempt)?;
            let keep = self.judge(&images)?;
            for (position, &row) in open.iter().enumerate() {
                let mut slot = out.slice_mut(s![row, .., .., ..]);
                if keep[position] {
                    slot.assign(&images.slice(s![position, .., .., ..]));
                } else {
                    slot.fill(REFUSED_LEVEL);
                }
            }
            open = open
                .into_iter()
                .zip(keep)
                .filter(|(_, keep)| !keep)
                .map(|(row, _)| row)
                .collect();
            if open.is_empty() {
                break;
            }
            if attempt < self.options.redraws {
                self.budget.defend(each * open.len() as u64);
            }
        }
        Ok(())
    }

    /// Images of some samples; another attempt starts from other noise.
    fn draw(
        &self,
        ids: &[u64],
        rows: &[usize],
        request: &SampleRequest<'_>,
        attempt: u32,
    ) -> Result<Array4<u8>> {
        let purpose = match attempt {
            0 => "sample".to_string(),
            again => format!("sample, redraw {again}"),
        };
        let mut noise = RowNoise::new(self.options.seed, &purpose, ids);
        let owned = request
            .conditions
            .iter()
            .map(|condition| condition_rows(condition, rows))
            .collect::<Result<Vec<_>>>()?;
        let conditions: Vec<Condition<'_>> = owned
            .iter()
            .map(|rows| rows.as_condition())
            .collect::<Result<_>>()?;

        let shape = |space: eidetic_sdk::ImageShape| {
            let [c, h, w] = [space.channels, space.height, space.width].map(|n| n as usize);
            (ids.len(), c, h, w)
        };
        let mut pixels = Array4::<f32>::zeros(shape(self.info.image));
        if let Some(sampler) = &self.options.sampler {
            let guided = Guided {
                inner: &self.chain,
                scale: request.guidance_scale,
            };
            let plain = request.guidance_scale == 1.0 || conditions.is_empty();
            let denoiser: &dyn Denoiser = if plain { &self.chain } else { &guided };
            let mut drawn = Array4::<f32>::zeros(shape(self.info.space()));
            draw(
                sampler,
                denoiser,
                ids,
                &conditions,
                &mut noise,
                drawn.view_mut(),
            )?;
            self.model.decode(drawn.view(), pixels.view_mut())?;
        } else {
            let mut start = Array4::<f32>::zeros(shape(self.info.space()));
            for (row, mut start) in start.axis_iter_mut(Axis(0)).enumerate() {
                let mut values = vec![0.0; start.len()];
                noise.fill(row, &mut values);
                start
                    .iter_mut()
                    .zip(values)
                    .for_each(|(start, value)| *start = value as f32);
            }
            let sigma = vec![self.info.sigma_max as f32; ids.len()];
            let batch = Batch {
                x: start.view(),
                sigma: &sigma,
                row_id: ids,
                conditions: &conditions,
            };
            self.model.sample(batch, pixels.view_mut())?;
        }
        if pixels.iter().any(|value| !value.is_finite()) {
            return Err(Error::bad_input(
                "the model returned pixels that are not finite where images were expected",
            ));
        }
        Ok(pixels.mapv(to_u8))
    }

    /// Which images every output stage lets through.
    fn judge(&self, images: &Array4<u8>) -> Result<Vec<bool>> {
        let mut keep = vec![true; images.shape()[0]];
        for link in self.links.iter().filter(|link| link.output) {
            self.filtered.store(true, Ordering::SeqCst);
            let mut passes = vec![false; keep.len()];
            link.mitigation.accept(images.view(), &mut passes)?;
            keep.iter_mut()
                .zip(passes)
                .for_each(|(keep, passes)| *keep &= passes);
        }
        Ok(keep)
    }
}
