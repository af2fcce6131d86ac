//! The classifier in training.

use std::sync::atomic::{AtomicBool, Ordering};

use eidetic_nn::{
    Classifier, Classifying, Decay, Embedding, End, LabelledImages, Machine, Optimiser,
    OptimiserKind, Rate, ResNet, Run, Training, Weights, train,
};
use eidetic_runtime::{Device, Runtime};
use eidetic_sdk::{Context, Error, ErrorCode, Result};

use crate::guide::Guide;
use crate::options;

/// What a classifier is made of.
pub(crate) struct Lesson {
    pub(crate) data: LabelledImages,
    pub(crate) classes: usize,
    /// Standard deviation of the values that the classifier sees without noise.
    pub(crate) sigma_data: f32,
    /// Noise levels that it is to know, all of them alike.
    pub(crate) sigmas: Vec<f32>,
    pub(crate) seed: u64,
}

/// A guide, and the classifier's cross-entropy in the last step.
pub(crate) struct Learned {
    pub(crate) guide: Guide,
    pub(crate) loss: f64,
}

/// Trains; `done` is told the number of steps.
pub(crate) fn learn(
    options: &options::Classifier,
    lesson: Lesson,
    runtime: &Runtime,
    threads: usize,
    context: &dyn Context,
    done: &dyn Fn(u64),
) -> Result<Learned> {
    let (_, channels, height, width) = lesson.data.images.dim();
    let classifier = Classifier {
        network: options.network(),
        shape: [channels, height, width],
        classes: lesson.classes,
        sigma_data: lesson.sigma_data,
    };
    let training = Training {
        batch: options.batch,
        seed: lesson.seed,
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
        // The working folder goes with the run, so that nothing is left to continue from.
        checkpoint_every: options.steps,
        ..Training::of(options.steps)
    };
    let task = Classifying::new(classifier, lesson.data, lesson.sigmas).map_err(failed)?;
    let folder = tempfile::tempdir()
        .map_err(|error| Error::from(format!("no folder to train the classifier in: {error}")))?;
    let machine = Machine {
        runtime,
        device: Device::Cpu,
        threads,
    };
    let cancel = AtomicBool::new(context.cancelled());
    let mut loss = f64::NAN;
    let run = Run {
        folder: folder.path(),
        id: "side",
        watch: None,
        progress: &mut |at| {
            done(at.step);
            loss = at.loss.unwrap_or(loss);
            cancel.fetch_or(context.cancelled(), Ordering::Relaxed);
        },
        cancel: &cancel,
    };
    let trained = train(&training, &task, machine, run).map_err(failed)?;
    if trained.end == End::Cancelled {
        let message = format!(
            "cancelled after {} of {} steps of the classifier",
            trained.step, options.steps
        );
        return Err(Error::new(ErrorCode::Cancelled, message));
    }
    let weights = Weights::Values(&trained.weights);
    let graph = task.classifier().log_probability(Guide::ROWS, weights);
    let guide = Guide::new(runtime, &graph.map_err(failed)?, threads)?;
    Ok(Learned { guide, loss })
}

impl options::Classifier {
    pub(crate) fn network(&self) -> ResNet {
        ResNet {
            channels: self.channels.clone(),
            blocks: self.blocks.clone(),
            embedding: Embedding::Sinusoidal,
        }
    }
}

fn failed(error: eidetic_nn::Error) -> Error {
    Error::from(format!("classifier: {error}"))
}
