//! Every attack of this repository on the two models with known answers: what it says of the one that
//! gives its training images back, and of the one that has not seen the members.
#![allow(clippy::unwrap_used)]

use eidetic_tests::Place;

/// Attacks that cost seconds.
const ATTACKS: &str = "\
attacks:
  - { id: random, options: { samples: 32 } }
  - { id: membership, options: { method: loss, draws: 1 } }
  - { id: membership, options: { method: pia } }
  - { id: membership, options: { method: cfg-norm } }
  - { id: noise, options: { sigmas: [1] } }
";

#[test]
fn members_are_told_from_holdout_on_the_memorizer_and_not_on_the_clean_model() {
    let place = Place::new();
    let suite = place.suite(
        "controls",
        &format!("models: [ memorizer, clean ]\n{ATTACKS}"),
    );
    place.run(&suite, "out").code(0);
    let results = place.results("out", "controls");
    let rows = results.rows("leaderboard.csv");
    for row in &rows {
        let (model, attack) = (&*row["model"], &*row["attack"]);
        if attack.contains("cfg-norm") {
            assert_eq!(row["status"], "n/a", "{row:#?}");
            assert!(row["reason"].contains("class"), "{row:#?}");
            continue;
        }
        assert_eq!(row["status"], "ok", "{row:#?}");
        let score: f64 = row["score"].parse().unwrap();
        let chance: f64 = row["control"].parse().unwrap();
        match model {
            "memorizer" => assert!(score > 0.99, "{attack}: {row:#?}"),
            _ => assert!((score - chance).abs() < 0.2, "{attack}: {row:#?}"),
        }
    }
    assert_eq!(rows.len(), 10);
}

/// SIDE, small.
const SIDE: &str = "{ id: side, options: { n_syn: 128, samples: 16, clusters: 6, lambda: 1, steps: 6, \
                    classifier: { channels: [4], blocks: [1], steps: 20 } }";

#[test]
fn a_suite_limits_candidates_sweeps_options_crosses_models_and_judges_trends() {
    let place = Place::new();
    let suite = place.suite(
        "crossed",
        &format!(
            "models: [ memorizer ]
attacks:
  - {{ id: membership, sweep: {{ method: [ loss, pia ] }}, candidates: 8 }}
  - {SIDE} }}
  - {SIDE}, samples_from: counterpart }}
trends:
  - name: the members are found
    above_control: [ {{ attack: \"side*\" }} ]
  - name: what the classifier has seen does not leak
    within: 0.5
    at_control: [ {{ attack: \"side*\", twin: true }} ]
"
        ),
    );
    place.run(&suite, "out").code(0);
    let results = place.results("out", "crossed");
    let rows = results.rows("leaderboard.csv");
    let row = |attack: &str| {
        let found = rows.iter().find(|row| row["attack"].starts_with(attack));
        found.unwrap_or_else(|| panic!("no row of {attack}: {rows:#?}"))
    };
    for method in ["loss", "pia"] {
        let row = row(&format!("membership{{method={method},candidates=8}}"));
        assert_eq!((&*row["status"], &*row["n"]), ("ok", "16"), "{row:#?}");
    }
    // The memorizer gives members whatever classifier guides it; its clean twin gives none, also
    // where the classifier has learned from the memorizer's samples.
    let sides: Vec<_> = rows
        .iter()
        .filter(|row| row["goal"] == "extraction")
        .collect();
    assert_eq!(sides.len(), 2);
    for row in &sides {
        assert_eq!(row["status"], "ok", "{row:#?}");
        assert!(row["score"].parse::<f64>().unwrap() > 0.9, "{row:#?}");
        assert!(row["twin_score"].parse::<f64>().unwrap() < 0.1, "{row:#?}");
        // Heun in 6 steps: 128 synthetic and 16 guided samples.
        assert_eq!(row["model_calls"], (11 * 144).to_string(), "{row:#?}");
    }
    let trends = results.rows("trends.csv");
    let verdicts: Vec<&str> = trends.iter().map(|row| &*row["holds"]).collect();
    assert_eq!(verdicts, ["pass", "pass"], "{trends:#?}");
}
