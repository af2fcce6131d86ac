//! What is hidden of a candidate.

use eidetic_sdk::random::rng;
use eidetic_sdk::{Error, ImageShape, Result};
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is hidden, in all channels at once; at least one pixel of any image is. Halves and box are
/// the same for all candidates, the others are drawn for each.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Mask {
    /// Columns 0 to W / 2, that of the middle included.
    LeftHalf,
    /// The last W / 2 columns, that of the middle included.
    RightHalf,
    /// Rows 0 to H / 2, that of the middle included.
    TopHalf,
    /// The last H / 2 rows, that of the middle included.
    BottomHalf,
    /// A box in the middle, of this share of the image (above 0, at most 1) and its proportions.
    Box(f64),
    /// Boxes at places drawn uniformly, which may overlap.
    Boxes {
        /// How many, 1 to 1000.
        count: u32,
        /// The share of the image that each has, above 0, at most 1.
        share: f64,
    },
    /// Each pixel with this probability, above 0, at most 1.
    Pixels(f64),
}

/// A box of pixels hidden: first row and column, height and width.
type Place = [usize; 4];

impl Mask {
    /// Its probe's name, which says all of it.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::LeftHalf => "left-half".into(),
            Self::RightHalf => "right-half".into(),
            Self::TopHalf => "top-half".into(),
            Self::BottomHalf => "bottom-half".into(),
            Self::Box(share) => format!("box-{share}"),
            Self::Boxes { count, share } => format!("boxes-{count}x{share}"),
            Self::Pixels(rate) => format!("pixels-{rate}"),
        }
    }

    /// Refuses shares that hide nothing, or more than there is.
    pub(crate) fn check(&self) -> Result<()> {
        let share = match *self {
            Self::Box(share) | Self::Boxes { share, .. } | Self::Pixels(share) => share,
            _ => return Ok(()),
        };
        let name = self.name();
        if !(share > 0.0 && share <= 1.0) {
            return Err(Error::bad_options(format!(
                "masks: {name}: expected a share above 0 and at most 1, got {share}"
            )));
        }
        match *self {
            Self::Boxes { count, .. } if !(1..=1000).contains(&count) => Err(Error::bad_options(
                format!("masks: {name}: expected 1 to 1000 boxes, got {count}"),
            )),
            _ => Ok(()),
        }
    }

    /// Flags `[H, W]` for all candidates, or `[N, H, W]` where each has its own: 1 is known, 0
    /// hidden.
    pub(crate) fn known(&self, candidates: u64, shape: ImageShape, seed: u64) -> Vec<u8> {
        let size = [shape.height as usize, shape.width as usize];
        let [h, w] = size;
        let (half_h, half_w) = (h.div_ceil(2), w.div_ceil(2));
        match *self {
            Self::LeftHalf => hide(size, &[[0, 0, h, half_w]]),
            Self::RightHalf => hide(size, &[[0, w - half_w, h, half_w]]),
            Self::TopHalf => hide(size, &[[0, 0, half_h, w]]),
            Self::BottomHalf => hide(size, &[[h - half_h, 0, half_h, w]]),
            Self::Box(share) => {
                let [high, wide] = sides(size, share);
                hide(size, &[[(h - high) / 2, (w - wide) / 2, high, wide]])
            }
            Self::Boxes { .. } | Self::Pixels(_) => (0..candidates)
                .flat_map(|candidate| self.drawn(size, seed, candidate))
                .collect(),
        }
    }

    fn drawn(&self, size: [usize; 2], seed: u64, candidate: u64) -> Vec<u8> {
        let mut rng = rng(seed, &format!("mask {}", self.name()), candidate);
        let [h, w] = size;
        if let Self::Boxes { count, share } = *self {
            let [high, wide] = sides(size, share);
            let mut place = || {
                let y = rng.random_range(0..=h - high);
                [y, rng.random_range(0..=w - wide), high, wide]
            };
            let places: Vec<Place> = (0..count).map(|_| place()).collect();
            return hide(size, &places);
        }
        let Self::Pixels(rate) = *self else {
            return vec![1; h * w];
        };
        let mut known: Vec<u8> = (0..h * w)
            .map(|_| u8::from(!rng.random_bool(rate)))
            .collect();
        if !known.contains(&0) {
            known[rng.random_range(0..h * w)] = 0;
        }
        known
    }
}

/// Height and width of a box of a share of the image, at least a pixel each.
fn sides(size: [usize; 2], share: f64) -> [usize; 2] {
    size.map(|n| ((share.sqrt() * n as f64).round() as usize).clamp(1, n))
}

fn hide([h, w]: [usize; 2], places: &[Place]) -> Vec<u8> {
    let mut known = vec![1; h * w];
    for &[top, left, high, wide] in places {
        for row in known.chunks_exact_mut(w).skip(top).take(high) {
            row[left..left + wide].fill(0);
        }
    }
    known
}
