//! What a library exports: its registrations, behind one symbol of a fixed name.
#![allow(
    non_camel_case_types,
    reason = "abi_stable names the prefix type of a module with `_Ref`"
)]

use abi_stable::StableAbi;
use abi_stable::declare_root_module_statics;
use abi_stable::library::RootModule;
use abi_stable::sabi_types::VersionStrings;
use abi_stable::std_types::{ROption, RStr, RString, RVec};

use crate::attack::{AttackBox, Goal};
use crate::error::AbiResult;
use crate::host::Access;
use crate::mitigation::{MitigationBox, Stages};
use crate::model::ModelBox;
use crate::training::TrainingSet;

/// Version of this boundary: `0.MINOR` until 1.0, and every minor may break.
pub const ABI_VERSION: u32 = 2;

/// C symbol (`extern "C" fn() -> u32`) that is read before anything of abi_stable's.
pub const ABI_VERSION_SYMBOL: &str = "eidetic_abi_version";

/// What a plugin is, with its constructor.
#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub enum Kind {
    /// A model.
    Model {
        /// Whether it trains itself on the training set.
        trains: bool,
        /// Options and, for a model that trains itself, the training set, borrowed for this call.
        make: extern "C" fn(RStr<'_>, ROption<TrainingSet<'_>>) -> AbiResult<ModelBox>,
    },
    /// An attack.
    Attack {
        /// What it is after.
        goal: Goal,
        /// What it needs of the target.
        access: Access,
        /// Options.
        make: extern "C" fn(RStr<'_>) -> AbiResult<AttackBox>,
    },
    /// A mitigation.
    Mitigation {
        /// Where it acts.
        stages: Stages,
        /// What the defender has: options and the training set, borrowed for this call.
        make: extern "C" fn(RStr<'_>, TrainingSet<'_>) -> AbiResult<MitigationBox>,
    },
}

/// One plugin of a library.
#[repr(C)]
#[derive(StableAbi, Clone)]
pub struct Registration {
    /// Identity: the crate's name without the kind's prefix, such as `random`.
    pub id: RString,
    /// One line for `eidetic list`.
    pub summary: RString,
    /// The crate's version.
    pub version: RString,
    /// SPDX expression.
    pub licence: RString,
    /// JSON schema of the options.
    pub options_schema: RString,
    /// Options as JSON to the same with every default filled in; refuses what it does not know.
    pub resolve: extern "C" fn(options: RStr<'_>) -> AbiResult<RString>,
    /// What it is.
    pub kind: Kind,
}

/// The root module of a plugin library.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = PluginModule_Ref)))]
#[sabi(missing_field(panic))]
pub struct PluginModule {
    /// Every plugin in the library.
    #[sabi(last_prefix_field)]
    pub registrations: extern "C" fn() -> AbiResult<RVec<Registration>>,
}

impl RootModule for PluginModule_Ref {
    declare_root_module_statics! {PluginModule_Ref}
    const BASE_NAME: &'static str = "eidetic_plugin";
    const NAME: &'static str = "eidetic_plugin";
    // Follows ABI_VERSION, not the crate's version: a release must not turn plugins away.
    const VERSION_STRINGS: VersionStrings = VersionStrings::new("0.1.0");
}
