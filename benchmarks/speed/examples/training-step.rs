//! Seconds of a training step of the U-Net: the whole loop on Fashion-MNIST, with drawing, Adam,
//! average and logs. Arguments: warm-up steps, steps, threads. Prints JSON as
//! `../training/torch_step.py` does.
#![allow(clippy::print_stdout, reason = "its output is JSON")]

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use anyhow::{Context, Result};
use eidetic_nn::{
    Denoiser, Denoising, Drawing, Embedding, Machine, Network, Plain, Run, Training,
    TrainingImages, UNet, train,
};
use eidetic_runtime::{Device, Runtime, Search, find};
use eidetic_sdk::ndarray::Array4;
use eidetic_sdk::pixels::to_unit;
use eidetic_speed::{FASHION_MNIST_DIM, fashion_mnist};

const IMAGES: usize = 1024;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1).map(|number| number.parse::<u64>());
    let mut next = |default: u64| arguments.next().unwrap_or(Ok(default));
    let (warm_up, steps, threads) = (next(2)?, next(10)?, next(2)?);

    let pixels = &fashion_mnist()?[..IMAGES * FASHION_MNIST_DIM];
    let pixels = pixels.iter().map(|&level| to_unit(level)).collect();
    let images = TrainingImages {
        images: Array4::from_shape_vec((IMAGES, 1, 28, 28), pixels)?,
        labels: None,
        index: (0..IMAGES as u64).collect(),
    };
    let denoiser = Denoiser {
        network: Network::Unet(UNet {
            channels: vec![32, 64, 128],
            blocks: 2,
            attention: vec![2],
            embedding: Embedding::Sinusoidal,
            dropout: 0.0,
        }),
        shape: [1, 28, 28],
        extra_channels: 0,
        masked: false,
        classes: 0,
        sigma_data: 0.5,
    };
    let parameters = denoiser.initial(0)?.count();
    let task = Denoising::new(denoiser, Drawing::default(), images, Arc::new(Plain))?;
    let library = find(&Search::default()).context("the bench needs ONNX Runtime")?;
    let folder = tempfile::tempdir()?;
    let (mut losses, mut seconds) = (Vec::new(), Vec::new());
    let mut start = Instant::now();
    train(
        &Training::of(warm_up + steps),
        &task,
        Machine {
            runtime: &Runtime::load(&library)?,
            device: Device::Cpu,
            threads: threads as usize,
        },
        Run {
            folder: folder.path(),
            id: "speed",
            watch: None,
            progress: &mut |progress| {
                losses.push(progress.loss);
                seconds.push(start.elapsed().as_secs_f64());
                start = Instant::now();
            },
            cancel: &AtomicBool::new(false),
        },
    )?;
    // The first also counts what comes before the loop.
    seconds.drain(..warm_up.max(1) as usize);
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|peak| peak.trim().strip_suffix(" kB"));
    let peak: u64 = peak.context("no VmHWM in /proc/self/status")?.parse()?;
    println!(
        "{}",
        serde_json::json!({
            "parameters": parameters,
            "losses": losses,
            "seconds_per_step": seconds,
            "peak_rss_bytes": 1024 * peak,
            "onnxruntime": library.version,
            "threads": threads,
        })
    );
    Ok(())
}
