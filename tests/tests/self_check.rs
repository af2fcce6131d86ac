//! What a suite expects is checked, and a broken promise is loud.
#![allow(clippy::unwrap_used)]

use eidetic_tests::Place;

fn suite(expect: &str) -> String {
    format!(
        "models: [ memorizer, clean ]\nattacks: [ {{ id: random, options: {{ samples: 16 }} }} ]\n\
         expect: [ {expect} ]"
    )
}

#[test]
fn an_expectation_that_holds_passes_and_one_that_does_not_is_told() {
    let place = Place::new();
    let holds = "{ model: memorizer, score_at_least: 0.9 }, { model: clean, excess_at_most: 0.1 }";
    let path = place.suite("expecting", &suite(holds));
    let said = place.run(&path, "out").code(0);
    assert!(said.stdout.contains("memorizer"), "{}", said.stdout);
    let broken = "{ model: memorizer, score_at_most: 0.1 }, { model: clean, score_at_least: 0.5 }";
    let path = place.suite("expecting", &suite(broken));
    let said = place.run(&path, "out").code(4).says(&[
        "SELF-CHECK FAILED: 2 of the suite's expectations broken",
        "memorizer x none x random: expected score",
        "at most 0.1, got 1.0000",
        "clean x none x random: expected score",
        "at least 0.5, got 0.0000",
    ]);
    // The same cells: an expectation is no part of them.
    assert!(said.stderr.contains("0 ran"), "{}", said.stderr);
}

/// A cell that failed keeps no promise, and that weighs more than that it failed.
#[test]
fn an_expectation_of_a_cell_that_failed_is_broken() {
    let place = Place::new();
    let path = place.suite(
        "expecting",
        "models: [ memorizer ]\nattacks: [ errors, honest ]\n\
         expect: [ { attack: errors, excess_at_most: 1 } ]",
    );
    place.run_with_bad(&path, "out").code(4).says(&[
        "memorizer x none x errors: expected excess",
        "got none: failed",
    ]);
}
