//! A shared library that is no plugin: whole, loadable, and without the symbols.

/// Something to export.
#[cfg(feature = "cdylib")]
#[allow(unsafe_code)]
// SAFETY: no other library of the tests has this name.
#[unsafe(no_mangle)]
pub extern "C" fn eidetic_no_symbol() -> u32 {
    1
}
