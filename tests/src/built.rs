//! What Cargo builds for the tests: once a process, into the target folder that they run from.

use std::collections::HashMap;
use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{LazyLock, Mutex};

use serde_json::Value;

/// How something is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Profile {
    /// As the tests are, unoptimised.
    Debug,
    /// As the host is.
    Release,
}

static BUILT: LazyLock<Mutex<HashMap<(String, Profile), PathBuf>>> = LazyLock::new(Mutex::default);

/// The workspace's folder.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The target folder of the Cargo that runs these tests: `deps` of a profile is where they lie.
fn target() -> PathBuf {
    let test = env::current_exe().unwrap();
    test.ancestors().nth(3).unwrap().to_owned()
}

/// The shared library of a package of the workspace, built with its feature `cdylib`.
pub fn cdylib(package: &str, profile: Profile) -> PathBuf {
    once(package, profile, |command| {
        command
            .current_dir(workspace())
            .args(["rustc", "--package", package])
            .args(["--lib", "--crate-type", "cdylib", "--features", "cdylib"]);
    })
}

/// The program, built for release as the README has it.
pub fn host() -> PathBuf {
    once("eidetic", Profile::Release, |command| {
        command
            .current_dir(workspace())
            .args(["build", "--package", "eidetic"]);
    })
}

/// What the package of a folder outside the workspace builds for release.
pub fn built_outside(folder: &Path, package: &str) -> PathBuf {
    once(package, Profile::Release, |command| {
        command.current_dir(folder).args(["build", "--offline"]);
    })
}

fn once(package: &str, profile: Profile, arguments: impl Fn(&mut Command)) -> PathBuf {
    // Held while Cargo works: it would only make the others wait for its own lock.
    let mut built = BUILT.lock().unwrap();
    let key = (package.to_owned(), profile);
    if let Some(path) = built.get(&key) {
        return path.clone();
    }
    let mut command = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
    arguments(&mut command);
    if profile == Profile::Release {
        command.arg("--release");
    }
    command
        .args(["--message-format", "json-render-diagnostics"])
        .arg("--target-dir")
        .arg(target())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", output.status);
    let text = String::from_utf8(output.stdout).unwrap();
    let path = text.lines().rev().find_map(|line| artifact(line, package));
    let path = path.unwrap_or_else(|| panic!("{command:?} named no file of {package}"));
    built.insert(key, path.clone());
    path
}

/// The program or shared library that a message of Cargo names, if it is of this package.
fn artifact(line: &str, package: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(line).ok()?;
    let manifest = Path::new(message["manifest_path"].as_str()?);
    let toml = std::fs::read_to_string(manifest).ok()?;
    if !toml.contains(&format!("name = \"{package}\"")) {
        return None;
    }
    let files = message["filenames"].as_array()?;
    let mut files = files.iter().filter_map(Value::as_str);
    let library = files.rfind(|file| file.ends_with(".so"));
    let file = message["executable"].as_str().or(library)?;
    Some(PathBuf::from(file))
}
