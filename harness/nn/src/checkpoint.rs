//! What a run is continued from: one safetensors file.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, View, serialize};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::optimiser::Moments;
use crate::parameters::{Parameter, Parameters};

/// Version of the layout.
const FORMAT: u32 = 1;
/// The one metadata entry: a map of several would be written in an order of its own each time.
const KEY: &str = "eidetic";
const STATE: &str = "state";

/// A run between two steps.
///
/// Tensors `weight.NAME`, `ema.NAME`, `first.NAME`, `second.NAME` (f32) and `state` (u8); what is
/// random depends on seed and step alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// Digest of the recipe, the caller's.
    pub run: String,
    /// Seed of the run.
    pub seed: u64,
    /// Steps done.
    pub step: u64,
    /// Whether the task ended the run.
    pub stopped: bool,
    /// The weights.
    pub weights: Parameters,
    /// Their exponential moving average.
    pub ema: Parameters,
    /// The optimiser's.
    pub moments: Moments,
    /// The task's: [`crate::Task::state`].
    pub state: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format: u32,
    run: String,
    seed: u64,
    step: u64,
    stopped: bool,
    sha256: String,
}

struct Tensor<'a> {
    element: Dtype,
    shape: Vec<usize>,
    bytes: Cow<'a, [u8]>,
}

