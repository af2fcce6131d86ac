//! Exact nearest neighbours by l2.

use crate::images::l2;
use crate::{Error, Images, Index};

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
    /// None yet of `queries`.
    pub(crate) fn empty(k: usize, queries: usize, dim: usize) -> Self {
        Self {
            k,
            dim,
            index: Vec::with_capacity(queries * k),
            squared: Vec::with_capacity(queries * k),
        }
    }

    /// The next query's, all `k` as (squared distance, index).
    pub(crate) fn push(&mut self, nearest: &[(u64, u32)]) {
        self.index.extend(nearest.iter().map(|&(_, index)| index));
        self.squared
            .extend(nearest.iter().map(|&(squared, _)| squared));
    }

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
/// For more than one search of the same references, make an [`Index`] once. This makes one where it
/// pays for these queries, and holds what that does beyond the result.
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
    Index::for_queries(reference, queries.len()).nearest(queries, k)
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
    Index::for_queries(reference, queries.len()).nearest_excluding(queries, k, excluded)
}

/// The `k` nearest other images of each image of one set.
///
/// # Errors
/// `k` is 0, or there are not more than `k` images.
pub fn nearest_others(images: Images<'_>, k: usize) -> Result<Neighbours, Error> {
    Index::for_queries(images, images.len()).nearest_others(k)
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

/// The reference that each query may not match, once it is known that `k` others remain.
pub(crate) fn checked_excluded(
    k: usize,
    queries: usize,
    references: usize,
    excluded: Option<&[u32]>,
) -> Result<impl Fn(u32) -> Option<u32> + Copy + Sync, Error> {
    if let Some(excluded) = excluded {
        if excluded.len() != queries {
            return Err(Error::Length {
                what: "excluded indices",
                expected: queries,
                got: excluded.len(),
            });
        }
        if let Some(index) = excluded.iter().position(|&row| row as usize >= references) {
            return Err(Error::OutOfRange {
                what: "excluded indices",
                index,
                got: u64::from(excluded[index]),
                bound: references,
            });
        }
    }
    if k == 0 {
        return Err(Error::ZeroNeighbours);
    }
    let references = references.saturating_sub(usize::from(excluded.is_some()));
    if references < k {
        return Err(Error::TooFewReferences { k, references });
    }
    Ok(move |query: u32| excluded.map(|excluded| excluded[query as usize]))
}
