//! A set of images, prepared once for many searches by l2.

use rayon::slice::ParallelSliceMut;

use crate::neighbours::{checked_excluded, same_dim};
use crate::search::{Best, Integers, Keep, Plan, Prepared, SquaredL2, Within};
use crate::{Error, Images, Neighbours};

/// Fewer images than this are searched as fast without preparation.
const MIN_PREPARED: usize = 512;

/// A set of images to search, prepared once.
///
/// Preparation finds the principal directions of a sample of the images and the coordinates of
/// all along them: natural images are so compressible that 126 directions and the norm of what
/// they leave over bound most distances from below far beyond the nearest ones. A search compares
/// bounds and measures what is left in exact integers. Its results are those of brute force,
/// whatever the data, the number of threads and the order of work; where the bound does not
/// prune, as in white noise, it is brute force.
///
/// It holds 129 floats an image and a few hundred bytes a pixel of one image, beside the borrowed
/// pixels: for images of 3 x 32 x 32 pixels, a sixth of them.
///
/// ```
/// use eidetic_metrics::{Images, Index};
///
/// let training = [200, 200, 10, 12, 10, 10, 10, 10];
/// let index = Index::new(Images::new(&training, 2)?);
/// let found = index.nearest(Images::new(&[10, 10, 190, 190], 2)?, 3)?;
/// assert_eq!(found.indices(0), [2, 3, 1]);
/// assert_eq!(found.squared(1, 0), 200);
/// // The nearest others of the training images themselves.
/// assert_eq!(index.nearest_others(1)?.indices(2), [3]);
/// # Ok::<(), eidetic_metrics::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Index<'a> {
    images: Images<'a>,
    prepared: Option<Prepared>,
}

impl<'a> Index<'a> {
    /// Prepares `images` on all threads of the pool that it is called in.
    pub fn new(images: Images<'a>) -> Self {
        let prepared = (images.len() >= MIN_PREPARED)
            .then(|| Prepared::if_useful(images))
            .flatten();
        Self { images, prepared }
    }

    /// As [`Index::new`], but prepares nothing where `queries` searches would not pay for it.
    pub fn for_queries(images: Images<'a>, queries: usize) -> Self {
        // Products of integers run about twice as fast as those of floats, of which preparation
        // takes about 128 a pixel and image, and 5 times 144 a pixel and image of its sample.
        let (n, queries) = (images.len() as u64, queries as u64);
        let preparation = 128 * n + 2 * 5 * 144 * n.min(2048);
        if n * queries < 4 * preparation {
            Self::unprepared(images)
        } else {
            Self::new(images)
        }
    }

    /// Prepares nothing: every search is brute force, what the others are measured by.
    pub fn unprepared(images: Images<'a>) -> Self {
        let prepared = None;
        Self { images, prepared }
    }

    /// The images that are searched.
    pub fn images(&self) -> Images<'a> {
        self.images
    }

    /// Bytes that the preparation holds, beside the images.
    pub fn bytes(&self) -> usize {
        self.prepared.as_ref().map_or(0, Prepared::bytes)
    }

    /// The `k` nearest images of each of `queries`, nearest first, equal distances by the lower
    /// index. No query gives no neighbours.
    ///
    /// # Errors
    /// `k` is 0 or exceeds the images, or the two sets differ in dimension.
    pub fn nearest(&self, queries: Images<'_>, k: usize) -> Result<Neighbours, Error> {
        self.k_nearest(queries, k, None)
    }

    /// As [`Index::nearest`], where query `i` never matches image `excluded[i]`.
    ///
    /// # Errors
    /// As [`Index::nearest`], with one image fewer to choose from; or `excluded` has another
    /// length than the queries or names no image.
    pub fn nearest_excluding(
        &self,
        queries: Images<'_>,
        k: usize,
        excluded: &[u32],
    ) -> Result<Neighbours, Error> {
        self.k_nearest(queries, k, Some(excluded))
    }

    /// The `k` nearest other images of each image.
    ///
    /// # Errors
    /// `k` is 0, or there are not more than `k` images.
    pub fn nearest_others(&self, k: usize) -> Result<Neighbours, Error> {
        let own: Vec<u32> = (0..self.images.len() as u32).collect();
        self.nearest_excluding(self.images, k, &own)
    }

    fn k_nearest(
        &self,
        queries: Images<'_>,
        k: usize,
        excluded: Option<&[u32]>,
    ) -> Result<Neighbours, Error> {
        same_dim(queries, self.images)?;
        let skip = checked_excluded(k, queries.len(), self.images.len(), excluded)?;
        let mut found = Neighbours::empty(k, queries.len(), queries.dim());
        self.search(
            queries,
            |query| Best::new(k, skip(query)),
            |best| found.push(best.kept()),
        );
        Ok(found)
    }

    /// Every pair i < j of images at most `limit` apart, as (squared distance, i, j), ascending.
    pub(crate) fn pairs_within(&self, limit: u64) -> Vec<(u64, u32, u32)> {
        let mut pairs = Vec::new();
        let mut first = 0;
        let keep = |query| Within::new(limit, query + 1);
        self.search(self.images, keep, |within: Within| {
            pairs.extend(
                within
                    .into_kept()
                    .into_iter()
                    .map(|(key, other)| (key, first, other)),
            );
            first += 1;
        });
        pairs.par_sort_unstable();
        pairs
    }

    /// Runs every query's keeper, and hands them over in order.
    fn search<K: Keep + Send>(
        &self,
        queries: Images<'_>,
        keep: impl Fn(u32) -> K + Sync,
        take: impl FnMut(K),
    ) {
        let reference = self.images;
        let integers = Integers { queries, reference };
        let brute_ns = 3.0 + reference.dim() as f64 / 80.0;
        let brute = |ids: &[u32]| integers.run(ids, &keep);
        self.search_or(queries, &keep, brute_ns, brute, take);
    }

    /// As `search`, given the keepers of some queries by another brute force, of so many
    /// nanoseconds a pair.
    pub(crate) fn search_or<K: Keep + Send>(
        &self,
        queries: Images<'_>,
        keep: &(impl Fn(u32) -> K + Sync),
        brute_ns: f64,
        brute: impl Fn(&[u32]) -> Vec<K>,
        take: impl FnMut(K),
    ) {
        let reference = self.images;
        let metric = SquaredL2 { queries, reference };
        let plan = Plan {
            prepared: self.prepared.as_ref(),
            brute_ns,
            measure_ns: 40.0 + reference.dim() as f64 / 40.0,
            brute,
        };
        plan.search(queries, &metric, keep, take);
    }
}
