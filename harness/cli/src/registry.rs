//! The plugins that are part of this program.

use eidetic_harness::plugin::Registry;

/// SHA-256 of each plugin crate's sources, by the build script.
mod digests {
    include!(concat!(env!("OUT_DIR"), "/digests.rs"));
}

/// A registry with every first-party plugin.
pub(crate) fn linked() -> Registry {
    let mut registry = Registry::default();
    for (registrations, sha256) in [
        (
            eidetic_attack_random::registrations(),
            digests::ATTACK_RANDOM,
        ),
        (
            eidetic_mitigation_filter::registrations(),
            digests::MITIGATION_FILTER,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_plugin_is_there_with_a_digest_of_its_own() {
        let registry = linked();
        let ids: Vec<&str> = registry.iter().map(|plugin| plugin.id()).collect();
        assert_eq!(ids, ["memorizer", "random", "filter", "repel"]);
        let digests: std::collections::BTreeSet<&str> = registry
            .iter()
            .map(|plugin| plugin.sha256.as_str())
            .collect();
        assert_eq!(digests.len(), 4);
        assert!(digests.iter().all(|digest| digest.len() == 64));
    }
}
