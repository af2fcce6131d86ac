//! Published lists of the images that a model was trained on and of those that it was not.

use std::collections::BTreeMap;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::labelled::fault;
use super::{Error, MembershipFile};
use crate::files::hex;

/// The array with the indices of the images that the model was trained on.
pub(super) const TRAIN: &str = "mia_train_idxs";
/// The array with the indices of images that it was not trained on.
pub(super) const EVAL: &str = "mia_eval_idxs";

/// The images of a dataset that a model was trained on, and others that it was not, by the lists
/// that were published with it; no image is in both.
///
/// SecMI (<https://github.com/jinhaoduan/SecMI>, `mia_evals/member_splits`) and PIA
/// (<https://github.com/kong13661/PIA>) publish such lists as NPZ files with the arrays
/// `mia_train_idxs` and `mia_eval_idxs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// Ascending.
    train: Vec<u32>,
    /// Ascending.
    eval: Vec<u32>,
}

/// What lists hold, and what of it a split can draw: groups of duplicates that are wholly in one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct MembershipReport {
    /// Images in the train list.
    pub train: usize,
    /// Of these, images in groups wholly in it: those that can be members.
    pub train_in_whole_groups: usize,
    /// Images in the eval list.
    pub eval: usize,
    /// Of these, images in groups wholly in it: those that can be holdout or aux.
    pub eval_in_whole_groups: usize,
    /// Images in neither list.
    pub unlisted: usize,
    /// Groups partly in one list and partly in the other or in none. They are in no part.
    pub straddling_groups: usize,
    /// Images in these.
    pub images_in_straddling_groups: usize,
}

impl Membership {
    /// Lists over a dataset of `images` images; otherwise what was expected and what was got.
    pub(super) fn new(
        images: usize,
        train: Vec<u32>,
        eval: Vec<u32>,
    ) -> Result<Self, (String, String)> {
        let train = ascending(TRAIN, images, train)?;
        let eval = ascending(EVAL, images, eval)?;
        match train.iter().find(|index| eval.binary_search(index).is_ok()) {
            None => Ok(Self { train, eval }),
            Some(index) => Err((
                format!("every index in {TRAIN} or {EVAL}, not in both"),
                format!("{index} in both"),
            )),
        }
    }

    /// Reads the lists of a dataset of `images` images.
    pub(super) fn read(file: &MembershipFile, path: &Path, images: usize) -> Result<Self, Error> {
        let train = indices(file, TRAIN, path, images)?;
        let eval = indices(file, EVAL, path, images)?;
        Self::new(images, train, eval).map_err(|(expected, got)| fault(path, expected, got))
    }

    /// The digest of a dataset of these lists, whose digest without them is `content`.
    pub(super) fn digest(&self, content: &str) -> String {
        let mut digest = Sha256::new_with_prefix("eidetic membership 1\n").chain_update(content);
        for list in [&self.train, &self.eval] {
            digest.update((list.len() as u64).to_le_bytes());
            for index in list {
                digest.update(index.to_le_bytes());
            }
        }
        hex(&digest.finalize())
    }

    /// Of groups of images those that are wholly in the train list, and those wholly in the eval
    /// list, in their order.
    pub(super) fn whole(&self, groups: Vec<Vec<u32>>) -> (Vec<Vec<u32>>, Vec<Vec<u32>>) {
        let all_in = |list: &[u32], images: &[u32]| {
            images.iter().all(|index| list.binary_search(index).is_ok())
        };
        groups
            .into_iter()
            .filter(|images| all_in(&self.train, images) || all_in(&self.eval, images))
            .partition(|images| all_in(&self.train, images))
    }

    /// Counts the lists and the groups in them; `groups[i]` names the group of image i, as
    /// [`Duplicates::as_slice`](super::Duplicates::as_slice) has it.
    pub fn report(&self, groups: &[u32]) -> MembershipReport {
        let mut counts: BTreeMap<u32, [usize; 3]> = BTreeMap::new();
        for (image, &group) in (0..).zip(groups) {
            let list = [&self.train, &self.eval]
                .iter()
                .position(|list| list.binary_search(&image).is_ok());
            counts.entry(group).or_default()[list.unwrap_or(2)] += 1;
        }
        let mut report = MembershipReport::default();
        for [train, eval, unlisted] in counts.into_values() {
            report.train += train;
            report.eval += eval;
            report.unlisted += unlisted;
            match [train, eval, unlisted] {
                [_, 0, 0] => report.train_in_whole_groups += train,
                [0, _, 0] => report.eval_in_whole_groups += eval,
                [0, 0, _] => {}
                _ => {
                    report.straddling_groups += 1;
                    report.images_in_straddling_groups += train + eval + unlisted;
                }
            }
        }
        report
    }
}

/// The indices of one array, of a dataset of `images` images.
fn indices(
    file: &MembershipFile,
    array: &str,
    path: &Path,
    images: usize,
) -> Result<Vec<u32>, Error> {
    // Integers have up to eight bytes.
    let stored = file.array(array).stored(path, 8 * images as u64)?;
    let in_array = |error: Error| match error {
        Error::Content {
            path,
            expected,
            got,
        } => Error::Content {
            path,
            expected: format!("{expected} in {array}"),
            got,
        },
        other => other,
    };
    let shape = stored.shape().map_err(|error| in_array(error.into()))?;
    match shape[..] {
        [n] if n <= images as u64 => {
            let read = stored.labels(n as usize);
            read.map_err(|error| in_array(error.into()))
        }
        _ => {
            let expected = format!("shape [N], N at most {images} (the number of images)");
            Err(in_array(fault(path, expected, format!("shape {shape:?}"))))
        }
    }
}

/// The list in ascending order, each index below `images` and only once.
fn ascending(name: &str, images: usize, mut list: Vec<u32>) -> Result<Vec<u32>, (String, String)> {
    if let Some(at) = list.iter().position(|&index| index as usize >= images) {
        return Err((
            format!("indices below {images} (the number of images) in {name}"),
            format!("{} at index {at}", list[at]),
        ));
    }
    list.sort_unstable();
    match list.windows(2).find(|pair| pair[0] == pair[1]) {
        None => Ok(list),
        Some(pair) => Err((
            format!("every index once in {name}"),
            format!("{} twice", pair[0]),
        )),
    }
}

#[cfg(test)]
#[path = "membership_tests.rs"]
mod tests;
