//! The only calls into foreign code of this crate: loading a library to ask its version, and one
//! system call that has no safe wrapper.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_void};
use std::path::Path;

use crate::Error;
use crate::library::{OLDEST_MINOR, is_supported};

/// `OrtApiBase` of `onnxruntime_c_api.h`, the two functions that have stood first since 1.0.
#[repr(C)]
struct ApiBase {
    get_api: unsafe extern "C" fn(version: u32) -> *const c_void,
    get_version_string: unsafe extern "C" fn() -> *const c_char,
}

/// The version that a library of ONNX Runtime calls itself, `1.24.4`; an error when it is not ONNX
/// Runtime, or is too old, or does not have the API that its version should have.
///
/// The library stays loaded: unloading ONNX Runtime runs destructors that other versions in the
/// process do not expect.
pub(crate) fn onnxruntime_version(path: &Path) -> Result<String, Error> {
    let path_owned = || path.to_owned();
    // SAFETY: loading runs the library's initialisers. The file is a whole ELF library, which the
    // caller has checked, and it is the one that the user or the search named to be run.
    let library = unsafe { libloading::Library::new(path) }.map_err(|error| Error::Load {
        path: path_owned(),
        reason: error.to_string(),
    })?;
    let library = std::mem::ManuallyDrop::new(library);

    // SAFETY: the C header of every version declares `const OrtApiBase* OrtGetApiBase(void)`.
    let base =
        unsafe { library.get::<unsafe extern "C" fn() -> *const ApiBase>(b"OrtGetApiBase\0") }
            .map_err(|_| Error::NotOnnxRuntime { path: path_owned() })?;
    // SAFETY: the function takes nothing and returns a pointer to a static, or null.
    let base =
        unsafe { base().as_ref() }.ok_or_else(|| Error::NotOnnxRuntime { path: path_owned() })?;
    // SAFETY: takes nothing, returns a static string or null.
    let version = unsafe { (base.get_version_string)() };
    if version.is_null() {
        return Err(Error::NotOnnxRuntime { path: path_owned() });
    }
    // SAFETY: not null, and a static C string by the header.
    let version = unsafe { CStr::from_ptr(version) }
        .to_string_lossy()
        .into_owned();
    // Asking an older version for this API makes it print to stderr.
    if !is_supported(&version) {
        return Err(Error::Version {
            path: path_owned(),
            version,
        });
    }
    // SAFETY: any number may be asked for; null is the answer for an unsupported one.
    if unsafe { (base.get_api)(OLDEST_MINOR) }.is_null() {
        return Err(Error::Version {
            path: path_owned(),
            version,
        });
    }
    Ok(version)
}

/// Landlock's ABI version, at least 1; `None` where the kernel has none or it is switched off.
pub(crate) fn landlock_abi() -> Option<u32> {
    const LANDLOCK_CREATE_RULESET_VERSION: libc::c_ulong = 1;
    // SAFETY: with a null attribute of size 0 and this flag the call only returns a number
    // (landlock_create_ruleset(2)); it creates nothing.
    let version = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<c_void>(),
            0 as libc::size_t,
            LANDLOCK_CREATE_RULESET_VERSION,
        )
    };
    u32::try_from(version).ok().filter(|version| *version > 0)
}
