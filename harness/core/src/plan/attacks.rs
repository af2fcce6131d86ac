//! The attacks of a suite, and the one whose findings are plain samples.

use eidetic_sdk::registration::Kind;
use eidetic_sdk::{Access, Goal};

use super::cells::Embedder;
use super::sources::{Sources, plugin_spec};
use crate::cell::{AttackSpec, PluginSpec, access_name, goal_name};
use crate::plugin::{KindName, Plugin, Registry};
use crate::suite::{AttackEntry, Options, Quality, SamplesFrom, Suite};
use crate::yaml::LocatedError;

/// The attack whose findings are plain samples.
const PLAIN_SAMPLES: &str = "random";

pub(super) struct Attack {
    pub(super) spec: AttackSpec,
    pub(super) goal: Goal,
    pub(super) samples_from: Option<SamplesFrom>,
}

impl Attack {
    fn new(label: &str, plugin: &Plugin, spec: PluginSpec) -> Self {
        let (goal, access) = match plugin.registration.kind {
            Kind::Attack { goal, access, .. } => (goal, access),
            _ => (Goal::Extraction, Access::Samples),
        };
        Self {
            goal,
            samples_from: None,
            spec: AttackSpec {
                label: label.into(),
                candidates: None,
                goal: goal_name(goal).into(),
                access: access_name(access).into(),
                plugin: spec,
            },
        }
    }
}

/// An entry of the suite, resolved.
pub(super) fn attack(
    suite: &Suite,
    entry: &AttackEntry,
    registry: &Registry,
) -> Result<Attack, LocatedError> {
    let plugin = registry
        .get(KindName::Attack, &entry.id)
        .map_err(|e| suite.problem(entry.at, &[], e.to_string()))?;
    let spec = plugin_spec(suite, entry.at, plugin, &entry.options)?;
    let mut attack = Attack::new(&entry.label, plugin, spec);
    if entry.candidates.is_some() && attack.goal == Goal::Extraction {
        let message = format!(
            "`{}` is asked about no candidates; remove the key",
            entry.id
        );
        return Err(suite.problem(entry.at, &["candidates"], message));
    }
    attack.spec.candidates = entry.candidates;
    attack.samples_from = entry.samples_from;
    Ok(attack)
}

/// The embedder that quality is measured by, and the attack whose findings are plain samples.
pub(super) fn quality(
    suite: &Suite,
    entry: &Quality,
    sources: &Sources<'_>,
) -> Result<(Embedder, Attack), LocatedError> {
    let wrong = |keys: &[&str], message: String| suite.problem(entry.at, keys, message);
    let embedder = Embedder::find(sources.benchmarks, &entry.embedder, sources.data_dir);
    let embedder = embedder.map_err(|error| wrong(&["embedder"], error.to_string()))?;
    (sources.runtime)().map_err(|message| wrong(&[], message))?;
    let plugin = sources.registry.get(KindName::Attack, PLAIN_SAMPLES);
    let plugin = plugin.map_err(|error| wrong(&[], error.to_string()))?;
    let options = Options::default().with("samples", &entry.samples.into());
    let spec = plugin_spec(suite, entry.at, plugin, &options)?;
    Ok((embedder, Attack::new("quality", plugin, spec)))
}
