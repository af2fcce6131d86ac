//! A small denoiser, a few images, and a run of the loop.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use eidetic_nn::{
    Denoiser, Denoising, Drawing, Error, Figure, Machine, Mlp, Network, Networks, Objective,
    Optimiser, Parameters, Plain, Progress, Rows, Run, Task, Trained, Training, TrainingImages,
    Watch, Which, train,
};
use eidetic_runtime::{Device, Runtime, Search, find};
use ndarray::{Array4, ArrayD};

pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::load(&find(&Search::default()).unwrap()).unwrap())
}

pub(crate) fn mlp() -> Denoiser {
    let network = Mlp {
        width: 16,
        depth: 1,
        embedding: Default::default(),
    };
    Denoiser {
        network: Network::Mlp(network),
        shape: [1, 4, 4],
        extra_channels: 0,
        masked: false,
        classes: 0,
        sigma_data: 0.5,
    }
}

/// `count` images `[1, 4, 4]`, none its own mirror image.
pub(crate) fn images(count: usize) -> TrainingImages {
    let pixel = |(n, _, y, x)| ((n * 37 + y * 11 + x * 5) % 23) as f32 / 11.5 - 1.0;
    TrainingImages {
        images: Array4::from_shape_fn((count, 1, 4, 4), pixel),
        labels: None,
        index: (0..count as u64).map(|place| 100 + 7 * place).collect(),
    }
}

pub(crate) fn task(objective: impl Objective + 'static) -> Denoising {
    let drawing = Drawing {
        flip: true,
        ..Drawing::default()
    };
    Denoising::new(mlp(), drawing, images(6), Arc::new(objective)).unwrap()
}

pub(crate) fn plain() -> Denoising {
    task(Plain)
}

/// Batches of 4 in passes of 2, a checkpoint every 10 steps, a look every 3.
pub(crate) fn training(steps: u64) -> Training {
    Training {
        batch: 4,
        microbatch: 2,
        optimiser: Optimiser {
            learning_rate: 1e-2,
            ..Optimiser::default()
        },
        clip: Some(1.0),
        ema: 0.9,
        checkpoint_every: 10,
        watch_every: Some(3),
        ..Training::of(steps)
    }
}

/// Says the mean of the average's weights; fails where it is told to.
struct Mean {
    fail_at: Option<u64>,
}

impl Watch for Mean {
    fn watch(&mut self, step: u64, ema: &Parameters) -> Result<Vec<Figure>, Error> {
        if self.fail_at == Some(step) {
            return Err(Error::Task("the watch failed".to_owned()));
        }
        let all = ema.list.iter().flat_map(|each| &each.values);
        let mean = all.map(|&x| f64::from(x)).sum::<f64>() / ema.count() as f64;
        Ok(vec![Figure {
            name: "mean".to_owned(),
            value: Some(mean),
            interval: Some((mean - 1.0, mean + 1.0)),
        }])
    }
}

pub(crate) struct Go<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) training: &'a Training,
    pub(crate) threads: usize,
    pub(crate) cancel_at: Option<u64>,
    pub(crate) fail_at: Option<u64>,
}

impl<'a> Go<'a> {
    pub(crate) fn new(folder: &'a Path, training: &'a Training) -> Self {
        Self {
            folder,
            training,
            threads: 1,
            cancel_at: None,
            fail_at: None,
        }
    }

    pub(crate) fn run(&self, task: &dyn Task) -> Result<(Trained, Vec<Progress>), Error> {
        let cancel = AtomicBool::new(false);
        let mut seen = Vec::new();
        let mut progress = |progress: Progress| {
            seen.push(progress);
            if self.cancel_at == Some(progress.step) {
                cancel.store(true, Ordering::Relaxed);
            }
        };
        let mut watch = Mean {
            fail_at: self.fail_at,
        };
        let machine = Machine {
            runtime: runtime(),
            device: Device::Cpu,
            threads: self.threads,
        };
        let run = Run {
            folder: self.folder,
            id: "a recipe",
            watch: Some(&mut watch),
            progress: &mut progress,
            cancel: &cancel,
        };
        let trained = train(self.training, task, machine, run)?;
        Ok((trained, seen))
    }
}

/// For tasks that are asked for batches outside of training.
pub(crate) struct NoNetworks;

impl Networks for NoNetworks {
    fn run(&self, _which: Which, _rows: &Rows) -> Result<ArrayD<f32>, Error> {
        Err(Error::Task("there is no network here".to_owned()))
    }
}
