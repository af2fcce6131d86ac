//! What the tests of training share: tiny recipes, and a mitigation that acts at every stage.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use eidetic_runtime::{Device, Runtime, Search, find};
use eidetic_sdk::ndarray::{Array4, ArrayViewMut4, Axis, concatenate};
use eidetic_sdk::registration::{Origin, mitigation};
use eidetic_sdk::{
    Batch, Curation, Decision, Denoiser, Mitigation, MitigationPlugin, ModelInfo, Result, Stages,
    Trainer, TrainingBatch, TrainingGroup, TrainingPlan, TrainingRun, TrainingSet,
};
use serde::{Deserialize, Serialize};

use super::{Error, Go, Place, Prepared, RecipeFile, Report, Sources, prepare, train};
use crate::cell::RuntimeSpec;
use crate::plugin::Registry;

pub(super) fn runtime() -> Runtime {
    Runtime::load(&find(&Search::default()).unwrap()).unwrap()
}

/// A perceptron over 16 images of 16 x 16; `rest` is YAML, and its keys go before these.
pub(super) fn recipe(rest: &str) -> RecipeFile {
    let mut text = format!("{rest}\n");
    for (key, value) in [
        ("version", "1"),
        ("name", "tiny"),
        ("title", "a tiny one"),
        ("licence", "MIT"),
        (
            "dataset",
            "{ id: fashion-mnist-10k-16, split: { members: 16, holdout: 32, aux: 8 } }",
        ),
        ("network", "{ kind: mlp, width: 16, depth: 1 }"),
        (
            "training",
            "{ steps: 12, batch: 8, microbatch: 4, checkpoint_every: 5 }",
        ),
        ("memorized", "{ every: 5, samples: 6, sampler_steps: 3 }"),
    ] {
        if !rest
            .lines()
            .any(|line| line.starts_with(&format!("{key}:")))
        {
            text += &format!("{key}: {value}\n");
        }
    }
    RecipeFile::parse(Path::new("tiny.yaml"), &text).unwrap()
}

pub(super) fn prepared(file: &RecipeFile) -> std::result::Result<Prepared, Error> {
    let library = find(&Search::default()).unwrap();
    let mut registry = Registry::default();
    let origin = Origin {
        version: "1.2.3",
        licence: "MIT",
    };
    registry.link(mitigation::<Marks>(origin), &"ab".repeat(32));
    registry.link(mitigation::<Late>(origin), &"cd".repeat(32));
    let sources = Sources {
        registry: &registry,
        benchmarks: &Path::new(env!("CARGO_MANIFEST_DIR")).join("../../benchmarks"),
        data_dir: None,
        runtime: &RuntimeSpec {
            version: library.version.clone(),
            sha256: library.sha256.clone(),
            device: "cpu".to_owned(),
            microbatch: 4,
        },
        seed: None,
    };
    prepare(file, &sources)
}

/// A folder to train in.
pub(super) struct Room {
    folder: tempfile::TempDir,
}

impl Room {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn place(&self) -> Place {
        Place {
            work: self.path("work"),
            model: self.path("models/tiny"),
        }
    }

    /// Trains on so many threads; ends after so many steps of this call, if that is said.
    pub(super) fn train(
        &self,
        prepared: &Prepared,
        threads: usize,
        end_after: Option<u64>,
    ) -> std::result::Result<Report, Error> {
        let cancel = AtomicBool::new(false);
        let mut done = 0;
        let go = Go {
            runtime: &runtime(),
            device: Device::Cpu,
            threads,
            restart: false,
            cancel: &cancel,
            progress: &mut |_| {
                done += 1;
                cancel.store(Some(done) == end_after, Ordering::SeqCst);
            },
        };
        train(prepared, &self.place(), go)
    }
}

/// Options of [`Marks`].
#[derive(Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct MarksOptions {
    /// Steps after which it ends training.
    stop: u64,
    /// Value of its channel.
    mark: f32,
}

impl Default for MarksOptions {
    fn default() -> Self {
        Self {
            stop: 1000,
            mark: 1.0,
        }
    }
}

/// Keeps every second image, adds a channel of one value in training and sampling, counts steps.
pub(super) struct Marks {
    options: MarksOptions,
    steps: AtomicU64,
}

impl Marks {
    fn marked(&self, x: &Array4<f32>) -> Array4<f32> {
        let (rows, _, height, width) = x.dim();
        let mark = Array4::from_elem((rows, 1, height, width), self.options.mark);
        let both = concatenate![Axis(1), x.view(), mark.view()];
        both.as_standard_layout().into_owned()
    }
}

