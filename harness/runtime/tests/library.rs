//! The search for ONNX Runtime: each way of it, and each kind of bad library. What depends on the
//! environment runs in a child process, which is this test program again.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use eidetic_runtime::{Error, Found, Library, Outcome, Runtime, Search, attempts, find};
use tempfile::{TempDir, tempdir};

/// A good library, from wherever this machine has one.
fn good() -> &'static Library {
    static GOOD: OnceLock<Library> = OnceLock::new();
    GOOD.get_or_init(|| find(&Search::default()).unwrap())
}

fn refuse(path: &Path) -> String {
    let search = Search {
        explicit: Some(path.to_owned()),
        offline: false,
    };
    let error = find(&search).unwrap_err();
    assert!(
        matches!(
            &error,
            Error::Named {
                way: Found::Explicit,
                ..
            }
        ),
        "{error}"
    );
    let said = error.to_string();
    said.strip_prefix("--onnxruntime PATH does not name a usable ONNX Runtime: ")
        .unwrap()
        .to_owned()
}

/// Builds a shared library from C that claims to be ONNX Runtime `version`.
fn impostor(folder: &Path, version: &str, api: &str) -> PathBuf {
    let source = folder.join("impostor.c");
    fs::write(
        &source,
        format!(
            "static const char* version(void) {{ return \"{version}\"; }}\n\
             static const void* api(unsigned v) {{ (void)v; return {api}; }}\n\
             static const void* base[] = {{ (void*)api, (void*)version }};\n\
             const void* OrtGetApiBase(void) {{ return base; }}\n"
        ),
    )
    .unwrap();
    let library = folder.join("impostor.so");
    let status = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .args([&library, &source])
        .status()
        .unwrap();
    assert!(status.success());
    library
}

#[test]
fn what_is_named_is_taken_as_a_file_or_a_folder() {
    let folder = tempdir().unwrap();
    symlink(&good().path, folder.path().join("libonnxruntime.so.1")).unwrap();
    for path in [good().path.clone(), folder.path().to_owned()] {
        let library = find(&Search {
            explicit: Some(path),
            offline: true,
        })
        .unwrap();
        assert_eq!(library.found, Found::Explicit);
        assert_eq!(library.path, good().path, "canonical");
        assert_eq!(
            (&library.version, &library.sha256),
            (&good().version, &good().sha256)
        );
    }
    assert_eq!(good().sha256.len(), 64);
}

#[test]
fn files_that_are_no_library_are_refused() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("lib.so");
    assert!(refuse(&path).starts_with("cannot find "));

    fs::write(&path, "not a library").unwrap();
    assert!(refuse(&path).starts_with("expected a 64-bit ELF shared library, got a file that "));

    let whole = fs::read(&good().path).unwrap();
    fs::write(&path, &whole[..whole.len() * 2 / 3]).unwrap();
    assert!(refuse(&path).starts_with("library is damaged or cut short, "));

    assert!(refuse(folder.path()).contains("got a folder"));
}

#[test]
fn libraries_that_are_not_a_supported_onnxruntime_are_refused() {
    let folder = tempdir().unwrap();
    let said = refuse(&impostor(folder.path(), "1.22.0", "0"));
    assert!(
        said.starts_with("expected ONNX Runtime 1.24 to 1.31, got 1.22.0 at "),
        "{said}"
    );
    // The right number, but not the API that it should have.
    let folder = tempdir().unwrap();
    let said = refuse(&impostor(folder.path(), "1.24.0", "0"));
    assert!(
        said.starts_with("expected ONNX Runtime 1.24 to 1.31, got 1.24.0 at "),
        "{said}"
    );
    let folder = tempdir().unwrap();
    let said = refuse(&impostor(folder.path(), "nonsense", "\"any\""));
    assert!(
        said.starts_with("expected ONNX Runtime 1.24 to 1.31, got nonsense at "),
        "{said}"
    );

    let folder = tempdir().unwrap();
    let source = folder.path().join("other.c");
    fs::write(&source, "int other(void) { return 1; }\n").unwrap();
    let library = folder.path().join("other.so");
    let mut cc = Command::new("cc");
    assert!(
        cc.args(["-shared", "-o"])
            .args([&library, &source])
            .status()
            .unwrap()
            .success()
    );
    assert!(refuse(&library).ends_with("is not ONNX Runtime: it has no symbol OrtGetApiBase"));
}

