//! What the flags stand for: plugins, the folder of benchmarks, ONNX Runtime; and a suite with its
//! plan, made from these.

use std::cell::OnceCell;
use std::env;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use eidetic_harness::cell::RuntimeSpec;
use eidetic_harness::plan::{Plan, Sources, plan};
use eidetic_harness::plugin::Registry;
use eidetic_harness::run::Environment;
use eidetic_harness::suggest::allowed_and_nearest;
use eidetic_harness::suite::{Suite, SuiteErrors};
use eidetic_runtime::{Device, Library, Runtime, Search};

use crate::args::Global;
use crate::exit::Failure;
use crate::registry::Plugins;

/// Rows of one forward pass. Part of every cell's id: another number gives other rounding.
const MICROBATCH: usize = 16;

/// What the flags stand for.
pub(crate) struct Setup<'a> {
    pub(crate) global: &'a Global,
    pub(crate) registry: Registry,
    pub(crate) benchmarks: PathBuf,
    plugins: Vec<PathBuf>,
    library: OnceCell<Library>,
}

impl<'a> Setup<'a> {
    /// Loads the plugins and finds the folder of benchmarks; `suite` is one more place to look.
    pub(crate) fn new(global: &'a Global, suite: Option<&Path>) -> Result<Self, Failure> {
        let (setup, problems) = Self::with_problems(global, suite)?;
        match problems.into_iter().next() {
            Some(problem) => Err(Failure::bad_input(problem)),
            None => Ok(setup),
        }
    }

    /// As [`Setup::new`], with what is wrong with each plugin beside those that could be loaded.
    pub(crate) fn with_problems(
        global: &'a Global,
        suite: Option<&Path>,
    ) -> Result<(Self, Vec<eidetic_harness::plugin::Error>), Failure> {
        let benchmarks = benchmarks(global, suite)?;
        let plugins = Plugins::load(&global.plugin);
        let setup = Self {
            global,
            registry: plugins.registry,
            benchmarks,
            plugins: plugins.files,
            library: OnceCell::new(),
        };
        Ok((setup, plugins.problems))
    }

    /// The suite that a path or a name stands for.
    pub(crate) fn suite(&self, named: &Path) -> Result<Suite, Failure> {
        Suite::load(&self.suite_file(named)?).map_err(|errors| refused(&errors))
    }

    /// The file that a path or a name stands for.
    pub(crate) fn suite_file(&self, named: &Path) -> Result<PathBuf, Failure> {
        file_of("suite", suites(&self.benchmarks), named)
    }

    /// As [`Setup::suite_file`], of a recipe.
    pub(crate) fn recipe_file(&self, named: &Path) -> Result<PathBuf, Failure> {
        file_of(
            "recipe",
            yaml_files(&self.benchmarks.join("recipes")),
            named,
        )
    }

    /// Every cell of a suite.
    pub(crate) fn plan(&self, suite: &Suite) -> Result<Plan, Failure> {
        self.try_plan(suite).map_err(|errors| refused(&errors))
    }

    /// As [`Setup::plan`], with the problems apart.
    pub(crate) fn try_plan(&self, suite: &Suite) -> Result<Plan, SuiteErrors> {
        let sources = Sources {
            registry: &self.registry,
            benchmarks: &self.benchmarks,
            data_dir: self.global.data.as_deref(),
            runtime: &|| self.runtime(),
            seed: self.global.seed,
        };
        plan(suite, &sources).map_err(|mut problems| {
            problems.sort_by_key(|problem| problem.place);
            SuiteErrors { problems, more: 0 }
        })
    }

    /// ONNX Runtime as a cell's spec has it; looked for when a suite first needs it.
    pub(crate) fn runtime(&self) -> Result<RuntimeSpec, String> {
        let library = self.library().map_err(|error| error.to_string())?;
        let device = self.global.device;
        if device != Device::Cpu {
            let runtime = Runtime::load(library).map_err(|error| error.to_string())?;
            if !runtime.devices().contains(&device) {
                return Err(format!(
                    "ONNX Runtime at {} was built without {device}; install the Python package \
                     onnxruntime-gpu, or name such a library with --onnxruntime",
                    library.path.display()
                ));
            }
        }
        Ok(RuntimeSpec {
            version: library.version.clone(),
            sha256: library.sha256.clone(),
            device: device.to_string(),
            microbatch: MICROBATCH,
        })
    }

