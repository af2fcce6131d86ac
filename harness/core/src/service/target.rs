//! The target: access is checked, calls are charged, candidates are handed out without their
//! origin.

use eidetic_sdk::ndarray::{Array3, Array4, ArrayView4, ArrayViewMut2, ArrayViewMut4};
use eidetic_sdk::{
    Access, Batch, Candidates, Denoiser, Error, ErrorCode, Model, ModelInfo, Result, SampleRequest,
    Target,
};

use super::budget::Budget;
use super::sampling::Service;

/// What a reconstruction or membership attack is asked.
#[derive(Debug)]
pub enum Ask {
    /// Extraction: nothing.
    Nothing,
    /// Whether each image is a member.
    Membership(Array4<u8>),
    /// To make these whole; one set a probe.
    Reconstruction(Vec<(Array4<f32>, Array3<u8>, f32)>),
}

/// The host's side of [`Target`].
pub struct HostTarget<'a> {
    /// The model under attack, sampler and mitigations around it.
    pub service: &'a Service<'a>,
    /// What serves samples: the same, or a counterpart.
    pub samples_from: &'a Service<'a>,
    /// The bare model, for encoding, decoding and features.
    pub model: &'a dyn Model,
    /// What was granted.
    pub access: Access,
    /// What it may cost.
    pub budget: &'a Budget,
    /// What is asked.
    pub ask: &'a Ask,
}

impl HostTarget<'_> {
    fn granted(&self, needed: Access) -> Result<()> {
        if self.access >= needed {
            return Ok(());
        }
        let granted = self.access;
        Err(Error::new(
            ErrorCode::BadInput,
            format!("this call needs {needed:?} access, the attack declared {granted:?}"),
        )
        .with_help("raise ACCESS in the attack's AttackPlugin"))
    }

    /// A batch has the shape that the model takes, and sigmas that are finite and above 0.
    fn check(&self, batch: &Batch<'_>) -> Result<()> {
        let space = self.service.info().space();
        let extra = self.service.info().extra_channels;
        let want = [space.channels + extra, space.height, space.width].map(|n| n as usize);
        if batch.x.shape()[1..] != want {
            let got = &batch.x.shape()[1..];
            return Err(Error::bad_input(format!(
                "x: expected [B, {want:?}], got {got:?}"
            )));
        }
        match batch
            .sigma
            .iter()
            .find(|sigma| !(sigma.is_finite() && **sigma > 0.0))
        {
            Some(sigma) => Err(Error::bad_input(format!(
                "sigma: expected finite and above 0, got {sigma}"
            ))),
            None => Ok(()),
        }
    }
}

impl Target for HostTarget<'_> {
    fn info(&self) -> Result<ModelInfo> {
        Ok(self.service.info().clone())
    }

    fn access(&self) -> Access {
        self.access
    }

    fn calls_left(&self) -> u64 {
        self.budget.left()
    }

    fn sample(&self, request: SampleRequest<'_>, out: ArrayViewMut4<'_, u8>) -> Result<()> {
        self.samples_from.sample(request, out)
    }

    fn denoise(&self, batch: Batch<'_>, out: ArrayViewMut4<'_, f32>) -> Result<()> {
        self.granted(Access::Denoiser)?;
        self.check(&batch)?;
        self.budget.charge(batch.rows() as u64)?;
        self.service.chain().denoise(batch, out)
    }

    fn denoise_vjp(
        &self,
        batch: Batch<'_>,
        cotangent: ArrayView4<'_, f32>,
        out: ArrayViewMut4<'_, f32>,
    ) -> Result<()> {
        self.granted(Access::Gradient)?;
        self.check(&batch)?;
        self.budget.charge(3 * batch.rows() as u64)?;
        self.service.chain().denoise_vjp(batch, cotangent, out)
    }

    fn encode(&self, pixels: ArrayView4<'_, f32>, out: ArrayViewMut4<'_, f32>) -> Result<()> {
        self.model.encode(pixels, out)
    }

    fn decode(&self, latents: ArrayView4<'_, f32>, out: ArrayViewMut4<'_, f32>) -> Result<()> {
        self.model.decode(latents, out)
    }

    fn embed(&self, pixels: ArrayView4<'_, f32>, out: ArrayViewMut2<'_, f32>) -> Result<()> {
        self.model.embed(pixels, out)
    }

    fn candidates(&self, probe: u32) -> Result<Candidates<'_>> {
        match self.ask {
            Ask::Nothing => Err(Error::unsupported("candidates, to an extraction attack,")),
            Ask::Membership(images) if probe == 0 => Ok(Candidates::Membership {
                images: images.view(),
            }),
            Ask::Membership(_) => Err(Error::bad_input(format!(
                "probe: expected 0 for membership, got {probe}"
            ))),
            Ask::Reconstruction(probes) => {
                let found = probes.get(probe as usize).ok_or_else(|| {
                    let count = probes.len();
                    Error::bad_input(format!("probe: expected one of {count}, got {probe}"))
                })?;
                let (images, known, sigma) = found;
                Ok(Candidates::Reconstruction {
                    images: images.view(),
                    known: known.view(),
                    sigma: *sigma,
                })
            }
        }
    }
}
