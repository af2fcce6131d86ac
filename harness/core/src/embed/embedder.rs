//! An embedder at work: images in, features out.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use eidetic_runtime::{Device, Feed, ModelSource, Runtime, SessionOptions, Sessions};
use ndarray::ArrayView4;
use sha2::{Digest, Sha256};

use super::cache;
use super::error::Error;
use super::features::FeatureTable;
use super::manifest::{Manifest, Normalisation};
use super::network::{self, CheckedNetwork};
use super::preprocess::Preprocess;
use super::resize;
use crate::files::{cache_dir, hex};

/// Goes up with every change of how features are made, but for resizing, which has its own.
const REVISION: u32 = 1;

/// A network that gives the features of an image, checked and ready.
#[derive(Debug)]
pub struct Embedder {
    manifest: Manifest,
    network: PathBuf,
    network_sha256: String,
    runtime: Runtime,
    jobs: usize,
    id: String,
    /// Opened when the first features are made: those of the cache need none.
    sessions: Mutex<Option<Arc<Sessions>>>,
}

/// The features of one microbatch, and which one it was.
type Part = (usize, Result<Vec<f32>, Error>);

impl Embedder {
    /// Images in one pass through the network. Image i always lies at place i % MICROBATCH, which
    /// can show in the last bits: who cuts a set of images into parts cuts it at multiples of this.
    pub const MICROBATCH: usize = 16;

    /// Reads and checks a folder with an `embedder.yaml`, and its network, which lies there or in
    /// `data_dir`. It will run on the CPU in `jobs` sessions of one thread each (at least 1), each
    /// with the weights in memory.
    ///
    /// # Errors
    /// [`Error::Manifest`], [`Error::NoNetwork`], [`Error::Io`], [`Error::Digest`],
    /// [`Error::Onnx`], [`Error::Weights`], [`Error::Port`].
    pub fn open(
        folder: &Path,
        data_dir: Option<&Path>,
        runtime: &Runtime,
        jobs: usize,
    ) -> Result<Self, Error> {
        let manifest = Manifest::read(folder)?;
        let network = CheckedNetwork::open(&manifest, folder, data_dir)?;
        let id = id(&manifest, &network.sha256, runtime);
        Ok(Self {
            manifest,
            network: network.path,
            network_sha256: network.sha256,
            runtime: runtime.clone(),
            jobs: jobs.max(1),
            id,
            sessions: Mutex::new(None),
        })
    }

    /// Digest of everything that can change a feature: the numbers of the manifest, the network,
    /// the revision of resizing, ONNX Runtime and its device, the microbatch. Not of the name, and
    /// not of the processor.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What `embedder.yaml` says.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Where the network is.
    pub fn network(&self) -> &Path {
        &self.network
    }

    /// SHA-256 of the network's file.
    pub fn network_sha256(&self) -> &str {
        &self.network_sha256
    }

