//! Seconds of 64 samples of a model folder by Heun's 18 steps. Arguments: the folder, rounds,
//! threads. Prints JSON as `../training/onnxruntime_sampling.py` does.
#![allow(clippy::print_stdout, reason = "its output is JSON")]

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result};
use eidetic_harness::model::{ModelFolder, OnnxModel};
use eidetic_runtime::{Device, Runtime, Search, SessionOptions, find};
use eidetic_sdk::ndarray::{Array4, ArrayViewMut4};
use eidetic_sdk::sampler::{RowNoise, Sampler, SamplerKind, draw};
use eidetic_sdk::{Batch, Denoiser, Model, ModelInfo};

const ROWS: usize = 64;

struct Bare(OnnxModel);

impl Denoiser for Bare {
    fn info(&self) -> eidetic_sdk::Result<ModelInfo> {
        Ok(self.0.info())
    }

    fn denoise(&self, batch: Batch<'_>, out: ArrayViewMut4<'_, f32>) -> eidetic_sdk::Result<()> {
        self.0.denoise(batch, out)
    }
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().context("expected a model folder")?);
    let rounds: usize = arguments.next().map_or(Ok(5), |rounds| rounds.parse())?;
    let threads: usize = arguments.next().map_or(Ok(2), |threads| threads.parse())?;
    let library = find(&Search::default()).context("the bench needs ONNX Runtime")?;
    let options = SessionOptions {
        device: Device::Cpu,
        sessions: threads,
        microbatch: 16,
    };
    let model = OnnxModel::open(
        ModelFolder::open(&folder)?,
        &Runtime::load(&library)?,
        &options,
    )?;
    let model = Bare(model);
    let info = model.info()?;
    let image = info.image;
    let sampler = Sampler {
        steps: 18,
        ..Sampler::for_model(SamplerKind::Heun, &info)
    };
    let ids: Vec<u64> = (0..ROWS as u64).collect();
    let shape = [image.channels, image.height, image.width].map(|size| size as usize);
    let mut seconds = Vec::new();
    for round in 0..=rounds as u64 {
        let mut out = Array4::zeros((ROWS, shape[0], shape[1], shape[2]));
        let mut noise = RowNoise::new(round, "sample", &ids);
        let start = Instant::now();
        draw(&sampler, &model, &ids, &[], &mut noise, out.view_mut())?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    seconds.remove(0);
    println!(
        "{}",
        serde_json::json!({
            "samples": ROWS,
            "seconds": seconds,
            "onnxruntime": library.version,
            "threads": threads,
        })
    );
    Ok(())
}
