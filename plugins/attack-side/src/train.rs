//! The classifier in training.

use std::sync::atomic::{AtomicBool, Ordering};

use eidetic_graph::encode;
use eidetic_nn::{
    Classifier, Classifying, Decay, Embedding, End, LabelledImages, Machine, Optimiser,
    OptimiserKind, Parameters, Rate, ResNet, Run, Task, Training, Weights, names, train,
};
use eidetic_runtime::{Device, Feed, ModelSource, Runtime, SessionOptions};
use eidetic_sdk::ndarray::{Array1, Array2, Axis, Ix2};
use eidetic_sdk::{Context, Error, ErrorCode, Result};

use crate::distilling::Distilling;
use crate::guide::{Guide, failed};
use crate::options::{self, Teaching};
use crate::patches::{fold, side};

/// What a classifier is made of.
pub(crate) struct Lesson {
    pub(crate) data: LabelledImages,
    pub(crate) classes: usize,
    /// Standard deviation of the values that the classifier sees without noise.
    pub(crate) sigma_data: f32,
    /// Noise levels that it is to know, descending.
    pub(crate) sigmas: Vec<f32>,
    pub(crate) seed: u64,
}

/// A guide, and the classifier's cross-entropy in the last step.
pub(crate) struct Learned {
    pub(crate) guide: Guide,
    pub(crate) loss: f64,
}

/// Trainings one after another.
pub(crate) struct School<'a> {
    pub(crate) options: &'a options::Classifier,
    pub(crate) runtime: &'a Runtime,
    pub(crate) threads: usize,
    pub(crate) context: &'a dyn Context,
    /// Told the number of steps done, of all trainings.
    pub(crate) done: &'a dyn Fn(u64),
}

impl School<'_> {
    /// The classifier that the options ask for, taught as they say.
    pub(crate) fn learn(&self, lesson: Lesson) -> Result<Learned> {
        let Lesson { mut data, seed, .. } = lesson;
        let (_, _, height, width) = data.images.dim();
        let patch = side(self.options.patch, height, width);
        data.images = fold(data.images.view(), patch);
        let (_, channels, height, width) = data.images.dim();
        let classifier = Classifier {
            network: self.options.network(),
            shape: [channels, height, width],
            classes: lesson.classes,
            sigma_data: lesson.sigma_data,
        };
        let lowest: Vec<f32> = lesson.sigmas.last().copied().into_iter().collect();
        let task = |data, sigmas| Classifying::new(classifier.clone(), data, sigmas);
        let task = |data, sigmas| task(data, sigmas).map_err(|error| failed(&error));
        let (weights, loss) = match self.options.teaching {
            Teaching::Noised => self.fit(&task(data, lesson.sigmas)?, seed, 0)?,
            Teaching::Clean => self.fit(&task(data, lowest)?, seed, 0)?,
            Teaching::Distilled => {
                let teacher = task(data.clone(), lowest.clone())?;
                // Another start than the pupil's, which would begin as its teacher did.
                let (weights, _) = self.fit(&teacher, seed.wrapping_add(1), 0)?;
                let soft = self.probabilities(&classifier, &weights, &data, lowest[0])?;
                let classifying = task(data, lesson.sigmas)?;
                let pupil = Distilling { classifying, soft };
                self.fit(&pupil, seed, self.options.steps)?
            }
        };
        let graph = classifier.log_probability(Guide::ROWS, Weights::Values(&weights));
        let graph = graph.map_err(|error| failed(&error))?;
        let guide = Guide::new(self.runtime, &graph, patch, self.threads)?;
        Ok(Learned { guide, loss })
    }

    /// Trains, with `before` steps done in earlier trainings: the weights and the last loss.
    fn fit(&self, task: &dyn Task, seed: u64, before: u64) -> Result<(Parameters, f64)> {
        let options = self.options;
        let training = Training {
            batch: options.batch,
            seed,
            optimiser: Optimiser {
                kind: OptimiserKind::Adamw,
                learning_rate: options.learning_rate,
                ..Optimiser::default()
            },
            rate: Rate {
                warmup: 0,
                decay: 1.0,
                shape: Decay::Cosine,
            },
            // The working folder goes with the run: nothing is continued.
            checkpoint_every: options.steps,
            ..Training::of(options.steps)
        };
        let folder = tempfile::tempdir().map_err(|error| {
            Error::from(format!("no folder to train the classifier in: {error}"))
        })?;
        let machine = Machine {
            runtime: self.runtime,
            device: Device::Cpu,
            threads: self.threads,
        };
        let cancel = AtomicBool::new(self.context.cancelled());
        let mut loss = f64::NAN;
        let run = Run {
            folder: folder.path(),
            id: "side",
            watch: None,
            progress: &mut |at| {
                (self.done)(before + at.step);
                loss = at.loss.unwrap_or(loss);
                cancel.fetch_or(self.context.cancelled(), Ordering::Relaxed);
            },
            cancel: &cancel,
        };
        let trained = train(&training, task, machine, run).map_err(|error| failed(&error))?;
        if trained.end == End::Cancelled {
            let message = format!(
                "cancelled after {} of {} steps of the classifier",
                before + trained.step,
                options.all_steps()
            );
            return Err(Error::new(ErrorCode::Cancelled, message));
        }
        Ok((trained.weights, loss))
    }

    /// p(class | x; sigma) of every image, `[N, classes]`.
    fn probabilities(
        &self,
        classifier: &Classifier,
        weights: &Parameters,
        data: &LabelledImages,
        sigma: f32,
    ) -> Result<Array2<f32>> {
        let model = classifier.graph(Guide::ROWS, Weights::Values(weights));
        let model = model.and_then(|graph| Ok(graph.model()?));
        let model = encode(&model.map_err(|error| failed(&error))?);
        let options = SessionOptions {
            device: Device::Cpu,
            sessions: self.threads,
            microbatch: Guide::ROWS,
        };
        let rows = data.labels.len();
        let sigma = Array1::from_elem(rows, sigma).into_dyn();
        let feeds = [
            Feed::rows(names::SAMPLE, data.images.view().into_dyn()),
            Feed::rows(names::SIGMA, sigma.view()),
        ];
        let sessions = self.runtime.open(ModelSource::Bytes(&model), &options);
        let made = sessions.and_then(|sessions| sessions.run(rows, &feeds, &[names::LOGITS]));
        let logits = made.map_err(|error| failed(&error))?.pop();
        let logits = logits.ok_or_else(|| Error::from("the classifier gave nothing"))?;
        let mut soft = logits.into_dimensionality::<Ix2>()?;
        for mut row in soft.axis_iter_mut(Axis(0)) {
            let most = row.fold(f32::NEG_INFINITY, |most, &logit| most.max(logit));
            row.mapv_inplace(|logit| (logit - most).exp());
            let sum = row.sum();
            row.mapv_inplace(|weight| weight / sum);
        }
        Ok(soft)
    }
}

impl options::Classifier {
    pub(crate) fn network(&self) -> ResNet {
        ResNet {
            channels: self.channels.clone(),
            blocks: self.blocks.clone(),
            embedding: Embedding::Sinusoidal,
        }
    }

    /// Steps of all trainings together.
    pub(crate) fn all_steps(&self) -> u64 {
        match self.teaching {
            Teaching::Noised | Teaching::Clean => self.steps,
            Teaching::Distilled => 2 * self.steps,
        }
    }
}
