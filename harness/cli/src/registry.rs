//! The plugins there are: part of this program, or in the files that the user names.

use std::path::PathBuf;

use eidetic_harness::plugin::{Error, Registry};

/// SHA-256 of each plugin crate's sources, by the build script.
mod digests {
    include!(concat!(env!("OUT_DIR"), "/digests.rs"));
}

/// A registry with every first-party plugin.
pub(crate) fn linked() -> Registry {
    let mut registry = Registry::default();
    for (registrations, sha256) in [
        (
            eidetic_attack_inpainting::registrations(),
            digests::ATTACK_INPAINTING,
        ),
        (
            eidetic_attack_membership::registrations(),
            digests::ATTACK_MEMBERSHIP,
        ),
        (eidetic_attack_noise::registrations(), digests::ATTACK_NOISE),
        (
            eidetic_attack_random::registrations(),
            digests::ATTACK_RANDOM,
        ),
        (eidetic_attack_side::registrations(), digests::ATTACK_SIDE),
        (
            eidetic_mitigation_agc::registrations(),
            digests::MITIGATION_AGC,
        ),
        (
            eidetic_mitigation_ambient::registrations(),
            digests::MITIGATION_AMBIENT,
        ),
        (
            eidetic_mitigation_ambient_noise::registrations(),
            digests::MITIGATION_AMBIENT_NOISE,
        ),
        (
            eidetic_mitigation_dedup::registrations(),
            digests::MITIGATION_DEDUP,
        ),
        (
            eidetic_mitigation_dp::registrations(),
            digests::MITIGATION_DP,
        ),
        (
            eidetic_mitigation_early_stop::registrations(),
            digests::MITIGATION_EARLY_STOP,
        ),
        (
            eidetic_mitigation_filter::registrations(),
            digests::MITIGATION_FILTER,
        ),
        (
            eidetic_mitigation_labels::registrations(),
            digests::MITIGATION_LABELS,
        ),
        (
            eidetic_mitigation_repel::registrations(),
            digests::MITIGATION_REPEL,
        ),
        (
            eidetic_model_memorizer::registrations(),
            digests::MODEL_MEMORIZER,
        ),
    ] {
        for registration in registrations {
            registry.link(registration, sha256);
        }
    }
    registry
}

/// First-party plugins and those of the user's files.
pub(crate) struct Plugins {
    /// All that could be loaded.
    pub(crate) registry: Registry,
    /// The files that they came from, absolute, each once.
    pub(crate) files: Vec<PathBuf>,
    /// Why the others could not be loaded.
    pub(crate) problems: Vec<Error>,
}

impl Plugins {
    pub(crate) fn load(paths: &[PathBuf]) -> Self {
        let mut plugins = Self {
            registry: linked(),
            files: Vec::new(),
            problems: Vec::new(),
        };
        for path in paths {
            let absolute = path.canonicalize().unwrap_or_else(|_| path.clone());
            if plugins.files.contains(&absolute) {
                continue;
            }
            match plugins.registry.load(path) {
                Ok(()) => plugins.files.push(absolute),
                Err(problem) => plugins.problems.push(problem),
            }
        }
        plugins
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_plugin_is_there_and_every_crate_has_a_digest_of_its_own() {
        let registry = linked();
        let ids: Vec<&str> = registry.iter().map(|plugin| plugin.id()).collect();
        assert_eq!(
            ids,
            [
                "memorizer",
                "inpainting",
                "inpainting-ddnm",
                "inpainting-dps",
                "membership",
                "noise",
                "random",
                "side",
                "agc",
                "ambient",
                "ambient-noise",
                "dedup",
                "dp",
                "early-stop",
                "filter",
                "labels",
                "repel"
            ]
        );
        let crates: std::collections::BTreeSet<&str> = registry
            .iter()
            .map(|plugin| plugin.sha256.as_str())
            .collect();
        // The three ways of inpainting are one crate.
        assert_eq!(crates.len(), ids.len() - 2);
        assert!(crates.iter().all(|digest| digest.len() == 64));
    }
}
