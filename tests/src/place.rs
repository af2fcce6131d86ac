//! A folder of its own for each test, with its suites and results.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::built::{Profile, cdylib, host, workspace};
use crate::results::Results;
use crate::said::{Said, run};

/// The package of bad plugins.
pub const MISBEHAVING: &str = "eidetic-misbehaving";

/// A folder that is removed at the end.
pub struct Place {
    folder: TempDir,
}

impl Default for Place {
    fn default() -> Self {
        Self::new()
    }
}

impl Place {
    /// An empty one.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder }
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file and gives its path.
    pub fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// Writes a suite over a few real images, which takes seconds, and gives its path. `rest` is
    /// YAML: models, attacks and whatever else differs.
    pub fn suite(&self, name: &str, rest: &str) -> PathBuf {
        self.suite_over(name, "members: 32, holdout: 64, aux: 32", rest)
    }

    /// As [`Place::suite`], with another split.
    pub fn suite_over(&self, name: &str, split: &str, rest: &str) -> PathBuf {
        let text = format!(
            "version: 1\nname: {name}\nsampler: {{ kind: heun, steps: 6 }}\n\
             datasets: [ {{ id: fashion-mnist-10k, split: {{ {split} }} }} ]\n{rest}\n"
        );
        self.file(&format!("{name}.yaml"), text)
    }

    /// The program with a verb and its argument, its results in the folder `out`.
    pub fn command(&self, verb: &str, argument: &Path, out: &str) -> Command {
        self.command_over(&workspace().join("benchmarks"), verb, argument, out)
    }

    /// As [`Place::command`], over another folder of benchmarks.
    pub fn command_over(
        &self,
        benchmarks: &Path,
        verb: &str,
        argument: &Path,
        out: &str,
    ) -> Command {
        let mut command = Command::new(host());
        command
            .arg(verb)
            .arg(argument)
            .arg("--out")
            .arg(self.path(out))
            .arg("--benchmarks")
            .arg(benchmarks)
            .current_dir(self.folder.path())
            .env("NO_COLOR", "1")
            .env_remove("EIDETIC_LOG");
        command
    }

    /// As [`Place::command`] to run a suite, with the bad plugins loaded.
    pub fn command_with_bad(&self, suite: &Path, out: &str) -> Command {
        let mut command = self.command("run", suite, out);
        let library = cdylib(MISBEHAVING, Profile::Debug);
        command.arg("--plugin").arg(library);
        command
    }

    /// Runs a suite into `out`.
    pub fn run(&self, suite: &Path, out: &str) -> Said {
        run(&mut self.command("run", suite, out))
    }

    /// Runs a suite into `out` with the bad plugins loaded.
    pub fn run_with_bad(&self, suite: &Path, out: &str) -> Said {
        run(&mut self.command_with_bad(suite, out))
    }

    /// The results of a suite in `out`.
    pub fn results(&self, out: &str, suite: &str) -> Results {
        Results {
            folder: self.path(out).join(suite),
        }
    }
}
