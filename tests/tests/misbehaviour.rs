//! Whatever a plugin does costs its cell and nothing else.
#![allow(clippy::unwrap_used)]

use std::time::Instant;

use eidetic_harness::cell::{Record, Status};
use eidetic_tests::{Place, Results};

/// A record that failed, for this reason, with this many findings that still count.
#[track_caller]
fn failed(results: &Results, attack: &str, reason: &str, n: u64) -> Record {
    let record = results.record("memorizer", "none", attack);
    assert_eq!(record.status, Status::Failed, "{attack}: {}", record.reason);
    assert!(
        record.reason.contains(reason),
        "{attack}: {}",
        record.reason
    );
    assert_eq!(record.n, n, "{attack}");
    assert_eq!(record.scores.is_some(), n > 0, "{attack}");
    let row = results.row("memorizer", "none", attack);
    assert_eq!(row["status"], "failed", "{attack}");
    assert!(
        row["reason"].contains(reason),
        "{attack}: {}",
        row["reason"]
    );
    assert_eq!(row["rank"], "", "{attack}");
    record
}

#[track_caller]
fn fine(results: &Results, attack: &str, n: u64) -> Record {
    let record = results.record("memorizer", "none", attack);
    assert_eq!(record.status, Status::Ok, "{attack}: {}", record.reason);
    assert_eq!(record.n, n, "{attack}");
    assert_eq!(record.stderr_tail, "", "{attack}");
    assert_eq!(results.row("memorizer", "none", attack)["status"], "ok");
    record
}

#[test]
fn every_crash_and_every_refusal_costs_its_cell_alone() {
    let place = Place::new();
    let suite = place.suite_over(
        "bad",
        "members: 32, holdout: 64, aux: 0",
        "models: [ memorizer ]\nlimits: { cell_timeout: 2m, model_calls: 1100 }\n\
         attacks: [ honest, panics, errors, exits, leaves-politely, aborts, segfaults, overflows, \
         emits-then-panics, emits-then-aborts, leaves-child, shouts, nan-score, wrong-shape, \
         too-many-confidences, stubborn, greedy, oversteps, needs-gradient, one-step, fill-in, \
         nan-scores, unknown-candidate, random ]",
    );
    place.run_with_bad(&suite, "out").code(3).says(&[
        "24 cells: 24 ran",
        "16 failed",
        "why a cell failed",
    ]);
    let results = place.results("out", "bad");
    assert_eq!(results.rows("leaderboard.csv").len(), 24);

    fine(&results, "honest", 4);
    failed(
        &results,
        "panics",
        "panicked: deliberately: no more of this",
        0,
    );
    failed(
        &results,
        "errors",
        "deliberately: this attack has no luck",
        0,
    );
    let exits = failed(
        &results,
        "exits",
        "exited with code 7 before it was done",
        0,
    );
    assert!(
        exits
            .stderr_tail
            .contains("deliberately: leaving with code 7")
    );
    failed(
        &results,
        "leaves-politely",
        "exited with code 0 before it was done",
        4,
    );
    let aborts = failed(&results, "aborts", "signal 6 (SIGABRT)", 0);
    assert!(aborts.stderr_tail.contains("deliberately: aborting"));
    failed(&results, "segfaults", "signal 11 (SIGSEGV)", 0);
    let overflows = failed(&results, "overflows", "signal 6 (SIGABRT)", 0);
    assert!(overflows.stderr_tail.contains("overflowed its stack"));
    failed(
        &results,
        "emits-then-panics",
        "panicked: deliberately: after the findings",
        4,
    );
    let aborted = failed(&results, "emits-then-aborts", "signal 6 (SIGABRT)", 4);
    // Four samples of 6 Heun steps, which are 11 calls each.
    assert_eq!(aborted.model_calls, Some(44));
    fine(&results, "leaves-child", 4);
    let shouts = failed(&results, "shouts", "deliberately: hoarse", 0);
    assert!(shouts.stderr_tail.contains("the last shout"));
    assert!(
        shouts.stderr_tail.lines().count() <= 20,
        "{}",
        shouts.stderr_tail
    );
    assert!(shouts.stderr_tail.len() < 10_000);

    failed(
        &results,
        "nan-score",
        "expected finite numbers, got NaN at place 0",
        4,
    );
    failed(
        &results,
        "wrong-shape",
        "images: expected [N, [1, 28, 28]], got [1, 3, 3]",
        0,
    );
    failed(
        &results,
        "too-many-confidences",
        "5 values from image 0 on, of 4 images",
        4,
    );
    fine(&results, "stubborn", 4);
    let greedy = fine(&results, "greedy", 100);
    assert_eq!(greedy.model_calls, Some(1100));
    assert!(
        greedy.reason.contains("ended at its budget"),
        "{}",
        greedy.reason
    );
    failed(
        &results,
        "oversteps",
        "needs Denoiser access, the attack declared Samples",
        0,
    );
    fine(&results, "needs-gradient", 0);
    failed(
        &results,
        "nan-scores",
        "expected finite numbers, got NaN at place 0",
        0,
    );
    failed(
        &results,
        "unknown-candidate",
        "candidate 1099511627776: there are 96",
        0,
    );
    // Random asks for what the budget still pays for, of its 256 samples.
    fine(&results, "random", 100);
}

