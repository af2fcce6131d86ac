//! Loads plugin libraries: the one place that does, and that needs `unsafe` for it.
//!
//! abi_stable's own `load_from_*` are not used: they keep one module a type, so that a second
//! library would come back as the first. A library is never unloaded, since what it returned
//! points into it.
#![allow(unsafe_code)]

use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};

use eidetic_abi::abi_stable::library::ROOT_MODULE_LOADER_NAME_WITH_NUL;
use eidetic_abi::abi_stable::library::{AbiHeaderRef, LibraryError};
use eidetic_abi::module::{ABI_VERSION, ABI_VERSION_SYMBOL, PluginModule_Ref};
use eidetic_runtime::check_elf;
use eidetic_sdk::registration::Registration;
use libloading::os::unix::{Library as Handle, RTLD_LOCAL, RTLD_NOW};

use super::error::Error;
use crate::files::{cache_dir, sha256_file, sha256_hex, write_atomic};

/// A plugin library that stays loaded for the life of the process.
pub struct Library {
    /// Canonical path.
    pub path: PathBuf,
    /// SHA-256 of its bytes, hex.
    pub sha256: String,
    /// Every plugin in it; at least one, with valid ids.
    pub registrations: Vec<Registration>,
}

impl Library {
    /// Loads a library after checking, in this order: that the file is a whole ELF, its ABI
    /// number, abi_stable's header, the layout of every type, its registrations.
    ///
    /// # Errors
    /// [`Error`], naming the file and the first thing that is wrong. Code in the library's static
    /// constructors runs before most checks and cannot be refused.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let read = |source| Error::Read {
            path: path.to_owned(),
            source,
        };
        let path = path.canonicalize().map_err(read)?;
        check_elf(&path)?;
        let sha256 = sha256_file(&path).map_err(|error| Error::Load {
            path: path.clone(),
            reason: error.to_string(),
        })?;

        // SAFETY: the file is a whole shared library of this machine; that its constructors are
        // sound is what loading third-party code takes on trust. All symbols are bound now, so
        // that a missing one is an error here and not the end of the process later.
        let opened = unsafe { Handle::open(Some(&path), RTLD_NOW | RTLD_LOCAL) };
        let handle = opened.map_err(|error| Error::Load {
            path: path.clone(),
            reason: error.to_string(),
        })?;
        let handle = ManuallyDrop::new(handle);

        let abi = abi_version(&handle, &path)?;
        if abi != ABI_VERSION {
            return Err(Error::AbiVersion { path, got: abi });
        }
        let module = root_module(&handle, &path)?;
        let registrations = list(module, &path)?;
        Ok(Self {
            path,
            sha256,
            registrations,
        })
    }
}

fn missing(path: &Path, symbol: &str) -> Error {
    Error::Symbol {
        path: path.to_owned(),
        symbol: symbol.trim_end_matches('\0').to_string(),
    }
}

fn abi_version(handle: &Handle, path: &Path) -> Result<u32, Error> {
    // SAFETY: the symbol's name belongs to this boundary, and its type has been the same in every
    // version of it.
    let symbol = unsafe { handle.get::<extern "C" fn() -> u32>(ABI_VERSION_SYMBOL.as_bytes()) };
    symbol
        .map(|version| version())
        .map_err(|_| missing(path, ABI_VERSION_SYMBOL))
}

fn root_module(handle: &Handle, path: &Path) -> Result<PluginModule_Ref, Error> {
    let name = ROOT_MODULE_LOADER_NAME_WITH_NUL;
    // SAFETY: abi_stable exports a static of this type under this name in every 0.x version; its
    // first field is the header that `upgrade` checks before anything else is read.
    let header = unsafe { handle.get::<AbiHeaderRef>(name.as_bytes()) };
    let header: AbiHeaderRef = *header.map_err(|_| missing(path, name))?;
    header
        .upgrade()
        .and_then(|header| header.init_root_module::<PluginModule_Ref>())
        .map_err(|error| layout_error(path, &error))
}

fn list(module: PluginModule_Ref, path: &Path) -> Result<Vec<Registration>, Error> {
    let wrong = |reason: String| Error::Registrations {
        path: path.to_owned(),
        reason,
    };
    let registrations: Vec<Registration> = module.registrations()()
        .into_result()
        .map_err(|error| wrong(format!("its list of plugins failed: {}", error.message)))?
        .into();
    if registrations.is_empty() {
        return Err(wrong("expected at least one plugin in it, got none".into()));
    }
    for registration in &registrations {
        if !eidetic_sdk::conformance::valid_id(&registration.id) {
            let id = &registration.id;
            return Err(wrong(format!(
                "expected ids of a-z, 0-9 and `-`, got `{id}`"
            )));
        }
    }
    Ok(registrations)
}

/// One sentence of a report of thousands of lines, which goes to a file of its own.
fn layout_error(path: &Path, error: &LibraryError) -> Error {
    let report = error.to_string();
    let log = cache_dir().ok().and_then(|cache| {
        let name = format!("layout-{}.log", &sha256_hex(report.as_bytes())[..12]);
        let log = cache.join("plugin-reports").join(name);
        write_atomic(&log, report.as_bytes()).ok().map(|()| log)
    });
    Error::Layout {
        path: path.to_owned(),
        first: first_difference(&report),
        log,
    }
}

/// The first line of the report that says what differs.
fn first_difference(report: &str) -> String {
    let lines: Vec<&str> = report
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let tells = |line: &&&str| {
        let line = line.to_lowercase();
        [
            "mismatch",
            "incompatible",
            "different",
            "too many",
            "too few",
            "expected",
        ]
        .iter()
        .any(|word| line.contains(word))
    };
    let line = lines
        .iter()
        .find(tells)
        .or(lines.first())
        .copied()
        .unwrap_or("no report");
    line.trim_end_matches(':').chars().take(160).collect()
}
