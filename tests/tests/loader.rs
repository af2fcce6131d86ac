//! The loader over real shared libraries: good ones side by side, and each kind of bad one.
#![allow(clippy::unwrap_used)]

use std::fs;

use eidetic_harness::plugin::{KindName, Library, Registry, Source};
use eidetic_tests::{MISBEHAVING, Place, Profile, cdylib, run};

const RANDOM: &str = "eidetic-attack-random";
const FILTER: &str = "eidetic-mitigation-filter";
const MEMORIZER: &str = "eidetic-model-memorizer";

fn refusal(path: &std::path::Path) -> String {
    Library::load(path).map(|_| ()).unwrap_err().to_string()
}

#[test]
fn libraries_load_side_by_side_and_offer_what_is_linked_in() {
    let mut registry = Registry::default();
    for package in [RANDOM, FILTER, MEMORIZER] {
        registry.load(&cdylib(package, Profile::Debug)).unwrap();
    }
    let linked = [
        (KindName::Attack, eidetic_attack_random::registrations()),
        (
            KindName::Mitigation,
            eidetic_mitigation_filter::registrations(),
        ),
        (KindName::Model, eidetic_model_memorizer::registrations()),
    ];
    assert_eq!(registry.iter().count(), 3);
    for (kind, registrations) in linked {
        let [linked] = registrations.as_slice() else {
            panic!("expected one plugin of each crate");
        };
        let loaded = registry.get(kind, &linked.id).unwrap();
        assert!(matches!(&loaded.source, Source::File(path) if path.is_absolute()));
        assert_eq!(loaded.sha256.len(), 64);
        let loaded = &loaded.registration;
        assert_eq!(loaded.summary, linked.summary);
        assert_eq!(loaded.version, linked.version);
        assert_eq!(loaded.licence, linked.licence);
        assert_eq!(loaded.options_schema, linked.options_schema);
    }
}

#[test]
fn one_library_offers_many_plugins_of_every_kind() {
    let library = Library::load(&cdylib(MISBEHAVING, Profile::Debug)).unwrap();
    let mut registry = Registry::default();
    registry.load(&library.path).unwrap();
    let count = |kind| {
        registry
            .iter()
            .filter(|plugin| plugin.kind() == kind)
            .count()
    };
    let kinds = [KindName::Attack, KindName::Mitigation, KindName::Model];
    assert!(kinds.iter().all(|&kind| count(kind) > 2));
    assert_eq!(
        kinds.map(count).iter().sum::<usize>(),
        library.registrations.len()
    );
    assert_eq!(
        library.sha256,
        eidetic_harness::files::sha256_file(&library.path).unwrap()
    );
}

#[test]
fn two_files_may_not_offer_the_same() {
    let place = Place::new();
    let path = cdylib(FILTER, Profile::Debug);
    let copy = place.path("copy.so");
    fs::copy(&path, &copy).unwrap();
    let mut registry = Registry::default();
    registry.load(&path).unwrap();
    let message = registry.load(&copy).unwrap_err().to_string();
    let phrases = ["mitigation `filter` is offered by both", "copy.so"];
    assert!(
        phrases.iter().all(|phrase| message.contains(phrase)),
        "{message}"
    );
}

#[test]
fn a_library_that_was_cut_is_refused_wherever_it_was_cut() {
    let place = Place::new();
    let whole = fs::read(cdylib(FILTER, Profile::Debug)).unwrap();
    for keep in [
        100,
        whole.len() / 4,
        whole.len() / 2,
        whole.len() - 4096,
        whole.len() - 1,
    ] {
        let path = place.file("cut.so", &whole[..keep]);
        let message = refusal(&path);
        assert!(
            message.contains("damaged or cut short"),
            "{keep} bytes: {message}"
        );
        assert!(message.contains("cut.so"), "{message}");
    }
}