impl MitigationPlugin for Marks {
    const ID: &'static str = "marks";
    const SUMMARY: &'static str = "for tests";
    const STAGES: Stages = Stages {
        data: true,
        training: true,
        sampling: true,
        output: false,
    };
    type Options = MarksOptions;

    fn make(options: MarksOptions, _: TrainingSet<'_>) -> Result<Self> {
        let steps = AtomicU64::new(0);
        Ok(Self { options, steps })
    }
}

impl Mitigation for Marks {
    fn curate(&self, data: TrainingSet<'_>, _: u64) -> Result<Curation> {
        let keep: Vec<u64> = (0..data.index.len() as u64).step_by(2).collect();
        Ok(Curation {
            labels: Some(vec![1; keep.len()]),
            keep,
            classes: 3,
        })
    }

    fn plan(&self, run: TrainingRun) -> Result<TrainingPlan> {
        Ok(TrainingPlan {
            extra_channels: 1,
            masked: false,
            clip_per_example: None.into(),
            noise_multiplier: 0.0,
            poisson: false,
            draws_per_example: 1,
            note: format!("{} steps over {}", run.steps, run.examples).into(),
        })
    }

    fn batch(&self, batch: TrainingBatch<'_>, trainer: &dyn Trainer) -> Result<Vec<TrainingGroup>> {
        // What the network says of clean images: both weights answer, and agree at the start.
        let x = self.marked(&batch.x0.to_owned());
        let asked = Batch {
            x: x.view(),
            sigma: batch.sigma,
            row_id: batch.index,
            conditions: batch.conditions,
        };
        let mut said = [Array4::zeros(batch.x0.dim()), Array4::zeros(batch.x0.dim())];
        trainer.denoise(asked, said[0].view_mut())?;
        trainer.denoise_ema(asked, said[1].view_mut())?;
        assert_eq!(said[0] == said[1], batch.step == 0);
        assert!(batch.index.iter().all(|index| index % 2 == 0));
        let mut noisy = batch.x0.to_owned();
        for ((mut x, noise), &sigma) in noisy
            .outer_iter_mut()
            .zip(batch.noise.outer_iter())
            .zip(batch.sigma)
        {
            x.scaled_add(sigma, &noise);
        }
        let extra = self.marked(&noisy).split_off_mark();
        Ok(vec![TrainingGroup {
            row: (0..batch.index.len() as u64).collect(),
            x: noisy,
            extra,
            sigma: batch.sigma.to_vec(),
            target: batch.x0.to_owned(),
            weight: Array4::ones(batch.x0.dim()),
        }])
    }

    fn after_step(&self, step: u64, _: &[u64], _: &[f32], _: &[f32]) -> Result<Decision> {
        let steps = self.steps.fetch_add(1, Ordering::SeqCst) + 1;
        // The count survives an interruption by the checkpoint alone.
        assert_eq!(steps, step + 1);
        Ok(match steps >= self.options.stop {
            true => Decision::Stop,
            false => Decision::Continue,
        })
    }

    fn state(&self) -> Result<Vec<u8>> {
        Ok(self.steps.load(Ordering::SeqCst).to_le_bytes().to_vec())
    }

    fn restore(&self, state: &[u8]) -> Result<()> {
        let steps = u64::from_le_bytes(state.try_into().unwrap());
        self.steps.store(steps, Ordering::SeqCst);
        Ok(())
    }

    fn wrapped_info(&self, inner: ModelInfo) -> ModelInfo {
        ModelInfo {
            extra_channels: 0,
            ..inner
        }
    }

    fn denoise(
        &self,
        inner: &dyn Denoiser,
        batch: Batch<'_>,
        out: ArrayViewMut4<'_, f32>,
    ) -> Result<()> {
        let x = self.marked(&batch.x.to_owned());
        let x = x.view();
        inner.denoise(Batch { x, ..batch }, out)
    }
}

trait SplitOffMark {
    fn split_off_mark(self) -> Self;
}

impl SplitOffMark for Array4<f32> {
    fn split_off_mark(self) -> Self {
        let last = self.shape()[1] - 1;
        self.select(Axis(1), &[last])
    }
}

/// Acts on the output alone.
pub(super) struct Late;

impl MitigationPlugin for Late {
    const ID: &'static str = "late";
    const SUMMARY: &'static str = "for tests";
    const STAGES: Stages = Stages {
        data: false,
        training: false,
        sampling: false,
        output: true,
    };
    type Options = eidetic_sdk::NoOptions;

    fn make(_: eidetic_sdk::NoOptions, _: TrainingSet<'_>) -> Result<Self> {
        Ok(Self)
    }
}

impl Mitigation for Late {}
