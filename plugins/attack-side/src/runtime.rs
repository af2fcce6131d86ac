//! ONNX Runtime, the harness's own where it has loaded one.

use eidetic_runtime::{Error as RuntimeError, Runtime, Search, find};
use eidetic_sdk::{Error, Result};

/// Looks where the harness looks, but fetches nothing: whether that is allowed, a plugin does not
/// know. Where this process has loaded another copy already, that one is taken.
pub(crate) fn runtime() -> Result<Runtime> {
    let search = |explicit| Search {
        explicit,
        offline: true,
    };
    let load = |search| Runtime::load(&find(&search)?);
    let loaded = match load(search(None)) {
        Err(RuntimeError::AlreadyLoaded { loaded, .. }) => load(search(Some(loaded))),
        other => other,
    };
    loaded.map_err(|error| {
        Error::from(format!("the classifier runs by ONNX Runtime: {error}"))
            .with_help("install the Python package onnxruntime, or set ORT_DYLIB_PATH to a library")
    })
}
