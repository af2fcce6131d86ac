//! The template does what its README says, outside this workspace.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use eidetic_tests::{Place, built_outside, run, workspace};

#[test]
fn a_plugin_from_the_template_builds_elsewhere_and_stands_on_the_board() {
    let place = Place::new();
    let template = workspace().join("plugins/template");
    let replaced = |file: &str, from: &[(&str, &str)]| {
        let text = fs::read_to_string(template.join(file)).unwrap();
        let text = from.iter().fold(text, |text, (from, to)| {
            assert!(text.contains(from), "{file} has no {from:?}");
            text.replace(from, to)
        });
        place.file(&format!("mine/{file}"), text);
    };
    let sdk = workspace().join("harness/sdk");
    replaced(
        "Cargo.toml",
        &[
            ("eidetic-attack-template", "eidetic-attack-mine"),
            ("../../harness/sdk", sdk.to_str().unwrap()),
        ],
    );
    replaced(
        "src/lib.rs",
        &[(
            "const ID: &'static str = \"template\"",
            "const ID: &'static str = \"mine\"",
        )],
    );
    replaced(
        "tests/plugin.rs",
        &[("eidetic_attack_template", "eidetic_attack_mine")],
    );
    // The versions that this workspace has, so that nothing has to be fetched.
    fs::copy(
        workspace().join("Cargo.lock"),
        place.path("mine/Cargo.lock"),
    )
    .unwrap();
    let library = built_outside(&place.path("mine"), "eidetic-attack-mine");
    assert!(library.ends_with(Path::new("release/libeidetic_attack_mine.so")));

    let suite = place.suite(
        "outside",
        "models: [ memorizer, clean ]\n\
         attacks: [ { id: mine, options: { samples: 12, steps: 5 } }, random ]",
    );
    place
        .run(&suite, "out")
        .code(2)
        .says(&["unknown attack `mine`"]);
    let mut command = place.command("run", &suite, "out");
    run(command.arg("--plugin").arg(&library)).code(0);
    let results = place.results("out", "outside");
    let row = results.row("memorizer", "none", "mine");
    assert_eq!(row["status"], "ok");
    assert_eq!(row["n"], "12");
    // Five steps and one more call for the confidence.
    assert_eq!(row["model_calls"], "72");
    assert_eq!(row["access"], "denoiser");
    let score: f64 = row["score"].parse().unwrap();
    assert!(score > 0.9, "{row:#?}");
    let sha256 = eidetic_harness::files::sha256_file(&library).unwrap();
    assert_eq!(row["plugin_sha256"], sha256);
    assert_eq!(results.row("clean", "none", "mine")["score"], "0");
}
