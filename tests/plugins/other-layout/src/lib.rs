//! A plugin of the right ABI version whose types are laid out otherwise: what somebody gets who
//! changes a type of the boundary and forgets its number.
#![cfg_attr(
    feature = "cdylib",
    allow(
        dead_code,
        missing_docs,
        non_camel_case_types,
        non_upper_case_globals,
        unreachable_pub,
        unsafe_code
    )
)]

#[cfg(feature = "cdylib")]
mod exported {
    use abi_stable::StableAbi;
    use abi_stable::declare_root_module_statics;
    use abi_stable::library::{
        __call_root_module_loader, CheckTypeLayout, LibHeader, RootModule, RootModuleResult,
    };
    use abi_stable::prefix_type::PrefixTypeTrait;
    use abi_stable::sabi_types::VersionStrings;
    use abi_stable::std_types::{RString, RVec};

    /// As the boundary's, but for the type of `size` and a field that it has not.
    #[repr(C)]
    #[derive(StableAbi, Clone)]
    pub struct Registration {
        pub id: RString,
        pub size: u64,
    }

    /// As the boundary's, by name and version.
    #[repr(C)]
    #[derive(StableAbi)]
    #[sabi(kind(Prefix(prefix_ref = PluginModule_Ref)))]
    #[sabi(missing_field(panic))]
    pub struct PluginModule {
        #[sabi(last_prefix_field)]
        pub registrations: extern "C" fn() -> RVec<Registration>,
    }

    impl RootModule for PluginModule_Ref {
        declare_root_module_statics! {PluginModule_Ref}
        const BASE_NAME: &'static str = "eidetic_plugin";
        const NAME: &'static str = "eidetic_plugin";
        const VERSION_STRINGS: VersionStrings = VersionStrings::new("0.1.0");
    }

    extern "C" fn registrations() -> RVec<Registration> {
        RVec::new()
    }

    fn module() -> PluginModule_Ref {
        PluginModule { registrations }.leak_into_prefix()
    }

    extern "C" fn erased_module() -> RootModuleResult {
        __call_root_module_loader(module)
    }

    // SAFETY: the name and the signature are the boundary's own.
    #[unsafe(no_mangle)]
    extern "C" fn eidetic_abi_version() -> u32 {
        eidetic_abi::module::ABI_VERSION
    }

    // SAFETY: the name is abi_stable's for a header, and the constructor gives the type that the
    // header describes.
    #[unsafe(no_mangle)]
    static _1as_0lib_1header_0root_bmodule_bloader: LibHeader = unsafe {
        LibHeader::from_constructor::<PluginModule_Ref>(erased_module, CheckTypeLayout::Yes)
    };
}
