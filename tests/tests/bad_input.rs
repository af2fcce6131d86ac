//! Bad suites, plugins, models and data: each is told by name and place before anything runs, ends
//! with code 2, and leaves finished cells as they were.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use eidetic_harness::files::sha256_file;
use eidetic_harness::model::{
    MemorizerFolder, TrainedOn, TrainingStatement, write_memorizer_folder,
};
use eidetic_tests::{Files, Place, Profile, Said, cdylib, run, workspace};

const GOOD: &str = "models: [ memorizer ]\nattacks: [ { id: random, options: { samples: 4 } } ]";

/// A place where a suite of this name has finished cells.
struct Finished {
    place: Place,
    files: Files,
}

impl Finished {
    fn new() -> Self {
        let place = Place::new();
        place.run(&place.suite("mine", GOOD), "out").code(0);
        let files = place.results("out", "mine").files();
        assert!(files.len() > 5);
        Self { place, files }
    }

    /// Runs what is to be refused: code 2, these phrases, nothing on stdout, nothing changed.
    #[track_caller]
    fn refuses(&self, command: &mut Command, phrases: &[&str]) -> Said {
        let said = run(command).code(2).says(phrases);
        assert!(said.stderr.starts_with("error: "), "{}", said.stderr);
        assert_eq!(said.stdout, "");
        self.place.results("out", "mine").assert_same(&self.files);
        said
    }

    #[track_caller]
    fn refuses_suite(&self, rest: &str, phrases: &[&str]) {
        let suite = self.place.suite("mine", rest);
        self.refuses(&mut self.place.command("run", &suite, "out"), phrases);
        // `check` says the same without running.
        let said = run(&mut self.place.command("check", &suite, "out")).code(2);
        for phrase in phrases {
            assert!(said.stdout.contains(phrase), "{phrase:?}: {}", said.stdout);
        }
    }
}

#[test]
fn bad_suites() {
    let it = Finished::new();
    let with = |more: &str| format!("{GOOD}\n{more}");
    it.refuses_suite(
        &with("sede: 1"),
        &[
            "mine.yaml:7:1: sede: unknown key \"sede\"",
            "did you mean \"seed\"?",
        ],
    );
    it.refuses_suite(
        &with("seed: 1\nseed: 2"),
        &["mine.yaml:8:1: seed: duplicate key \"seed\""],
    );
    it.refuses_suite(
        &with("seed: soon"),
        &["mine.yaml:7:7: seed: expected an integer of at least 0, got the text \"soon\""],
    );
    it.refuses_suite(
        "models: [ memoriser ]\nattacks: [ random ]",
        &[
            "mine.yaml:5:",
            "unknown model \"memoriser\"",
            "did you mean \"memorizer\"?",
        ],
    );
    it.refuses_suite(
        "models: [ memorizer ]\nattacks: [ randon ]",
        &[
            "mine.yaml:6:",
            "unknown attack `randon`",
            "did you mean \"random\"?",
        ],
    );
    it.refuses_suite(
        &with("mitigations: [ fliter ]"),
        &[
            "mine.yaml:7:",
            "unknown mitigation `fliter`",
            "did you mean \"filter\"?",
        ],
    );
    it.refuses_suite(
        "models: [ memorizer ]\nattacks: [ { id: random, options: { sample: 4 } } ]",
        &[
            "mine.yaml:6:",
            "unknown option `sample`",
            "did you mean \"samples\"?",
        ],
    );
    it.refuses_suite(
        "models: [ memorizer ]\nattacks: [ { id: random, options: { samples: 0 } } ]",
        &[
            "mine.yaml:6:",
            "samples: expected an integer of at least 1, got the integer 0",
        ],
    );
    it.refuses_suite(
        "models: [ memorizer ]\nattacks: [ { id: random, options: { near_l2: 7 } } ]",
        &[
            "mine.yaml:6:",
            "near_l2: expected a distance in 0..=1, got 7",
        ],
    );
    // A network that has to be exported first: now, and not when the cells are done.
    it.refuses_suite(
        "models: [ memorizer ]\nattacks: [ random ]\nquality: { embedder: dinov2-vitl14 }",
        &["mine.yaml:7:", "dinov2", "export it", "--data DIR"],
    );
    // All of a suite is told at once.
    it.refuses_suite(
        "models: [ memoriser ]\nattacks: [ randon ]",
        &["unknown model", "unknown attack"],
    );
}

