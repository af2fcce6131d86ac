//! Networks that are trained by a recipe: however the run ends, one model, which a suite takes like
//! any other.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use eidetic_tests::{Place, Said, run, wait_for, workspace};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(120);

/// A U-Net of 11,000 weights over 32 images; `rest` is YAML.
fn recipe(place: &Place, name: &str, rest: &str) -> std::path::PathBuf {
    let text = format!(
        "version: 1\nname: {name}\ntitle: a tiny U-Net\nlicence: MIT\n\
         dataset: {{ id: fashion-mnist-10k, split: {{ members: 32, holdout: 64, aux: 32 }} }}\n\
         network: {{ kind: unet, channels: [8, 16], blocks: 1 }}\n\
         training: {{ steps: 150, batch: 16, microbatch: 8, checkpoint_every: 20 }}\n\
         memorized: {{ every: 50, samples: 16, sampler_steps: 4 }}\n{rest}\n"
    );
    place.file(&format!("{name}.yaml"), text)
}

fn train(place: &Place, recipe: &Path, out: &str) -> Command {
    let name = recipe.file_stem().unwrap().to_str().unwrap();
    let mut command = place.command("train", recipe, out);
    let to = place.path(&format!("{out}-models/{name}"));
    command.arg("--to").arg(to).arg("--json");
    command
}

fn sha256(said: &Said) -> String {
    let report: Value = serde_json::from_str(&said.stdout).unwrap();
    report["model_sha256"].as_str().unwrap().to_owned()
}

#[test]
fn a_trained_network_and_its_clean_twin_run_in_a_suite() {
    let place = Place::new();
    let twin = recipe(&place, "tiny-clean", "part: aux");
    let own = recipe(&place, "tiny", "clean_twin: tiny-clean\nflip: true");
    run(&mut train(&place, &twin, "out")).code(0);
    let said = run(&mut train(&place, &own, "out")).code(0);
    let sha256 = sha256(&said);
    said.says(&[
        "tiny: 10617 weights, 32 images of fashion-mnist-10k, 150 steps of 16",
        "150 steps in ",
        "memorized ",
        " of 16 samples",
    ]);
    let suite = place.suite(
        "trained",
        "models: [ { folder: out-models/tiny } ]\nmitigations: [ none, filter ]\n\
         attacks: [ { id: random, options: { samples: 16 } } ]",
    );
    place.run(&suite, "results").code(0);
    let results = place.results("results", "trained");
    for mitigation in ["none", "filter"] {
        let row = results.row("tiny", mitigation, "random");
        assert_eq!(row["status"], "ok", "{row:#?}");
        assert_eq!((&*row["n"], &*row["n_trained"]), ("16", "32"));
        assert_eq!(row["model_sha256"], sha256);
        assert!(!row["twin_score"].is_empty(), "{row:#?}");
    }
    // Another split has other members: no score of it says anything of this model.
    let suite = place.suite_over(
        "others",
        "members: 32, holdout: 64, aux: 32, seed: 1",
        "models: [ { folder: out-models/tiny } ]\nattacks: [ random ]",
    );
    place.run(&suite, "results").code(0);
    let row = place
        .results("results", "others")
        .row("tiny", "none", "random");
    assert_eq!(row["status"], "n/a");
    assert!(row["reason"].contains("another split"), "{row:#?}");
}

/// Trains and waits for the first checkpoint.
fn begun(place: &Place, recipe: &Path, out: &str) -> Child {
    let mut command = train(place, recipe, out);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let name = recipe.file_stem().unwrap().to_str().unwrap();
    let folder = place.path(&format!("{out}/training/{name}"));
    let checkpoint = folder.join("checkpoint.safetensors");
    assert!(wait_for(LIMIT, || checkpoint.exists()));
    child
}

#[allow(unsafe_code)]
fn interrupt(child: &Child) {
    // SAFETY: a system call on numbers; the child has not been waited for, so its id is its own.
    let sent = unsafe { libc::kill(child.id() as libc::pid_t, libc::SIGINT) };
    assert_eq!(sent, 0);
}

