//! What [`crate::export_plugins!`] expands to needs; not for authors.

pub use eidetic_abi::abi_stable::library::__call_root_module_loader as call_root_module_loader;
pub use eidetic_abi::abi_stable::library::{CheckTypeLayout, LibHeader, RootModuleResult};
use eidetic_abi::abi_stable::prefix_type::PrefixTypeTrait;
pub use eidetic_abi::abi_stable::std_types::RVec;
pub use eidetic_abi::error::AbiResult;
pub use eidetic_abi::module::{ABI_VERSION, PluginModule, PluginModule_Ref, Registration};

use crate::bridge::guard::guard;

/// The root module, for as long as the library is loaded.
pub fn leak(module: PluginModule) -> PluginModule_Ref {
    module.leak_into_prefix()
}

/// The registrations as they cross; a panic in making them becomes an error.
pub fn list(registrations: fn() -> Vec<Registration>) -> AbiResult<RVec<Registration>> {
    guard(|| Ok(registrations().into()))
}
