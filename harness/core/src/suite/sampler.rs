//! How samples are drawn from a denoiser.

use serde::Serialize;

use super::reader::Reader;
use crate::suggest::allowed_and_nearest;
use crate::yaml::{Node, Value};

/// The samplers there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SamplerKind {
    /// Second order, deterministic unless `s_churn` is above 0 (Karras et al. 2022, algorithm 2).
    Heun,
    /// First order, deterministic at `eta` 0 (Song et al. 2021).
    Ddim,
    /// Ancestral DDPM (Ho et al. 2020).
    Ancestral,
}

/// A sampler and what a suite sets of it; what is left out is the sampler's own default.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sampler {
    /// Which.
    pub kind: SamplerKind,
    /// Steps from `sigma_max` to 0; at least 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// The smallest noise level; above 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sigma_min: Option<f64>,
    /// The largest noise level; above `sigma_min`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sigma_max: Option<f64>,
    /// Exponent of the noise levels' spacing; above 0; heun only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rho: Option<f64>,
    /// Amount of noise added again; from 0; heun only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s_churn: Option<f64>,
    /// Share of fresh noise, 0 to 1; ddim only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eta: Option<f64>,
    /// Whether each estimate of x0 is clipped to the model's range.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip_sample: Option<bool>,
}

impl SamplerKind {
    const NAMES: [(&'static str, Self); 3] = [
        ("heun", Self::Heun),
        ("ddim", Self::Ddim),
        ("ancestral", Self::Ancestral),
    ];

    fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Heun => &[
                "kind",
                "steps",
                "sigma_min",
                "sigma_max",
                "rho",
                "s_churn",
                "clip_sample",
            ],
            Self::Ddim => &[
                "kind",
                "steps",
                "sigma_min",
                "sigma_max",
                "eta",
                "clip_sample",
            ],
            Self::Ancestral => &["kind", "steps", "sigma_min", "sigma_max", "clip_sample"],
        }
    }

    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let text = reader.text(node)?;
        let found = Self::NAMES.iter().find(|(name, _)| *name == text);
        if found.is_none() {
            let tail = allowed_and_nearest(&text, Self::NAMES.iter().map(|(name, _)| *name));
            reader.problem(node, format!("unknown sampler {text:?}{tail}"));
        }
        found.map(|(_, kind)| *kind)
    }
}

impl Sampler {
    /// The sampler of `kind` with its own defaults.
    pub fn new(kind: SamplerKind) -> Self {
        Self {
            kind,
            steps: None,
            sigma_min: None,
            sigma_max: None,
            rho: None,
            s_churn: None,
            eta: None,
            clip_sample: None,
        }
    }

    /// `heun` or `{ kind: heun, steps: 18, ... }`.
    pub(super) fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        if matches!(node.value, Value::String(_)) {
            return SamplerKind::read(reader, node).map(Self::new);
        }
        if !matches!(node.value, Value::Mapping(_)) {
            reader.wrong_type(node, "a sampler's kind or a mapping with kind");
            return None;
        }
        let kind = reader.required(node, "kind")?;
        let kind = SamplerKind::read(reader, kind)?;
        reader.mapping(node, "a mapping", kind.keys())?;
        let mut sampler = Self::new(kind);
        sampler.steps = node.get("steps").and_then(|node| reader.integer(node, 1));
        sampler.clip_sample = node
            .get("clip_sample")
            .and_then(|node| reader.boolean(node));
        let mut number = |key: &str, is_fine: fn(f64) -> bool, expected: &str| {
            let node = node.get(key)?;
            let value = reader.number(node)?;
            if !is_fine(value) {
                reader.wrong_type(node, expected);
            }
            Some(value)
        };
        sampler.sigma_min = number("sigma_min", |value| value > 0.0, "a number above 0");
        sampler.sigma_max = number("sigma_max", |value| value > 0.0, "a number above 0");
        sampler.rho = number("rho", |value| value > 0.0, "a number above 0");
        sampler.s_churn = number("s_churn", |value| value >= 0.0, "a number from 0");
        sampler.eta = number(
            "eta",
            |value| (0.0..=1.0).contains(&value),
            "a number from 0 to 1",
        );
        if let (Some(min), Some(max), Some(node)) =
            (sampler.sigma_min, sampler.sigma_max, node.get("sigma_max"))
            && min >= max
        {
            reader.problem(
                node,
                format!("expected more than sigma_min, which is {min}, got {max}"),
            );
        }
        Some(sampler)
    }
}