#[test]
fn bad_splits_and_datasets() {
    let it = Finished::new();
    let refuses = |dataset: &str, phrases: &[&str]| {
        let text = format!("version: 1\nname: mine\ndatasets: [ {dataset} ]\n{GOOD}\n");
        let suite = it.place.file("mine.yaml", text);
        it.refuses(&mut it.place.command("run", &suite, "out"), phrases);
    };
    let split = |split: &str| format!("{{ id: fashion-mnist-10k, split: {{ {split} }} }}");
    refuses(
        &split("members: 9000, holdout: 9000"),
        &[
            "mine.yaml:3:",
            "members 9000 + holdout 9000 + aux 256 = 18256",
            "ask for fewer",
        ],
    );
    refuses(
        &split("members: 64, holdout: 32"),
        &["mine.yaml:3:", "expected holdout >= members"],
    );
    refuses(
        &split("members: 0"),
        &[
            "mine.yaml:3:",
            "members: expected an integer of at least 1, got the integer 0",
        ],
    );
    refuses(
        "fashion-mnist",
        &[
            "mine.yaml:3:",
            "no dataset \"fashion-mnist\"",
            "fashion-mnist-10k",
        ],
    );
    refuses(
        "cifar-10",
        &["mine.yaml:3:", "cifar-10", "needs cifar-10-binary.tar.gz"],
    );
}

#[test]
fn bad_files_where_a_suite_should_be() {
    let it = Finished::new();
    let refuses = |path: &Path, phrases: &[&str]| {
        it.refuses(&mut it.place.command("run", path, "out"), phrases);
    };
    refuses(
        &it.place.path("nowhere.yaml"),
        &["nowhere.yaml", "No such file"],
    );
    refuses(Path::new("quack"), &["unknown suite \"quack\"", "hint: "]);
    refuses(
        &it.place.file("binary.yaml", [0, 159, 146, 150]),
        &["binary.yaml"],
    );
    refuses(&it.place.file("empty.yaml", ""), &["empty.yaml:1:1"]);
    refuses(
        &it.place.file("broken.yaml", "version: 1\nname: [\n"),
        &["broken.yaml:"],
    );
}

#[test]
fn bad_plugins() {
    let it = Finished::new();
    let suite = it.place.suite("mine", GOOD);
    let refuses = |path: PathBuf, phrases: &[&str]| {
        let mut command = it.place.command("run", &suite, "out");
        let said = it.refuses(command.arg("--plugin").arg(path), phrases);
        assert_eq!(said.stderr.trim().lines().count(), 1, "{}", said.stderr);
    };
    refuses(
        it.place.path("missing.so"),
        &["cannot read plugin", "missing.so"],
    );
    refuses(
        it.place.file("text.so", "no library\n"),
        &["expected a 64-bit ELF", "text.so"],
    );
    let whole = fs::read(cdylib("eidetic-no-symbol", Profile::Debug)).unwrap();
    let cut = it.place.file("cut.so", &whole[..whole.len() / 2]);
    refuses(cut, &["damaged or cut short", "cut.so"]);
    refuses(
        cdylib("eidetic-no-symbol", Profile::Debug),
        &["expected the symbol `eidetic_abi_version`"],
    );
    refuses(
        cdylib("eidetic-other-abi", Profile::Debug),
        &["expected ABI 2, got ABI 999"],
    );
    refuses(
        cdylib("eidetic-other-layout", Profile::Debug),
        &["its types are laid out otherwise, first:"],
    );
}

/// A model folder over a few made-up images of a shape, in `name`.
fn model(place: &Place, name: &str, shape: [usize; 3]) -> PathBuf {
    let dim: usize = shape.iter().product();
    let images: Vec<u8> = (0..8 * dim).map(|at| (at * 37 % 251) as u8).collect();
    let content = MemorizerFolder {
        name: "made-up",
        title: "A memorizer of made-up images",
        licence: "CC0-1.0",
        images: &images,
        shape,
        training: TrainingStatement {
            part: TrainedOn::Unknown,
            dataset: None,
            n: None,
            digest: None,
        },
        clean_twin: None,
    };
    let path = place.path(name);
    write_memorizer_folder(&path, &content).unwrap();
    path
}

/// Replaces text in a file, which must have it.
fn edit(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{from:?} in {text}");
    fs::write(path, text.replace(from, to)).unwrap();
}

