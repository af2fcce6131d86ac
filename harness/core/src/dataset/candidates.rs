//! Which images a reconstruction or membership attack is asked about: members and holdout, mixed.

use eidetic_sdk::Goal;
use sha2::{Digest, Sha256};

use super::split::Split;

/// One image that an attack is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Its index in the dataset.
    pub index: u32,
    /// Whether it is a member; only the harness knows.
    pub member: bool,
}

impl Candidate {
    /// What an attack after `goal` is asked about: of membership all members and all holdout
    /// images, of reconstruction as many holdout images as members, of extraction nothing; of both
    /// at most `most`, drawn by `seed`. In an order that depends on `seed` and not on which they are.
    pub fn mixed(split: &Split, goal: Goal, most: Option<u64>, seed: u64) -> Vec<Self> {
        let [members, holdout] = sides(split, goal);
        let most = most.map_or(usize::MAX, |most| {
            usize::try_from(most).unwrap_or(usize::MAX)
        });
        let drawn = |images: &[u32], member| {
            let mut drawn: Vec<([u8; 32], Self)> = images
                .iter()
                .map(|&index| (place(seed, index), Self { index, member }))
                .collect();
            drawn.sort_unstable_by_key(|(place, _)| *place);
            drawn.truncate(most);
            drawn
        };
        let mut candidates = drawn(members, true);
        candidates.extend(drawn(holdout, false));
        candidates.sort_unstable_by_key(|(place, _)| *place);
        candidates.into_iter().map(|(_, each)| each).collect()
    }

    /// How many [`Candidate::mixed`] gives, without drawing them.
    pub fn count(split: &Split, goal: Goal, most: Option<u64>) -> u64 {
        let counts = sides(split, goal).map(|images| images.len() as u64);
        let most = most.unwrap_or(u64::MAX);
        counts.into_iter().map(|count| count.min(most)).sum()
    }
}

/// Members and holdout images that an attack after `goal` can be asked about.
fn sides(split: &Split, goal: Goal) -> [&[u32]; 2] {
    match goal {
        Goal::Extraction => [&[], &[]],
        Goal::Reconstruction => [&split.members, split.control()],
        Goal::Membership => [&split.members, &split.holdout],
    }
}

fn place(seed: u64, index: u32) -> [u8; 32] {
    Sha256::new()
        .chain_update(b"eidetic candidates\0")
        .chain_update(seed.to_le_bytes())
        .chain_update(index.to_le_bytes())
        .finalize()
        .into()
}
