//! What the harness knows of the candidates and an attack does not.

use std::collections::HashSet;

use eidetic_sdk::Probe;

use super::Error;
use crate::dataset::Dataset;

/// The candidates of a membership or reconstruction attack, in the order in which the attack
/// sees them, and how they were destroyed. Checked when it is made, before an attack runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Truth {
    index: Vec<u32>,
    member: Vec<bool>,
    probes: Vec<Probe>,
}

impl Truth {
    /// Candidate i is image `index[i]` of `dataset`, and a member or a holdout image. `probes`
    /// is empty for a membership attack.
    ///
    /// # Errors
    /// Another number of indices than of flags; an image that is not there; probes of one name,
    /// or with a mask of another length than `H * W` or `N * H * W`, with other values than 0
    /// and 1, or that leaves an image whole.
    pub fn new(
        dataset: &Dataset,
        index: Vec<u32>,
        member: Vec<bool>,
        probes: Vec<Probe>,
    ) -> Result<Self, Error> {
        if member.len() != index.len() {
            let (expected, got) = (index.len(), member.len());
            return Err(Error::Count {
                what: "flags of candidates",
                expected,
                got,
            });
        }
        if let Some(&got) = index.iter().find(|&&i| i as usize >= dataset.len()) {
            return Err(Error::OutOfRange {
                what: "images of the dataset",
                bound: dataset.len(),
                got: got.into(),
            });
        }
        let mut names = HashSet::new();
        for probe in &probes {
            check(probe, index.len(), dataset)?;
            if !names.insert(&probe.name) {
                let name = probe.name.clone();
                return Err(Error::SameName { name });
            }
        }
        Ok(Self {
            index,
            member,
            probes,
        })
    }

    /// The number of candidates.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there is no candidate.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// The image of the dataset that each candidate is.
    pub fn index(&self) -> &[u32] {
        &self.index
    }

    /// Whether each candidate is a member.
    pub fn member(&self) -> &[bool] {
        &self.member
    }

    /// How a reconstruction attack had the candidates destroyed.
    pub fn probes(&self) -> &[Probe] {
        &self.probes
    }
}

/// The flags `[H, W]` of one candidate, 1 where a pixel stays known: of a mask for all, or of
/// its own. `None` where the probe masks nothing.
pub(super) fn known(probe: &Probe, candidate: usize, plane: usize) -> Option<&[u8]> {
    match probe.known.len() {
        0 => None,
        len if len == plane => Some(&probe.known),
        _ => Some(&probe.known[candidate * plane..][..plane]),
    }
}

fn check(probe: &Probe, candidates: usize, dataset: &Dataset) -> Result<(), Error> {
    let plane = dataset.shape[1] * dataset.shape[2];
    let got = probe.known.len();
    if got != 0 && got != plane && got != candidates * plane {
        return Err(Error::Count {
            what: "flags of known pixels (H * W, or as many a candidate)",
            expected: plane,
            got,
        });
    }
    if let Some(place) = probe.known.iter().position(|&flag| flag > 1) {
        let (probe, got) = (probe.name.clone(), probe.known[place]);
        return Err(Error::Mask { probe, place, got });
    }
    if probe.sigma > 0.0 {
        return Ok(());
    }
    let whole = |&candidate: &usize| {
        known(probe, candidate, plane).is_none_or(|known| known.iter().all(|&flag| flag == 1))
    };
    match (0..candidates).find(whole) {
        None => Ok(()),
        Some(candidate) => Err(Error::Whole {
            probe: probe.name.clone(),
            candidate,
        }),
    }
}
