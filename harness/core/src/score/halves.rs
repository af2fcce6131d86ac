//! The two halves of candidates and images: thresholds and baselines are fitted on one and judged
//! on the other.

use crate::dataset::{Dataset, Split};
use crate::files::sha256_hex;

/// In which half each image lies: the first bit of SHA-256 of the split's seed, the dataset's
/// digest and the image's group of duplicates, so that every attack has the same halves and no
/// duplicate lies in both.
pub(super) fn halves(index: &[u32], dataset: &Dataset, split: &Split) -> Vec<bool> {
    let (seed, digest) = (split.config.seed, &dataset.digest);
    let of = |group: u32| {
        let text = format!("eidetic calibration\n{seed}\n{digest}\n{group}\n");
        sha256_hex(text.as_bytes()).as_bytes()[0] < b'8'
    };
    groups(index, split).into_iter().map(of).collect()
}

/// The group of duplicates that each image is of.
pub(super) fn groups(index: &[u32], split: &Split) -> Vec<u32> {
    index.iter().map(|&index| split.group_of(index)).collect()
}
