//! Exact nearest neighbours of embeddings by cosine.

use rayon::prelude::*;

use crate::Error;
use crate::neighbours::checked_excluded;
use crate::rows::check_rows;
use crate::search::{BOX_COLUMNS, Best, Cloud, Metric, Packed, Search};

/// Queries of which the coordinates are held at a time.
const BATCH: usize = 2048;

/// A set of embeddings, one row of `dim` floats each, borrowed.
#[derive(Debug, Clone, Copy)]
pub struct Embeddings<'a> {
    values: &'a [f32],
    dim: usize,
}

impl<'a> Embeddings<'a> {
    /// Takes `values` as rows of `dim`; an empty slice is a set of none.
    ///
    /// # Errors
    /// `dim` is 0, the values are no whole number of rows or more than `u32::MAX` of them, one is
    /// not finite, or a row is all zeros, which has no direction.
    pub fn new(values: &'a [f32], dim: usize) -> Result<Self, Error> {
        check_rows(values, dim, "values of whole embeddings", "embeddings")?;
        if values
            .chunks_exact(dim)
            .any(|row| row.iter().all(|&value| value == 0.0))
        {
            return Err(Error::Parameter {
                name: "the norm of an embedding",
                expected: "above 0",
                got: 0.0,
            });
        }
        Ok(Self { values, dim })
    }

    /// The number of embeddings.
    pub fn len(&self) -> usize {
        self.values.len() / self.dim
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Values of one embedding.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The values of embedding `i`. Panics if `i >= len()`.
    pub fn row(&self, i: usize) -> &'a [f32] {
        &self.values[i * self.dim..(i + 1) * self.dim]
    }

    fn norms(&self) -> Vec<f64> {
        (0..self.len())
            .map(|i| dot(self.row(i), self.row(i)).sqrt())
            .collect()
    }

    /// The rows at `rows` on the unit sphere. Rounding to f32 moves a point by at most 2^-24 of
    /// its norm, and the norm was known in f64.
    fn units(&self, rows: &[u32]) -> Cloud {
        let unit = |&row: &u32| {
            let row = self.row(row as usize);
            let factor = dot(row, row).sqrt().recip();
            row.iter().map(move |&x| (f64::from(x) * factor) as f32)
        };
        Cloud {
            columns: self.dim,
            tail_columns: 0,
            head: rows.iter().flat_map(unit).collect(),
            tail: Vec::new(),
            errors: vec![1.0 / (1_u64 << 23) as f64; rows.len()],
        }
    }
}

/// The cosine of two embeddings in f64, in [-1, 1] but for rounding: each sum as eight sums in
/// turn, whatever the machine. NaN for a row of zeros.
///
/// ```
/// assert_eq!(eidetic_metrics::cosine(&[3.0, 4.0], &[4.0, 3.0]), 0.96);
/// ```
pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    dot(a, b) / (dot(a, a).sqrt() * dot(b, b).sqrt())
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    let mut sums = [0.0; 8];
    for (a, b) in a.chunks(8).zip(b.chunks(8)) {
        for ((sum, &a), &b) in sums.iter_mut().zip(a).zip(b) {
            *sum += f64::from(a) * f64::from(b);
        }
    }
    sums.iter().sum()
}

/// The `k` most similar references of each query, most similar first, equal cosines by the lower
/// index.
#[derive(Debug, Clone, PartialEq)]
pub struct Similar {
    k: usize,
    index: Vec<u32>,
    cosine: Vec<f64>,
}

impl Similar {
    /// References a query.
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

    /// The reference indices of `query`, most similar first. Panics, as [`Similar::cosines`],
    /// past the last query.
    pub fn indices(&self, query: usize) -> &[u32] {
        &self.index[query * self.k..(query + 1) * self.k]
    }

    /// The [`cosine`]s of `query` with each of [`Similar::indices`].
    pub fn cosines(&self, query: usize) -> &[f64] {
        &self.cosine[query * self.k..(query + 1) * self.k]
    }
}

/// A set of embeddings to search by cosine, prepared once: products in f32 with a bound on their
/// rounding rule most pairs out, the [`cosine`]s of the others decide.
///
/// It holds a copy of the embeddings.
///
/// ```
/// use eidetic_metrics::{EmbeddingIndex, Embeddings};
///
/// let training = [1.0, 0.0, 0.0, 2.0, 3.0, 3.0];
/// let index = EmbeddingIndex::new(Embeddings::new(&training, 2)?);
/// let found = index.most_similar(Embeddings::new(&[0.0, 5.0], 2)?, 2)?;
/// assert_eq!(found.indices(0), [1, 2]);
/// assert_eq!(found.cosines(0)[0], 1.0);
/// # Ok::<(), eidetic_metrics::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct EmbeddingIndex<'a> {
    embeddings: Embeddings<'a>,
    packed: Packed,
}

