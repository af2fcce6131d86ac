//! The attack from the first synthetic sample to the last guided one.

use eidetic_nn::LabelledImages;
use eidetic_sdk::ndarray::{Array4, ArrayView4, Axis, s};
use eidetic_sdk::pixels::{to_u8, to_unit};
use eidetic_sdk::sampler::{RowNoise, Sampler, draw, sigmas};
use eidetic_sdk::{
    Access, Attack, AttackPlugin, Context, Error, ErrorCode, Goal, LogLevel, ModelInfo, Result,
    SampleRequest, Sink, Target,
};
use rand::RngExt;

use crate::classes::classes;
use crate::guide::Guide;
use crate::guided::{Guided, Shown};
use crate::kept::Kept;
use crate::options::{Options, Teaching};
use crate::runtime::runtime;
use crate::train::{Learned, Lesson, School};

/// Index of the first synthetic sample: far behind those of the guided ones, so that no guided
/// sample starts from noise whose image the classifier was trained on.
pub(crate) const SYNTHETIC: u64 = 1 << 32;
/// Noise levels that the classifier is trained at, in the sampler's own spacing.
const LEVELS: usize = 1000;

/// The attack.
pub struct Side(Options);

impl AttackPlugin for Side {
    const ID: &'static str = "side";
    const SUMMARY: &'static str =
        "guides the sampler to clusters of the model's own samples; confidence is ln p(cluster)";
    const GOAL: Goal = Goal::Extraction;
    const ACCESS: Access = Access::Denoiser;
    type Options = Options;

    fn check(options: &Options) -> Result<()> {
        options.check()
    }

    fn make(options: Options) -> Result<Self> {
        options.check()?;
        Ok(Self(options))
    }
}

impl Attack for Side {
    /// Those of the synthetic samples, and of the guided ones by the sampler that is guided.
    fn model_calls(
        &self,
        info: &ModelInfo,
        calls_per_sample: u64,
        _candidates: u64,
    ) -> Result<Option<u64>> {
        unconditional(info)?;
        let guided = calls_of_a_sample(&self.0.sampler(info)?, info);
        let synthetic = self.0.n_syn.checked_mul(calls_per_sample);
        let guided = self.0.samples.checked_mul(guided);
        Ok(synthetic.zip(guided).and_then(|(a, b)| a.checked_add(b)))
    }

    /// Gives every batch of guided samples to the sink as it comes. Where the calls end before a
    /// guided sample is whole, nothing is found.
    fn run(&self, target: &dyn Target, context: &dyn Context, sink: &dyn Sink) -> Result<()> {
        let info = target.info()?;
        unconditional(&info)?;
        let sampler = self.0.sampler(&info)?;
        let run = Run {
            options: &self.0,
            target,
            context,
            calls_per_sample: calls_of_a_sample(&sampler, &info),
            sampler,
            info,
        };
        let images = run.synthetic()?;
        if target.calls_left() < run.calls_per_sample {
            return Err(run.spent(0));
        }
        let threads = threads(&self.0);
        let (samples, kept) = classes(&self.0, &images, threads, context)?;
        let learned = run.learn(&images.select(Axis(0), &samples), &kept, threads)?;
        drop(images);
        run.guide(learned.as_ref().map(|each| &each.guide), &kept, sink)
    }
}

/// Refuses a model that makes nothing without a condition.
fn unconditional(info: &ModelInfo) -> Result<()> {
    match info.conditions.iter().find(|each| !each.nullable) {
        None => Ok(()),
        Some(wanted) => Err(Error::unsupported(&format!(
            "sampling without a condition, on a model that must be told `{}`,",
            wanted.name
        ))),
    }
}

/// Model calls of one guided sample: the classifier's are the attacker's own.
fn calls_of_a_sample(sampler: &Sampler, info: &ModelInfo) -> u64 {
    let steps = sigmas(sampler, &info.schedule).len().max(1);
    Sampler { steps, ..*sampler }.calls_per_sample()
}

/// Passes of a network at once, as many as a batch has at most. The harness runs an attack in a pool
/// of as many threads as a cell may use, which rayon knows where this crate is linked to it; where
/// it is a file of its own, its own rayon says how many cores there are.
fn threads(options: &Options) -> usize {
    let passes = options.batch as usize / Guide::ROWS;
    rayon::current_num_threads().min(passes)
}

struct Run<'a> {
    options: &'a Options,
    target: &'a dyn Target,
    context: &'a dyn Context,
    info: ModelInfo,
    sampler: Sampler,
    calls_per_sample: u64,
}

