//! The split of a dataset into members, holdout and aux.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Dataset, Error, Membership};
use crate::files::hex;

/// How many images each part has, and the seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitConfig {
    /// Images that the model under attack is trained on, at least 1.
    pub members: u32,
    /// Images that no model is trained on, at least as many as members.
    pub holdout: u32,
    /// Images for the clean twin, validation and an attack's own training; may be 0.
    pub aux: u32,
    /// Another seed, another split.
    #[serde(default)]
    pub seed: u64,
    /// Members that get [`PLANTED_COPIES`](super::PLANTED_COPIES) exact copies in the training
    /// set; the copies do not count as members.
    #[serde(default)]
    pub plant_duplicates: u32,
}

/// A part of a split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// In the training set of the model under attack.
    Members,
    /// In no training set: the control.
    Holdout,
    /// For the clean twin and attackers.
    Aux,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Members => "members",
            Self::Holdout => "holdout",
            Self::Aux => "aux",
        })
    }
}

/// Disjoint parts of a dataset as indices of its images; no group of duplicates lies in two.
///
/// A split can be made again from this description alone. Let `key` be SHA-256 of the ASCII
/// bytes `eidetic split 1\n`, the dataset's digest (64 hexadecimal digits), and the seed (u64,
/// little-endian). The place of a group of duplicates is SHA-256 of `key` and the index of its
/// lowest image (u32, little-endian); the groups are put in ascending order of that, compared
/// as bytes. Members, then holdout, then aux walk this order and take each group that no
/// earlier part took and that does not exceed what is still wanted, its images in ascending
/// order. So every part is a random draw of whole groups from one distribution, in random order.
///
/// Where a dataset has published lists ([`Membership`]) the order is made in the same way, of all
/// groups; members take only groups that are wholly in the train list, holdout and then aux only
/// groups wholly in the eval list, and all others are in no part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// What was asked for.
    pub config: SplitConfig,
    /// Members, in random order.
    pub members: Vec<u32>,
    /// Holdout, in random order.
    pub holdout: Vec<u32>,
    /// Aux, in random order.
    pub aux: Vec<u32>,
    /// Members that get exact copies in the training set: the first that have no duplicate.
    pub planted: Vec<u32>,
    groups: Vec<u32>,
}

impl Split {
    /// Splits `dataset` in the way that [`Split`] describes.
    ///
    /// # Errors
    /// [`Error::NoMembers`], [`Error::SmallHoldout`], [`Error::TooLarge`],
    /// [`Error::Indivisible`] and [`Error::TooManyPlanted`], with the numbers.
    pub fn new(dataset: &Dataset, config: &SplitConfig) -> Result<Self, Error> {
        let groups = dataset.duplicates.as_slice();
        Self::drawn(groups, dataset.membership.as_ref(), &dataset.digest, config)
    }

    /// Splits images by their group (`groups[i]` names the lowest image of i's group), the lists
    /// they are in and the dataset's digest alone.
    pub(super) fn drawn(
        groups: &[u32],
        lists: Option<&Membership>,
        digest: &str,
        config: &SplitConfig,
    ) -> Result<Self, Error> {
        let SplitConfig {
            members,
            holdout,
            aux,
            ..
        } = *config;
        if members == 0 {
            return Err(Error::NoMembers);
        }
        if holdout < members {
            return Err(Error::SmallHoldout { members, holdout });
        }
        let order = shuffled(groups, digest, config.seed);
        let asked = [members, holdout, aux]
            .into_iter()
            .map(u64::from)
            .sum::<u64>();
        if asked > groups.len() as u64 {
            let (images, groups) = (groups.len(), order.len());
            return Err(Error::TooLarge {
                members,
                holdout,
                aux,
                images,
                groups,
            });
        }
        let (mut left, others) = match lists {
            None => (order, None),
            Some(lists) => {
                let (train, eval) = lists.whole(order);
                (train, Some(eval))
            }
        };
        let members = take(&mut left, Part::Members, members)?;
        let mut left = others.unwrap_or(left);
        let holdout = take(&mut left, Part::Holdout, holdout)?;
        let aux = take(&mut left, Part::Aux, aux)?;
        let planted = planted(&members, groups, config.plant_duplicates)?;
        Ok(Self {
            config: *config,
            members,
            holdout,
            aux,
            planted,
            groups: groups.to_vec(),
        })
    }

