//! The one ONNX Runtime of a process.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use ort::environment::Environment;
use ort::ep::{CUDA, ExecutionProvider};
use ort::logging::LogLevel;

use crate::{Device, Error, Library, SessionOptions, Sessions};

/// ONNX Runtime, loaded and started. Cheap to clone; every clone is the same one.
#[derive(Debug, Clone)]
pub struct Runtime {
    library: Arc<Library>,
    environment: Environment,
}

/// A model: a file, with the files of external weights beside it, or the bytes of one.
#[derive(Debug, Clone, Copy)]
pub enum ModelSource<'a> {
    /// An ONNX file.
    File(&'a Path),
    /// The bytes of an ONNX file without external weights.
    Bytes(&'a [u8]),
}

/// ort keeps the library and its one environment for the life of the process: an environment that
/// was dropped cannot be made again.
static STARTED: OnceLock<(PathBuf, Result<Runtime, String>)> = OnceLock::new();

impl Runtime {
    /// Loads the library and starts ONNX Runtime, once a process: a second call with the same
    /// library returns the same runtime.
    ///
    /// # Errors
    ///
    /// [`Error::AlreadyLoaded`] when another library was loaded before; [`Error::Start`] when
    /// ONNX Runtime does not start.
    pub fn load(library: &Library) -> Result<Self, Error> {
        let (loaded, started) =
            STARTED.get_or_init(|| (library.path.clone(), Self::start(library)));
        if *loaded != library.path {
            return Err(Error::AlreadyLoaded {
                asked: library.path.clone(),
                loaded: loaded.clone(),
            });
        }
        started.clone().map_err(Error::Start)
    }

    fn start(library: &Library) -> Result<Self, String> {
        let environment = ort::init_from(&library.path)
            .map_err(|error| error.to_string())?
            .with_name("eidetic")
            .with_telemetry(false)
            .with_logger(Arc::new(|level, _category, _id, location, message| {
                log(level, location, message);
            }))
            .build()
            .map_err(|error| error.to_string())?;
        // A logger of one's own makes ort ask for every message that there is.
        environment.set_log_level(LogLevel::Warning);
        Ok(Self {
            library: Arc::new(library.clone()),
            environment,
        })
    }

    /// The library in use.
    pub fn library(&self) -> &Library {
        &self.library
    }

    /// The devices that the library was built for. Whether CUDA and its driver are there as well
    /// shows when a model is opened.
    pub fn devices(&self) -> Vec<Device> {
        let mut devices = vec![Device::Cpu];
        if CUDA::is_available().unwrap_or(false) {
            devices.push(Device::Cuda);
        }
        devices
    }

    /// Opens a model.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] for a file that is not there, [`Error::Model`] for one that ONNX Runtime
    /// refuses, [`Error::Device`] when the device is not there, [`Error::Zero`].
    pub fn open(
        &self,
        model: ModelSource<'_>,
        options: &SessionOptions,
    ) -> Result<Sessions, Error> {
        Sessions::open(&self.environment, model, options)
    }
}

/// ONNX Runtime warns of things that nobody here can change (which optimisation it skipped, which
/// GPU it did not find); what makes a call fail comes back as an error as well.
fn log(level: LogLevel, location: &str, message: &str) {
    match level {
        LogLevel::Fatal => tracing::error!(target: "onnxruntime", location, "{message}"),
        LogLevel::Error | LogLevel::Warning => {
            tracing::debug!(target: "onnxruntime", location, "{message}");
        }
        LogLevel::Info | LogLevel::Verbose => {
            tracing::trace!(target: "onnxruntime", location, "{message}");
        }
    }
}
