//! What can be wrong with a plugin.

use std::path::PathBuf;

use eidetic_abi::module::ABI_VERSION;

/// Why a plugin cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is not there, or cannot be read.
    #[error("cannot read plugin {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Not a whole shared library of this machine.
    #[error("plugin {source}")]
    Elf {
        /// What is wrong; names the file.
        #[from]
        source: eidetic_runtime::ElfError,
    },
    /// The system's loader refused it.
    #[error("plugin {}: cannot be loaded: {reason}", path.display())]
    Load {
        /// The file.
        path: PathBuf,
        /// The loader's words.
        reason: String,
    },
    /// A library, but no plugin.
    #[error(
        "plugin {}: expected the symbol `{symbol}`, found none: the library exports no plugin; \
         name its types in `export_plugins!` and build it with the crate's feature `cdylib`",
        path.display()
    )]
    Symbol {
        /// The file.
        path: PathBuf,
        /// What is missing.
        symbol: String,
    },
    /// Built against another boundary.
    #[error(
        "plugin {}: expected ABI {ABI_VERSION}, got ABI {got}: build it against the eidetic-sdk of \
         this version of eidetic (until 1.0 each ABI may break the one before)",
        path.display()
    )]
    AbiVersion {
        /// The file.
        path: PathBuf,
        /// Its number.
        got: u32,
    },
    /// Same number, other types.
    #[error(
        "plugin {}: ABI {ABI_VERSION} as expected, but its types are laid out otherwise, first: \
         {first}; build it against the eidetic-sdk of this version of eidetic{}",
        path.display(),
        log.as_ref().map(|log| format!(" (whole report: {})", log.display())).unwrap_or_default()
    )]
    Layout {
        /// The file.
        path: PathBuf,
        /// The first difference.
        first: String,
        /// Where the whole report was written.
        log: Option<PathBuf>,
    },
    /// Its list of plugins could not be had, or makes no sense.
    #[error("plugin {}: {reason}", path.display())]
    Registrations {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Two files offer the same.
    #[error("{kind} `{id}` is offered by both {first} and {second}; pass one of them")]
    Twice {
        /// Kind of plugin.
        kind: &'static str,
        /// Its id.
        id: String,
        /// Where it was found first.
        first: String,
        /// Where it was found again.
        second: String,
    },
    /// No such plugin.
    #[error("unknown {kind} `{id}`{known}")]
    Unknown {
        /// Kind of plugin.
        kind: &'static str,
        /// What was asked for.
        id: String,
        /// What there is, and the nearest of it.
        known: String,
    },
    /// Options that it refuses.
    #[error("{kind} `{id}`: {reason}")]
    Options {
        /// Kind of plugin.
        kind: &'static str,
        /// Its id.
        id: String,
        /// The plugin's words.
        reason: String,
    },
}