impl View for &Tensor<'_> {
    fn dtype(&self) -> Dtype {
        self.element
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

impl Checkpoint {
    /// Writes a temporary file beside `path`, syncs it, and renames it.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        let tensors = self.tensors();
        let header = Header {
            format: FORMAT,
            run: self.run.clone(),
            seed: self.seed,
            step: self.step,
            stopped: self.stopped,
            sha256: self.digest(&tensors),
        };
        let write = || -> io::Result<()> {
            let header = serde_json::to_string(&header)?;
            let metadata = HashMap::from([(KEY.to_owned(), header)]);
            let named = tensors.iter().map(|(name, tensor)| (name, tensor));
            let bytes = serialize(named, Some(metadata)).map_err(io::Error::other)?;
            let folder = match path.parent() {
                Some(folder) if !folder.as_os_str().is_empty() => folder,
                _ => Path::new("."),
            };
            let mut file = tempfile::Builder::new()
                .prefix(".checkpoint")
                .suffix(".tmp")
                .tempfile_in(folder)?;
            file.write_all(&bytes)?;
            file.as_file().sync_all()?;
            file.persist(path).map_err(|error| error.error)?;
            File::open(folder)?.sync_all()
        };
        write().map_err(|source| Error::Io {
            doing: "write",
            path: path.to_owned(),
            source,
        })
    }

    /// Reads the checkpoint of the run `run` of a network whose tensors are those of `like`; `None`
    /// where there is no file.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] for a file that is damaged, of another run, seed or network, or that
    /// holds values that are not finite; [`Error::Io`].
    pub fn read(
        path: &Path,
        run: &str,
        seed: u64,
        like: &Parameters,
    ) -> Result<Option<Self>, Error> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => {
                let path = path.to_owned();
                return Err(Error::Io {
                    doing: "read",
                    path,
                    source,
                });
            }
        };
        let wrong = |what| Error::Checkpoint {
            path: path.to_owned(),
            what,
        };
        let found = Self::decode(&bytes, like).map_err(wrong)?;
        if found.run != run || found.seed != seed {
            return Err(wrong(format!(
                "expected the run {run} with seed {seed}, got {} with seed {}; train into another \
                 folder or delete this file",
                found.run, found.seed
            )));
        }
        Ok(Some(found))
    }

    fn decode(bytes: &[u8], like: &Parameters) -> Result<Self, String> {
        let damaged = |error: &dyn std::fmt::Display| {
            format!("expected a checkpoint, got a damaged file ({error}); delete it to start again")
        };
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|error| damaged(&error))?;
        let entries = metadata.metadata().as_ref();
        let header = entries.and_then(|entries| match entries.len() {
            1 => entries.get(KEY),
            _ => None,
        });
        let header = header.ok_or_else(|| damaged(&"no header of its own"))?;
        let header: Header = serde_json::from_str(header).map_err(|error| damaged(&error))?;
        if header.format != FORMAT {
            return Err(format!("expected format {FORMAT}, got {}", header.format));
        }
        let file = SafeTensors::deserialize(bytes).map_err(|error| damaged(&error))?;
        let expected = 4 * like.list.len() + 1;
        if file.len() != expected {
            return Err(format!(
                "expected the {expected} tensors of this network, got {}",
                file.len()
            ));
        }
        let of = |part: &str| -> Result<Parameters, String> {
            let list = like.list.iter().map(|like| tensor(&file, part, like));
            Ok(Parameters {
                list: list.collect::<Result<_, _>>()?,
            })
        };
        let state = file.tensor(STATE).map_err(|error| damaged(&error))?;
        if state.dtype() != Dtype::U8 || state.shape().len() != 1 {
            return Err(damaged(&"a state that is no list of bytes"));
        }
        let found = Self {
            run: header.run,
            seed: header.seed,
            step: header.step,
            stopped: header.stopped,
            weights: of("weight")?,
            ema: of("ema")?,
            moments: Moments {
                first: of("first")?,
                second: of("second")?,
            },
            state: state.data().to_vec(),
        };
        if found.digest(&found.tensors()) != header.sha256 {
            return Err(damaged(&"its digest is not that of its content"));
        }
        match found.not_finite() {
            None => Ok(found),
            Some((name, value)) => Err(format!("{name}: expected finite values, got {value}")),
        }
    }

    /// The first value that is not finite, and the tensor that it is in.
    pub(crate) fn not_finite(&self) -> Option<(String, f32)> {
        self.parts().into_iter().find_map(|(part, parameters)| {
            parameters.list.iter().find_map(|each| {
                let found = each.values.iter().find(|value| !value.is_finite());
                found.map(|&value| (format!("{part}.{}", each.name), value))
            })
        })
    }

    fn parts(&self) -> [(&'static str, &Parameters); 4] {
        [
            ("weight", &self.weights),
            ("ema", &self.ema),
            ("first", &self.moments.first),
            ("second", &self.moments.second),
        ]
    }

    fn tensors(&self) -> Vec<(String, Tensor<'_>)> {
        let mut tensors = Vec::new();
        for (part, parameters) in self.parts() {
            for each in &parameters.list {
                let bytes: Vec<u8> = each.values.iter().flat_map(|x| x.to_le_bytes()).collect();
                let tensor = Tensor {
                    element: Dtype::F32,
                    shape: each.shape.clone(),
                    bytes: Cow::Owned(bytes),
                };
                tensors.push((format!("{part}.{}", each.name), tensor));
            }
        }
        let state = Tensor {
            element: Dtype::U8,
            shape: vec![self.state.len()],
            bytes: Cow::Borrowed(&self.state),
        };
        tensors.push((STATE.to_owned(), state));
        tensors
    }

    /// SHA-256 over all that the file says, each part with its length before it.
    fn digest(&self, tensors: &[(String, Tensor<'_>)]) -> String {
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        part(self.run.as_bytes());
        part(&self.seed.to_le_bytes());
        part(&self.step.to_le_bytes());
        part(&[u8::from(self.stopped)]);
        for (name, tensor) in tensors {
            part(name.as_bytes());
            let sizes = tensor.shape.iter();
            let sizes: Vec<u8> = sizes
                .flat_map(|&size| (size as u64).to_le_bytes())
                .collect();
            part(&sizes);
            part(&tensor.bytes);
        }
        hash.finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

fn tensor(file: &SafeTensors<'_>, part: &str, like: &Parameter) -> Result<Parameter, String> {
    let name = format!("{part}.{}", like.name);
    let found = file.tensor(&name);
    let found = found.map_err(|_| format!("expected a tensor {name}, got none"))?;
    if found.dtype() != Dtype::F32 || found.shape() != like.shape {
        return Err(format!(
            "{name}: expected F32 {:?}, got {} {:?}",
            like.shape,
            found.dtype(),
            found.shape()
        ));
    }
    let (values, _) = found.data().as_chunks::<4>();
    Ok(Parameter {
        name: like.name.clone(),
        shape: like.shape.clone(),
        values: values
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect(),
    })
}
