//! What is known of memorization, as claims about rows: each holds on a board or does not.

use serde::Serialize;

use super::expect::Glob;
use super::reader::Reader;
use crate::yaml::{Node, NodeId};

/// A claim about rows of the board.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trend {
    /// The claim in words, unlike any other of the suite.
    pub name: String,
    /// What must be so.
    #[serde(flatten)]
    pub claim: Claim,
    /// Of `at_control`: how far above its control an interval may reach.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within: Option<f64>,
    /// Where the file has it.
    #[serde(skip)]
    pub at: NodeId,
}

/// What must be so of scores. Differences are judged by their 95 % intervals.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Claim {
    /// The first is above the last, and none above the one before it.
    Falls(Vec<Selector>),
    /// The first is below the last, and none below the one before it.
    Rises(Vec<Selector>),
    /// One between the first and the last is above both.
    Peaks(Vec<Selector>),
    /// Each is above its control.
    AboveControl(Vec<Selector>),
    /// None is above its control, nor its interval further than [`Trend::within`].
    AtControl(Vec<Selector>),
}

/// Rows by their labels. Where several fit, the highest score counts: the worst attack on a
/// mitigation, the best lambda of an attack.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Selector {
    /// Pattern of dataset labels.
    pub dataset: Glob,
    /// Pattern of model labels.
    pub model: Glob,
    /// Pattern of mitigation labels.
    pub mitigation: Glob,
    /// Pattern of attack labels.
    pub attack: Glob,
    /// Whether the clean twin's score is meant.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub twin: bool,
    /// Where the file has it.
    #[serde(skip)]
    pub at: NodeId,
}

impl Claim {
    const KEYS: [&str; 5] = ["falls", "rises", "peaks", "above_control", "at_control"];

    /// The claim's key in a suite.
    pub fn key(&self) -> &'static str {
        let place = match self {
            Self::Falls(_) => 0,
            Self::Rises(_) => 1,
            Self::Peaks(_) => 2,
            Self::AboveControl(_) => 3,
            Self::AtControl(_) => 4,
        };
        Self::KEYS[place]
    }

    /// The rows that it is about.
    pub fn selectors(&self) -> &[Selector] {
        match self {
            Self::Falls(of)
            | Self::Rises(of)
            | Self::Peaks(of)
            | Self::AboveControl(of)
            | Self::AtControl(of) => of,
        }
    }

    fn of(key: &str, selectors: Vec<Selector>) -> Self {
        match key {
            "falls" => Self::Falls(selectors),
            "rises" => Self::Rises(selectors),
            "peaks" => Self::Peaks(selectors),
            "above_control" => Self::AboveControl(selectors),
            _ => Self::AtControl(selectors),
        }
    }

    fn least(key: &str) -> usize {
        match key {
            "falls" | "rises" => 2,
            "peaks" => 3,
            _ => 1,
        }
    }
}

impl Selector {
    const KEYS: [&str; 5] = ["dataset", "model", "mitigation", "attack", "twin"];

    /// Whether the row of these labels is meant.
    pub fn matches(&self, dataset: &str, model: &str, mitigation: &str, attack: &str) -> bool {
        self.dataset.matches(dataset)
            && self.model.matches(model)
            && self.mitigation.matches(mitigation)
            && self.attack.matches(attack)
    }

    fn any(at: NodeId) -> Self {
        let any = || Glob::new("*");
        Self {
            at,
            dataset: any(),
            model: any(),
            mitigation: any(),
            attack: any(),
            twin: false,
        }
    }

    /// What `node` says, and of what it does not say what `base` does.
    fn read(reader: &mut Reader<'_>, node: &Node, base: &Self) -> Option<Self> {
        reader.mapping(node, "a mapping of patterns", &Self::KEYS)?;
        let mut pattern = |key: &str, base: &Glob| match node.get(key) {
            Some(node) => reader.text(node).map(Glob::new),
            None => Some(base.clone()),
        };
        let dataset = pattern("dataset", &base.dataset);
        let model = pattern("model", &base.model);
        let mitigation = pattern("mitigation", &base.mitigation);
        let attack = pattern("attack", &base.attack);
        let twin = match node.get("twin") {
            Some(node) => reader.boolean(node),
            None => Some(base.twin),
        };
        Some(Self {
            dataset: dataset?,
            model: model?,
            mitigation: mitigation?,
            attack: attack?,
            twin: twin?,
            at: node.id(),
        })
    }
}

impl Trend {
    pub(super) fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let keys = [&["name", "rows", "within"], &Claim::KEYS[..]].concat();
        reader.mapping(node, "a mapping with name and a claim", &keys)?;
        let name = reader.required(node, "name");
        let name = name.and_then(|name| reader.text(name));
        let base = match node.get("rows") {
            Some(rows) => Selector::read(reader, rows, &Selector::any(rows.id()))?,
            None => Selector::any(node.id()),
        };
        let claimed: Vec<&str> = Claim::KEYS
            .into_iter()
            .filter(|key| node.get(key).is_some())
            .collect();
        let [key] = claimed[..] else {
            let all = Claim::KEYS.join(", ");
            let got = claimed.len();
            reader.problem(node, format!("expected one of {all}, got {got} of them"));
            return None;
        };
        let list = node.get(key)?;
        let items = reader.list(list)?;
        if items.len() < Claim::least(key) {
            let (least, got) = (Claim::least(key), items.len());
            reader.problem(list, format!("expected at least {least} rows, got {got}"));
            return None;
        }
        let mut selectors = Vec::new();
        for item in items {
            selectors.push(Selector::read(reader, item, &base)?);
        }
        let within = match (node.get("within"), key) {
            (Some(node), "at_control") => Some(reader.number(node)?),
            (Some(node), _) => {
                reader.problem(node, "belongs to at_control alone; remove it");
                return None;
            }
            (None, "at_control") => {
                reader.problem(
                    node,
                    "missing key \"within\": how far above the control is none",
                );
                return None;
            }
            (None, _) => None,
        };
        Some(Self {
            name: name?,
            claim: Claim::of(key, selectors),
            within,
            at: node.id(),
        })
    }
}