#[test]
fn an_attack_that_never_returns_is_ended_and_what_it_found_counts() {
    let place = Place::new();
    let suite = place.suite_over(
        "slow",
        "members: 32, holdout: 64, aux: 0",
        "models: [ memorizer ]\nlimits: { cell_timeout: 6s }\nattacks: [ hangs, honest ]",
    );
    let started = Instant::now();
    place.run_with_bad(&suite, "out").code(3);
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
    let results = place.results("out", "slow");
    let hangs = results.record("memorizer", "none", "hangs");
    assert_eq!(hangs.status, Status::TimedOut);
    assert!(
        hangs.reason.contains("cell_timeout of 6s"),
        "{}",
        hangs.reason
    );
    assert_eq!(hangs.n, 4);
    assert!(hangs.scores.is_some());
    assert_eq!(
        results.row("memorizer", "none", "hangs")["status"],
        "timed out"
    );
    fine(&results, "honest", 4);
}

#[test]
fn bad_models_and_mitigations_cost_their_cells_alone() {
    let place = Place::new();
    let suite = place.suite(
        "parts",
        "models: [ memorizer, nan-model, panicking-model, senseless-model, other-shape, \
         samples-only ]\nmitigations: [ none, accept-panics, rejects-all, nan-denoise, \
         trains-only ]\nattacks: [ honest, one-step ]",
    );
    place.run_with_bad(&suite, "out").code(3);
    let results = place.results("out", "parts");
    let row = |model: &str, mitigation: &str, attack: &str| results.row(model, mitigation, attack);
    let expect = |model: &str, mitigation: &str, attack: &str, status: &str, reason: &str| {
        let row = row(model, mitigation, attack);
        assert_eq!(row["status"], status, "{row:#?}");
        assert!(row["reason"].contains(reason), "{row:#?}");
    };
    expect("memorizer", "none", "honest", "ok", "");
    expect("memorizer", "none", "one-step", "ok", "");
    expect("nan-model", "none", "honest", "failed", "finite");
    expect("nan-model", "none", "one-step", "failed", "finite");
    expect(
        "panicking-model",
        "none",
        "honest",
        "failed",
        "deliberately: no estimate",
    );
    expect(
        "senseless-model",
        "none",
        "honest",
        "failed",
        "sigma_min < sigma_max",
    );
    expect("other-shape", "none", "honest", "n/a", "[3, 8, 8]");
    expect("samples-only", "none", "honest", "ok", "");
    expect(
        "samples-only",
        "none",
        "one-step",
        "n/a",
        "the attack needs a denoiser",
    );

    expect(
        "memorizer",
        "accept-panics",
        "honest",
        "failed",
        "deliberately: no judgement",
    );
    // An output stage never applies to raw access.
    expect("memorizer", "accept-panics", "one-step", "ok", "");
    assert_eq!(
        row("memorizer", "accept-panics", "one-step")["stages_applied"],
        ""
    );
    expect("memorizer", "nan-denoise", "honest", "failed", "finite");
    expect("memorizer", "trains-only", "honest", "n/a", "trains-only");
    expect(
        "nan-model",
        "trains-only",
        "honest",
        "n/a",
        "arrives trained",
    );

    // Every sample was refused and drawn again four times: 4 samples, 4 redraws, 11 calls each.
    let rejected = row("memorizer", "rejects-all", "honest");
    assert_eq!(rejected["status"], "ok", "{rejected:#?}");
    assert_eq!(rejected["model_calls"], "44");
    assert_eq!(rejected["defence_calls"], "176");
    assert_eq!(rejected["stages_applied"], "output");
    assert_eq!(rejected["score"], "0");
    // A model that gives its training images, one each, is found out entirely.
    assert_eq!(row("samples-only", "none", "honest")["score"], "1");
    assert_eq!(
        row("samples-only", "none", "honest")["unique_extracted"],
        "4"
    );
}

#[test]
fn honest_attacks_of_every_goal_tell_the_memorizer_from_the_clean_model() {
    let place = Place::new();
    let suite = place.suite(
        "goals",
        "models: [ memorizer, clean, memorizer-onnx ]\nattacks: [ one-step, fill-in, honest ]",
    );
    place.run_with_bad(&suite, "out").code(0);
    let results = place.results("out", "goals");
    let score = |model: &str, attack: &str, column: &str| -> f64 {
        results.row(model, "none", attack)[column].parse().unwrap()
    };
    for model in ["memorizer", "memorizer-onnx"] {
        assert!(score(model, "one-step", "score") > 0.95);
        assert!(score(model, "fill-in", "score") > 0.9);
        assert_eq!(score(model, "honest", "score"), 1.0);
        assert!((0.3..0.7).contains(&score(model, "one-step", "twin_score")));
    }
    assert!((0.3..0.7).contains(&score("clean", "one-step", "score")));
    assert!((0.3..0.7).contains(&score("clean", "fill-in", "score")));
    assert_eq!(score("clean", "honest", "score"), 0.0);
}
