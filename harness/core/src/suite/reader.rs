//! Reads values out of a located tree and gathers every problem instead of stopping at the first.

use crate::suggest::allowed_and_nearest;
use crate::yaml::{Document, Entry, LocatedError, Node, NodeId, Value, quoted};

/// Each problem costs a parse to find its line, and nobody reads the fifty-first.
const MOST_PROBLEMS: usize = 50;

pub(super) struct Reader<'a> {
    document: &'a Document,
    problems: Vec<LocatedError>,
    more: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(document: &'a Document) -> Self {
        let form = document.form_problems();
        let more = form.len().saturating_sub(MOST_PROBLEMS);
        let problems = form.take(MOST_PROBLEMS).collect();
        Self {
            document,
            problems,
            more,
        }
    }

    pub(super) fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    /// The problems sorted by place, and how many were left out.
    pub(super) fn finish(self) -> (Vec<LocatedError>, usize) {
        let mut problems = self.problems;
        problems.sort_by_key(|problem| problem.place);
        (problems, self.more)
    }

    pub(super) fn problem(&mut self, node: &Node, message: impl Into<String>) {
        if self.problems.len() < MOST_PROBLEMS {
            self.problems.push(self.document.problem(node, message));
        } else {
            self.more += 1;
        }
    }

    /// A problem of the value under `key` of an entry that was read before.
    pub(super) fn problem_under(&mut self, entry: NodeId, key: &str, message: String) {
        if self.problems.len() < MOST_PROBLEMS {
            let problem = self.document.problem_under(entry, &[key], message);
            self.problems.push(problem);
        } else {
            self.more += 1;
        }
    }

    fn key_problem(&mut self, entry: &Entry, message: impl Into<String>) {
        if self.problems.len() < MOST_PROBLEMS {
            self.problems
                .push(self.document.key_problem(entry, message));
        } else {
            self.more += 1;
        }
    }

    pub(super) fn wrong_type(&mut self, node: &Node, expected: &str) {
        self.problem(
            node,
            format!("expected {expected}, got {}", node.describe()),
        );
    }

    /// Checks that `node` is a mapping with no keys but `allowed`; unknown keys are reported and the
    /// rest is still read.
    pub(super) fn mapping(&mut self, node: &Node, expected: &str, allowed: &[&str]) -> Option<()> {
        let Value::Mapping(entries) = &node.value else {
            self.wrong_type(node, expected);
            return None;
        };
        for entry in entries {
            if !allowed.contains(&entry.key.as_str()) {
                let tail = allowed_and_nearest(&entry.key, allowed.iter().copied());
                self.key_problem(entry, format!("unknown key {}{tail}", quoted(&entry.key)));
            }
        }
        Some(())
    }

    /// The value of a key that must be there.
    pub(super) fn required<'n>(&mut self, node: &'n Node, key: &str) -> Option<&'n Node> {
        let found = node.get(key);
        if found.is_none() {
            self.problem(node, format!("missing key {key:?}"));
        }
        found
    }

    /// The items of a list that has at least one.
    pub(super) fn list<'n>(&mut self, node: &'n Node) -> Option<&'n [Node]> {
        match &node.value {
            Value::Sequence(items) if items.is_empty() => {
                self.problem(node, "expected at least one entry, got an empty list");
                None
            }
            Value::Sequence(items) => Some(items),
            _ => {
                self.wrong_type(node, "a list");
                None
            }
        }
    }

    pub(super) fn text(&mut self, node: &Node) -> Option<String> {
        match &node.value {
            Value::String(text) if !text.is_empty() => Some(text.clone()),
            _ => {
                self.wrong_type(node, "text");
                None
            }
        }
    }

    pub(super) fn boolean(&mut self, node: &Node) -> Option<bool> {
        match &node.value {
            Value::Bool(value) => Some(*value),
            _ => {
                self.wrong_type(node, "true or false");
                None
            }
        }
    }

    pub(super) fn integer(&mut self, node: &Node, least: u64) -> Option<u64> {
        let value = match &node.value {
            Value::Number(number) => number.as_u64().filter(|value| *value >= least),
            _ => None,
        };
        if value.is_none() {
            self.wrong_type(node, &format!("an integer of at least {least}"));
        }
        value
    }

    /// A number of images: an integer that fits 32 bits.
    pub(super) fn count(&mut self, node: &Node, least: u32) -> Option<u32> {
        let value = self.integer(node, u64::from(least))?;
        let count = u32::try_from(value).ok();
        if count.is_none() {
            self.problem(node, format!("expected at most {}, got {value}", u32::MAX));
        }
        count
    }

    pub(super) fn number(&mut self, node: &Node) -> Option<f64> {
        let value = match &node.value {
            Value::Number(number) => number.as_f64(),
            _ => None,
        };
        if value.is_none() {
            self.wrong_type(node, "a finite number");
        }
        value
    }

    /// An identifier: it names folders and stands in labels, hence the small alphabet.
    pub(super) fn name(&mut self, node: &Node) -> Option<String> {
        let text = self.text(node)?;
        if is_name(&text) {
            return Some(text);
        }
        let mut message = format!(
            "expected a name of at most {LONGEST_NAME} characters a-z 0-9 . _ - that starts with a \
             letter or digit, got {}",
            quoted(&text)
        );
        if let Some(slug) = slug(&text) {
            message.push_str(&format!("; try {slug:?}"));
        }
        self.problem(node, message);
        None
    }
}

const LONGEST_NAME: usize = 100;

pub(super) fn is_name(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
    text.len() <= LONGEST_NAME
        && text.chars().all(inner)
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
}

/// The name nearest to `text` that is allowed, if any is left of it.
fn slug(text: &str) -> Option<String> {
    let swapped: String = text
        .to_lowercase()
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "._-".contains(c) {
                c
            } else {
                '-'
            }
        })
        .collect();
    let slug = swapped
        .trim_start_matches(['.', '_', '-'])
        .trim_end_matches('-');
    is_name(slug).then(|| slug.to_owned())
}
