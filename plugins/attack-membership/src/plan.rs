//! A method on a model: at which levels, under which class, at how many calls a candidate.

use eidetic_sdk::{ElementType, Error, ErrorCode, ModelInfo, Result};

use crate::options::{Method, Options};
use crate::subjects::{Shown, Subjects};
use crate::{cfg_norm, clid, flipd, loss, pia, pian, schedule, secmi, sharpness, sima};

/// All that does not change from candidate to candidate.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    options: &'a Options,
    /// Of SecMI, from step 0 to one step beyond the stop.
    levels: Vec<f64>,
    /// Step 0 (pia, pian).
    first: f64,
    /// How candidates are shown where no method says.
    pub(crate) shown: Shown,
    /// Name of the model's class labels; empty where it has none.
    pub(crate) label: String,
    /// The classes that are asked (cfg-norm, clid).
    classes: Vec<u64>,
}

impl<'a> Plan<'a> {
    /// # Errors
    /// `Unsupported` where the method has no sense on this model, or a level lies outside its range.
    pub(crate) fn new(options: &'a Options, info: &ModelInfo) -> Result<Self> {
        let extra = info.extra_channels;
        if extra > 0 {
            return Err(unsupported(format!(
                "the model takes {extra} channels beside the image, a candidate has none"
            ))
            .with_help("attack it behind the mitigation that fills them"));
        }
        let method = options.method;
        let labels = Labels::of(info);
        let shown = shown(options, info, labels.as_ref())?;
        let (mut classes, label) = (Vec::new(), labels.as_ref().map(|labels| labels.name));
        if method.contrasts() {
            let labels = contrasted(method, info, labels.as_ref())?;
            classes = match options.class {
                Some(class) => vec![class],
                None => (0..labels.classes).collect(),
            };
        }
        let levels = published(options)?
            .into_iter()
            .map(|sigma| schedule::on(info, sigma))
            .collect::<Result<Vec<f64>>>()?;
        let first = match method {
            Method::Secmi | Method::Pia | Method::Pian => schedule::first(info)?,
            _ => 0.0,
        };
        let levels = match method {
            Method::Secmi => std::iter::once(first).chain(levels).collect(),
            _ => levels,
        };
        Ok(Self {
            options,
            levels,
            first,
            shown,
            label: label.unwrap_or_default().to_string(),
            classes,
        })
    }

    /// Model calls a candidate.
    pub(crate) fn calls(&self) -> u64 {
        let (levels, draws) = (self.levels.len() as u64, self.options.draws);
        let a_level = match self.options.method {
            Method::Loss => draws,
            // One at each: on the way, at the stop and beyond it.
            Method::Secmi => return levels,
            Method::Pia | Method::Pian => return levels.saturating_add(1),
            Method::Sima | Method::ScoreNorm => 1,
            Method::Flipd => self
                .options
                .trace_probes
                .saturating_mul(2)
                .saturating_add(1),
            Method::Sharpness => draws.saturating_mul(3),
            Method::CfgNorm | Method::Clid => draws.saturating_mul(self.classes.len() as u64 + 1),
        };
        levels.saturating_mul(a_level)
    }

    /// A score for each candidate; larger is more likely a member.
    pub(crate) fn scores(&self, subjects: &mut Subjects<'_>) -> Result<Vec<f64>> {
        let Options {
            draws,
            norm_p: p,
            difference: reach,
            ..
        } = *self.options;
        let (levels, first, classes) = (&self.levels[..], self.first, &self.classes[..]);
        match self.options.method {
            Method::Loss => loss::scores(subjects, levels, draws),
            Method::Secmi => secmi::scores(subjects, levels),
            Method::Pia => pia::scores(subjects, first, levels, p),
            Method::Pian => pian::scores(subjects, first, levels, p),
            Method::Sima => sima::scores(subjects, levels, p),
            Method::ScoreNorm => flipd::score_norms(subjects, levels),
            Method::Flipd => flipd::scores(subjects, levels, self.options.trace_probes, reach),
            Method::Sharpness => {
                let curvature = self.options.sharpness_curvature;
                sharpness::scores(subjects, levels, draws, reach, curvature)
            }
            Method::CfgNorm => cfg_norm::scores(subjects, levels, draws, classes),
            Method::Clid => {
                let weight = self.options.clid_weight;
                clid::scores(subjects, levels, draws, classes, weight)
            }
        }
    }
}

