//! Which formulas were used, the id that follows, and the seed of resampling.

use crate::files::sha256_hex;

/// Every metric, by a number that goes up whenever its values change: formula, levels, interval
/// or choice of reference. `tests/score` pins the values of each revision.
const REVISIONS: &[(&str, u32)] = &[
    ("reference", 1),
    ("neighbours", 1),
    ("nn_ratio", 1),
    ("nl2", 1),
    ("l2", 1),
    ("ams", 1),
    ("ums", 2),
    ("unique_extracted", 1),
    ("percentiles", 1),
    ("most_confident", 1),
    ("wilson", 1),
    ("bootstrap", 2),
    ("auc", 3),
    ("tpr_at_fpr", 2),
    ("asr", 2),
    ("blind_auc", 2),
    ("reconstruction", 3),
];

/// Digest of the revision of every metric, 16 hexadecimal digits.
pub fn revision() -> String {
    let lines: String = REVISIONS
        .iter()
        .map(|(name, number)| format!("{name} {number}\n"))
        .collect();
    sha256_hex(lines.as_bytes())[..16].to_owned()
}

/// The id of scores, 32 hexadecimal digits: half of the SHA-256 of the findings' id, their
/// digest and [`revision`]. Where a record's scores have another id, they are out of date, and
/// the same findings are scored again.
pub fn scores_id(findings_id: &str, findings_sha256: &str) -> String {
    let text = format!(
        "eidetic scores\n{findings_id}\n{findings_sha256}\n{}\n",
        revision()
    );
    sha256_hex(text.as_bytes())[..32].to_owned()
}

/// Seed of every bootstrap of scores: the same findings have the same intervals, whatever cell they are of and
/// in whatever order they come.
pub(super) const BOOTSTRAP_SEED: u64 = 0;