#[test]
fn interrupted_or_killed_and_run_again_it_gives_the_same_model_on_any_jobs() {
    let place = Place::new();
    let own = recipe(&place, "tiny", "");
    let whole = run(train(&place, &own, "whole").args(["--jobs", "2"])).code(0);
    let expected = sha256(&whole);
    let again = run(&mut train(&place, &own, "whole")).code(0);
    assert_eq!(sha256(&again), expected);
    again.says(&["there already", "nothing was done"]);

    let child = begun(&place, &own, "torn");
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    assert!(
        stderr.contains("interrupted; a checkpoint after "),
        "{stderr}"
    );
    assert!(
        stderr.contains("hint: go on with: ") && stderr.contains("tiny.yaml"),
        "{stderr}"
    );
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["state"], "interrupted");
    assert!(!place.path("torn-models/tiny").exists());
    let said = run(train(&place, &own, "torn").args(["--jobs", "1"])).code(0);
    assert_eq!(sha256(&said), expected);

    let mut child = begun(&place, &own, "killed");
    child.kill().unwrap();
    child.wait().unwrap();
    let said = run(&mut train(&place, &own, "killed")).code(0);
    assert_eq!(sha256(&said), expected);

    // The recipe in the folder is enough; elsewhere it gives the same.
    let copy = place.file(
        "tiny-copy.yaml",
        fs::read(place.path("whole-models/tiny/recipe.yaml")).unwrap(),
    );
    let said = run(&mut train(&place, &copy, "copied")).code(0);
    assert_eq!(sha256(&said), expected);
    run(train(&place, &own, "whole").arg("--restart")).code(0);
    let other = run(train(&place, &own, "seeded").args(["--seed", "1"])).code(0);
    assert_ne!(sha256(&other), expected);
}

#[test]
fn what_cannot_be_trained_is_told_with_the_code_for_it() {
    let place = Place::new();
    let own = recipe(&place, "tiny", "");
    let mut child = begun(&place, &own, "out");
    // While it works, nobody else does.
    run(&mut train(&place, &own, "out"))
        .code(1)
        .says(&["another run works in"]);
    child.kill().unwrap();
    child.wait().unwrap();
    let changed = recipe(&place, "tiny", "flip: true");
    run(&mut train(&place, &changed, "out")).code(2).says(&[
        "holds a run of another recipe:\n  flip: false there, true in this one",
        "hint: begin anew with: ",
        "--restart",
    ]);
    run(train(&place, &changed, "out").arg("--restart")).code(0);

    let checkpoint = place.path("damaged/training/tiny/checkpoint.safetensors");
    let mut child = begun(&place, &own, "damaged");
    child.kill().unwrap();
    child.wait().unwrap();
    let mut bytes = fs::read(&checkpoint).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&checkpoint, bytes).unwrap();
    run(&mut train(&place, &own, "damaged"))
        .code(2)
        .says(&["expected a checkpoint, got a damaged file", "--restart"]);

    let unknown = recipe(&place, "bad", "nmae: x");
    run(&mut train(&place, &unknown, "out"))
        .code(2)
        .says(&["bad.yaml:9:1: nmae: unknown key \"nmae\"; allowed: version, name"]);
    run(&mut place.command("train", Path::new("unet-n46"), "out"))
        .code(2)
        .says(&["unknown recipe \"unet-n46\"", "did you mean \"unet-n64\"?"]);
}

/// Every recipe that is committed can be read, and its data and network are there: what comes of it
/// is said only after all of that was checked.
#[test]
fn every_committed_recipe_begins() {
    let place = Place::new();
    let folder = workspace().join("benchmarks/recipes");
    for file in fs::read_dir(folder).unwrap() {
        let recipe = file.unwrap().path();
        if recipe.extension().is_none_or(|ending| ending != "yaml") {
            continue;
        }
        let name = recipe.file_stem().unwrap().to_str().unwrap().to_owned();
        let mut command = train(&place, Path::new(&name), "out");
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let losses = place.path(&format!("out/training/{name}/loss.csv"));
        let rows = || fs::read_to_string(&losses).map_or(0, |text| text.lines().count());
        assert!(wait_for(LIMIT, || rows() > 1), "{name}");
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
