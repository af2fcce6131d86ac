//! Random streams that depend on seed, purpose and index alone.

pub use rand_chacha::ChaCha12Rng as Rng;
use rand_chacha::rand_core::SeedableRng;
use sha2::{Digest, Sha256};

/// A stream whose ChaCha key is SHA-256 of `eidetic-nn`, seed, purpose and index.
pub fn rng(seed: u64, purpose: &str, index: u64) -> Rng {
    let mut hash = Sha256::new();
    hash.update(b"eidetic-nn\0");
    hash.update(seed.to_le_bytes());
    hash.update((purpose.len() as u64).to_le_bytes());
    hash.update(purpose.as_bytes());
    hash.update(index.to_le_bytes());
    Rng::from_seed(hash.finalize().into())
}
