//! What every plugin must do, for an author's own tests: `conformance::check(registrations())`.

use crate::error::{Error, Result};
use crate::registration::{Registration, resolve_options};

/// Checks what can be checked without a model: names, versions, schema, and that the default
/// options resolve to themselves while an unknown key is refused.
///
/// # Errors
/// The first plugin and rule that are broken.
pub fn check(registrations: Vec<Registration>) -> Result<()> {
    let mut seen = std::collections::BTreeSet::new();
    for plugin in &registrations {
        let kind = std::mem::discriminant(&plugin.kind);
        let fail = |what: String| Err(Error::bad_input(format!("plugin `{}`: {what}", plugin.id)));
        let id = plugin.id.as_str();
        if !valid_id(id) {
            return fail("expected an id of a-z, 0-9 and `-`, starting with a letter".into());
        }
        if !seen.insert((format!("{kind:?}"), id.to_string())) {
            return fail("registered twice".into());
        }
        if plugin.version.is_empty() || plugin.summary.is_empty() {
            return fail("expected a version and a summary".into());
        }
        if serde_json::from_str::<serde_json::Value>(&plugin.options_schema).is_err() {
            return fail("its options schema is not JSON".into());
        }
        let defaults = resolve_options(plugin, "{}")?;
        if resolve_options(plugin, &defaults)? != defaults {
            return fail("its default options do not resolve to themselves".into());
        }
        if resolve_options(plugin, r#"{"no-such-option": 1}"#).is_ok() {
            return fail("it takes an option that it does not have".into());
        }
    }
    if registrations.is_empty() {
        return Err(Error::bad_input("expected at least one plugin, got none"));
    }
    Ok(())
}

/// Whether a plugin's id can stand in suites, file names and boards.
pub fn valid_id(id: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    id.starts_with(|c: char| c.is_ascii_lowercase()) && id.chars().all(plain)
}
