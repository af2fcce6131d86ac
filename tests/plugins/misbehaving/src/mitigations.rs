//! Mitigations that fail, refuse everything, or act at a stage that no model here has.

use eidetic_sdk::ndarray::{ArrayView4, ArrayViewMut4};
use eidetic_sdk::{
    Batch, Denoiser, Mitigation, MitigationPlugin, NoOptions, Result, Stages, TrainingSet,
};

macro_rules! mitigations {
    ($($name:ident, $id:literal, $stage:ident, $does:literal, $method:item)+) => {$(
        #[doc = $does]
        pub struct $name;

        impl MitigationPlugin for $name {
            const ID: &'static str = $id;
            const SUMMARY: &'static str = $does;
            const STAGES: Stages = Stages {
                $stage: true,
                ..Stages { data: false, training: false, sampling: false, output: false }
            };
            type Options = NoOptions;

            fn make(_: NoOptions, _: TrainingSet<'_>) -> Result<Self> {
                Ok(Self)
            }
        }

        impl Mitigation for $name {
            $method
        }
    )+};
}

mitigations! {
    AcceptPanics, "accept-panics", output, "panics when it is to judge an image",
    fn accept(&self, _: ArrayView4<'_, u8>, _: &mut [bool]) -> Result<()> {
        panic!("deliberately: no judgement")
    }

    RejectsAll, "rejects-all", output, "lets no image out",
    fn accept(&self, _: ArrayView4<'_, u8>, keep: &mut [bool]) -> Result<()> {
        keep.fill(false);
        Ok(())
    }

    NanDenoise, "nan-denoise", sampling, "turns every estimate into NaN",
    fn denoise(
        &self,
        _: &dyn Denoiser,
        _: Batch<'_>,
        mut out: ArrayViewMut4<'_, f32>,
    ) -> Result<()> {
        out.fill(f32::NAN);
        Ok(())
    }

    TrainsOnly, "trains-only", training, "acts in training alone",
    fn after_step(
        &self,
        _: u64,
        _: &[u64],
        _: &[f32],
        _: &[f32],
    ) -> Result<eidetic_sdk::Decision> {
        Ok(eidetic_sdk::Decision::Continue)
    }
}
