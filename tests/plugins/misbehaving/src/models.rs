//! Models that fail, and two that are all right but unlike the others.

use eidetic_sdk::ndarray::{Array4, ArrayViewMut4, s};
use eidetic_sdk::{
    Batch, Error, ImageShape, Model, ModelInfo, ModelPlugin, NoOptions, Result, TrainingSet, pixels,
};

const GREY_28: ImageShape = ImageShape {
    channels: 1,
    height: 28,
    width: 28,
};

macro_rules! models {
    ($($name:ident, $id:literal, $does:literal, $info:expr, |$batch:ident, $out:ident| $denoise:expr;)+) => {$(
        #[doc = $does]
        pub struct $name;

        impl ModelPlugin for $name {
            const ID: &'static str = $id;
            const SUMMARY: &'static str = $does;
            type Options = NoOptions;

            fn make(_: NoOptions, _: Option<TrainingSet<'_>>) -> Result<Self> {
                Ok(Self)
            }
        }

        impl Model for $name {
            fn info(&self) -> ModelInfo {
                $info
            }

            fn denoise(&self, $batch: Batch<'_>, mut $out: ArrayViewMut4<'_, f32>) -> Result<()> {
                $denoise
            }
        }
    )+};
}

models! {
    NanModel, "nan-model", "denoises to NaN", ModelInfo::pixel_denoiser(GREY_28, 0.7),
        |_batch, out| { out.fill(f32::NAN); Ok(()) };
    PanickingModel, "panicking-model", "panics when it is to denoise",
        ModelInfo::pixel_denoiser(GREY_28, 0.7),
        |_batch, out| { out.fill(0.0); panic!("deliberately: no estimate") };
    SenselessModel, "senseless-model", "says that its smallest sigma is above its largest",
        ModelInfo { sigma_min: 100.0, ..ModelInfo::pixel_denoiser(GREY_28, 0.7) },
        |_batch, out| { out.fill(0.0); Ok(()) };
    OtherShape, "other-shape", "makes images of 3 x 8 x 8",
        ModelInfo::pixel_denoiser(ImageShape { channels: 3, height: 8, width: 8 }, 0.7),
        |_batch, out| { out.fill(0.0); Ok(()) };
}

/// What it was trained on, as values in [-1, 1].
fn units(train: Option<TrainingSet<'_>>) -> Result<Array4<f32>> {
    let train = train.ok_or_else(|| Error::bad_input("expected a training set, got none"))?;
    Ok(train.images.mapv(pixels::to_unit))
}

/// Has a sampler of its own, which gives its training images one after the other, and no denoiser.
pub struct SamplesOnly(Array4<f32>);

impl ModelPlugin for SamplesOnly {
    const ID: &'static str = "samples-only";
    const SUMMARY: &'static str = "samples its training images one after the other";
    const TRAINS: bool = true;
    type Options = NoOptions;

    fn make(_: NoOptions, train: Option<TrainingSet<'_>>) -> Result<Self> {
        units(train).map(Self)
    }
}

impl Model for SamplesOnly {
    fn info(&self) -> ModelInfo {
        ModelInfo {
            denoises: false,
            samples: true,
            ..ModelInfo::pixel_denoiser(GREY_28, 0.7)
        }
    }

    fn denoise(&self, _: Batch<'_>, _: ArrayViewMut4<'_, f32>) -> Result<()> {
        Err(Error::unsupported("denoise"))
    }

    fn sample(&self, batch: Batch<'_>, mut out: ArrayViewMut4<'_, f32>) -> Result<()> {
        for (row, &id) in batch.row_id.iter().enumerate() {
            let image = self.0.slice(s![id as usize % self.0.dim().0, .., .., ..]);
            out.slice_mut(s![row, .., .., ..]).assign(&image);
        }
        Ok(())
    }
}