#[test]
fn bad_models() {
    let it = Finished::new();
    let suite = |folder: &str| {
        let attacks = "attacks: [ { id: random, options: { samples: 4 } } ]";
        format!("models: [ {{ folder: {folder}, name: brought }} ]\n{attacks}")
    };
    let damaged = |name: &str, damage: &dyn Fn(&Path), phrases: &[&str]| {
        let folder = model(&it.place, name, [1, 28, 28]);
        damage(&folder);
        let mut phrases = phrases.to_vec();
        phrases.push("mine.yaml:5:");
        it.refuses_suite(&suite(name), &phrases);
    };
    let network = |folder: &Path| folder.join("unet/model.onnx");
    let manifest = |folder: &Path| folder.join("model.yaml");

    it.refuses_suite(
        &suite("nowhere"),
        &["mine.yaml:5:", "nowhere", "No such file"],
    );
    damaged(
        "without",
        &|folder| fs::remove_file(network(folder)).unwrap(),
        &[
            "without/unet/model.onnx: expected the file that",
            "fetch the whole model folder",
        ],
    );
    damaged(
        "changed",
        &|folder| {
            let mut bytes = fs::read(network(folder)).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(network(folder), bytes).unwrap();
        },
        &[
            "changed/unet/model.onnx: expected sha256",
            "fetch the file again",
        ],
    );
    damaged(
        "text",
        &|folder| {
            let before = sha256_file(&network(folder)).unwrap();
            fs::write(network(folder), "not a network\n").unwrap();
            let after = sha256_file(&network(folder)).unwrap();
            edit(&manifest(folder), &before, &after);
        },
        &["text/unet/model.onnx", "ONNX"],
    );
    damaged(
        "unknown",
        &|folder| edit(&manifest(folder), "prediction: edm", "prediction: flow"),
        &["unknown/model.yaml:", "prediction", "flow", "edm"],
    );
    damaged(
        "mistyped",
        &|folder| edit(&manifest(folder), "sigma_min: 0.002", "sigma_mni: 0.002"),
        &["mistyped/model.yaml:", "sigma_mni"],
    );
    damaged(
        "wrong-shape",
        &|folder| edit(&manifest(folder), "- 28\n- 28", "- 28\n- 14"),
        &["wrong-shape/unet/model.onnx", "expected"],
    );
}

/// A model of other images is not bad: its row says that it does not apply.
#[test]
fn a_model_of_another_shape_does_not_apply() {
    let place = Place::new();
    model(&place, "small", [1, 8, 8]);
    model(&place, "fits", [1, 28, 28]);
    let suite = place.suite(
        "shapes",
        "models: [ { folder: small }, { folder: fits } ]\n\
         attacks: [ { id: random, options: { samples: 4 } } ]",
    );
    place.run(&suite, "out").code(0);
    let results = place.results("out", "shapes");
    let row = results.row("small", "none", "random");
    assert_eq!(row["status"], "n/a");
    assert!(row["reason"].contains("[1, 8, 8]"), "{}", row["reason"]);
    let row = results.row("fits", "none", "random");
    assert_eq!((&*row["status"], &*row["score"]), ("ok", "0"));
}

#[test]
fn bad_data() {
    let it = Finished::new();
    let suite = it.place.suite("mine", GOOD);
    let source = workspace().join("benchmarks/datasets/fashion-mnist-10k");
    let name = "t10k-images-idx3-ubyte.gz";
    let packed = fs::read(source.join(name)).unwrap();
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(&packed[..])
        .read_to_end(&mut plain)
        .unwrap();
    let refuses = |case: &str, bytes: Option<&[u8]>, phrases: &[&str]| {
        let folder = format!("{case}/datasets/fashion-mnist-10k");
        for file in fs::read_dir(&source).unwrap() {
            let file = file.unwrap();
            let target = format!("{folder}/{}", file.file_name().to_str().unwrap());
            it.place.file(&target, fs::read(file.path()).unwrap());
        }
        let images = it.place.path(&format!("{folder}/{name}"));
        match bytes {
            Some(bytes) => fs::write(images, bytes).unwrap(),
            None => fs::remove_file(images).unwrap(),
        }
        let benchmarks = it.place.path(case);
        let mut command = it.place.command_over(&benchmarks, "run", &suite, "out");
        let mut phrases = phrases.to_vec();
        phrases.extend([name, "mine.yaml:4:"]);
        it.refuses(&mut command, &phrases);
    };
    let with = |at: usize, byte: u8| {
        let mut bytes = plain.clone();
        bytes[at] = byte;
        bytes
    };
    refuses(
        "magic",
        Some(&with(0, b'P')),
        &["expected the IDX magic 00 00"],
    );
    refuses(
        "type",
        Some(&with(2, 0x0d)),
        &["expected elements of type u8 (0x08), got f32"],
    );
    refuses("cut", Some(&plain[..plain.len() - 1]), &["truncated"]);
    refuses("cut-packed", Some(&packed[..packed.len() / 2]), &["gzip"]);
    refuses(
        "digest",
        Some(&with(1000, 77)),
        &["expected sha256 5b4141f0", "fetch the file again"],
    );
    refuses(
        "missing",
        None,
        &["needs t10k-images", "pass its folder with --data DIR"],
    );
}
