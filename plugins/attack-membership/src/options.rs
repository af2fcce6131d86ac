//! Which method, with which settings.

use eidetic_sdk::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schedule;

/// What a candidate is judged by. All take the negative of a statistic that is small for members,
/// except `sharpness`, `cfg-norm` and `clid`, which are large for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Mean square error of the noise that was added (Matsumoto et al. 2023; Carlini et al. 2023).
    /// Sigma 0.724; `draws` calls a level.
    Loss,
    /// SecMI-stat: the error of one DDIM step up and back, after DDIM steps up to `secmi_stop`
    /// (Duan et al. 2023). `secmi_stop / secmi_step + 2` calls.
    Secmi,
    /// Distance of the noise prediction of the image itself to that at the point to which it leads
    /// (Kong et al. 2024). Sigma 0.724; one call and one a level.
    Pia,
    /// PIA with the first prediction scaled to the size of normal noise (Kong et al. 2024). Sigma
    /// 0.724; one call and one a level.
    Pian,
    /// Norm of the noise prediction of the image itself (Rao et al. 2025). Sigma 0.342; one call a
    /// level.
    Sima,
    /// |D - x|^2 / sigma^2 at the image itself: the second term of FLIPD alone. Sigma 0.174; one
    /// call a level.
    ScoreNorm,
    /// Local intrinsic dimension, tr dD/dx + |D - x|^2 / sigma^2, at the image itself (Ross et al.
    /// 2025; Kamkari et al. 2024). Sigma 0.174; `1 + 2 trace_probes` calls a level.
    Flipd,
    /// |H s|^2 with the score s and H = ds/dx (Jeon et al. 2025), of the noised image. Sigma 0.724;
    /// `3 draws` calls a level.
    Sharpness,
    /// Norm of what a class changes in the noise prediction (Wen et al. 2024). Sigma 0.344, 0.833,
    /// 1.618, 3.334, 8.347; `draws (1 + classes)` calls a level, `2 draws` where `class` is given.
    /// Made for prompts: what is memorized so well that it is known without its class scores low.
    CfgNorm,
    /// By how much a class lowers the loss (Zhai et al. 2024, CLiD), with the loss. Sigma 1.592;
    /// calls as `cfg-norm`.
    Clid,
}

impl Method {
    /// Its name in a suite.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Loss => "loss",
            Self::Secmi => "secmi",
            Self::Pia => "pia",
            Self::Pian => "pian",
            Self::Sima => "sima",
            Self::ScoreNorm => "score-norm",
            Self::Flipd => "flipd",
            Self::Sharpness => "sharpness",
            Self::CfgNorm => "cfg-norm",
            Self::Clid => "clid",
        }
    }

    /// Whether it compares a denoiser with and without a class.
    pub(crate) fn contrasts(self) -> bool {
        matches!(self, Self::CfgNorm | Self::Clid)
    }
}

/// The method and its settings; what a method does not name, it does not use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// What a candidate is judged by.
    pub method: Method,
    /// Noise levels, over which the statistic is averaged; none for the method's own, which are
    /// given with it. SecMI has none but those of its steps. On a model with a schedule the nearest
    /// of its levels are taken.
    pub sigmas: Vec<f64>,
    /// Draws of noise a level, over which the statistic is averaged (loss, sharpness, cfg-norm,
    /// clid); more make the score less noisy.
    #[schemars(range(min = 1))]
    pub draws: u64,
    /// p of the norm (pia, pian, sima).
    #[schemars(range(min = 1.0))]
    pub norm_p: f64,
    /// Step of the linear DDPM schedule at which SecMI compares. The paper says 100; its released
    /// code, told to stop at 100, stops at 90.
    #[schemars(range(min = 1, max = 998))]
    pub secmi_stop: u32,
    /// Steps of the schedule that SecMI takes at once; a divisor of `secmi_stop`.
    #[schemars(range(min = 1, max = 998))]
    pub secmi_step: u32,
    /// Random directions for the trace (flipd).
    #[schemars(range(min = 1))]
    pub trace_probes: u64,
    /// How far a derivative's differences reach to either side, a pixel's root mean square in units
    /// of sigma (flipd, sharpness).
    #[schemars(range(min = 0.0, max = 1.0))]
    pub difference: f64,
    /// Whether sharpness is the curvature along the score instead, -s.H s / |s|^2: not grown by the
    /// distance of an image from all that the model knows, and below 0 between two peaks.
    pub sharpness_curvature: bool,
    /// Weight of the class's effect in clid, the rest is that of the loss; both in mean square error
    /// a pixel.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub clid_weight: f64,
    /// The class that every candidate is shown under. Without one, cfg-norm and clid take for each
    /// candidate the class under which its loss is lowest, since a candidate comes without its
    /// label, and the others ask without a class.
    pub class: Option<u64>,
    /// Candidates in one call; changes memory and speed, never the result.
    #[schemars(range(min = 1))]
    pub batch: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            method: Method::Loss,
            sigmas: Vec::new(),
            draws: 8,
            norm_p: 4.0,
            secmi_stop: 100,
            secmi_step: 10,
            trace_probes: 8,
            difference: 0.01,
            sharpness_curvature: false,
            clid_weight: 0.5,
            class: None,
            batch: 64,
        }
    }
}

impl Options {
    /// Refuses values that make no sense.
    pub(crate) fn check(&self) -> Result<()> {
        for (key, got) in [
            ("draws", self.draws),
            ("trace_probes", self.trace_probes),
            ("batch", self.batch),
            ("secmi_step", self.secmi_step.into()),
            ("secmi_stop", self.secmi_stop.into()),
        ] {
            if got == 0 {
                return bad(format!("{key}: expected at least 1, got 0"));
            }
        }
        if let Some(sigma) = self.sigmas.iter().find(|s| !(**s > 0.0 && s.is_finite())) {
            return bad(format!("sigmas: expected levels above 0, got {sigma}"));
        }
        if !(self.norm_p >= 1.0 && self.norm_p.is_finite()) {
            let got = self.norm_p;
            return bad(format!("norm_p: expected 1 or more, got {got}"));
        }
        if !(self.difference > 0.0 && self.difference <= 1.0) {
            let got = self.difference;
            return bad(format!(
                "difference: expected a share of sigma above 0 and up to 1, got {got}"
            ));
        }
        if !(0.0..=1.0).contains(&self.clid_weight) {
            let got = self.clid_weight;
            return bad(format!("clid_weight: expected 0 to 1, got {got}"));
        }
        self.check_secmi()
    }

    fn check_secmi(&self) -> Result<()> {
        let (stop, step) = (self.secmi_stop, self.secmi_step);
        if stop % step != 0 {
            return bad(format!(
                "secmi_step: expected a divisor of secmi_stop ({stop}), got {step}"
            ));
        }
        let last = schedule::STEPS as u32 - 1;
        if stop.saturating_add(step) > last {
            return bad(format!(
                "secmi_stop: expected secmi_stop + secmi_step up to {last}, got {stop} + {step}"
            ));
        }
        if self.method == Method::Secmi && !self.sigmas.is_empty() {
            return bad(
                "sigmas: expected none with secmi, whose levels are those of its steps".into(),
            );
        }
        Ok(())
    }
}

fn bad(message: String) -> Result<()> {
    Err(Error::bad_options(message))
}
