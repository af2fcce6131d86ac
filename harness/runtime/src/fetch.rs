//! Fetches the pinned ONNX Runtime from the Python package index with pip.
//!
//! pip is the one downloader that is already set up where this runs (proxies, mirrors,
//! certificates). Platform, Python version and package version are all named, so that there is one
//! wheel and one digest, whatever Python is installed.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::{NamedTempFile, TempDir};

use crate::python::last_line;
use crate::{Error, cache, library};

/// A package with one library in it, known to the bit.
pub(crate) struct Pinned {
    /// Version of the package.
    pub(crate) version: &'static str,
    /// pip's name of the platform.
    platform: &'static str,
    /// SHA-256 of the wheel.
    wheel_sha256: &'static str,
    /// SHA-256 of the library inside.
    pub(crate) library_sha256: &'static str,
}

/// The package that is fetched for this machine.
#[cfg(target_arch = "x86_64")]
pub(crate) const PINNED: Pinned = Pinned {
    version: "1.24.4",
    platform: "manylinux_2_28_x86_64",
    wheel_sha256: "0d640eb9f3782689b55cfa715094474cd5662f2f137be6a6f847a594b6e9705c",
    library_sha256: "2d518e11c7767f9fdc4413bdbeb45acf30db504ff76a82fc19d9238a3f9f6c24",
};
/// The package that is fetched for this machine.
#[cfg(target_arch = "aarch64")]
pub(crate) const PINNED: Pinned = Pinned {
    version: "1.24.4",
    platform: "manylinux_2_28_aarch64",
    wheel_sha256: "1a5c5a544b22f90859c88617ecb30e161ee3349fcc73878854f43d77f00558b5",
    library_sha256: "f373ae5fd4d878ed17ebea26e5480bd3d0a15e3bd6bc94b878e6c1b73998d22a",
};

impl Pinned {
    /// `libonnxruntime.so.1.24.4`.
    pub(crate) fn file_name(&self) -> String {
        format!("libonnxruntime.so.{}", self.version)
    }
}

/// Fetches the pinned library into the user's cache and returns its path.
///
/// Safe beside other processes that do the same: each works in a folder of its own and renames a
/// finished file, which has the same bytes whoever wins.
pub(crate) fn fetch(pinned: &Pinned) -> Result<PathBuf, Error> {
    let target = cache::path(pinned)
        .ok_or_else(|| Error::Fetch("there is no cache folder for this user".to_owned()))?;
    let folder = target.parent().unwrap_or(Path::new("."));
    let write = |source| Error::Io {
        doing: "write",
        path: folder.to_owned(),
        source,
    };
    fs::create_dir_all(folder).map_err(write)?;
    let work = TempDir::with_prefix_in(".fetch-", folder).map_err(write)?;

    tracing::info!(
        "fetching ONNX Runtime {} with pip into {}, once",
        pinned.version,
        folder.display()
    );
    let wheel = download(pinned, work.path())?;
    let sha256 = library::sha256(&wheel).map_err(|source| Error::Io {
        doing: "read",
        path: wheel.clone(),
        source,
    })?;
    if sha256 != pinned.wheel_sha256 {
        return Err(Error::Fetch(format!(
            "pip gave another file than expected, {}: expected sha256 {}, got {sha256}",
            wheel.file_name().unwrap_or_default().display(),
            pinned.wheel_sha256
        )));
    }
    unpack(pinned, &wheel, &target)?;
    Ok(target)
}

/// Runs pip and returns the wheel.
fn download(pinned: &Pinned, into: &Path) -> Result<PathBuf, Error> {
    let package = format!("onnxruntime=={}", pinned.version);
    let output = Command::new("python3")
        .args([
            "-m",
            "pip",
            "download",
            &package,
            "--no-deps",
            "--only-binary=:all:",
        ])
        .args(["--platform", pinned.platform, "--python-version", "3.12"])
        .args(["--implementation", "cp", "--abi", "cp312"])
        .args([
            "--no-input",
            "--disable-pip-version-check",
            "--quiet",
            "--dest",
        ])
        .arg(into)
        .output()
        .map_err(|error| Error::Fetch(format!("python3 cannot be run: {error}")))?;
    if !output.status.success() {
        return Err(Error::Fetch(format!(
            "`python3 -m pip download {package}` failed: {}",
            last_line(&output.stderr)
        )));
    }
    let read = |source| Error::Io {
        doing: "read",
        path: into.to_owned(),
        source,
    };
    for entry in fs::read_dir(into).map_err(read)? {
        let path = entry.map_err(read)?.path();
        if path.extension() == Some(OsStr::new("whl")) {
            return Ok(path);
        }
    }
    Err(Error::Fetch(format!(
        "`python3 -m pip download {package}` left no wheel"
    )))
}

/// Takes the library out of the wheel: to a temporary file, synced, checked, renamed.
fn unpack(pinned: &Pinned, wheel: &Path, target: &Path) -> Result<(), Error> {
    let folder = target.parent().unwrap_or(Path::new("."));
    let write = |source| Error::Io {
        doing: "write",
        path: target.to_owned(),
        source,
    };
    let inner = |error: zip::result::ZipError| {
        Error::Fetch(format!("cannot unpack {}: {error}", wheel.display()))
    };
    let file = File::open(wheel).map_err(|source| Error::Io {
        doing: "read",
        path: wheel.to_owned(),
        source,
    })?;
    let mut archive = zip::ZipArchive::new(file).map_err(inner)?;
    let name = format!("onnxruntime/capi/{}", pinned.file_name());
    let mut member = archive.by_name(&name).map_err(inner)?;
    let mut temporary = NamedTempFile::with_prefix_in(".library-", folder).map_err(write)?;
    io::copy(&mut member, temporary.as_file_mut()).map_err(write)?;
    temporary.as_file().sync_all().map_err(write)?;
    let sha256 = library::sha256(temporary.path()).map_err(write)?;
    if sha256 != pinned.library_sha256 {
        return Err(Error::Fetch(format!(
            "{name} in the wheel is another file than expected: expected sha256 {}, got {sha256}",
            pinned.library_sha256
        )));
    }
    temporary
        .persist(target)
        .map_err(|error| write(error.error))?;
    Ok(())
}
