//! Labels: what rows of a leaderboard call the entries of a suite.

use std::collections::HashMap;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::options::short;
use super::reader::Reader;
use crate::yaml::Node;

/// Details longer than this are shown as a digest, to keep tables readable.
const LONGEST_DETAILS: usize = 80;

/// An entry of one of a suite's lists.
pub(super) trait Labelled: serde::Serialize {
    /// The label where no other entry of the list has the same.
    fn base(&self) -> String;
    /// The label where one has: the base with what was configured.
    fn detailed(&self) -> String;
    /// Keeps the label.
    fn set_label(&mut self, label: String);
}

/// `base` alone or `base{details}`.
pub(super) fn with_details(base: &str, details: &str) -> String {
    if details.is_empty() {
        return base.to_owned();
    }
    if details.chars().count() > LONGEST_DETAILS {
        let digest = Sha256::digest(details.as_bytes());
        let short: String = digest[..4]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        return format!("{base}{{#{short}}}");
    }
    format!("{base}{{{details}}}")
}

/// What a board calls a plugin with options: `ambient{p=0.2}`.
pub(crate) fn plugin_label(id: &str, options: &Map<String, Value>) -> String {
    with_details(id, &short(options))
}

/// Labels the entries of `list` (index in the file, entry, its node), and reports entries that are the same or cannot be told apart.
///
/// A label depends on which other entries the list has, never on their order.
pub(super) fn label_all<T: Labelled>(
    reader: &mut Reader<'_>,
    list: &str,
    entries: Vec<(usize, T, &Node)>,
) -> Vec<T> {
    let mut shared: HashMap<String, usize> = HashMap::new();
    for (_, entry, _) in &entries {
        *shared.entry(entry.base()).or_default() += 1;
    }
    let mut first_with_body: HashMap<Option<String>, usize> = HashMap::new();
    let mut first_with_label: HashMap<String, usize> = HashMap::new();
    let mut labelled = Vec::new();
    for (index, mut entry, node) in entries {
        let base = entry.base();
        let label = if shared[&base] > 1 {
            entry.detailed()
        } else {
            base
        };
        let body = serde_json::to_string(&entry).ok();
        let same = *first_with_body.entry(body).or_insert(index);
        let alike = *first_with_label.entry(label.clone()).or_insert(index);
        if same != index {
            reader.problem(node, format!("the same as {list}[{same}]; remove one"));
        } else if alike != index {
            reader.problem(
                node,
                format!("has the label {label:?} that {list}[{alike}] has already; rename one"),
            );
        }
        entry.set_label(label);
        labelled.push(entry);
    }
    labelled
}