impl<'a> EmbeddingIndex<'a> {
    /// Prepares `embeddings` on all threads of the pool that it is called in.
    pub fn new(embeddings: Embeddings<'a>) -> Self {
        let all: Vec<u32> = (0..embeddings.len() as u32).collect();
        let columns = embeddings.dim.min(BOX_COLUMNS);
        let lead = all
            .par_iter()
            .flat_map_iter(|&row| {
                let unit = embeddings.units(&[row]).head;
                unit.into_iter().take(columns)
            })
            .collect();
        let packed = Packed::new(lead, columns, |rows| embeddings.units(rows));
        Self { embeddings, packed }
    }

    /// The `k` most similar embeddings of each of `queries`. No query gives none.
    ///
    /// # Errors
    /// `k` is 0 or exceeds the embeddings, or the two sets differ in dimension.
    pub fn most_similar(&self, queries: Embeddings<'_>, k: usize) -> Result<Similar, Error> {
        self.k_most_similar(queries, k, None)
    }

    /// As [`EmbeddingIndex::most_similar`], where query `i` never matches `excluded[i]`.
    ///
    /// # Errors
    /// As [`EmbeddingIndex::most_similar`], with one embedding fewer to choose from; or `excluded`
    /// has another length than the queries or names no embedding.
    pub fn most_similar_excluding(
        &self,
        queries: Embeddings<'_>,
        k: usize,
        excluded: &[u32],
    ) -> Result<Similar, Error> {
        self.k_most_similar(queries, k, Some(excluded))
    }

    fn k_most_similar(
        &self,
        queries: Embeddings<'_>,
        k: usize,
        excluded: Option<&[u32]>,
    ) -> Result<Similar, Error> {
        if queries.dim != self.embeddings.dim {
            return Err(Error::DimMismatch {
                queries: queries.dim,
                reference: self.embeddings.dim,
            });
        }
        let skip = checked_excluded(k, queries.len(), self.embeddings.len(), excluded)?;
        let metric = Cosine {
            queries,
            reference: self.embeddings,
            query_norms: queries.norms(),
            reference_norms: self.embeddings.norms(),
        };
        let mut similar = Similar {
            k,
            index: Vec::with_capacity(queries.len() * k),
            cosine: Vec::with_capacity(queries.len() * k),
        };
        let all: Vec<u32> = (0..queries.len() as u32).collect();
        for ids in all.chunks(BATCH) {
            let search = Search {
                packed: &self.packed,
                cloud: &queries.units(ids),
                queries: ids,
                metric: &metric,
            };
            let (kept, _) = search.run(|query| Best::new(k, skip(query)));
            for &(key, index) in kept.iter().flat_map(Best::kept) {
                similar.index.push(index);
                similar.cosine.push(from_key(key));
            }
        }
        Ok(similar)
    }
}

/// [`cosine`] with norms known.
struct Cosine<'a> {
    queries: Embeddings<'a>,
    reference: Embeddings<'a>,
    query_norms: Vec<f64>,
    reference_norms: Vec<f64>,
}

impl Metric for Cosine<'_> {
    fn exact(&self, query: usize, reference: u32, limit: u64) -> Option<u64> {
        let reference = reference as usize;
        let norms = self.query_norms[query] * self.reference_norms[reference];
        let key = to_key(dot(self.queries.row(query), self.reference.row(reference)) / norms);
        (key <= limit).then_some(key)
    }

    /// On the unit sphere |x - y|^2 = 2 - 2 cos; the cosine was rounded a little more often than
    /// an embedding has values.
    fn reach(&self, key: u64) -> f64 {
        let rounding = (self.queries.dim + 16) as f64 * 2.0 * f64::EPSILON;
        (2.0 - 2.0 * (from_key(key) - rounding)).max(0.0).sqrt()
    }
}

/// Descends as the value ascends.
fn to_key(value: f64) -> u64 {
    let bits = (value + 0.0).to_bits();
    let ascending = if bits >> 63 == 0 {
        bits | 1 << 63
    } else {
        !bits
    };
    !ascending
}

fn from_key(key: u64) -> f64 {
    let ascending = !key;
    f64::from_bits(if ascending >> 63 == 1 {
        ascending & !(1 << 63)
    } else {
        !ascending
    })
}

#[cfg(test)]
mod tests {
    use super::{from_key, to_key};

    #[test]
    fn keys_turn_the_order_round() {
        let values = [-1.0, -0.5, -1e-300, 0.0, 1e-300, 0.3, 1.0 - 1e-16, 1.0];
        for pair in values.windows(2) {
            assert!(to_key(pair[0]) > to_key(pair[1]));
        }
        assert!(values.iter().all(|&value| from_key(to_key(value)) == value));
        assert_eq!(to_key(-0.0), to_key(0.0));
    }
}
