//! The features of images that were embedded before, kept by what they are of.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::features::FeatureTable;
use crate::files::{hex, write_atomic};

const MAGIC: &[u8; 8] = b"EIDFEAT1";

/// The place of one set of images under one embedder: `features/<key>` in the cache folder, where
/// the key is a digest of the embedder's id, the shape and the pixels. The file holds magic, key,
/// features as little-endian f32, and SHA-256 of all that.
pub(super) struct Slot {
    key: [u8; 32],
    path: PathBuf,
}

impl Slot {
    pub(super) fn new(cache: &Path, embedder_id: &str, images: &[u8], shape: [usize; 3]) -> Self {
        let mut digest = Sha256::new_with_prefix(MAGIC);
        digest.update((embedder_id.len() as u64).to_le_bytes());
        digest.update(embedder_id);
        for size in shape {
            digest.update((size as u64).to_le_bytes());
        }
        digest.update(images);
        let key: [u8; 32] = digest.finalize().into();
        let path = cache.join("features").join(hex(&key));
        Self { key, path }
    }

    /// What is kept there, if it is whole and of this size.
    pub(super) fn read(&self, count: usize, dim: usize) -> Option<FeatureTable> {
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(path = %self.path.display(), %error, "unreadable cache file");
                return None;
            }
        };
        let found = self.decode(&bytes, count, dim);
        if found.is_none() {
            tracing::warn!(path = %self.path.display(), "damaged cache file, made again");
        }
        found
    }

    pub(super) fn write(&self, table: &FeatureTable) {
        let mut bytes = Vec::with_capacity(MAGIC.len() + 64 + 4 * table.values.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&self.key);
        bytes.extend(table.values.iter().flat_map(|value| value.to_le_bytes()));
        let check = Sha256::digest(&bytes);
        bytes.extend_from_slice(&check);
        if let Err(error) = write_atomic(&self.path, &bytes) {
            tracing::warn!(%error, "features are not cached");
        }
    }

    fn decode(&self, bytes: &[u8], count: usize, dim: usize) -> Option<FeatureTable> {
        let (content, check) = bytes.split_last_chunk::<32>()?;
        if Sha256::digest(content)[..] != check[..] {
            return None;
        }
        let numbers = content.strip_prefix(MAGIC)?.strip_prefix(&self.key[..])?;
        let (numbers, rest) = numbers.as_chunks::<4>();
        if !rest.is_empty() || numbers.len() != count.checked_mul(dim)? {
            return None;
        }
        let values = numbers
            .iter()
            .map(|&bytes| f32::from_le_bytes(bytes))
            .collect();
        Some(FeatureTable { values, dim })
    }
}
