//! What a suite says must come out: the self-check of `quick`.

use serde::Serialize;

use super::reader::Reader;
use crate::yaml::{Node, NodeId};

/// Bounds that every row must keep whose labels match all four patterns.
#[derive(Clone, Debug, Serialize)]
pub struct Expectation {
    /// Pattern of dataset labels.
    pub dataset: Glob,
    /// Pattern of model labels.
    pub model: Glob,
    /// Pattern of mitigation labels.
    pub mitigation: Glob,
    /// Pattern of attack labels.
    pub attack: Glob,
    /// What to keep; at least one bound.
    #[serde(flatten)]
    pub bounds: Bounds,
    /// Where the file has it.
    #[serde(skip)]
    pub at: NodeId,
}

/// Bounds on a row's headline score and on its excess over the control; inclusive.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Bounds {
    /// Least headline score.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score_at_least: Option<f64>,
    /// Greatest headline score.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score_at_most: Option<f64>,
    /// Least excess.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub excess_at_least: Option<f64>,
    /// Greatest excess.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub excess_at_most: Option<f64>,
}

/// A label pattern: `*` stands for any characters, none included; all else for itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Glob(String);

impl Glob {
    /// The pattern `text`; every text is one.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the whole of `label` fits the pattern.
    pub fn matches(&self, label: &str) -> bool {
        // A star takes as little as it can and gives way later: going back to the last one suffices.
        let (pattern, label) = (self.0.as_bytes(), label.as_bytes());
        let (mut p, mut l) = (0, 0);
        let mut last_star: Option<(usize, usize)> = None;
        while l < label.len() {
            if p < pattern.len() && pattern[p] == b'*' {
                last_star = Some((p, l));
                p += 1;
            } else if p < pattern.len() && pattern[p] == label[l] {
                p += 1;
                l += 1;
            } else if let Some((star, taken)) = last_star {
                last_star = Some((star, taken + 1));
                p = star + 1;
                l = taken + 1;
            } else {
                return false;
            }
        }
        pattern[p..].iter().all(|byte| *byte == b'*')
    }
}

impl Bounds {
    const KEYS: [&str; 4] = [
        "score_at_least",
        "score_at_most",
        "excess_at_least",
        "excess_at_most",
    ];

    /// What a row breaks, one sentence a bound, such as `score is 0.5, expected at least 0.95`; a
    /// value that is missing (`None`) or NaN keeps no bound.
    pub fn broken_by(&self, score: Option<f64>, excess: Option<f64>) -> Vec<String> {
        let checks = [
            ("score", score, self.score_at_least, self.score_at_most),
            ("excess", excess, self.excess_at_least, self.excess_at_most),
        ];
        let mut broken = Vec::new();
        for (name, value, least, most) in checks {
            let shown = value.map_or("missing".to_owned(), |value| value.to_string());
            if let Some(least) = least
                && !value.is_some_and(|value| value >= least)
            {
                broken.push(format!("{name} is {shown}, expected at least {least}"));
            }
            if let Some(most) = most
                && !value.is_some_and(|value| value <= most)
            {
                broken.push(format!("{name} is {shown}, expected at most {most}"));
            }
        }
        broken
    }

    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        if Self::KEYS.iter().all(|key| node.get(key).is_none()) {
            reader.problem(
                node,
                format!("expects nothing: add one of {}", Self::KEYS.join(", ")),
            );
            return None;
        }
        let [
            score_at_least,
            score_at_most,
            excess_at_least,
            excess_at_most,
        ] = Self::KEYS.map(|key| node.get(key).and_then(|node| reader.number(node)));
        for (least, most, key) in [
            (score_at_least, score_at_most, Self::KEYS[1]),
            (excess_at_least, excess_at_most, Self::KEYS[3]),
        ] {
            if let (Some(least), Some(most), Some(node)) = (least, most, node.get(key))
                && least > most
            {
                reader.problem(
                    node,
                    format!("expected at least the lower bound {least}, got {most}"),
                );
            }
        }
        Some(Self {
            score_at_least,
            score_at_most,
            excess_at_least,
            excess_at_most,
        })
    }
}

impl Expectation {
    /// Whether the row of these labels must keep the bounds.
    pub fn matches(&self, dataset: &str, model: &str, mitigation: &str, attack: &str) -> bool {
        self.dataset.matches(dataset)
            && self.model.matches(model)
            && self.mitigation.matches(mitigation)
            && self.attack.matches(attack)
    }

    pub(super) fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        const PATTERNS: [&str; 4] = ["dataset", "model", "mitigation", "attack"];
        let keys: Vec<&str> = PATTERNS.into_iter().chain(Bounds::KEYS).collect();
        reader.mapping(node, "a mapping of patterns and bounds", &keys)?;
        let patterns = PATTERNS.map(|key| match node.get(key) {
            Some(node) => reader.text(node).map(Glob::new),
            None => Some(Glob::new("*")),
        });
        let bounds = Bounds::read(reader, node);
        let [dataset, model, mitigation, attack] = patterns;
        Some(Self {
            dataset: dataset?,
            model: model?,
            mitigation: mitigation?,
            attack: attack?,
            bounds: bounds?,
            at: node.id(),
        })
    }
}
