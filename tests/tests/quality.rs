//! The quality of what models make, and images that some other program made, through the real
//! embedder.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use eidetic_harness::cell::{Findings, Record};
use eidetic_tests::{Place, Results, run};

const SUITE: &str = "\
models: [ memorizer, clean ]
mitigations: [ none, filter ]
attacks:
  - { id: random, options: { samples: 24 } }
  - { id: membership, options: { method: pia } }
quality: { samples: 24 }
";

fn number(row: &BTreeMap<String, String>, column: &str) -> f64 {
    let text = &row[column];
    text.parse()
        .unwrap_or_else(|_| panic!("{column} is {text:?}: {row:#?}"))
}

#[test]
fn every_row_has_a_utility_and_a_damaged_one_is_made_again() {
    let place = Place::new();
    let suite = place.suite("quality", SUITE);
    place.run(&suite, "out").code(0);
    let results = place.results("out", "quality");
    let rows = results.rows("leaderboard.csv");
    assert_eq!(rows.len(), 8);
    for row in &rows {
        assert_eq!(row["utility_metric"], "kid_squeezenet11");
        assert_eq!(
            (&*row["utility_n"], &*row["utility_n_reference"]),
            ("24", "64")
        );
        assert_eq!(row["utility_protocol"], rows[0]["utility_protocol"]);
        let [low, value, high] =
            ["utility_low", "utility", "utility_high"].map(|column| number(row, column));
        assert!(low < value && value < high, "{row:#?}");
    }
    // Real garments are nearer to the holdout than the grey images that a filter leaves.
    let of = |mitigation: &str| number(&results.row("memorizer", mitigation, "random"), "utility");
    assert!(of("none") < of("filter"));
    // The samples are those of the row's own attack: four combinations, and no cell beside.
    let qualities = |results: &Results| -> Vec<PathBuf> {
        let files = results.files().into_keys();
        files
            .filter(|path| path.to_string_lossy().ends_with(".quality.json"))
            .collect()
    };
    let files = qualities(&results);
    assert_eq!(files.len(), 4);
    let pareto: Vec<String> = results
        .rows("mitigations.csv")
        .iter()
        .filter(|row| (&*row["model"], &*row["goal"]) == ("memorizer", "extraction"))
        .map(|row| row["pareto"].clone())
        .collect();
    assert_eq!(pareto, ["yes", "yes"]);

    let before = results.files();
    let damaged = results.folder.join(&files[0]);
    let text = fs::read_to_string(&damaged).unwrap();
    fs::write(&damaged, text.replacen('1', "2", 1)).unwrap();
    fs::remove_file(results.folder.join(&files[1])).unwrap();
    place.run(&suite, "out").code(0);
    results.assert_same(&before);
}

/// The figures of one cell or of scored images, by name.
fn figures(results: &Results, attack: &str) -> BTreeMap<String, Vec<String>> {
    let columns = [
        "value",
        "low",
        "high",
        "control",
        "control_low",
        "control_high",
        "n",
    ];
    let rows = results.rows("metrics.csv").into_iter();
    rows.filter(|row| row["attack"] == attack && row["model"] != "memorizer, clean twin")
        .map(|row| {
            let figure = columns.map(|column| row[column].clone());
            (row["metric"].clone(), figure.to_vec())
        })
        .collect()
}

fn images(results: &Results, record: &Record) -> Vec<u8> {
    let path = results.folder.join(format!("cells/{}.npz", record.id));
    match Findings::read(&path, &record.findings_sha256).unwrap() {
        Findings::Extraction(found) => found.images,
        _ => panic!("random extracts"),
    }
}

fn write_png(path: &Path, pixels: &[u8]) {
    let file = fs::File::create(path).unwrap();
    let mut encoder = png::Encoder::new(file, 28, 28);
    encoder.set_color(png::ColorType::Grayscale);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(pixels).unwrap();
    writer.finish().unwrap();
}

#[test]
fn a_folder_of_pictures_is_scored_like_the_cell_that_made_them() {
    let place = Place::new();
    let rest = "models: [ memorizer ]\nattacks: [ { id: random, options: { samples: 24 } } ]\n\
                quality: { samples: 24 }";
    let suite = place.suite("made", rest);
    place.run(&suite, "out").code(0);
    let made = place.results("out", "made");
    let record = made.record("memorizer", "none", "random");
    let folder = place.path("pictures");
    fs::create_dir(&folder).unwrap();
    for (i, image) in images(&made, &record).chunks(28 * 28).enumerate() {
        write_png(&folder.join(format!("{i:04}.png")), image);
    }
    let score_over = |split: &str, images: &Path, more: &[&str]| {
        let mut command = place.command("score", images, "out");
        command.args(["--dataset", "fashion-mnist-10k", "--split", split]);
        run(command.args(more))
    };
    let split = "members=32,holdout=64,aux=32";
    let score = |images: &Path, more: &[&str]| score_over(split, images, more);
    score(&folder, &[]).code(0);
    let scored = place.results("out", "score/pictures");
    let mut expected = figures(&made, "random");
    // Pictures come without the confidence that the attack gave them.
    let confident = expected.remove("nn_ratio_below_0.333_top_10_percent");
    assert!(confident.is_some());
    assert!(expected.contains_key("kid_squeezenet11") && expected.len() > 50);
    assert_eq!(figures(&scored, "images"), expected);
    let (row, of) = (
        made.row("memorizer", "none", "random"),
        &scored.rows("leaderboard.csv")[0],
    );
    for column in [
        "score",
        "score_low",
        "excess",
        "unique_extracted",
        "utility",
        "utility_protocol",
    ] {
        assert_eq!(row[column], of[column], "{column}");
    }

    // A file that is no picture is named, and skipped where that is asked for.
    place.file("pictures/0100.png", "not a picture");
    score(&folder, &[])
        .code(2)
        .says(&["0100.png", "--skip-bad"]);
    score(
        &folder,
        &["--skip-bad", "--name", "most", "--embedder", "none"],
    )
    .code(0)
    .says(&["0100.png"]);
    let most = place.results("out", "score/most");
    let of = &most.rows("leaderboard.csv")[0];
    assert_eq!(
        (&*of["score"], &*of["n"], &*of["utility"]),
        (&*row["score"], "24", "")
    );
    score(&place.path("nowhere"), &[])
        .code(2)
        .says(&["nowhere"]);
    score_over("people=3", &folder, &[])
        .code(2)
        .says(&["people"]);
    score(&folder, &["--embedder", "squeezenet"])
        .code(2)
        .says(&["squeezenet11"]);
}
