//! Few-step sampling: a complete attack to copy.
//!
//! A memorized image is there after a few denoiser calls (Webster 2023, arXiv 2305.08694, needs
//! one), so a budget buys many more tries than full sampling. It also stays put when it is denoised
//! once more, without noise: that is the confidence.
use eidetic_sdk::sampler::{RowNoise, Sampler, SamplerKind, draw};
use eidetic_sdk::{ndarray::Array4, *};

/// What a suite may set under `options`; these comments become the help.
#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(crate = "eidetic_sdk::serde", default, deny_unknown_fields)]
#[schemars(crate = "eidetic_sdk::schemars")]
pub struct FewStep {
    /// Images to make.
    samples: u64,
    /// Denoiser calls an image; one more tells the confidence.
    steps: usize,
}
impl Default for FewStep {
    fn default() -> Self {
        let (samples, steps) = (256, 4);
        Self { samples, steps }
    }
}
export_plugins!(attack FewStep);

impl AttackPlugin for FewStep {
    const ID: &'static str = "template"; // its name in suites and on the board
    const SUMMARY: &'static str = "few-step sampling: what is there early was memorized";
    const GOAL: Goal = Goal::Extraction; // images that should be training images
    const ACCESS: Access = Access::Denoiser; // on a model without one the row says n/a
    type Options = Self; // an attack may be its own options
    fn make(options: Self) -> Result<Self> {
        Ok(options)
    }
}
impl Attack for FewStep {
    fn run(&self, target: &dyn Target, context: &dyn Context, sink: &dyn Sink) -> Result<()> {
        let info = target.info()?;
        let mut sampler = Sampler::for_model(SamplerKind::Ddim, &info);
        (sampler.steps, sampler.sigma_min) = (self.steps, info.sigma_min.max(0.2));
        sampler.check()?; // an error ends the cell and stands on the board as its reason
        for id in (0..self.samples).take_while(|_| !context.cancelled()) {
            // All that is random comes from the seed and the image's number, so that runs repeat.
            let mut noise = RowNoise::new(context.seed(), "template", &[id]);
            let mut x = Array4::zeros(info.space_dim(1));
            draw(&sampler, &target, &[id], &[], &mut noise, x.view_mut())?; // calls are counted
            let (mut again, ids) = (x.clone(), [id]);
            let batch = Batch::unconditional(x.view(), &[1.0], &ids);
            target.denoise(batch, again.view_mut())?;
            let moved = (&again - &x).fold(0.0, |sum, &d| sum + f64::from(d * d));
            let mut image = Array4::zeros(info.image_dim(1));
            target.decode(x.view(), image.view_mut())?; // from the model's space to pixels
            let found = sink.images(image.mapv(pixels::to_u8).view())?; // counts from here on
            sink.confidence(found, &[-moved])?;
            context.progress(id + 1, self.samples);
        }
        Ok(())
    }
}
