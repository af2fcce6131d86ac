//! Whether two samples are alike.

use std::ops::Range;

use eidetic_metrics::{l2, squared_distance};
use eidetic_sdk::ndarray::ArrayView3;
use eidetic_sdk::{Error, ErrorCode, ImageShape, Result};

/// Near duplicates: no tile of the two is further apart than a limit.
pub(crate) struct Near {
    limit_l2: f64,
    /// Which pixel of an image comes at which place, tile after tile.
    pixels: Vec<usize>,
    /// Places of each tile.
    tiles: Vec<Range<usize>>,
}

impl Near {
    /// Over `tiles` x `tiles` non-overlapping tiles, as equal as the image's sides divide; 1 is the
    /// whole image.
    ///
    /// # Errors
    /// `Unsupported` for more tiles than there are pixels on a side.
    pub(crate) fn new(limit_l2: f64, tiles: u64, image: ImageShape) -> Result<Self> {
        let [c, h, w] = [image.channels, image.height, image.width].map(u64::from);
        if tiles > h.min(w) {
            return Err(Error::new(
                ErrorCode::Unsupported,
                format!("{tiles} x {tiles} tiles of an image of {h} x {w} pixels"),
            )
            .with_help("lower `tiles`"));
        }
        let mut near = Self {
            limit_l2,
            pixels: Vec::new(),
            tiles: Vec::new(),
        };
        let part = |at: u64, side: u64| at * side / tiles..(at + 1) * side / tiles;
        for (down, across) in (0..tiles).flat_map(|down| (0..tiles).map(move |to| (down, to))) {
            let start = near.pixels.len();
            for channel in 0..c {
                for row in part(down, h) {
                    let columns = part(across, w);
                    let place = |column| ((channel * h + row) * w + column) as usize;
                    near.pixels.extend(columns.map(place));
                }
            }
            near.tiles.push(start..near.pixels.len());
        }
        Ok(near)
    }

    /// Pixels of an image.
    pub(crate) fn dim(&self) -> usize {
        self.pixels.len()
    }

    /// Adds an image to `to` in the order in which it is compared.
    pub(crate) fn arrange(&self, image: ArrayView3<'_, u8>, to: &mut Vec<u8>) {
        let image: Vec<u8> = image.iter().copied().collect();
        to.extend(self.pixels.iter().map(|&pixel| image[pixel]));
    }

    /// Of two arranged images. Most pairs are far apart and told so by their first pixels.
    pub(crate) fn joins(&self, a: &[u8], b: &[u8]) -> bool {
        const PART: usize = 128;
        let mut tiles = self.tiles.iter().cloned();
        tiles.all(|tile| {
            let (size, mut squared) = (tile.len(), 0);
            let mut parts = a[tile.clone()].chunks(PART).zip(b[tile].chunks(PART));
            parts.all(|(a, b)| {
                squared += squared_distance(a, b);
                l2(squared, size) <= self.limit_l2
            })
        })
    }
}