#[test]
fn every_bad_file_is_refused_in_a_sentence() {
    let place = Place::new();
    let refused = |path: &std::path::Path, phrases: &[&str]| {
        let message = refusal(path);
        for phrase in phrases {
            assert!(message.contains(phrase), "expected {phrase:?}: {message}");
        }
        assert!(!message.contains('\n') && message.len() < 600, "{message}");
    };
    let missing = place.path("missing.so");
    refused(
        &missing,
        &["cannot read plugin", "missing.so", "No such file"],
    );
    refused(&place.path(""), &["plugin"]);
    let text = place.file("text.so", "#!/bin/sh\necho I am no library\n");
    refused(&text, &["expected a 64-bit ELF shared library", "text.so"]);
    refused(&place.file("empty.so", ""), &["empty.so"]);
    let none = cdylib("eidetic-no-symbol", Profile::Debug);
    refused(
        &none,
        &[
            "expected the symbol `eidetic_abi_version`",
            "export_plugins!",
        ],
    );
    let other = cdylib("eidetic-other-abi", Profile::Debug);
    refused(&other, &["expected ABI 2, got ABI 999", "build it against"]);
}

/// What abi_stable says of it is hundreds of lines; they go to a file.
#[test]
fn another_layout_is_one_sentence_and_a_log() {
    let place = Place::new();
    let suite = place.suite("never", "models: [ memorizer ]\nattacks: [ random ]");
    let mut command = place.command("run", &suite, "out");
    command
        .arg("--plugin")
        .arg(cdylib("eidetic-other-layout", Profile::Debug))
        .env("EIDETIC_CACHE", place.path("cache"));
    let said = run(&mut command).code(2).says(&[
        "ABI 2 as expected, but its types are laid out otherwise, first:",
        "(whole report: ",
    ]);
    assert_eq!(said.stderr.trim().lines().count(), 1, "{}", said.stderr);
    let reports = fs::read_dir(place.path("cache/plugin-reports")).unwrap();
    let reports: Vec<_> = reports.map(|entry| entry.unwrap().path()).collect();
    let [report] = reports.as_slice() else {
        panic!("{reports:?}");
    };
    assert!(said.stderr.contains(&report.display().to_string()));
    let report = fs::read_to_string(report).unwrap();
    assert!(report.lines().count() > 20, "{report}");
    assert!(!place.path("out").exists());
}

/// Debug and release libraries alike find, in a release host, what is linked into it.
#[test]
fn loaded_plugins_find_what_linked_in_ones_do() {
    let place = Place::new();
    let suite = place.suite(
        "same",
        "models: [ memorizer ]\nmitigations: [ none, filter ]\n\
         attacks: [ { id: random, options: { samples: 24 } } ]",
    );
    let found = |out: &str| {
        let results = place.results(out, "same");
        ["none", "filter"].map(|mitigation| {
            let record = results.record("memorizer", mitigation, "random");
            // Intervals are drawn from the cell's id, and that has the plugins' digests in it.
            let metrics = record.scores.unwrap().metrics.into_iter();
            let values: Vec<_> = metrics.map(|m| (m.name, m.value, m.control)).collect();
            (record.findings_sha256, record.model_calls, values)
        })
    };
    place.run(&suite, "linked").code(0);
    let linked = found("linked");
    assert_ne!(linked[0].0, linked[1].0);
    for (profile, out) in [(Profile::Debug, "debug"), (Profile::Release, "release")] {
        let mut command = place.command("run", &suite, out);
        for package in [RANDOM, FILTER, MEMORIZER] {
            command.arg("--plugin").arg(cdylib(package, profile));
        }
        run(&mut command)
            .code(0)
            .says(&["attack `random` comes from"]);
        assert_eq!(found(out), linked, "{profile:?}");
        let row = place
            .results(out, "same")
            .row("memorizer", "none", "random");
        let sha256 = eidetic_harness::files::sha256_file(&cdylib(RANDOM, profile)).unwrap();
        assert_eq!(row["plugin_sha256"], sha256);
    }
}

/// The same file twice on one command line is a slip, not a conflict.
#[test]
fn the_same_file_may_be_named_twice() {
    let place = Place::new();
    let suite = place.suite("twice", "models: [ memorizer ]\nattacks: [ honest ]");
    let mut command = place.command_with_bad(&suite, "out");
    command
        .arg("--plugin")
        .arg(cdylib(MISBEHAVING, Profile::Debug));
    run(&mut command).code(0);
}