    /// The features of `images`, `[n, C, H, W]` as bytes with `shape` = `[C, H, W]`, C 1 or 3: the
    /// same bits whatever the number of sessions. Of preprocessed images, a microbatch a session is
    /// in memory at once.
    ///
    /// # Errors
    /// [`Error::Images`], [`Error::NotFinite`] for the first image that has such a feature,
    /// [`Error::Runtime`], [`Error::Port`]; [`Error::Io`] and [`Error::Digest`] where the network's
    /// file has changed since.
    pub fn features(&self, images: &[u8], shape: [usize; 3]) -> Result<FeatureTable, Error> {
        let count = count(images, shape)?;
        let dim = self.manifest.network.dim;
        if count == 0 {
            let values = Vec::new();
            return Ok(FeatureTable { values, dim });
        }
        let sessions = self.sessions()?;
        let preprocess = Preprocess::new(&self.manifest.preprocessing, shape);
        let size = Self::MICROBATCH * preprocess.pixels();
        let batches: Vec<&[u8]> = images.chunks(size).collect();
        let next = AtomicUsize::new(0);
        let work = || -> Vec<Part> {
            let mut parts = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(batch) = batches.get(index) else {
                    return parts;
                };
                let part = self.embed(&sessions, &preprocess, batch, index * Self::MICROBATCH);
                if part.is_err() {
                    next.store(batches.len(), Ordering::Relaxed);
                }
                parts.push((index, part));
            }
        };
        let workers = sessions.sessions().min(batches.len());
        let mut parts = std::thread::scope(|scope| {
            let others: Vec<_> = (1..workers).map(|_| scope.spawn(work)).collect();
            let mut parts = work();
            for other in others {
                parts.extend(
                    other
                        .join()
                        .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
                );
            }
            parts
        });
        // Batches are handed out in order, so the first that fails is the same for any number of
        // sessions.
        parts.sort_by_key(|(index, _)| *index);
        let mut values = Vec::with_capacity(count * dim);
        for (_, part) in parts {
            values.extend(part?);
        }
        Ok(FeatureTable { values, dim })
    }

    /// As [`Embedder::features`], from the user's cache where the same embedder has made the
    /// features of the same images before, and kept there. A damaged file is made again; a cache
    /// that cannot be written costs only time.
    ///
    /// # Errors
    /// As [`Embedder::features`].
    pub fn cached_features(&self, images: &[u8], shape: [usize; 3]) -> Result<FeatureTable, Error> {
        match cache_dir() {
            Ok(cache) => self.cached_features_in(&cache, images, shape),
            Err(error) => {
                tracing::warn!(%error, "features are not cached");
                self.features(images, shape)
            }
        }
    }

    /// As [`Embedder::cached_features`], with a cache folder of the caller's.
    ///
    /// # Errors
    /// As [`Embedder::features`].
    pub fn cached_features_in(
        &self,
        cache: &Path,
        images: &[u8],
        shape: [usize; 3],
    ) -> Result<FeatureTable, Error> {
        let count = count(images, shape)?;
        if count == 0 {
            return self.features(images, shape);
        }
        let slot = cache::Slot::new(cache, &self.id, images, shape);
        if let Some(found) = slot.read(count, self.manifest.network.dim) {
            return Ok(found);
        }
        let made = self.features(images, shape)?;
        slot.write(&made);
        Ok(made)
    }

    /// One microbatch, the last one possibly short; `first` is the place of its first image.
    fn embed(
        &self,
        sessions: &Sessions,
        preprocess: &Preprocess,
        images: &[u8],
        first: usize,
    ) -> Result<Vec<f32>, Error> {
        let [channels, height, width] = preprocess.input_shape();
        let size = channels * height * width;
        let pixels = preprocess.pixels();
        let rows = images.len() / pixels;
        let mut input = vec![0.0; rows * size];
        for (image, input) in images
            .chunks_exact(pixels)
            .zip(input.chunks_exact_mut(size))
        {
            preprocess.write(image, input);
        }
        let network = &self.manifest.network;
        let input = ArrayView4::from_shape((rows, channels, height, width), &input)
            .expect("as many values as the shape has");
        let feed = Feed::rows(&network.input, input.into_dyn());
        let mut outputs = sessions
            .run(rows, &[feed], &[&network.output])
            .map_err(|error| self.runtime_error(error))?;
        let output = outputs.swap_remove(0);
        if output.shape() != [rows, network.dim] {
            return Err(Error::Port {
                path: self.network.clone(),
                port: format!("output {}", network.output),
                expected: format!("[{rows}, {}]", network.dim),
                got: format!("{:?}", output.shape()),
            });
        }
        let mut values: Vec<f32> = output.iter().copied().collect();
        for (image, row) in values.chunks_exact_mut(network.dim).enumerate() {
            if let Some(feature) = row.iter().position(|value| !value.is_finite()) {
                return Err(Error::NotFinite {
                    name: self.manifest.name.clone(),
                    image: first + image,
                    feature,
                    value: row[feature],
                });
            }
            match self.manifest.normalisation {
                Normalisation::None => {}
                Normalisation::L2 => normalise(row),
            }
        }
        Ok(values)
    }

    fn sessions(&self) -> Result<Arc<Sessions>, Error> {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sessions) = &*sessions {
            return Ok(Arc::clone(sessions));
        }
        let (bytes, _) = network::read(&self.network, Some(&self.network_sha256))?;
        let options = SessionOptions {
            device: Device::Cpu,
            sessions: self.jobs,
            microbatch: Self::MICROBATCH,
        };
        let opened = self.runtime.open(ModelSource::Bytes(&bytes), &options);
        let opened = Arc::new(opened.map_err(|error| self.runtime_error(error))?);
        *sessions = Some(Arc::clone(&opened));
        Ok(opened)
    }

    fn runtime_error(&self, error: eidetic_runtime::Error) -> Error {
        Error::Runtime {
            name: self.manifest.name.clone(),
            source: Box::new(error),
        }
    }
}

/// How many images there are.
fn count(images: &[u8], shape: [usize; 3]) -> Result<usize, Error> {
    let wrong = |expected, got| Err(Error::Images { expected, got });
    let pixels = shape
        .iter()
        .try_fold(1_usize, |pixels, &size| pixels.checked_mul(size));
    let Some(pixels @ 1..) = pixels else {
        return wrong("[C, H, W], each at least 1", format!("{shape:?}"));
    };
    if !matches!(shape[0], 1 | 3) {
        return wrong("1 or 3 channels", shape[0].to_string());
    }
    if !images.len().is_multiple_of(pixels) {
        let got = format!("{} pixels of {shape:?}", images.len());
        return wrong("whole images", got);
    }
    Ok(images.len() / pixels)
}

/// To length 1, as `torch.nn.functional.normalize`: zeros stay zeros. The sum is made in f64, in
/// order.
fn normalise(row: &mut [f32]) {
    let squares = row.iter().map(|&value| f64::from(value) * f64::from(value));
    let length = squares.sum::<f64>().sqrt().max(1e-12);
    for value in row {
        *value = (f64::from(*value) / length) as f32;
    }
}

fn id(manifest: &Manifest, network_sha256: &str, runtime: &Runtime) -> String {
    let network = &manifest.network;
    let library = runtime.library();
    let counts = [
        u64::from(REVISION),
        u64::from(resize::REVISION),
        Embedder::MICROBATCH as u64,
        network.dim as u64,
    ];
    let preprocessing = serde_json::json!([manifest.preprocessing, manifest.normalisation]);
    let mut digest = Sha256::new_with_prefix("eidetic embedder 1\n");
    for count in counts {
        digest.update(count.to_le_bytes());
    }
    // Lengths stand before what varies.
    for text in [
        network_sha256,
        &network.input,
        &network.output,
        &preprocessing.to_string(),
        &library.version,
        &library.sha256,
        &Device::Cpu.to_string(),
    ] {
        digest.update((text.len() as u64).to_le_bytes());
        digest.update(text);
    }
    hex(&digest.finalize())
}
