//! The first losses of training against PyTorch's.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use common::{Fixture, runtime};
use eidetic_graph::Graph;
use eidetic_nn::{
    Batch, Denoiser, Draw, Embedding, Error, Machine, Network, Networks, Parameters, Run, Task,
    Training, UNet, Weights, train,
};
use eidetic_runtime::Device;

/// A denoiser trained on the fixture's batches.
struct Given {
    denoiser: Denoiser,
    start: Parameters,
    batches: Fixture,
}

impl Task for Given {
    fn initial(&self, _seed: u64) -> Result<Parameters, Error> {
        Ok(self.start.clone())
    }

    fn loss(&self, rows: usize) -> Result<Graph, Error> {
        self.denoiser.loss(rows)
    }

    fn forward(&self, rows: usize) -> Result<Graph, Error> {
        self.denoiser.graph(rows, Weights::Inputs)
    }

    fn batch(&self, draw: &Draw, _networks: &dyn Networks) -> Result<Batch, Error> {
        let share = vec![1.0 / draw.batch as f64; draw.batch];
        Ok(Batch {
            groups: vec![self.batches.group(&format!("{}.", draw.step), &share)],
            index: (0..draw.batch as u64).collect(),
        })
    }
}

#[test]
fn the_first_six_losses_are_pytorchs_to_four_decimals() {
    let network = UNet {
        channels: vec![8, 16],
        blocks: 1,
        attention: vec![1],
        embedding: Embedding::Sinusoidal,
        dropout: 0.0,
    };
    let denoiser = Denoiser {
        network: Network::Unet(network),
        shape: [2, 8, 8],
        extra_channels: 0,
        masked: false,
        classes: 3,
        sigma_data: 0.5,
    };
    let task = Given {
        denoiser,
        start: Fixture::read("unet").parameters(),
        batches: Fixture::read("unet_losses"),
    };
    let expected: Vec<f64> = task.batches.get("losses").iter().copied().collect();
    let folder = tempfile::tempdir().unwrap();
    for (microbatch, threads) in [(4, 1), (3, 2)] {
        let training = Training {
            batch: 4,
            microbatch,
            ..Training::of(expected.len() as u64)
        };
        let losses = Mutex::new(Vec::new());
        let trained = train(
            &training,
            &task,
            Machine {
                runtime: runtime(),
                device: Device::Cpu,
                threads,
            },
            Run {
                folder: &folder.path().join(microbatch.to_string()),
                id: "losses",
                watch: None,
                progress: &mut |progress| losses.lock().unwrap().push(progress.loss.unwrap()),
                cancel: &AtomicBool::new(false),
            },
        )
        .unwrap();
        assert_eq!(trained.step, 6);
        let losses = losses.into_inner().unwrap();
        assert_eq!(losses.len(), expected.len());
        for (got, want) in losses.iter().zip(&expected) {
            assert!(
                (got - want).abs() < 5e-5,
                "{losses:?}, expected {expected:?}"
            );
        }
    }
}
