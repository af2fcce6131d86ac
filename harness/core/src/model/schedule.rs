//! The noise schedule of a DDPM-like model, read from `scheduler_config.json` as diffusers writes
//! it. What belongs to a sampler (steps_offset, timestep_spacing, clip_sample, ...) is not read.

use std::f64::consts::PI;
use std::path::Path;

use serde_json::{Map, Value};

use super::convention::Prediction;
use super::error::Error;
use crate::suggest::allowed_and_nearest;

/// alpha_bar of the last step of a schedule with zero terminal SNR, whose sigma would be infinite:
/// sigma is capped at 4096 - 1/8192, as diffusers' `EulerDiscreteScheduler` does. Where the step
/// before is beyond that already (the linear schedule of DDPM, rescaled), the last one gets a
/// quarter of that one's alpha_bar, so that sigma still grows.
pub const ZERO_SNR_ALPHA_BAR: f64 = 1.0 / 16_777_216.0;

/// More training steps than this are a mistake.
const MOST_STEPS: u64 = 1_000_000;

/// sigma_t = sqrt((1 - alpha_bar_t) / alpha_bar_t) of every training step t, in f64 (diffusers
/// computes them in f32).
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    sigmas: Vec<f64>,
    log_sigmas: Vec<f64>,
}

impl Schedule {
    /// From the text of a `scheduler_config.json`, with the prediction type that it states
    /// (epsilon where it states none, as in diffusers). `path` is what errors call it.
    ///
    /// # Errors
    /// [`Error::Schedule`] with the key.
    pub fn parse(path: &Path, json: &[u8]) -> Result<(Self, Prediction), Error> {
        let wrong = |(key, message): Wrong| Error::Schedule {
            path: path.to_owned(),
            key: key.to_owned(),
            message,
        };
        let config: Map<String, Value> = serde_json::from_slice(json)
            .map_err(|error| wrong(("(file)", format!("expected a JSON object, got {error}"))))?;
        let prediction = prediction(&config).map_err(wrong)?;
        let betas = betas(&config).map_err(wrong)?;
        let rescale = match config.get("rescale_betas_zero_snr") {
            None | Some(Value::Null) => false,
            Some(value) => value.as_bool().ok_or_else(|| {
                wrong((
                    "rescale_betas_zero_snr",
                    format!("expected true or false, got {value}"),
                ))
            })?,
        };
        let mut alphas_cumprod = cumprod(&betas);
        if rescale {
            rescale_zero_terminal_snr(&mut alphas_cumprod);
        }
        Self::from_alphas_cumprod(&alphas_cumprod)
            .map(|schedule| (schedule, prediction))
            .map_err(|message| wrong(("betas", message)))
    }

    /// From alpha_bar of each step: above 0 and below 1, strictly falling, but for a last one of 0,
    /// which becomes [`ZERO_SNR_ALPHA_BAR`] or less.
    fn from_alphas_cumprod(alphas_cumprod: &[f64]) -> Result<Self, String> {
        let mut sigmas = Vec::with_capacity(alphas_cumprod.len());
        for (step, &alpha_bar) in alphas_cumprod.iter().enumerate() {
            let last = step + 1 == alphas_cumprod.len();
            let alpha_bar = match alpha_bar {
                0.0 if last && step > 0 => match alphas_cumprod[step - 1] {
                    before if before > ZERO_SNR_ALPHA_BAR => ZERO_SNR_ALPHA_BAR,
                    before => before / 4.0,
                },
                alpha_bar => alpha_bar,
            };
            let sigma = ((1.0 - alpha_bar) / alpha_bar).sqrt();
            let grows = sigmas.last().is_none_or(|&before| before < sigma);
            if !(sigma.is_finite() && sigma > 0.0 && grows) {
                return Err(format!(
                    "expected betas between 0 and 1 under which sigma is finite and grows with \
                     every step, got sigma {sigma} at step {step}"
                ));
            }
            sigmas.push(sigma);
        }
        let log_sigmas = sigmas.iter().map(|sigma| sigma.ln()).collect();
        Ok(Self { sigmas, log_sigmas })
    }

    /// sigma of each training step, strictly ascending; at least 2.
    pub fn sigmas(&self) -> &[f64] {
        &self.sigmas
    }

    /// The timestep of a sigma above 0, between steps by linear interpolation in log sigma; the
    /// first or last step's beyond the ends.
    pub fn timestep(&self, sigma: f64) -> f64 {
        let log_sigma = sigma.ln();
        let above = self.log_sigmas.partition_point(|&step| step <= log_sigma);
        if above == 0 {
            return 0.0;
        }
        if above == self.log_sigmas.len() {
            return (above - 1) as f64;
        }
        let (low, high) = (self.log_sigmas[above - 1], self.log_sigmas[above]);
        (above - 1) as f64 + (log_sigma - low) / (high - low)
    }

    /// The training step nearest to a sigma above 0 in log sigma; halves go up.
    pub fn nearest_step(&self, sigma: f64) -> usize {
        self.timestep(sigma).round() as usize
    }
}

