//! A plugin of another ABI version. It has nothing else: the number is to be read first.

/// A number that no version of the boundary has.
#[cfg(feature = "cdylib")]
#[allow(unsafe_code)]
// SAFETY: the name and the signature are the boundary's own.
#[unsafe(no_mangle)]
pub extern "C" fn eidetic_abi_version() -> u32 {
    999
}
