//! Draws for the bootstrap in which duplicates stay together and each part keeps its size.

use std::collections::HashMap;

use rand_chacha::ChaCha8Rng;

use crate::Error;
use crate::bootstrap::below;

/// Groups of duplicates in strata: a resample draws whole groups, from each stratum as many as
/// it has, since images of a group are not independent and the sizes of the strata were fixed.
#[derive(Debug, Clone)]
pub(crate) struct Strata {
    groups: Vec<u32>,
    place: Vec<u32>,
    effective: Vec<f64>,
}

impl Strata {
    /// Image i is of group `group[i]` and lies in stratum `of(i)`, below `strata`.
    ///
    /// # Errors
    /// A group lies in two strata.
    pub(crate) fn new(
        group: &[u32],
        strata: usize,
        of: impl Fn(usize) -> usize,
    ) -> Result<Self, Error> {
        let mut known: HashMap<u32, (usize, u32)> = HashMap::new();
        let mut sizes: Vec<Vec<u64>> = vec![Vec::new(); strata];
        let mut within = Vec::with_capacity(group.len());
        for (index, &name) in group.iter().enumerate() {
            let stratum = of(index);
            let next = sizes[stratum].len() as u32;
            let at = *known.entry(name).or_insert((stratum, next));
            if at.0 != stratum {
                return Err(Error::GroupAcross { group: name, index });
            }
            if at.1 == next {
                sizes[stratum].push(0);
            }
            sizes[stratum][at.1 as usize] += 1;
            within.push(at);
        }
        let groups: Vec<u32> = sizes.iter().map(|of| of.len() as u32).collect();
        let first = |stratum: usize| groups[..stratum].iter().sum::<u32>();
        let place = within
            .iter()
            .map(|&(stratum, at)| first(stratum) + at)
            .collect();
        let effective = sizes.iter().map(|of| kish(of)).collect();
        Ok(Self {
            groups,
            place,
            effective,
        })
    }

    /// The groups of each stratum.
    pub(crate) fn groups(&self) -> &[u32] {
        &self.groups
    }

    /// The place of an image's group among all, by which weights are looked up.
    pub(crate) fn place(&self, image: usize) -> u32 {
        self.place[image]
    }

    /// How many independent images a stratum is worth at least, see [`kish`].
    pub(crate) fn effective(&self, stratum: usize) -> f64 {
        self.effective[stratum]
    }

    /// Whether some group has two images or more.
    pub(crate) fn has_duplicates(&self) -> bool {
        self.groups.iter().sum::<u32>() < self.place.len() as u32
    }

    /// Every group once: the sample itself.
    pub(crate) fn once(&self) -> Vec<u32> {
        vec![1; self.groups.iter().sum::<u32>() as usize]
    }

    /// How often a resample holds each group.
    pub(crate) fn draw(&self, rng: &mut ChaCha8Rng, weight: &mut Vec<u32>) {
        weight.clear();
        for &groups in &self.groups {
            let first = weight.len();
            weight.resize(first + groups as usize, 0);
            for _ in 0..groups {
                weight[first + below(rng, groups) as usize] += 1;
            }
        }
    }
}

/// Kish's effective sample size, (sum m)^2 / sum m^2, as if all images of a group were one.
fn kish(sizes: &[u64]) -> f64 {
    let all: u64 = sizes.iter().sum();
    let squares: u64 = sizes.iter().map(|size| size * size).sum();
    if squares == 0 {
        return 0.0;
    }
    (all * all) as f64 / squares as f64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Bootstrap;

    #[test]
    fn every_stratum_keeps_its_number_of_groups() {
        let group = [7, 7, 3, 9, 9, 9, 1, 0];
        let of = |i: usize| usize::from(i > 2);
        let strata = Strata::new(&group, 2, of).unwrap();
        assert_eq!(strata.groups(), [2, 3]);
        let place: Vec<u32> = (0..8).map(|i| strata.place(i)).collect();
        assert_eq!(place, [0, 0, 1, 2, 2, 2, 3, 4]);
        assert!(strata.has_duplicates());
        assert_eq!(strata.effective(0), 9.0 / 5.0);
        assert_eq!(strata.effective(1), 25.0 / 11.0);
        let mut weight = Vec::new();
        let mut seen = [0; 5];
        for resample in 0..40 {
            strata.draw(&mut Bootstrap::new(0).rng(resample), &mut weight);
            assert_eq!(weight[..2].iter().sum::<u32>(), 2);
            assert_eq!(weight[2..].iter().sum::<u32>(), 3);
            for (seen, weight) in seen.iter_mut().zip(&weight) {
                *seen += weight;
            }
        }
        assert!(seen.iter().all(|&times| times > 20), "{seen:?}");
    }

    #[test]
    fn a_group_in_two_strata_is_refused() {
        let error = Strata::new(&[4, 5, 4], 2, |i| usize::from(i == 2)).unwrap_err();
        assert_eq!(error, Error::GroupAcross { group: 4, index: 2 });
        let empty = Strata::new(&[], 2, |_| 0).unwrap();
        assert_eq!(
            (empty.groups(), empty.has_duplicates()),
            (&[0, 0][..], false)
        );
        assert_eq!(empty.effective(1), 0.0);
    }
}
