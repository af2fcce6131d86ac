//! How near a reconstruction came to its original, on what was destroyed and nothing else.

use eidetic_metrics::{Images, centred_cosine, l2, nn_ratio};
use eidetic_sdk::Probe;
use rayon::prelude::*;

use super::truth::known;
use super::{Error, Truth};
use crate::cell::Reconstructed;
use crate::dataset::{Dataset, Split};

/// One reconstruction beside its original.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rebuilt {
    /// Distance to the original, in [0, 1].
    pub(super) l2: f64,
    /// `l2` over the distance to the nearest other reference of the candidate's side, at most 1.
    pub(super) nn_ratio: f64,
    /// Cosine to the original, each less its mean.
    pub(super) similarity: f64,
}

impl Rebuilt {
    /// Of a candidate without a reconstruction: as far off as black is from white, no nearer to
    /// its own than to others, and like nothing.
    pub(super) const NONE: Self = Self {
        l2: 1.0,
        nn_ratio: 1.0,
        similarity: 0.0,
    };
}

/// The images among which a reconstruction must be nearest to its own: one a group of duplicates,
/// of the members and of as many holdout images. Missing, with the reason, where there are not.
pub(super) struct References {
    members: Vec<u32>,
    holdout: Vec<u32>,
    /// Why no nn_ratio of members, or of holdout, can be told.
    pub(super) missing: [Option<String>; 2],
}

impl References {
    pub(super) fn new(split: &Split) -> Self {
        let members = split.representatives(&split.members);
        let mut holdout = split.representatives(&split.holdout);
        let too_few = |part: &str, got: usize, needed: usize| {
            (got < needed)
                .then(|| format!("too few groups in {part}: {got}, expected at least {needed}"))
        };
        let missing = [
            too_few("members", members.len(), 2),
            too_few("holdout", holdout.len(), members.len().max(2)),
        ];
        holdout.truncate(members.len());
        Self {
            members,
            holdout,
            missing,
        }
    }

    fn of(&self, member: bool) -> &[u32] {
        if member { &self.members } else { &self.holdout }
    }
}

/// By probe and candidate; none without a reconstruction.
pub(super) fn rebuilt(
    found: &Reconstructed,
    dataset: &Dataset,
    split: &Split,
    truth: &Truth,
    references: &References,
) -> Result<Vec<Vec<Option<Rebuilt>>>, Error> {
    let images = Images::new(&found.images, dataset.dim())?;
    check(found, images.len(), truth)?;
    let of = |(i, image): (usize, &[u8])| {
        let candidate = found.candidate[i] as usize;
        let probe = &truth.probes()[found.probe[i] as usize];
        let region = Region::new(probe, candidate, dataset.shape);
        let original = truth.index()[candidate];
        let side = references.of(truth.member()[candidate]);
        let group = split.group_of(original);
        let others = side.iter().filter(|&&of| split.group_of(of) != group);
        let others = others.map(|&other| dataset.image(other));
        region.compare(dataset.image(original), image, others)
    };
    // Each by itself, so that the number of threads changes nothing.
    let rows: Vec<(usize, &[u8])> = images.rows().enumerate().collect();
    let each: Vec<Rebuilt> = rows.into_par_iter().map(of).collect();
    let mut rebuilt = vec![vec![None; truth.len()]; truth.probes().len()];
    for (i, of) in each.into_iter().enumerate() {
        let candidate = found.candidate[i];
        let slot = &mut rebuilt[found.probe[i] as usize][candidate as usize];
        if slot.is_some() {
            let probe = truth.probes()[found.probe[i] as usize].name.clone();
            return Err(Error::Twice { probe, candidate });
        }
        *slot = Some(of);
    }
    Ok(rebuilt)
}

fn check(found: &Reconstructed, images: usize, truth: &Truth) -> Result<(), Error> {
    for (what, got) in [
        ("probes of reconstructions", found.probe.len()),
        ("candidates of reconstructions", found.candidate.len()),
    ] {
        if got != images {
            let expected = images;
            return Err(Error::Count {
                what,
                expected,
                got,
            });
        }
    }
    let probes = found.probe.iter().map(|&probe| u64::from(probe));
    within("probes", truth.probes().len(), probes)?;
    within("candidates", truth.len(), found.candidate.iter().copied())
}

fn within(
    what: &'static str,
    bound: usize,
    mut named: impl Iterator<Item = u64>,
) -> Result<(), Error> {
    match named.find(|&got| got >= bound as u64) {
        Some(got) => Err(Error::OutOfRange { what, bound, got }),
        None => Ok(()),
    }
}

/// What was destroyed of one candidate: the masked pixels of every channel, or the whole image
/// where nothing is masked and noise is all that was done to it.
struct Region {
    /// 255 where a value was destroyed, else 0.
    mask: Vec<u8>,
    values: usize,
}

impl Region {
    fn new(probe: &Probe, candidate: usize, [channels, height, width]: [usize; 3]) -> Self {
        let plane = height * width;
        let masked = known(probe, candidate, plane).filter(|known| known.contains(&0));
        let mask: Vec<u8> = match masked {
            None => vec![255; channels * plane],
            Some(known) => {
                let destroyed = known.iter().map(|&known| if known == 0 { 255 } else { 0 });
                destroyed.collect::<Vec<u8>>().repeat(channels)
            }
        };
        let values = mask.iter().filter(|&&mask| mask != 0).count();
        Self { mask, values }
    }

    fn compare<'a>(
        &self,
        original: &[u8],
        image: &[u8],
        others: impl Iterator<Item = &'a [u8]>,
    ) -> Rebuilt {
        let own = self.squared(original, image, u64::MAX);
        let nearest = others.fold(None, |nearest, other| {
            let limit = nearest.unwrap_or(u64::MAX);
            Some(self.squared(other, image, limit).min(limit))
        });
        let l2_of = |squared| l2(squared, self.values);
        Rebuilt {
            l2: l2_of(own),
            nn_ratio: nearest.map_or(1.0, |nearest| nn_ratio(l2_of(own), l2_of(nearest)).min(1.0)),
            similarity: centred_cosine(&self.destroyed(original), &self.destroyed(image)),
        }
    }

    /// The squared distance of what was destroyed, or, given up early, something above `limit`.
    fn squared(&self, a: &[u8], b: &[u8], limit: u64) -> u64 {
        // 256 values add at most 256 * 255^2 < 2^25, far inside the i32 that SIMD adds in.
        const STEP: usize = 256;
        let mut total = 0;
        for (mask, (a, b)) in self
            .mask
            .chunks(STEP)
            .zip(a.chunks(STEP).zip(b.chunks(STEP)))
        {
            let squares = mask.iter().zip(a.iter().zip(b)).map(|(&mask, (&a, &b))| {
                let difference = i32::from(a & mask) - i32::from(b & mask);
                difference * difference
            });
            total += squares.sum::<i32>() as u64;
            if total > limit {
                break;
            }
        }
        total
    }

    fn destroyed(&self, image: &[u8]) -> Vec<u8> {
        let each = image.iter().zip(&self.mask);
        each.filter(|&(_, &mask)| mask != 0)
            .map(|(&value, _)| value)
            .collect()
    }
}
