//! Guidance without a classifier (Ho and Salimans 2022): D_null + scale (D_c - D_null).

use eidetic_sdk::batch::Condition;
use eidetic_sdk::ndarray::{Array4, ArrayViewMut4, Zip};
use eidetic_sdk::{Batch, Denoiser, ModelInfo, Result};

/// A denoiser with guidance; every call costs two of the denoiser's.
pub(super) struct Guided<'a> {
    pub(super) inner: &'a dyn Denoiser,
    pub(super) scale: f32,
}

impl Denoiser for Guided<'_> {
    fn info(&self) -> Result<ModelInfo> {
        self.inner.info()
    }

    fn denoise(&self, batch: Batch<'_>, mut out: ArrayViewMut4<'_, f32>) -> Result<()> {
        let every_row = vec![1u8; batch.rows()];
        let null: Vec<Condition<'_>> = batch
            .conditions
            .iter()
            .map(|condition| Condition {
                null: every_row.as_slice().into(),
                ..*condition
            })
            .collect();
        let mut unconditional = Array4::zeros(out.dim());
        self.inner.denoise(
            Batch {
                conditions: &null,
                ..batch
            },
            unconditional.view_mut(),
        )?;
        self.inner.denoise(batch, out.view_mut())?;
        Zip::from(&mut out)
            .and(&unconditional)
            .for_each(|out, &unconditional| {
                *out = unconditional + self.scale * (*out - unconditional);
            });
        Ok(())
    }
}