    /// The images of a part.
    pub fn part(&self, part: Part) -> &[u32] {
        match part {
            Part::Members => &self.members,
            Part::Holdout => &self.holdout,
            Part::Aux => &self.aux,
        }
    }

    /// The control of every score: the first holdout images, as many as there are members.
    pub fn control(&self) -> &[u32] {
        &self.holdout[..self.members.len()]
    }

    /// The group of an image of the dataset: the index of the group's lowest image.
    pub fn group_of(&self, index: u32) -> u32 {
        self.groups[index as usize]
    }

    /// One image a group of duplicates among `indices`: the first of each, in their order.
    pub fn representatives(&self, indices: &[u32]) -> Vec<u32> {
        let mut seen = std::collections::HashSet::new();
        indices
            .iter()
            .copied()
            .filter(|&i| seen.insert(self.group_of(i)))
            .collect()
    }

    /// SHA-256 of a part: of each image, in ascending order of index, the index (u32,
    /// little-endian) and the pixels. Planted copies are the training set's, see
    /// [`TrainingSet::digest`](super::TrainingSet::digest).
    pub fn digest(&self, dataset: &Dataset, part: Part) -> String {
        images_digest(dataset, self.part(part))
    }
}

/// SHA-256 of images, in ascending order of index: index (u32, little-endian) and pixels.
pub(super) fn images_digest(dataset: &Dataset, indices: &[u32]) -> String {
    let mut sorted = indices.to_vec();
    sorted.sort_unstable();
    let mut digest = Sha256::new();
    for index in sorted {
        digest.update(index.to_le_bytes());
        digest.update(dataset.image(index));
    }
    hex(&digest.finalize())
}

/// The groups, each as its images in ascending order, in the order of the seed.
fn shuffled(groups: &[u32], digest: &str, seed: u64) -> Vec<Vec<u32>> {
    let key = Sha256::new_with_prefix("eidetic split 1\n")
        .chain_update(digest)
        .chain_update(seed.to_le_bytes())
        .finalize();
    let mut images: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (image, &group) in (0..).zip(groups) {
        images.entry(group).or_default().push(image);
    }
    let mut placed: Vec<_> = images
        .into_iter()
        .map(|(group, images)| {
            let place = Sha256::new()
                .chain_update(key)
                .chain_update(group.to_le_bytes());
            (<[u8; 32]>::from(place.finalize()), images)
        })
        .collect();
    placed.sort_unstable();
    placed.into_iter().map(|(_, images)| images).collect()
}

/// Takes whole groups from the front until there are exactly `asked` images.
fn take(left: &mut Vec<Vec<u32>>, part: Part, asked: u32) -> Result<Vec<u32>, Error> {
    let mut taken = Vec::with_capacity(asked as usize);
    left.retain(|images| {
        let fits = taken.len() + images.len() <= asked as usize;
        if fits {
            taken.extend_from_slice(images);
        }
        !fits
    });
    if taken.len() == asked as usize {
        return Ok(taken);
    }
    let smallest = left.iter().map(Vec::len).min().unwrap_or(0);
    let (reached, groups) = (taken.len() as u32, left.len());
    Err(Error::Indivisible {
        part,
        asked,
        reached,
        groups,
        smallest,
    })
}

fn planted(members: &[u32], groups: &[u32], asked: u32) -> Result<Vec<u32>, Error> {
    let mut sizes = BTreeMap::new();
    for &group in groups {
        *sizes.entry(group).or_insert(0) += 1;
    }
    let lone: Vec<u32> = members
        .iter()
        .copied()
        .filter(|&i| sizes[&groups[i as usize]] == 1)
        .collect();
    if lone.len() < asked as usize {
        let (available, members) = (lone.len(), members.len());
        return Err(Error::TooManyPlanted {
            asked,
            available,
            members,
        });
    }
    Ok(lone[..asked as usize].to_vec())
}

#[cfg(test)]
#[path = "split_tests.rs"]
mod tests;
