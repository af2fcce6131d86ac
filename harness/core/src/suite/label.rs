//! Labels: what rows of a leaderboard call the entries of a suite.

use sha2::{Digest, Sha256};

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

/// Labels the entries of `list` (index in the file, entry, its node), and reports entries that are the same or cannot be told apart.
///
/// A label depends on which other entries the list has, never on their order.
pub(super) fn label_all<T: Labelled>(
    reader: &mut Reader<'_>,
    list: &str,
    entries: Vec<(usize, T, &Node)>,
) -> Vec<T> {
    let bases: Vec<String> = entries.iter().map(|(_, entry, _)| entry.base()).collect();
    let mut seen: Vec<(usize, String, Option<String>)> = Vec::new();
    let mut labelled = Vec::new();
    for (position, (index, mut entry, node)) in entries.into_iter().enumerate() {
        let base = &bases[position];
        let shared = bases.iter().filter(|other| *other == base).count() > 1;
        let label = if shared {
            entry.detailed()
        } else {
            base.clone()
        };
        let body = serde_json::to_string(&entry).ok();
        if let Some((first, ..)) = seen.iter().find(|(_, _, other)| *other == body) {
            reader.problem(node, format!("the same as {list}[{first}]; remove one"));
        } else if let Some((first, ..)) = seen.iter().find(|(_, other, _)| *other == label) {
            reader.problem(
                node,
                format!("has the label {label:?} that {list}[{first}] has already; rename one"),
            );
        }
        seen.push((index, label.clone(), body));
        entry.set_label(label);
        labelled.push(entry);
    }
    labelled
}