#[test]
fn the_runtime_is_loaded_once_a_process() {
    let runtime = Runtime::load(good()).unwrap();
    assert_eq!(Runtime::load(good()).unwrap().library(), runtime.library());
    let other = Library {
        path: "/other/libonnxruntime.so".into(),
        ..good().clone()
    };
    let error = Runtime::load(&other).unwrap_err();
    assert!(matches!(&error, Error::AlreadyLoaded { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("expected /other/libonnxruntime.so"),
        "{error}"
    );
}

#[test]
fn doctor_sees_every_way_and_fetches_nothing() {
    let search = Search {
        explicit: Some(good().path.clone()),
        offline: false,
    };
    let attempts = attempts(&search);
    let ways: Vec<_> = attempts.iter().map(|attempt| attempt.way).collect();
    assert_eq!(
        ways,
        [
            Found::Explicit,
            Found::BesideBinary,
            Found::Cache,
            Found::Python,
            Found::Fetched
        ]
    );
    let Outcome::Usable(library) = &attempts[0].outcome else {
        panic!("{}", attempts[0])
    };
    assert_eq!(library.version, good().version);
    assert!(matches!(attempts[4].outcome, Outcome::Absent(_)));
    let json = serde_json::to_value(&attempts).unwrap();
    assert_eq!(json[0]["way"], "explicit");
    assert_eq!(json[0]["outcome"]["usable"]["version"], good().version);
}

/// Copies a program in another process. If this one had it open to write, a child that another test
/// starts meanwhile would hold it open as well, and running it would fail with "text file busy".
fn copy_program(from: &Path, to: &Path) {
    assert!(
        Command::new("cp")
            .args([from, to])
            .status()
            .unwrap()
            .success()
    );
}

/// A search in a process of its own, with a cache and a `python3` of its own.
struct Elsewhere {
    folder: TempDir,
    program: PathBuf,
    offline: bool,
    real_python: bool,
    named: Option<PathBuf>,
}

impl Elsewhere {
    fn new() -> Self {
        Self {
            folder: tempdir().unwrap(),
            program: std::env::current_exe().unwrap(),
            offline: false,
            real_python: false,
            named: None,
        }
    }

    /// A `python3` that runs a shell script.
    fn python(&self, script: &str) {
        let text = self.folder.path().join("script");
        fs::write(&text, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&text, fs::Permissions::from_mode(0o755)).unwrap();
        copy_program(&text, &self.folder.path().join("python3"));
    }

    fn cached(&self) -> PathBuf {
        self.folder
            .path()
            .join("cache/onnxruntime/1.24.4/libonnxruntime.so.1.24.4")
    }

    fn start(&self) -> Child {
        let mut command = Command::new(&self.program);
        command.args(["--exact", "child", "--ignored", "--nocapture"]);
        command.env("EIDETIC_CACHE", self.folder.path().join("cache"));
        command.env("EIDETIC_TEST_OFFLINE", if self.offline { "1" } else { "" });
        command.env("ORT_DYLIB_PATH", self.named.clone().unwrap_or_default());
        if !self.real_python {
            command.env("PATH", self.folder.path());
        }
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    fn find(&self) -> Result<Library, String> {
        finish(self.start())
    }
}

fn finish(child: Child) -> Result<Library, String> {
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text
        .lines()
        .find_map(|line| line.split_once("RESULT "))
        .unwrap()
        .1;
    serde_json::from_str(line).unwrap()
}

#[test]
#[ignore = "the other tests run it in a process of its own"]
fn child() {
    let offline = std::env::var_os("EIDETIC_TEST_OFFLINE").is_some_and(|value| !value.is_empty());
    let result = find(&Search {
        explicit: None,
        offline,
    })
    .map_err(|error| error.to_string());
    println!("\nRESULT {}", serde_json::to_string(&result).unwrap());
}

#[test]
fn the_variable_names_a_library_and_nothing_else_is_tried() {
    let mut elsewhere = Elsewhere {
        offline: true,
        ..Elsewhere::new()
    };
    elsewhere.named = Some(good().path.clone());
    let library = elsewhere.find().unwrap();
    assert_eq!(
        (library.found, library.path),
        (Found::Environment, good().path.clone())
    );

    elsewhere.named = Some("/no/such.so".into());
    let said = elsewhere.find().unwrap_err();
    assert!(
        said.starts_with("ORT_DYLIB_PATH does not name a usable ONNX Runtime: "),
        "{said}"
    );
    assert!(said.contains("/no/such.so"), "{said}");
}

#[test]
fn nothing_found_names_each_way() {
    let elsewhere = Elsewhere {
        offline: true,
        ..Elsewhere::new()
    };
    let said = elsewhere.find().unwrap_err();
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines.len(), 6, "{said}");
    assert_eq!(lines[0], "no usable ONNX Runtime (1.24 to 1.31) found:");
    assert_eq!(
        lines[1],
        "  - --onnxruntime PATH: not given, and ORT_DYLIB_PATH is not set"
    );
    assert!(
        lines[2].starts_with("  - beside the program: no libonnxruntime.so in "),
        "{said}"
    );
    assert!(lines[3].starts_with("  - the user's cache: no "), "{said}");
    assert!(
        lines[4].starts_with("  - an installed Python package: python3 cannot be run: "),
        "{said}"
    );
    assert_eq!(lines[5], "  - a download with pip: not allowed (--offline)");
}

#[test]
fn beside_the_program_goes_before_python() {
    let mut elsewhere = Elsewhere {
        offline: true,
        ..Elsewhere::new()
    };
    let package = elsewhere.folder.path().join("onnxruntime");
    fs::create_dir_all(package.join("capi")).unwrap();
    symlink(&good().path, package.join("capi/libonnxruntime.so.1.24.4")).unwrap();
    elsewhere.python(&format!("echo '{}'", package.display()));
    assert_eq!(elsewhere.find().unwrap().found, Found::Python);

    let program = elsewhere.folder.path().join("program");
    copy_program(&elsewhere.program, &program);
    elsewhere.program = program;
    symlink(
        &good().path,
        elsewhere.folder.path().join("libonnxruntime.so"),
    )
    .unwrap();
    assert_eq!(elsewhere.find().unwrap().found, Found::BesideBinary);
}

#[test]
fn pip_that_fails_or_gives_another_file_is_reported() {
    let elsewhere = Elsewhere::new();
    elsewhere.python("echo '/usr/bin/python3: No module named pip' >&2; exit 1");
    let said = elsewhere.find().unwrap_err();
    let last = said.lines().last().unwrap();
    assert_eq!(
        last,
        "  - a download with pip: `python3 -m pip download onnxruntime==1.24.4` failed: \
         /usr/bin/python3: No module named pip"
    );

    elsewhere.python(
        "[ \"$1\" = -c ] && exit 0; for last; do :; done; echo other > \"$last/onnxruntime.whl\"",
    );
    let said = elsewhere.find().unwrap_err();
    let last = said.lines().last().unwrap();
    assert!(
        last.contains("pip gave another file than expected, onnxruntime.whl: "),
        "{last}"
    );
    assert!(!elsewhere.cached().exists());
    let left = fs::read_dir(elsewhere.cached().parent().unwrap())
        .unwrap()
        .count();
    assert_eq!(left, 0, "nothing half done is left");
}

#[test]
fn a_damaged_cache_is_replaced_by_two_processes_at_once() {
    let elsewhere = Elsewhere {
        real_python: true,
        ..Elsewhere::new()
    };
    let cached = elsewhere.cached();
    fs::create_dir_all(cached.parent().unwrap()).unwrap();
    fs::write(&cached, &fs::read(&good().path).unwrap()[..100_000]).unwrap();

    // No network in sight: the damaged file is not used, and said to be damaged.
    let offline = Elsewhere {
        offline: true,
        ..Elsewhere::new()
    };
    let damaged = offline.cached();
    fs::create_dir_all(damaged.parent().unwrap()).unwrap();
    fs::copy(&cached, &damaged).unwrap();
    let said = offline.find().unwrap_err();
    assert!(said.contains("the user's cache: damaged, "), "{said}");

    let both = [elsewhere.start(), elsewhere.start()];
    let libraries = both.map(|child| finish(child).unwrap());
    // Where Python has the package itself, nothing needs to be fetched.
    if libraries
        .iter()
        .all(|library| library.found == Found::Python)
    {
        return;
    }
    assert_eq!(libraries[0].sha256, libraries[1].sha256);
    assert_eq!(libraries[0].path, cached.canonicalize().unwrap());
    let again = Elsewhere {
        offline: true,
        real_python: false,
        ..elsewhere
    };
    assert_eq!(again.find().unwrap().found, Found::Cache);
    let left = fs::read_dir(again.cached().parent().unwrap())
        .unwrap()
        .count();
    assert_eq!(left, 1, "only the library is left");
}
