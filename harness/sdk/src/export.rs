//! The macro that turns types into a plugin library.

/// Registers any number of plugins of any kind: `export_plugins!(attack Random, model Memorizer)`.
///
/// Always emits `pub fn registrations()`, which a binary that links the crate calls. The symbols
/// that a loader looks for come only with the crate's feature `cdylib`: their names are fixed, so
/// two linked-in plugins would collide.
#[macro_export]
macro_rules! export_plugins {
    ($($kind:ident $plugin:ty),+ $(,)?) => {
        /// Every plugin of this crate.
        pub fn registrations() -> ::std::vec::Vec<$crate::registration::Registration> {
            let origin = $crate::registration::Origin {
                version: ::core::env!("CARGO_PKG_VERSION"),
                licence: ::core::env!("CARGO_PKG_LICENSE"),
            };
            ::std::vec![$($crate::registration::$kind::<$plugin>(origin)),+]
        }

        #[cfg(feature = "cdylib")]
        #[allow(unsafe_code, non_upper_case_globals)]
        mod exported {
            use $crate::private::{
                ABI_VERSION, AbiResult, CheckTypeLayout, LibHeader, PluginModule, PluginModule_Ref,
                RVec, Registration, RootModuleResult, call_root_module_loader, leak, list,
            };

            // SAFETY: the name is this boundary's own and fixed; the function takes nothing and
            // gives a number, as the loader expects.
            #[unsafe(no_mangle)]
            extern "C" fn eidetic_abi_version() -> u32 {
                ABI_VERSION
            }

            extern "C" fn registrations() -> AbiResult<RVec<Registration>> {
                list(super::registrations)
            }

            fn module() -> PluginModule_Ref {
                leak(PluginModule { registrations })
            }

            extern "C" fn erased_module() -> RootModuleResult {
                call_root_module_loader(module)
            }

            // SAFETY: the name is the one under which abi_stable looks for a root module's header;
            // the constructor gives a `PluginModule_Ref`, the type that the header describes.
            #[unsafe(no_mangle)]
            static _1as_0lib_1header_0root_bmodule_bloader: LibHeader = unsafe {
                LibHeader::from_constructor::<PluginModule_Ref>(
                    erased_module,
                    CheckTypeLayout::Yes,
                )
            };
        }
    };
}