    /// The ONNX Runtime that the flags stand for.
    pub(crate) fn library(&self) -> Result<&Library, eidetic_runtime::Error> {
        if let Some(library) = self.library.get() {
            return Ok(library);
        }
        let library = eidetic_runtime::find(&search(self.global))?;
        Ok(self.library.get_or_init(|| library))
    }

    /// What a child needs to know of this machine.
    pub(crate) fn environment(&self) -> Result<Environment, Failure> {
        let absolute = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if self.global.onnxruntime.is_some() {
            // A plugin may need it where no model does.
            self.library().map_err(Failure::bad_input)?;
        }
        Ok(Environment {
            benchmarks: absolute(&self.benchmarks),
            data_dir: self.global.data.as_deref().map(absolute),
            plugins: self.plugins.clone(),
            library: self.library.get().cloned(),
        })
    }

    /// The results folder of a suite.
    pub(crate) fn results(&self, suite: &str) -> PathBuf {
        self.global.out.join(suite)
    }
}

/// Where ONNX Runtime is looked for.
pub(crate) fn search(global: &Global) -> Search {
    Search {
        explicit: global.onnxruntime.clone(),
        offline: global.offline,
    }
}

/// The file that a path or the name of one of `there` stands for.
fn file_of(what: &str, there: Vec<(String, PathBuf)>, named: &Path) -> Result<PathBuf, Failure> {
    let name = named.to_string_lossy();
    let is_name = named.components().count() == 1
        && named.extension().is_none()
        && !named.is_file()
        && name != "."
        && name != "..";
    if !is_name {
        return Ok(named.to_owned());
    }
    match there.iter().find(|(there, _)| *there == name) {
        Some((_, path)) => Ok(path.clone()),
        None => {
            let names = there.iter().map(|(name, _)| name.as_str());
            let tail = allowed_and_nearest(&name, names);
            let unknown = anyhow!("unknown {what} \"{name}\"{tail}");
            Err(Failure::bad_input(unknown).hint(format!(
                "a {what} of your own is named by its file, such as ./mine.yaml"
            )))
        }
    }
}

/// Name and file of the suites of a folder of benchmarks, by name.
pub(crate) fn suites(benchmarks: &Path) -> Vec<(String, PathBuf)> {
    yaml_files(&benchmarks.join("suites"))
}

/// Name and file of every YAML file in a folder, by name.
fn yaml_files(folder: &Path) -> Vec<(String, PathBuf)> {
    let files = std::fs::read_dir(folder);
    let mut found: Vec<(String, PathBuf)> = files
        .into_iter()
        .flatten()
        .flatten()
        .map(|file| file.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "yaml"))
        .filter_map(|path| Some((path.file_stem()?.to_str()?.to_owned(), path)))
        .collect();
    found.sort();
    found
}

fn refused(errors: &SuiteErrors) -> Failure {
    let lines = errors.to_string();
    match errors.problems.len() + errors.more {
        1 => Failure::bad_input(anyhow!("{lines}")),
        n => Failure::bad_input(anyhow!("{n} problems with the suite:\n{lines}")),
    }
}

/// The folder of benchmarks: as named, or the nearest above the current folder, the suite or this
/// program.
pub(crate) fn benchmarks(global: &Global, suite: Option<&Path>) -> Result<PathBuf, Failure> {
    let is_one = |folder: &Path| folder.join("datasets").is_dir();
    if let Some(folder) = &global.benchmarks {
        return match is_one(folder) {
            true => Ok(folder.clone()),
            false => Err(Failure::bad_input(anyhow!(
                "--benchmarks {}: expected a folder with a folder `datasets`, found none",
                folder.display()
            ))),
        };
    }
    let here = env::current_dir().ok();
    let suite = suite.and_then(|suite| suite.canonicalize().ok());
    let program = env::current_exe().ok();
    let starts = [here, suite, program].into_iter().flatten();
    let starts: Vec<PathBuf> = starts.collect();
    let above = starts.iter().flat_map(|start| start.ancestors());
    let mut folders = above.map(|folder| folder.join("benchmarks"));
    folders.find(|folder| is_one(folder)).ok_or_else(|| {
        Failure::bad_input(anyhow!(
            "no folder `benchmarks` above the current folder, the suite or this program"
        ))
        .hint("name it with --benchmarks DIR; it is part of Eidetic's repository")
    })
}