impl Run<'_> {
    /// Reports `done` of the units before and of the synthetic samples, steps and guided samples.
    fn progress(&self, done: u64) {
        let options = self.options;
        let total = options.n_syn + options.classifier.all_steps() + options.samples;
        self.context.progress(done, total);
    }

    /// Samples of the service.
    fn synthetic(&self) -> Result<Array4<u8>> {
        let total = self.options.n_syn;
        let mut images = Array4::zeros(self.info.image_dim(total as usize));
        let mut done = 0;
        while done < total {
            if self.context.cancelled() {
                let message = format!("cancelled after {done} of {total} synthetic samples");
                return Err(Error::new(ErrorCode::Cancelled, message));
            }
            let end = (done + self.options.batch).min(total);
            let out = images.slice_mut(s![done as usize..end as usize, .., .., ..]);
            let request = SampleRequest::unconditional(SYNTHETIC + done);
            self.target
                .sample(request, out)
                .map_err(|error| match error.code {
                    ErrorCode::Budget => Error::new(
                        ErrorCode::Budget,
                        format!(
                            "the budget of model calls ended after {done} of {total} synthetic \
                         samples: {error}"
                        ),
                    )
                    .with_help("raise the limit of model calls, or lower `n_syn`"),
                    _ => error,
                })?;
            done = end;
            self.progress(done);
        }
        Ok(images)
    }

    /// The classifier of the kept clusters; none where there is nothing to tell apart.
    fn learn(&self, images: &Array4<u8>, kept: &Kept, threads: usize) -> Result<Option<Learned>> {
        if kept.classes < 2 {
            if kept.classes == 1 {
                let message = "one cluster is all there is: p(c | x) is 1, and its gradient 0";
                self.context.log(LogLevel::Warn, message);
            }
            return Ok(None);
        }
        let options = &self.options.classifier;
        let levels = Sampler {
            steps: LEVELS,
            ..self.sampler
        };
        let levels = sigmas(&levels, &self.info.schedule);
        let data = LabelledImages {
            images: self.encode(images)?,
            labels: kept.labels.clone(),
        };
        let lesson = Lesson {
            data,
            classes: kept.classes,
            sigma_data: self.info.sigma_data as f32,
            sigmas: levels.into_iter().map(|sigma| sigma as f32).collect(),
            seed: self.context.rng("side classifier", options.seed).random(),
        };
        let done = |steps| self.progress(self.options.n_syn + steps);
        let school = School {
            options,
            runtime: &runtime()?,
            threads,
            context: self.context,
            done: &done,
        };
        let learned = school.learn(lesson)?;
        let message = format!(
            "trained the classifier; cross-entropy in the last step {:.3}, of chance {:.3}",
            learned.loss,
            (kept.classes as f64).ln()
        );
        self.context.log(LogLevel::Info, &message);
        Ok(Some(learned))
    }

    /// Images in the space of the denoiser.
    fn encode(&self, images: &Array4<u8>) -> Result<Array4<f32>> {
        let mut encoded = Array4::zeros(self.info.space_dim(images.dim().0));
        let batch = self.options.batch as usize;
        let parts = encoded.axis_chunks_iter_mut(Axis(0), batch);
        for (out, images) in parts.zip(images.axis_chunks_iter(Axis(0), batch)) {
            self.target.encode(images.mapv(to_unit).view(), out)?;
        }
        Ok(encoded)
    }

    /// Guided samples, into the sink.
    fn guide(&self, guide: Option<&Guide>, kept: &Kept, sink: &dyn Sink) -> Result<()> {
        let total = self.options.samples;
        let mut done = 0;
        while done < total {
            let affordable = self.target.calls_left() / self.calls_per_sample;
            let count = self.options.batch.min(total - done).min(affordable);
            if count == 0 {
                return Err(self.spent(done));
            }
            let ids: Vec<u64> = (done..done + count).collect();
            let class: Vec<i64> = ids
                .iter()
                .map(|&id| class_of(self.context, id, kept.classes))
                .collect();
            let drawn = self.draw(guide, &ids, &class)?;
            let found = sink.images(self.decode(drawn.view())?.view())?;
            let confidence = match guide {
                Some(guide) => {
                    let lowest = vec![self.sampler.sigma_min as f32; ids.len()];
                    guide.log_probability(drawn.view(), &lowest, &class)?
                }
                None => vec![0.0; ids.len()],
            };
            sink.confidence(found, &confidence)?;
            done += count;
            self.progress(self.options.n_syn + self.options.classifier.all_steps() + done);
        }
        Ok(())
    }

    fn draw(&self, guide: Option<&Guide>, ids: &[u64], class: &[i64]) -> Result<Array4<f32>> {
        let denoiser = Guided {
            target: self.target,
            context: self.context,
            guide,
            lambda: self.options.lambda,
            class,
            shown: match self.options.classifier.teaching {
                Teaching::Noised | Teaching::Distilled => Shown::Noisy,
                Teaching::Clean => Shown::Estimate {
                    sigma: self.sampler.sigma_min as f32,
                    sigma_data: self.info.sigma_data,
                },
            },
        };
        // The service's own noise: at lambda 0 its samples of the same indices come out.
        let mut noise = RowNoise::new(self.context.seed(), "sample", ids);
        let mut drawn = Array4::zeros(self.info.space_dim(ids.len()));
        draw(
            &self.sampler,
            &denoiser,
            ids,
            &[],
            &mut noise,
            drawn.view_mut(),
        )?;
        Ok(drawn)
    }

    fn decode(&self, drawn: ArrayView4<'_, f32>) -> Result<Array4<u8>> {
        let mut pixels = Array4::<f32>::zeros(self.info.image_dim(drawn.dim().0));
        self.target.decode(drawn, pixels.view_mut())?;
        match pixels.iter().find(|value| !value.is_finite()) {
            Some(value) => Err(Error::from(format!(
                "expected finite pixels of a guided sample, got {value}"
            ))),
            None => Ok(pixels.mapv(to_u8)),
        }
    }

    fn spent(&self, done: u64) -> Error {
        let total = self.options.samples;
        let message =
            format!("the budget of model calls ended after {done} of {total} guided samples");
        self.context
            .log(LogLevel::Warn, "the budget of model calls ended early");
        Error::new(ErrorCode::Budget, message)
            .with_help("raise the limit of model calls, or lower `n_syn` or `samples`")
    }
}

/// The class that a sample is guided to, all of them alike; 0 where there is none.
pub(crate) fn class_of(context: &dyn Context, id: u64, classes: usize) -> i64 {
    context
        .rng("side class", id)
        .random_range(0..classes.max(1) as i64)
}
