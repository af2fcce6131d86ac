//! A model with the sampling stages of its mitigations around it, innermost first.

use eidetic_sdk::ndarray::{Array4, ArrayView4, ArrayViewMut4};
use eidetic_sdk::{Batch, Denoiser, Error, ErrorCode, Mitigation, Model, ModelInfo, Result};

/// One mitigation of a chain.
pub struct Link {
    /// Its id.
    pub id: String,
    /// What it does.
    pub mitigation: Box<dyn Mitigation>,
    /// Whether its sampling stage applies.
    pub sampling: bool,
    /// Whether its output stage applies.
    pub output: bool,
}

/// The model and what is around it. As a [`Denoiser`] it is what an attack with that access sees.
pub struct Chain<'a> {
    model: &'a dyn Model,
    links: Vec<&'a Link>,
}

impl<'a> Chain<'a> {
    /// Wraps `model` in the sampling stages of `links`.
    pub fn new(model: &'a dyn Model, links: &'a [Link]) -> Self {
        Self {
            model,
            links: links.iter().filter(|link| link.sampling).collect(),
        }
    }

    /// Who offers no `denoise_vjp`, and why, if somebody does not. Each layer is asked for that of
    /// one row of zeros, from the model outwards: a mitigation does not say beforehand, and with
    /// some networks it shows only when they are differentiated.
    pub fn without_gradient(&self) -> Option<String> {
        let refused = |count: usize| {
            let layer = Layer {
                model: self.model,
                links: &self.links[..count],
            };
            let info = layer.info().ok()?;
            let cotangent = Array4::zeros(info.space_dim(1));
            let mut dim = info.space_dim(1);
            dim[1] += info.extra_channels as usize;
            let (x, mut out) = (Array4::zeros(dim), Array4::zeros(dim));
            let sigma = [info.sigma_max as f32];
            let batch = Batch::unconditional(x.view(), &sigma, &[0]);
            let error = layer
                .denoise_vjp(batch, cotangent.view(), out.view_mut())
                .err()
                .filter(|error| error.code == ErrorCode::Unsupported)?;
            Some(match count.checked_sub(1) {
                Some(last) => format!("mitigation `{}`: {error}", self.links[last].id),
                None => format!("the model: {error}"),
            })
        };
        (0..=self.links.len()).find_map(refused)
    }

    fn outermost(&self) -> Layer<'_> {
        Layer {
            model: self.model,
            links: &self.links,
        }
    }
}

impl Denoiser for Chain<'_> {
    fn info(&self) -> Result<ModelInfo> {
        self.outermost().info()
    }

    fn denoise(&self, batch: Batch<'_>, out: ArrayViewMut4<'_, f32>) -> Result<()> {
        self.outermost().denoise(batch, out)
    }

    fn denoise_vjp(
        &self,
        batch: Batch<'_>,
        cotangent: ArrayView4<'_, f32>,
        out: ArrayViewMut4<'_, f32>,
    ) -> Result<()> {
        self.outermost().denoise_vjp(batch, cotangent, out)
    }
}

/// The model behind the first so many links.
struct Layer<'a> {
    model: &'a dyn Model,
    links: &'a [&'a Link],
}

impl Denoiser for Layer<'_> {
    fn info(&self) -> Result<ModelInfo> {
        Ok(self.links.iter().fold(self.model.info(), |info, link| {
            link.mitigation.wrapped_info(info)
        }))
    }

    fn denoise(&self, batch: Batch<'_>, mut out: ArrayViewMut4<'_, f32>) -> Result<()> {
        let Some((link, inner)) = self.links.split_last() else {
            self.model.denoise(batch, out.view_mut())?;
            return finite(out.iter(), batch.sigma, "the model");
        };
        let inner = Layer {
            model: self.model,
            links: inner,
        };
        link.mitigation.denoise(&inner, batch, out.view_mut())?;
        finite(
            out.iter(),
            batch.sigma,
            &format!("mitigation `{}`", link.id),
        )
    }

    fn denoise_vjp(
        &self,
        batch: Batch<'_>,
        cotangent: ArrayView4<'_, f32>,
        mut out: ArrayViewMut4<'_, f32>,
    ) -> Result<()> {
        let Some((link, inner)) = self.links.split_last() else {
            self.model.denoise_vjp(batch, cotangent, out.view_mut())?;
            return finite(out.iter(), batch.sigma, "the model's vjp");
        };
        let inner = Layer {
            model: self.model,
            links: inner,
        };
        link.mitigation
            .denoise_vjp(&inner, batch, cotangent, out.view_mut())?;
        finite(
            out.iter(),
            batch.sigma,
            &format!("the vjp of mitigation `{}`", link.id),
        )
    }
}

/// Refuses what is not finite, and says whose it is.
fn finite<'a>(mut values: impl Iterator<Item = &'a f32>, sigma: &[f32], whose: &str) -> Result<()> {
    match values.find(|value| !value.is_finite()) {
        None => Ok(()),
        Some(value) => {
            let (low, high) = sigma
                .iter()
                .fold((f32::INFINITY, f32::NEG_INFINITY), |(l, h), &s| {
                    (l.min(s), h.max(s))
                });
            Err(Error::bad_input(format!(
                "{whose} returned {value} where finite numbers were expected, at sigma {low}..={high}"
            )))
        }
    }
}
