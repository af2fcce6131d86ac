//! What the plugin boundary adds to a denoise call: the same model called through it and directly,
//! on a batch of Fashion-MNIST's size and on almost nothing, where only the call is left.

use std::hint::black_box;

use anyhow::Result;
use criterion::{Criterion, Throughput};
use eidetic_sdk::ndarray::{Array4, ArrayViewMut4};
use eidetic_sdk::registration::{self, Origin, make_model};
use eidetic_sdk::{Batch, ImageShape, Model, ModelInfo, ModelPlugin, NoOptions, TrainingSet};

/// The least that a model can do: D(x; sigma) = x.
struct Copies;

impl Model for Copies {
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
        out.assign(&batch.x);
        Ok(())
    }
}

impl ModelPlugin for Copies {
    const ID: &'static str = "copies";
    const SUMMARY: &'static str = "gives back what it gets";
    type Options = NoOptions;

    fn make(_: NoOptions, _: Option<TrainingSet<'_>>) -> eidetic_sdk::Result<Self> {
        Ok(Self)
    }
}

fn main() -> Result<()> {
    let origin = Origin {
        version: env!("CARGO_PKG_VERSION"),
        licence: env!("CARGO_PKG_LICENSE"),
    };
    let across = make_model(&registration::model::<Copies>(origin), "{}", None)?;
    let direct: Box<dyn Model> = Box::new(Copies);

    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("boundary");
    for dim in [(64, 1, 28, 28), (1, 1, 1, 1)] {
        let rows = dim.0;
        let x = Array4::from_elem(dim, 0.5f32);
        let mut out = Array4::zeros(dim);
        let sigma = vec![1.0; rows];
        let row_id: Vec<u64> = (0..rows as u64).collect();
        let name = format!("{rows}x{}x{}x{}", dim.1, dim.2, dim.3);
        group.throughput(Throughput::Elements(rows as u64));
        for (way, model) in [("across", &across), ("direct", &direct)] {
            group.bench_function(format!("{way}/{name}"), |b| {
                b.iter(|| {
                    let batch = Batch::unconditional(black_box(x.view()), &sigma, &row_id);
                    black_box(model).denoise(batch, black_box(out.view_mut()))
                });
            });
        }
    }
    group.finish();
    criterion.final_summary();
    Ok(())
}
