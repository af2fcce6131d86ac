//! Pictures that some other program generated: a folder of image files, an array, a tar. It reads
//! them as they are and never resizes; datasets read their image files through the same decoder.

pub(crate) mod archive;
mod array;
mod collect;
mod decode;
mod error;
pub(crate) mod folder;
pub(crate) mod npy;
mod read;
pub(crate) mod unpack;

#[cfg(feature = "parquet")]
pub(crate) use collect::Collector;
pub(crate) use decode::shape_of;
pub use error::{Error, Unusable};
pub use npy::Layout;
pub use read::{Pictures, read};
pub(crate) use read::{of_archive, of_folder};