type Wrong = (&'static str, String);

fn prediction(config: &Map<String, Value>) -> Result<Prediction, Wrong> {
    let stated = match config.get("prediction_type") {
        None | Some(Value::Null) => return Ok(Prediction::Epsilon),
        Some(stated) => stated,
    };
    match stated.as_str() {
        Some("epsilon") => Ok(Prediction::Epsilon),
        Some("sample") => Ok(Prediction::Sample),
        Some("v_prediction") => Ok(Prediction::VPrediction),
        Some(other) => {
            let allowed = allowed_and_nearest(other, ["epsilon", "sample", "v_prediction"]);
            Err((
                "prediction_type",
                format!("unsupported prediction type {other:?}{allowed}"),
            ))
        }
        None => Err(("prediction_type", format!("expected text, got {stated}"))),
    }
}

fn betas(config: &Map<String, Value>) -> Result<Vec<f64>, Wrong> {
    let need = |key: &'static str| {
        config
            .get(key)
            .ok_or_else(|| (key, "missing key; diffusers always writes it".to_owned()))
    };
    let steps = need("num_train_timesteps")?;
    let steps = steps
        .as_u64()
        .filter(|steps| (2..=MOST_STEPS).contains(steps))
        .ok_or_else(|| {
            (
                "num_train_timesteps",
                format!("expected an integer from 2 to {MOST_STEPS}, got {steps}"),
            )
        })? as usize;
    if let Some(trained) = config.get("trained_betas").filter(|value| !value.is_null()) {
        return trained_betas(trained, steps);
    }
    let number = |key: &'static str| {
        let value = need(key)?;
        let fits = |beta: &f64| *beta > 0.0 && *beta < 1.0;
        value.as_f64().filter(fits).ok_or_else(|| {
            (
                key,
                format!("expected a number between 0 and 1, got {value}"),
            )
        })
    };
    let schedule = need("beta_schedule")?;
    let name = schedule.as_str().unwrap_or_default();
    match name {
        "linear" => Ok(linspace(number("beta_start")?, number("beta_end")?, steps)),
        "scaled_linear" => {
            let (start, end) = (number("beta_start")?.sqrt(), number("beta_end")?.sqrt());
            Ok(linspace(start, end, steps)
                .into_iter()
                .map(|root| root * root)
                .collect())
        }
        "squaredcos_cap_v2" => Ok(squared_cosine(steps)),
        "sigmoid" => {
            let (start, end) = (number("beta_start")?, number("beta_end")?);
            let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
            let rising = linspace(-6.0, 6.0, steps);
            Ok(rising
                .into_iter()
                .map(|x| sigmoid(x) * (end - start) + start)
                .collect())
        }
        _ => {
            let known = ["linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid"];
            let allowed = allowed_and_nearest(name, known);
            Err((
                "beta_schedule",
                format!("unsupported schedule {schedule}{allowed}"),
            ))
        }
    }
}

fn trained_betas(value: &Value, steps: usize) -> Result<Vec<f64>, Wrong> {
    let wrong = |got: String| {
        (
            "trained_betas",
            format!("expected {steps} numbers, got {got}"),
        )
    };
    let list = value.as_array().ok_or_else(|| wrong(value.to_string()))?;
    if list.len() != steps {
        return Err(wrong(list.len().to_string()));
    }
    let number = |beta: &Value| beta.as_f64().ok_or_else(|| wrong(beta.to_string()));
    list.iter().map(number).collect()
}

fn linspace(start: f64, end: f64, count: usize) -> Vec<f64> {
    let step = (end - start) / (count - 1) as f64;
    (0..count)
        .map(|i| {
            if i + 1 == count {
                end
            } else {
                start + i as f64 * step
            }
        })
        .collect()
}

/// Nichol and Dhariwal 2021, eq. 17, betas capped at 0.999.
fn squared_cosine(steps: usize) -> Vec<f64> {
    let alpha_bar = |t: f64| ((t + 0.008) / 1.008 * PI / 2.0).cos().powi(2);
    let at = |step: usize| alpha_bar(step as f64 / steps as f64);
    (0..steps)
        .map(|step| (1.0 - at(step + 1) / at(step)).min(0.999))
        .collect()
}

fn cumprod(betas: &[f64]) -> Vec<f64> {
    let mut product = 1.0;
    betas
        .iter()
        .map(|beta| {
            product *= 1.0 - beta;
            product
        })
        .collect()
}

/// Lin et al. 2023, algorithm 1: sqrt(alpha_bar) shifted so that the last is 0 and scaled so that
/// the first stays.
fn rescale_zero_terminal_snr(alphas_cumprod: &mut [f64]) {
    let (Some(first), Some(last)) = (alphas_cumprod.first(), alphas_cumprod.last()) else {
        return;
    };
    let (first, last) = (first.sqrt(), last.sqrt());
    for alpha_bar in alphas_cumprod {
        *alpha_bar = ((alpha_bar.sqrt() - last) * first / (first - last)).powi(2);
    }
}
