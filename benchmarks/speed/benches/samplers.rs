//! What samplers cost: their own arithmetic over a denoiser that does next to nothing, and a batch
//! of samples of the perfect memorizer of 256 images of Fashion-MNIST, native and by ONNX Runtime.

use anyhow::{Context, Result};
use criterion::{Criterion, Throughput};
use eidetic_harness::model::{
    MemorizerFolder, OnnxModel, TrainedOn, TrainingStatement, write_memorizer_folder,
};
use eidetic_model_memorizer::Memorizer;
use eidetic_runtime::{Runtime, Search, SessionOptions, find};
use eidetic_sdk::ndarray::{Array4, ArrayView4, ArrayViewMut4};
use eidetic_sdk::sampler::{RowNoise, Sampler, SamplerKind, draw};
use eidetic_sdk::{Batch, Denoiser, ImageShape, Model, ModelInfo};
use eidetic_speed::{FASHION_MNIST_DIM, fashion_mnist};

const ROWS: usize = 64;
const MEMBERS: usize = 256;

/// Halves its input: an estimate that costs one multiplication a pixel.
struct Halves;

impl Model for Halves {
    fn info(&self) -> ModelInfo {
        let image = ImageShape {
            channels: 1,
            height: 28,
            width: 28,
        };
        ModelInfo::pixel_denoiser(image, 0.5)
    }

    fn denoise(
        &self,
        batch: Batch<'_>,
        mut out: ArrayViewMut4<'_, f32>,
    ) -> eidetic_sdk::Result<()> {
        out.zip_mut_with(&batch.x, |out, &x| *out = x / 2.0);
        Ok(())
    }
}

/// A model as a denoiser, without the harness's checks.
struct Bare<'a>(&'a dyn Model);

impl Denoiser for Bare<'_> {
    fn info(&self) -> eidetic_sdk::Result<ModelInfo> {
        Ok(self.0.info())
    }

    fn denoise(&self, batch: Batch<'_>, out: ArrayViewMut4<'_, f32>) -> eidetic_sdk::Result<()> {
        self.0.denoise(batch, out)
    }
}

fn samples(sampler: &Sampler, model: &dyn Model) -> eidetic_sdk::Result<Array4<f32>> {
    let ids: Vec<u64> = (0..ROWS as u64).collect();
    let mut out = Array4::zeros((ROWS, 1, 28, 28));
    let mut noise = RowNoise::new(0, "sample", &ids);
    draw(sampler, &Bare(model), &ids, &[], &mut noise, out.view_mut())?;
    Ok(out)
}

fn onnx_memorizer(images: &[u8], folder: &std::path::Path) -> Result<OnnxModel> {
    let content = MemorizerFolder {
        name: "memorizer-onnx",
        title: "The perfect memorizer of its training images",
        licence: "that of its training images",
        images,
        shape: [1, 28, 28],
        training: TrainingStatement {
            part: TrainedOn::Unknown,
            dataset: None,
            n: None,
            digest: None,
        },
        clean_twin: None,
    };
    let folder = write_memorizer_folder(folder, &content)?;
    let library = find(&Search::default()).context("the bench needs ONNX Runtime")?;
    let options = SessionOptions::default();
    Ok(OnnxModel::open(
        folder,
        &Runtime::load(&library)?,
        &options,
    )?)
}

fn main() -> Result<()> {
    let pixels = fashion_mnist()?;
    let members = &pixels[..MEMBERS * FASHION_MNIST_DIM];
    let native = Memorizer::new(ArrayView4::from_shape((MEMBERS, 1, 28, 28), members)?)
        .map_err(|error| anyhow::anyhow!("{error}"))?;
    let folder = tempfile::tempdir()?;
    let onnx = onnx_memorizer(members, &folder.path().join("model"))?;

    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("samplers");
    group
        .sample_size(10)
        .throughput(Throughput::Elements(ROWS as u64));
    let info = Halves.info();
    for (name, kind) in [
        ("heun-18", SamplerKind::Heun),
        ("ddim-18", SamplerKind::Ddim),
        ("ancestral-18", SamplerKind::Ancestral),
    ] {
        let sampler = Sampler {
            steps: 18,
            ..Sampler::for_model(kind, &info)
        };
        let mut own = |what: &str, model: &dyn Model| {
            group.bench_function(format!("{name}/{what}"), |bencher| {
                bencher.iter(|| samples(&sampler, model));
            });
        };
        own("its own arithmetic", &Halves);
        if kind == SamplerKind::Heun {
            own("memorizer-256", &native);
            own("memorizer-256-onnx", &onnx);
        }
    }
    group.finish();
    criterion.final_summary();
    Ok(())
}
