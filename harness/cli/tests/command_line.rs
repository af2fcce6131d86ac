//! The program from outside: what it says, and the code that it ends with. Whole runs are tested in
//! the package `tests`.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn eidetic(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_eidetic"));
    command.current_dir(folder).stdin(Stdio::null());
    for variable in ["EIDETIC_LOG", "COLUMNS", "ORT_DYLIB_PATH"] {
        command.env_remove(variable);
    }
    command
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn run(folder: &Path, line: &str) -> Output {
    let words = line.split_whitespace();
    eidetic(folder).args(words).output().unwrap()
}

/// Runs it in the repository and gives code, stdout and stderr.
fn said(line: &str) -> (i32, String, String) {
    let output = run(&repository(), line);
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[test]
fn help_is_as_it_was() {
    let (code, help, _) = said("--help");
    assert_eq!(code, 0);
    insta::assert_snapshot!(help);
}

#[test]
fn bad_input_ends_with_2_and_says_what_was_expected() {
    let empty = tempfile::tempdir().unwrap();
    let text = empty.path().join("notes.txt");
    fs::write(&text, "no plugin").unwrap();
    let text = text.display();
    for (line, words) in [
        ("", "Usage: eidetic"),
        ("fly", "unrecognized subcommand 'fly'"),
        ("run quick --jbos 2", "--jobs"),
        ("run quick --jobs 0", "--jobs"),
        ("run quick --device tpu", "possible values: cpu, cuda"),
        ("run", "<SUITE>"),
        ("run quik", "did you mean \"quick\"?"),
        ("run ./no/such.yaml", "no/such.yaml: cannot read the file"),
        ("check ./no/such.yaml --plugin /no/such.so", "2 problems"),
        ("list --benchmarks /no/such", "--benchmarks /no/such"),
        (
            "list plugins --plugin /no/such.so",
            "cannot read plugin /no/such.so",
        ),
        ("inspect /no/such", "cannot read /no/such"),
        ("inspect benchmarks", "model.yaml"),
        ("inspect randm", "did you mean \"random\"?"),
        (
            &format!("inspect {text}"),
            "expected a plugin library, a plugin's id, a model, dataset or embedder folder",
        ),
        (&format!("run quick --plugin {text}"), "notes.txt"),
        (&format!("__cell {text}"), "expected a job"),
        ("man rum", "did you mean \"run\"?"),
        ("leaderboard quick --out /no --merge /no/such", "/no/such"),
    ] {
        let (code, stdout, stderr) = said(line);
        assert_eq!(
            (code, stdout.contains("panicked")),
            (2, false),
            "{line}: {stderr}"
        );
        // `check` has its problems on stdout: they are what was asked for.
        assert!(stderr.contains(words), "{line}: {stderr}");
        assert!(!stderr.contains("panicked"), "{line}: {stderr}");
    }
}

#[test]
fn a_plugin_is_shown_with_its_options_by_its_id() {
    let (code, stdout, stderr) = said("inspect random");
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(stdout.starts_with("attack random "), "{stdout}");
    let row = |option: &str| {
        let begins = |line: &&str| line.trim_start().starts_with(option);
        stdout.lines().find(begins).unwrap().to_owned()
    };
    assert!(row("samples").contains("integer"), "{stdout}");
    assert!(row("samples").contains("256"), "{stdout}");
    assert!(row("classes").contains("each | none"), "{stdout}");
}

/// Eleven images of one pixel; the lists were written by numpy, see the fixtures' `make.py`.
#[test]
fn published_lists_are_counted() {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().join("tiny");
    fs::create_dir(&folder).unwrap();
    let images = data.path().join("images");
    let axes = [0, 0, 8, 3, 0, 0, 0, 11, 0, 0, 0, 1, 0, 0, 0, 1];
    let pixels = [0, 10, 10, 20, 20, 30, 40, 40, 50, 60, 70];
    fs::write(&images, [&axes[..], &pixels].concat()).unwrap();
    let lists = data.path().join("membership.npz");
    let fixture = "harness/core/src/dataset/fixtures/membership.npz";
    fs::copy(repository().join(fixture), &lists).unwrap();
    let [of_images, of_lists] =
        [images, lists].map(|path| eidetic_harness::files::sha256_file(&path).unwrap());
    let manifest = format!(
        "version: 1\nname: tiny\ntitle: Tiny\nsource: https://example.org\nlicence: MIT\n\
         images: {{ file: images, format: idx, sha256: {of_images} }}\n\
         membership: {{ file: membership.npz, sha256: {of_lists} }}\n\
         count: 11\nshape: [1, 1, 1]\nelement: u8\nlevels: 256\nnear_duplicate_l2: 0\n\
         split: {{ members: 3, holdout: 3, aux: 0 }}\n"
    );
    fs::write(folder.join("dataset.yaml"), manifest).unwrap();
    let line = format!(
        "inspect {} --data {}",
        folder.display(),
        data.path().display()
    );
    let (code, stdout, stderr) = said(&line);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let counted = "membership 5 images in the train list, 3 of them in groups wholly in it \
                   (members); 4 in the eval list, 3 of them so (holdout and aux); 2 in neither; 2 \
                   groups straddle and are in no part, 4 images in them\n";
    assert!(stdout.contains(counted), "{stdout}");
    let (_, stdout, _) = said(&format!("{line} --json"));
    let json: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(json["membership"]["straddling_groups"], 2);
}

#[test]
fn a_wrong_log_filter_is_refused() {
    let mut command = eidetic(&repository());
    let output = command.args(["list"]).env("EIDETIC_LOG", "a=b=c").output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("EIDETIC_LOG"), "{stderr}");
}

