//! Why a cell's work ends early, and the checks that end it.

use crate::cell::PluginSpec;
use crate::plugin::{KindName, Plugin, Registry};

/// Why a cell did not come to its end.
pub(super) enum Stop {
    /// The combination cannot run.
    NotApplicable(String),
    /// Something failed.
    Failed(String),
}

impl<E: std::error::Error> From<E> for Stop {
    fn from(error: E) -> Self {
        let mut reason = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let cause_text = cause.to_string();
            if !reason.contains(&cause_text) {
                reason = format!("{reason}: {cause_text}");
            }
            source = cause.source();
        }
        Self::Failed(reason)
    }
}

pub(super) fn failed(reason: impl Into<String>) -> Stop {
    Stop::Failed(reason.into())
}

/// An error where what is there is not what the cell's id was made of.
pub(super) fn same(what: &str, id: &str, got: &str, want: &str) -> Result<(), Stop> {
    if got == want {
        return Ok(());
    }
    Err(failed(format!(
        "{what} `{id}` changed while the suite ran: expected {want}, got {got}"
    )))
}

/// A plugin of a cell's spec, which must be the one whose digest entered the id.
pub(super) fn plugin<'a>(
    registry: &'a Registry,
    kind: KindName,
    spec: &PluginSpec,
) -> Result<&'a Plugin, Stop> {
    let plugin = registry.get(kind, &spec.id)?;
    same("plugin", &spec.id, &plugin.sha256, &spec.sha256)?;
    Ok(plugin)
}
