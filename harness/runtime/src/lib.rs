//! Finds ONNX Runtime and runs models with it, deterministically.
//!
//! The only crate that names `ort`. It owns the search for the library ([`find`]), the checks
//! before the library is loaded ([`check_elf`]), the one environment of a process ([`Runtime`]),
//! and models opened for batched inference ([`Sessions`]). It does not know what a diffusion model
//! is: names, shapes and preconditioning belong to the caller.

#[cfg(not(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
compile_error!("eidetic-runtime knows ONNX Runtime for Linux on x86_64 and aarch64 only");

mod attempt;
mod cache;
mod device;
mod elf;
mod error;
mod feed;
mod fetch;
mod foreign;
mod host;
mod library;
mod microbatch;
mod port;
mod python;
mod runtime;
mod search;
mod sessions;

pub use attempt::{Attempt, Outcome};
pub use device::{Device, ParseDeviceError};
pub use elf::{ElfError, check_elf};
pub use error::Error;
pub use feed::{Feed, Value};
pub use host::{Host, Sandbox};
pub use library::{Found, Library};
pub use port::{Element, Port};
pub use runtime::{ModelSource, Runtime};
pub use search::{Search, attempts, find};
pub use sessions::{SessionOptions, Sessions, Summed};
