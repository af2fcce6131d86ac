//! Plugins: libraries that are loaded, and the registry of everything that is there.

mod error;
mod library;
mod registry;

pub use error::Error;
pub use library::Library;
pub use registry::{KindName, Plugin, Registry, Source};
