//! "Did you mean": the nearest of the names that would have been accepted.

use std::fmt::Write;

/// The candidate that `name` most likely stands for, or `None` where none is near.
///
/// Nearness is the Damerau-Levenshtein distance over lower-case characters; at most a third of the
/// longer name may differ (one character always may). A candidate that begins with `name`, or the
/// other way round, counts as near from three characters on. Ties go to the earlier candidate.
pub fn nearest<'a, I>(name: &str, candidates: I) -> Option<&'a str>
where
    I: IntoIterator<Item = &'a str>,
{
    let wanted = name.to_lowercase();
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let offered = candidate.to_lowercase();
        let (short, long) = if wanted.len() < offered.len() {
            (&wanted, &offered)
        } else {
            (&offered, &wanted)
        };
        let distance = strsim::damerau_levenshtein(&wanted, &offered);
        let allowed = (long.chars().count() / 3).max(1);
        let begins_alike = short.len() >= 3 && long.starts_with(short.as_str());
        // One-letter names are all one edit apart: only another case of the same letter is near.
        let near = if long.chars().count() == 1 {
            distance == 0
        } else {
            distance <= allowed || begins_alike
        };
        if near && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// The tail of an error about an unknown name: `; allowed: a, b; did you mean "b"?`.
///
/// At most 20 names are listed, in the order given; with none at all it is `; nothing is allowed here`.
pub fn allowed_and_nearest<'a, I>(name: &str, candidates: I) -> String
where
    I: IntoIterator<Item = &'a str> + Clone,
{
    const LISTED: usize = 20;
    let names: Vec<&str> = candidates.into_iter().collect();
    if names.is_empty() {
        return "; nothing is allowed here".to_owned();
    }
    let mut tail = format!("; allowed: {}", names[..names.len().min(LISTED)].join(", "));
    if names.len() > LISTED {
        // Writing to a String cannot fail.
        let _ = write!(tail, " and {} more", names.len() - LISTED);
    }
    if let Some(near) = nearest(name, names.iter().copied()) {
        let _ = write!(tail, "; did you mean \"{near}\"?");
    }
    tail
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn finds_swapped_dropped_and_extra_letters() {
        let names = ["plugin", "folder", "options", "name"];
        assert_eq!(nearest("optoins", names), Some("options"));
        assert_eq!(nearest("option", names), Some("options"));
        assert_eq!(nearest("Plugins", names), Some("plugin"));
        assert_eq!(nearest("nmae", names), Some("name"));
        assert_eq!(nearest("sampler", names), None);
        assert_eq!(nearest("", names), None);
        assert_eq!(nearest("x", []), None);
    }

    #[test]
    fn a_beginning_is_near_and_a_single_letter_is_not() {
        assert_eq!(
            nearest("unet", ["memorizer", "unet-n256"]),
            Some("unet-n256")
        );
        assert_eq!(nearest("a", ["b"]), None);
        assert_eq!(nearest("a", ["A"]), Some("A"));
    }

    #[test]
    fn ties_go_to_the_first_and_the_nearer_wins() {
        assert_eq!(nearest("seed", ["seeds", "sead"]), Some("seeds"));
        assert_eq!(
            nearest("memorise", ["memorizer", "memorize"]),
            Some("memorize")
        );
    }

    #[test]
    fn lists_what_is_allowed() {
        assert_eq!(
            allowed_and_nearest("b2", ["alpha", "b1"]),
            "; allowed: alpha, b1; did you mean \"b1\"?"
        );
        assert_eq!(allowed_and_nearest("x", []), "; nothing is allowed here");
        let many: Vec<String> = (0..25).map(|i| format!("name-{i}")).collect();
        let tail = allowed_and_nearest("zzzzzz", many.iter().map(String::as_str));
        assert!(tail.ends_with("name-19 and 5 more"), "{tail}");
    }
}
