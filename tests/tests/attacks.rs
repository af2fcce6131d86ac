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
