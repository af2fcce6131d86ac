//! Which images a reconstruction or membership attack is asked about: members and holdout, mixed.

use sha2::{Digest, Sha256};

use crate::dataset::Split;

/// One image that an attack is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Its index in the dataset.
    pub index: u32,
    /// Whether it is a member; only the harness knows.
    pub member: bool,
}

impl Candidate {
    /// All members and all holdout images where `all`, else as many holdout images as members, in
    /// an order that depends on `seed` and not on which they are.
    pub fn mixed(split: &Split, all: bool, seed: u64) -> Vec<Self> {
        let holdout = if all {
            &split.holdout[..]
        } else {
            split.control()
        };
        let members = split.members.iter().map(|&index| Self {
            index,
            member: true,
        });
        let others = holdout.iter().map(|&index| Self {
            index,
            member: false,
        });
        let mut candidates: Vec<Self> = members.chain(others).collect();
        candidates.sort_by_cached_key(|candidate| {
            let digest = Sha256::new()
                .chain_update(b"eidetic candidates\0")
                .chain_update(seed.to_le_bytes())
                .chain_update(candidate.index.to_le_bytes())
                .finalize();
            <[u8; 32]>::from(digest)
        });
        candidates
    }
}
