//! The denoiser under guidance.

use eidetic_sdk::ndarray::{ArrayViewMut4, Axis, Zip};
use eidetic_sdk::{Batch, Context, Denoiser, Error, ErrorCode, ModelInfo, Result, Target};

use crate::guide::Guide;

/// D(x; sigma) + lambda sigma^2 grad_x ln p(c | x; sigma), which is the score plus lambda times that
/// gradient (Dhariwal and Nichol 2021, in the variance-exploding convention).
pub(crate) struct Guided<'a> {
    pub(crate) target: &'a dyn Target,
    pub(crate) context: &'a dyn Context,
    /// Absent where there is nothing to tell apart: then the gradient is 0.
    pub(crate) guide: Option<&'a Guide>,
    pub(crate) lambda: f64,
    /// The class of each row.
    pub(crate) class: &'a [i64],
    pub(crate) shown: Shown,
}

/// What the classifier is shown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Shown {
    /// x at its level.
    Noisy,
    /// D(x; sigma) as an image of this level, by a classifier that knows no other. The gradient with
    /// respect to x takes dD/dx to be sd^2 / (sigma^2 + sd^2), that of the best linear denoiser of
    /// values of standard deviation sd: the model's own would need its vjp.
    Estimate {
        /// The level.
        sigma: f32,
        /// sd.
        sigma_data: f64,
    },
}

impl Denoiser for Guided<'_> {
    fn info(&self) -> Result<ModelInfo> {
        self.target.info()
    }

    fn denoise(&self, batch: Batch<'_>, mut out: ArrayViewMut4<'_, f32>) -> Result<()> {
        if self.context.cancelled() {
            return Err(Error::new(ErrorCode::Cancelled, "cancelled between steps"));
        }
        self.target.denoise(batch, out.view_mut())?;
        let Some(guide) = self.guide.filter(|_| self.lambda != 0.0) else {
            return Ok(());
        };
        let gradient = match self.shown {
            Shown::Noisy => guide.gradient(batch.x, batch.sigma, self.class)?,
            Shown::Estimate { sigma, .. } => {
                let sigma = vec![sigma; batch.rows()];
                guide.gradient(out.view(), &sigma, self.class)?
            }
        };
        let rows = out.axis_iter_mut(Axis(0)).zip(gradient.axis_iter(Axis(0)));
        for ((mut out, gradient), &sigma) in rows.zip(batch.sigma) {
            let square = f64::from(sigma).powi(2);
            let through = match self.shown {
                Shown::Noisy => 1.0,
                Shown::Estimate { sigma_data, .. } => {
                    sigma_data.powi(2) / (square + sigma_data.powi(2))
                }
            };
            let scale = self.lambda * square * through;
            Zip::from(&mut out).and(&gradient).for_each(|out, &slope| {
                *out = (f64::from(*out) + scale * f64::from(slope)) as f32;
            });
        }
        Ok(())
    }
}
