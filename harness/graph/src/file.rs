//! Reading and writing ONNX files.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use prost::Message;

use crate::check::check;
use crate::error::Error;
use crate::proto::ModelProto;

/// What a message of Protocol Buffers holds at most.
const MOST_BYTES: u64 = i32::MAX as u64;

/// Reads a model and checks that its parts fit together ([`check`]). Weights in other files are
/// left where they are.
///
/// # Errors
/// [`Error::Io`], [`Error::TooLarge`], and [`Error::NotOnnx`] for what is no model.
pub fn read(path: &Path) -> Result<ModelProto, Error> {
    let failed = |source| Error::Io {
        doing: "read",
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(failed)?;
    let bytes = file.metadata().map_err(failed)?.len();
    let too_large = |bytes| Error::TooLarge {
        path: path.to_owned(),
        bytes,
        limit: MOST_BYTES,
    };
    if bytes > MOST_BYTES {
        return Err(too_large(bytes));
    }
    let mut content = Vec::with_capacity(bytes as usize);
    file.take(MOST_BYTES + 1)
        .read_to_end(&mut content)
        .map_err(failed)?;
    if content.len() as u64 > MOST_BYTES {
        return Err(too_large(content.len() as u64));
    }
    decode(path, &content)
}

/// As [`read`], from bytes; `path` is only what errors call it.
///
/// # Errors
/// [`Error::NotOnnx`].
pub fn decode(path: &Path, bytes: &[u8]) -> Result<ModelProto, Error> {
    let not_onnx = |got: String| Error::NotOnnx {
        path: path.to_owned(),
        got,
    };
    if bytes.is_empty() {
        return Err(not_onnx("an empty file".to_owned()));
    }
    let model = ModelProto::decode(bytes)
        .map_err(|error| not_onnx(format!("{} bytes that are none ({error})", bytes.len())))?;
    if model.ir_version < 1 || model.graph.is_none() {
        return Err(not_onnx(format!("{} bytes without a graph", bytes.len())));
    }
    check(&model).map_err(|error| not_onnx(error.to_string()))?;
    Ok(model)
}

/// The bytes of a model: the same model gives the same bytes.
pub fn encode(model: &ModelProto) -> Vec<u8> {
    model.encode_to_vec()
}

/// Writes a model so that a reader sees the old file or the whole new one: a temporary file in
/// the same folder, synced, renamed. The folder has to be there.
///
/// # Errors
/// [`Error::Io`]; [`Error::TooLarge`] before anything is written.
pub fn write(path: &Path, model: &ModelProto) -> Result<(), Error> {
    let bytes = model.encoded_len() as u64;
    if bytes > MOST_BYTES {
        return Err(Error::TooLarge {
            path: path.to_owned(),
            bytes,
            limit: MOST_BYTES,
        });
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let write = || -> io::Result<()> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(".").suffix(".tmp");
        #[cfg(unix)]
        builder
            .permissions(<fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o666));
        let mut file = builder.tempfile_in(folder)?;
        file.write_all(&encode(model))?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        #[cfg(unix)]
        File::open(folder)?.sync_all()?;
        Ok(())
    };
    write().map_err(|source| Error::Io {
        doing: "write",
        path: path.to_owned(),
        source,
    })
}
