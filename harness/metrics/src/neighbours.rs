//! Exact nearest neighbours by l2, in blocks.

use rayon::prelude::*;

use crate::images::{l2, squared_within};
use crate::sketch::{self, Sketch};
use crate::{Error, Images};

/// Queries that one task holds against a block of references.
const QUERY_BLOCK: usize = 16;
/// Bytes of a block of references: it stays in the second-level cache while the queries pass.
const REFERENCE_BYTES: usize = 128 * 1024;

/// The `k` nearest reference images of each query, nearest first, equal distances by the lower
/// index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbours {
    k: usize,
    dim: usize,
    index: Vec<u32>,
    squared: Vec<u64>,
}

impl Neighbours {
    /// Neighbours a query.
    pub fn k(&self) -> usize {
        self.k
    }

    /// The number of queries.
    pub fn len(&self) -> usize {
        self.index.len() / self.k
    }

    /// Whether there was no query.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// The reference index of the neighbour of `query` at `rank` (0 is the nearest). Panics, as
    /// the accessors below, past the last query or rank.
    pub fn index(&self, query: usize, rank: usize) -> u32 {
        self.indices(query)[rank]
    }

    /// The reference indices of all neighbours of `query`, nearest first.
    pub fn indices(&self, query: usize) -> &[u32] {
        &self.index[query * self.k..(query + 1) * self.k]
    }

    /// The sum of squared u8 differences to the neighbour of `query` at `rank`.
    pub fn squared(&self, query: usize, rank: usize) -> u64 {
        self.squared[query * self.k..(query + 1) * self.k][rank]
    }

    /// The distance to the neighbour of `query` at `rank`, in [0, 1] (see [`l2`]).
    pub fn l2(&self, query: usize, rank: usize) -> f64 {
        l2(self.squared(query, rank), self.dim)
    }

    /// The mean distance of `query` to all its `k` neighbours, summed from the nearest on.
    pub fn mean_l2(&self, query: usize) -> f64 {
        (0..self.k).map(|rank| self.l2(query, rank)).sum::<f64>() / self.k as f64
    }
}

/// Finds the `k` nearest of `reference` for each of `queries`, exactly. No query gives no
/// neighbours.
///
/// Beyond the result it holds the references' piecewise sums (a sixteenth of their size) and
/// nothing that grows with the number of queries.
///
/// ```
/// use eidetic_metrics::{Images, nearest};
///
/// let generated = Images::new(&[10, 10], 2)?;
/// let training = Images::new(&[200, 200, 10, 12, 10, 10, 10, 10], 2)?;
/// let found = nearest(generated, training, 3)?;
/// assert_eq!(found.indices(0), [2, 3, 1]);
/// assert_eq!(found.squared(0, 2), 4);
/// # Ok::<(), eidetic_metrics::Error>(())
/// ```
///
/// # Errors
/// `k` is 0 or exceeds the references, or the two sets differ in dimension.
pub fn nearest(queries: Images<'_>, reference: Images<'_>, k: usize) -> Result<Neighbours, Error> {
    search(queries, reference, k, None)
}

/// As [`nearest`], where query `i` never matches reference `excluded[i]`: a training image's
/// nearest *other* training images.
///
/// # Errors
/// As [`nearest`], with one reference fewer to choose from; or `excluded` has another length
/// than the queries or names no reference.
pub fn nearest_excluding(
    queries: Images<'_>,
    reference: Images<'_>,
    k: usize,
    excluded: &[u32],
) -> Result<Neighbours, Error> {
    if excluded.len() != queries.len() {
        let (expected, got) = (queries.len(), excluded.len());
        return Err(Error::Length {
            what: "excluded indices",
            expected,
            got,
        });
    }
    let bound = reference.len();
    if let Some(index) = excluded.iter().position(|&row| row as usize >= bound) {
        let got = u64::from(excluded[index]);
        return Err(Error::OutOfRange {
            what: "excluded indices",
            index,
            got,
            bound,
        });
    }
    search(queries, reference, k, Some(excluded))
}

/// The `k` nearest other images of each image of one set.
///
/// # Errors
/// `k` is 0, or there are not more than `k` images.
pub fn nearest_others(images: Images<'_>, k: usize) -> Result<Neighbours, Error> {
    let own: Vec<u32> = (0..images.len() as u32).collect();
    nearest_excluding(images, images, k, &own)
}

pub(crate) fn same_dim(queries: Images<'_>, reference: Images<'_>) -> Result<(), Error> {
    if queries.dim() == reference.dim() {
        Ok(())
    } else {
        Err(Error::DimMismatch {
            queries: queries.dim(),
            reference: reference.dim(),
        })
    }
}

fn search(
    queries: Images<'_>,
    reference: Images<'_>,
    k: usize,
    excluded: Option<&[u32]>,
) -> Result<Neighbours, Error> {
    same_dim(queries, reference)?;
    if k == 0 {
        return Err(Error::ZeroNeighbours);
    }
    let references = reference
        .len()
        .saturating_sub(usize::from(excluded.is_some()));
    if references < k {
        return Err(Error::TooFewReferences { k, references });
    }
    let dim = queries.dim();
    let sketch = Sketch::new(reference);
    let mut index = vec![u32::MAX; queries.len() * k];
    let mut squared = vec![u64::MAX; queries.len() * k];
    index
        .par_chunks_mut(QUERY_BLOCK * k)
        .zip(squared.par_chunks_mut(QUERY_BLOCK * k))
        .enumerate()
        .for_each(|(block, (index, squared))| {
            let first = block * QUERY_BLOCK;
            let count = index.len() / k;
            let sums: Vec<_> = (first..first + count)
                .map(|i| sketch::sums(queries.row(i)))
                .collect();
            let rows = (REFERENCE_BYTES / dim).max(1);
            for start in (0..reference.len()).step_by(rows) {
                let end = (start + rows).min(reference.len());
                for q in 0..count {
                    let mut best = Best {
                        index: &mut index[q * k..(q + 1) * k],
                        squared: &mut squared[q * k..(q + 1) * k],
                    };
                    let query = queries.row(first + q);
                    let skip = excluded.map_or(usize::MAX, |e| e[first + q] as usize);
                    for r in (start..end).filter(|&r| r != skip) {
                        // Ascending indices: an equal distance later never displaces.
                        let Some(limit) = best.worst().checked_sub(1) else {
                            break;
                        };
                        if sketch::rules_out(&sums[q], sketch.row(r), limit) {
                            continue;
                        }
                        if let Some(distance) = squared_within(query, reference.row(r), limit) {
                            best.insert(r as u32, distance);
                        }
                    }
                }
            }
        });
    Ok(Neighbours {
        k,
        dim,
        index,
        squared,
    })
}

/// The best so far of one query, ascending; unfilled places hold `u64::MAX`.
struct Best<'a> {
    index: &'a mut [u32],
    squared: &'a mut [u64],
}

impl Best<'_> {
    fn worst(&self) -> u64 {
        self.squared[self.squared.len() - 1]
    }

    fn insert(&mut self, index: u32, squared: u64) {
        let place = self.squared.partition_point(|&other| other <= squared);
        self.squared[place..].rotate_right(1);
        self.index[place..].rotate_right(1);
        self.squared[place] = squared;
        self.index[place] = index;
    }
}