/// The levels that are given, or else those of the method; SecMI's without step 0.
fn published(options: &Options) -> Result<Vec<f64>> {
    /// t = 0.05 of the variance preserving SDE with beta from 0.1 to 20: alpha_bar is
    /// exp(-(0.1 t + (20 - 0.1) t^2 / 2)).
    const FLIPD_INTEGRAL: f64 = 0.1 * 0.05 + (20.0 - 0.1) * 0.05 * 0.05 / 2.0;
    if !options.sigmas.is_empty() {
        return Ok(options.sigmas.clone());
    }
    Ok(match options.method {
        Method::Loss | Method::Pia | Method::Pian | Method::Sharpness => {
            vec![schedule::linear(200)]
        }
        Method::Secmi => {
            let (stop, step) = (options.secmi_stop, options.secmi_step);
            (step..=stop + step)
                .step_by(step as usize)
                .map(schedule::linear)
                .collect()
        }
        Method::Sima => vec![schedule::linear(100)],
        Method::ScoreNorm | Method::Flipd => vec![FLIPD_INTEGRAL.exp_m1().sqrt()],
        Method::CfgNorm => [100, 300, 500, 700, 900]
            .map(schedule::scaled_linear)
            .to_vec(),
        Method::Clid => vec![schedule::scaled_linear(495)],
    })
}

/// A model's class labels, where they are all that it can be conditioned on.
struct Labels<'a> {
    name: &'a str,
    classes: u64,
    nullable: bool,
}

impl<'a> Labels<'a> {
    fn of(info: &'a ModelInfo) -> Option<Self> {
        let [only] = &info.conditions[..] else {
            return None;
        };
        let classes = only
            .classes
            .filter(|_| only.element == ElementType::I64 && only.dims.is_empty())?;
        Some(Self {
            name: &only.name,
            classes,
            nullable: only.nullable,
        })
    }
}

fn shown(options: &Options, info: &ModelInfo, labels: Option<&Labels<'_>>) -> Result<Shown> {
    if let Some(class) = options.class {
        return match labels {
            Some(labels) if class < labels.classes => Ok(Shown::Class(class)),
            Some(labels) => Err(unsupported(format!(
                "class: expected one of the model's {} classes, got {class}",
                labels.classes
            ))),
            None => Err(unsupported(format!(
                "class: expected none on a model without class labels, got {class}"
            ))),
        };
    }
    match info.conditions.iter().find(|condition| !condition.nullable) {
        None => Ok(Shown::Plain),
        Some(needed) => Err(unsupported(format!(
            "the model needs the condition `{}` with every image, a candidate comes without",
            needed.name
        ))
        .with_help("where it is a class label, give one as `class`")),
    }
}

/// The labels for a method that compares with and without a class.
fn contrasted<'a, 'b>(
    method: Method,
    info: &ModelInfo,
    labels: Option<&'b Labels<'a>>,
) -> Result<&'b Labels<'a>> {
    let what = match labels {
        Some(labels) if labels.nullable && labels.classes > 0 => return Ok(labels),
        Some(_) => "this model's class cannot be null",
        None if info.conditions.is_empty() => "this model has no conditions",
        None => "this model has other conditions",
    };
    let name = method.name();
    Err(unsupported(format!(
        "{name} compares a model with and without its class label; {what}"
    )))
}

fn unsupported(message: String) -> Error {
    Error::new(ErrorCode::Unsupported, message)
}
