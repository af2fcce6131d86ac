//! Exact nearest neighbours by the largest l2 over tiles.

use crate::neighbours::checked_excluded;
use crate::search::{Best, Metric, Plan, Prepared, exhaust, max_tile_within};
use crate::{Error, Images, Neighbours};

/// How rows of pixels, [channels][height][width], are cut into `tiles` x `tiles` tiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tiling {
    channels: usize,
    height: usize,
    width: usize,
    tiles: usize,
}

impl Tiling {
    /// Cuts each side of an image into `tiles` (Carlini et al. 2023: 4) equal parts.
    ///
    /// # Errors
    /// A number is 0, or `tiles` does not divide a side.
    pub fn new(channels: usize, height: usize, width: usize, tiles: usize) -> Result<Self, Error> {
        if channels == 0 || height == 0 || width == 0 {
            return Err(Error::ZeroDim);
        }
        if tiles == 0 || !height.is_multiple_of(tiles) || !width.is_multiple_of(tiles) {
            return Err(Error::Parameter {
                name: "tiles a side",
                expected: "to divide the height and the width",
                got: tiles as f64,
            });
        }
        Ok(Self {
            channels,
            height,
            width,
            tiles,
        })
    }

    /// Pixels of an image.
    pub fn dim(&self) -> usize {
        self.channels * self.height * self.width
    }

    /// Pixels of a tile, over all channels.
    pub fn tile_dim(&self) -> usize {
        self.dim() / self.count()
    }

    fn count(&self) -> usize {
        self.tiles * self.tiles
    }

    /// The pixels of each image tile after tile.
    fn cut(&self, images: Images<'_>) -> Result<Vec<u8>, Error> {
        if images.dim() != self.dim() {
            return Err(Error::DimMismatch {
                queries: self.dim(),
                reference: images.dim(),
            });
        }
        let (high, wide) = (self.height / self.tiles, self.width / self.tiles);
        let mut pixels = Vec::with_capacity(images.pixels().len());
        for image in images.rows() {
            for tile in 0..self.count() {
                let (down, across) = (tile / self.tiles * high, tile % self.tiles * wide);
                for line in 0..self.channels * high {
                    let (channel, y) = (line / high, down + line % high);
                    let start = (channel * self.height + y) * self.width + across;
                    pixels.extend_from_slice(&image[start..start + wide]);
                }
            }
        }
        Ok(pixels)
    }
}

/// A set of images to search by the tiled l2 of Carlini et al. 2023, the maximum over the tiles of the
/// [`l2`](crate::l2) of a tile: two images of one plain background are near by l2, and far by this.
///
/// As [`Index`](crate::Index), prepared once and exact. It holds a copy of the pixels, tile by tile.
///
/// ```
/// use eidetic_metrics::{Images, TiledIndex, Tiling};
///
/// // 2 x 2 pixels, 2 x 2 tiles: the largest difference of a pixel.
/// let training = [10, 10, 10, 10, 0, 0, 0, 15];
/// let index = TiledIndex::new(Images::new(&training, 4)?, Tiling::new(1, 2, 2, 2)?)?;
/// let found = index.nearest(Images::new(&[0, 0, 0, 0], 4)?, 2)?;
/// assert_eq!(found.indices(0), [0, 1]);
/// assert_eq!(found.l2(0, 1), 15.0 / 255.0);
/// # Ok::<(), eidetic_metrics::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct TiledIndex {
    tiling: Tiling,
    pixels: Vec<u8>,
    prepared: Option<Prepared>,
}

impl TiledIndex {
    /// Cuts and prepares `images`.
    ///
    /// # Errors
    /// The images are not of the tiling's size.
    pub fn new(images: Images<'_>, tiling: Tiling) -> Result<Self, Error> {
        let pixels = tiling.cut(images)?;
        let prepared = Prepared::if_useful(Images::new(&pixels, tiling.dim())?);
        Ok(Self {
            tiling,
            pixels,
            prepared,
        })
    }

    /// The `k` nearest images of each of `queries`, nearest first, equal distances by the lower
    /// index. [`Neighbours::squared`] is that of the furthest tile.
    ///
    /// # Errors
    /// `k` is 0 or exceeds the images, or the queries are not of the tiling's size.
    pub fn nearest(&self, queries: Images<'_>, k: usize) -> Result<Neighbours, Error> {
        self.k_nearest(queries, k, None)
    }

    /// As [`TiledIndex::nearest`], where query `i` never matches image `excluded[i]`.
    ///
    /// # Errors
    /// As [`TiledIndex::nearest`], with one image fewer to choose from; or `excluded` has another
    /// length than the queries or names no image.
    pub fn nearest_excluding(
        &self,
        queries: Images<'_>,
        k: usize,
        excluded: &[u32],
    ) -> Result<Neighbours, Error> {
        self.k_nearest(queries, k, Some(excluded))
    }

    fn k_nearest(
        &self,
        queries: Images<'_>,
        k: usize,
        excluded: Option<&[u32]>,
    ) -> Result<Neighbours, Error> {
        let dim = self.tiling.dim();
        let queries = self.tiling.cut(queries)?;
        let (queries, reference) = (Images::new(&queries, dim)?, Images::new(&self.pixels, dim)?);
        let skip = checked_excluded(k, queries.len(), reference.len(), excluded)?;
        let metric = FurthestTile {
            queries,
            reference,
            tiling: self.tiling,
        };
        let keep = |query| Best::new(k, skip(query));
        let plan = Plan {
            prepared: self.prepared.as_ref(),
            // A tile or two of each pair, before it is given up.
            brute_ns: 15.0 + self.tiling.tile_dim() as f64 / 20.0,
            measure_ns: 30.0 + self.tiling.tile_dim() as f64 / 10.0,
            brute: |ids: &[u32]| exhaust(&metric, ids, reference.len() as u32, keep),
        };
        let mut found = Neighbours::empty(k, queries.len(), self.tiling.tile_dim());
        plan.search(queries, &metric, &keep, |best: Best| {
            found.push(best.kept())
        });
        Ok(found)
    }
}

/// The largest sum of squared differences of a tile.
struct FurthestTile<'a> {
    queries: Images<'a>,
    reference: Images<'a>,
    tiling: Tiling,
}

impl Metric for FurthestTile<'_> {
    fn exact(&self, query: usize, reference: u32, limit: u64) -> Option<u64> {
        let (query, reference) = (
            self.queries.row(query),
            self.reference.row(reference as usize),
        );
        max_tile_within(query, reference, self.tiling.tile_dim(), limit)
    }

    /// No tile is further than the furthest one, so all of them together are no further than this.
    fn reach(&self, key: u64) -> f64 {
        (key as f64 * self.tiling.count() as f64).sqrt()
    }
}
