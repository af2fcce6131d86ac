//! Errors as they cross: a code for programs, a message for people, a next step.

use abi_stable::StableAbi;
use abi_stable::std_types::{RResult, RString};

/// What kind of failure it was, so that the host can choose a status without reading prose.
#[repr(u8)]
#[derive(StableAbi, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// The call itself was wrong: shapes, lengths, ranges.
    BadInput,
    /// The plugin's options were wrong.
    BadOptions,
    /// This plugin or model does not offer that call.
    Unsupported,
    /// The budget of model calls is spent.
    Budget,
    /// The run was cancelled or has timed out.
    Cancelled,
    /// The plugin panicked; the message is the panic's.
    Panic,
    /// Anything else.
    Failed,
}

/// An error on the boundary.
#[repr(C)]
#[derive(StableAbi, Clone, Debug, PartialEq, Eq)]
pub struct AbiError {
    /// What kind.
    pub code: ErrorCode,
    /// What happened, lower case, no full stop.
    pub message: RString,
    /// What to do next; may be empty.
    pub help: RString,
}

/// A result on the boundary.
pub type AbiResult<T> = RResult<T, AbiError>;
