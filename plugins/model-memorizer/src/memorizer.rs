//! The closed form as a plugin.

use eidetic_sdk::ndarray::{ArrayView3, ArrayView4, ArrayViewMut4};
use eidetic_sdk::{
    Batch, Error, ImageShape, Model, ModelInfo, ModelPlugin, NoOptions, Result, TrainingSet, pixels,
};

use crate::closed_form::ClosedForm;

/// The exact minimiser of the denoising loss over its training set, in f64. A row that stands in
/// the set several times weighs as often.
pub struct Memorizer {
    closed_form: ClosedForm,
    info: ModelInfo,
}

impl Memorizer {
    /// Over u8 images `[N, C, H, W]`.
    ///
    /// # Errors
    /// `BadInput` for no images, and for pixels that are all equal (sigma_data would be 0).
    pub fn new(images: ArrayView4<'_, u8>) -> Result<Self> {
        let (count, channels, height, width) = images.dim();
        let shape = [channels, height, width];
        if images.is_empty() {
            return Err(Error::bad_input(format!(
                "expected at least one training image, got {count} of shape {shape:?}"
            )));
        }
        let levels: Vec<u8> = images.iter().copied().collect();
        let sigma_data = pixels::standard_deviation(&levels);
        if sigma_data == 0.0 {
            return Err(Error::bad_input(format!(
                "expected training pixels that vary, got {} times level {}",
                levels.len(),
                levels[0]
            )));
        }
        let values: Vec<f64> = levels
            .iter()
            .map(|&level| f64::from(pixels::to_unit(level)))
            .collect();
        let [channels, height, width] = shape.map(|size| size as u32);
        let image = ImageShape {
            channels,
            height,
            width,
        };
        Ok(Self {
            closed_form: ClosedForm::new(&values, shape.iter().product()),
            info: ModelInfo {
                differentiates: true,
                ..ModelInfo::pixel_denoiser(image, sigma_data)
            },
        })
    }

    fn check(&self, batch: &Batch<'_>, others: &[(&str, &[usize])]) -> Result<()> {
        let image = self.info.image;
        let want = [
            batch.rows() as u32,
            image.channels,
            image.height,
            image.width,
        ];
        let want = want.map(|size| size as usize);
        for (name, got) in [("x", batch.x.shape())].iter().chain(others) {
            if *got != want {
                return Err(Error::bad_input(format!(
                    "{name}: expected shape {want:?}, got {got:?}"
                )));
            }
        }
        match batch
            .sigma
            .iter()
            .position(|sigma| !(*sigma > 0.0 && sigma.is_finite()))
        {
            Some(row) => Err(Error::bad_input(format!(
                "sigma of row {row}: expected a finite number above 0, got {}",
                batch.sigma[row]
            ))),
            None => Ok(()),
        }
    }
}

impl Model for Memorizer {
    fn info(&self) -> ModelInfo {
        self.info.clone()
    }

    fn denoise(&self, batch: Batch<'_>, mut out: ArrayViewMut4<'_, f32>) -> Result<()> {
        self.check(&batch, &[("out", out.shape())])?;
        let rows = batch
            .x
            .outer_iter()
            .zip(batch.sigma)
            .zip(out.outer_iter_mut());
        for ((x, &sigma), mut out) in rows {
            let denoised = self.closed_form.denoise(&row(x), f64::from(sigma));
            for (out, value) in out.iter_mut().zip(denoised.image) {
                *out = value as f32;
            }
        }
        Ok(())
    }

    fn denoise_vjp(
        &self,
        batch: Batch<'_>,
        cotangent: ArrayView4<'_, f32>,
        mut out: ArrayViewMut4<'_, f32>,
    ) -> Result<()> {
        self.check(
            &batch,
            &[("cotangent", cotangent.shape()), ("out", out.shape())],
        )?;
        let rows = batch.x.outer_iter().zip(batch.sigma);
        let rows = rows.zip(cotangent.outer_iter()).zip(out.outer_iter_mut());
        for (((x, &sigma), cotangent), mut out) in rows {
            let sigma = f64::from(sigma);
            let at = self.closed_form.denoise(&row(x), sigma);
            let product = self.closed_form.vjp(&at, sigma, &row(cotangent));
            for (out, value) in out.iter_mut().zip(product) {
                *out = value as f32;
            }
        }
        Ok(())
    }
}

fn row(values: ArrayView3<'_, f32>) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

impl ModelPlugin for Memorizer {
    const ID: &'static str = "memorizer";
    const SUMMARY: &'static str = "the perfect memorizer: the optimal denoiser of its training set";
    const TRAINS: bool = true;
    type Options = NoOptions;

    fn make(_options: NoOptions, train: Option<TrainingSet<'_>>) -> Result<Self> {
        let train = train.ok_or_else(|| Error::bad_input("expected a training set, got none"))?;
        Self::new(train.images)
    }
}