#[test]
fn without_a_folder_of_benchmarks_plugins_are_listed_and_the_rest_has_a_hint() {
    // The program itself may lie below the repository, which is one of the places to look.
    let empty = tempfile::tempdir().unwrap();
    let program = empty.path().join("eidetic");
    fs::copy(env!("CARGO_BIN_EXE_eidetic"), &program).unwrap();
    let run = |words: &[&str]| {
        let mut command = Command::new(&program);
        command
            .current_dir(empty.path())
            .args(words)
            .output()
            .unwrap()
    };
    let output = run(&["list", "plugins", "--json"]);
    assert_eq!(output.status.code(), Some(0));
    let lists: Value = serde_json::from_slice(&output.stdout).unwrap();
    let ids: Vec<&str> = lists["plugins"]
        .as_array()
        .unwrap()
        .iter()
        .map(|plugin| plugin["id"].as_str().unwrap())
        .collect();
    for id in ["memorizer", "random", "side", "filter", "ambient"] {
        assert!(ids.contains(&id), "{ids:?}");
    }

    let output = run(&["list"]);
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.contains("hint: name it with --benchmarks DIR"),
        "{stderr}"
    );
}

#[test]
fn lists_are_json_for_programs() {
    let (code, stdout, stderr) = said("list --json");
    assert_eq!((code, stderr.as_str()), (0, ""));
    let lists: Value = serde_json::from_str(&stdout).unwrap();
    let names = |list: &str| -> Vec<String> {
        let entries = lists[list].as_array().unwrap().iter();
        entries
            .map(|entry| entry["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert!(names("suites").contains(&"quick".to_owned()));
    assert!(names("datasets").contains(&"fashion-mnist-10k".to_owned()));
    assert!(names("models").contains(&"memorizer-onnx".to_owned()));
    assert!(names("embedders").contains(&"squeezenet11".to_owned()));
}

#[test]
fn a_suite_is_checked_and_planned_without_running_it() {
    let folder = tempfile::tempdir().unwrap();
    let suite = folder.path().join("mine.yaml");
    let text = "version: 1\nname: mine\ndatasets: [fashion-mnist-10k]\nmodels: [memorizer]\n\
                attacks: [{ id: random, options: { samples: 10 } }]\n\
                sampler: { kind: ddim, steps: 7 }\nlimits: { model_calls: 65 }\n";
    fs::write(&suite, text).unwrap();
    let suite = suite.display();
    let out = folder.path().join("out");
    let (code, stdout, _) = said(&format!("check {suite}"));
    assert_eq!(code, 0);
    assert!(stdout.ends_with("mine.yaml: ok, 2 cells\n"), "{stdout}");

    let (code, stdout, _) = said(&format!("plan {suite} --json --out {}", out.display()));
    assert_eq!(code, 0);
    let plan: Value = serde_json::from_str(&stdout).unwrap();
    let cells = plan["cells"].as_array().unwrap();
    // The model, and its clean twin, which the suite does not name.
    assert_eq!(cells.len(), 2);
    assert_eq!(cells[0]["listed"], false);
    assert_eq!(cells[1]["twin"], cells[0]["id"]);
    for cell in cells {
        assert_eq!(cell["state"], "to run");
        // 10 samples of 7 calls, but no more than the limit.
        assert_eq!(cell["estimated_model_calls"], 65);
    }
    assert!(!out.exists());
}

#[test]
fn every_problem_of_a_suite_is_told_in_the_order_of_its_lines() {
    let folder = tempfile::tempdir().unwrap();
    let suite = folder.path().join("bad.yaml");
    let text = "version: 1\nname: bad\nattacks: [randm]\nmodels: [memorizr]\n\
                mitigations: [fliter]\ndatasets: [fashion]\n";
    fs::write(&suite, text).unwrap();
    let (code, stdout, stderr) = said(&format!("check {}", suite.display()));
    assert_eq!((code, stderr.as_str()), (2, "error: 4 problems\n"));
    let keys = ["attacks[0]", "models[0]", "mitigations[0]", "datasets[0]"];
    let lines: Vec<&str> = stdout.lines().collect();
    assert_eq!(lines.len(), 4);
    for ((line, key), number) in lines.iter().zip(keys).zip(3..) {
        assert!(line.contains(&format!("bad.yaml:{number}:")), "{line}");
        assert!(
            line.contains(key) && line.contains("did you mean"),
            "{line}"
        );
    }
    let (code, stdout, stderr) = said(&format!("run {}", suite.display()));
    assert_eq!((code, stdout.as_str()), (2, ""));
    assert!(stderr.contains("4 problems with the suite"), "{stderr}");
}

#[test]
fn doctor_says_what_is_missing_and_ends_accordingly() {
    let cache = tempfile::tempdir().unwrap();
    let mut command = eidetic(&repository());
    command
        .args(["doctor", "--json", "--offline"])
        .env("EIDETIC_CACHE", cache.path());
    let output = command.output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let missing = report["missing"].as_array().unwrap();
    assert_eq!(output.status.code(), Some(i32::from(!missing.is_empty())));
    assert_eq!(missing.is_empty(), !report["onnxruntime"]["used"].is_null());
    assert!(report["host"]["cpus"].as_u64().unwrap() >= 1);
}

#[test]
fn completions_and_manual_are_there_and_hide_the_child() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (code, script, _) = said(&format!("completions {shell}"));
        assert_eq!(code, 0);
        assert!(script.contains("leaderboard"), "{shell}");
        assert!(!script.contains("__cell"), "{shell}");
    }
    let (code, page, _) = said("man");
    assert_eq!(code, 0);
    assert!(
        page.starts_with(".ie") && page.contains("self\\-check failed"),
        "{page}"
    );
    assert!(!page.contains("__cell") && !page.contains("\\_\\_cell"));
    let (code, page, _) = said("man leaderboard");
    assert_eq!(code, 0);
    assert!(page.contains("merge"), "{page}");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let mut command = eidetic(&repository());
    command
        .args(["list"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}
