//! Resizing of 8-bit images exactly as Pillow's `Image.resize` does it.
//!
//! `src/libImaging/Resample.c` of Pillow 12: weights in f64, rounded to 22 fractional bits; rows
//! first, rounded and clipped to 8 bits, then columns. Filters widen when an image shrinks
//! (antialiasing). All sums are of integers, so the levels are the same on every processor.
//!
//! Pillow 13 takes columns first where the height shrinks enough more than the width (its pull
//! request 9549), which changes levels of such images. What is published was made before it, so here
//! rows always come first.

use std::f64::consts::PI;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Goes up with every change of what comes out.
pub(super) const REVISION: u32 = 1;

/// Fractional bits of a weight: 32 less 8 for a level and 2 for filters with negative weights.
const PRECISION_BITS: u32 = 32 - 8 - 2;

/// How a pixel is made from those around its place, by Pillow's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Filter {
    /// The pixel at the place; no antialiasing.
    Nearest,
    /// The mean over the pixel's area.
    Box,
    /// A triangle over 2 pixels.
    Bilinear,
    /// A Hamming window over 2 pixels.
    Hamming,
    /// Keys' cubic with a = -0.5, over 4 pixels.
    Bicubic,
    /// A sinc windowed by a sinc, over 6 pixels.
    Lanczos,
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nearest => "nearest",
            Self::Box => "box",
            Self::Bilinear => "bilinear",
            Self::Hamming => "hamming",
            Self::Bicubic => "bicubic",
            Self::Lanczos => "lanczos",
        })
    }
}

impl Filter {
    /// How far it reaches, in pixels, where an image does not shrink.
    fn support(self) -> f64 {
        match self {
            Self::Nearest => 0.0,
            Self::Box => 0.5,
            Self::Bilinear | Self::Hamming => 1.0,
            Self::Bicubic => 2.0,
            Self::Lanczos => 3.0,
        }
    }

    fn weight(self, x: f64) -> f64 {
        let distance = x.abs();
        match self {
            Self::Nearest => 0.0,
            Self::Box => f64::from(u8::from(x > -0.5 && x <= 0.5)),
            Self::Bilinear => (1.0 - distance).max(0.0),
            Self::Hamming if distance == 0.0 => 1.0,
            Self::Hamming if distance >= 1.0 => 0.0,
            Self::Hamming => {
                let x = distance * PI;
                // The two constants are floats in Pillow.
                x.sin() / x * (f64::from(0.54_f32) + f64::from(0.46_f32) * x.cos())
            }
            Self::Bicubic if distance < 1.0 => {
                const A: f64 = -0.5;
                ((A + 2.0) * distance - (A + 3.0)) * distance * distance + 1.0
            }
            Self::Bicubic if distance < 2.0 => {
                (((distance - 5.0) * distance + 8.0) * distance - 4.0) * -0.5
            }
            Self::Bicubic => 0.0,
            Self::Lanczos if (-3.0..3.0).contains(&x) => sinc(x) * sinc(x / 3.0),
            Self::Lanczos => 0.0,
        }
    }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 {
        return 1.0;
    }
    let x = x * PI;
    x.sin() / x
}

/// Resizes planes of one size to another.
#[derive(Debug, Clone, PartialEq)]
pub struct Resizer {
    from: [usize; 2],
    to: [usize; 2],
    way: Way,
}

#[derive(Debug, Clone, PartialEq)]
enum Way {
    /// The row and the column that each is taken from.
    Nearest {
        rows: Vec<usize>,
        columns: Vec<usize>,
    },
    /// `None` where the size stays.
    Filtered {
        rows: Option<Vec<Taps>>,
        columns: Option<Vec<Taps>>,
    },
}

/// What one place along an axis is made from.
#[derive(Debug, Clone, PartialEq)]
struct Taps {
    first: usize,
    /// In units of 2^-22, one a pixel from `first` on.
    weights: Vec<i32>,
}

impl Resizer {
    /// From height and width to height and width, each at least 1.
    pub fn new(from: [usize; 2], to: [usize; 2], filter: Filter) -> Self {
        let way = match filter {
            Filter::Nearest => Way::Nearest {
                rows: nearest(from[0], to[0]),
                columns: nearest(from[1], to[1]),
            },
            _ => {
                let taps = |axis: usize| {
                    (from[axis] != to[axis]).then(|| taps(from[axis], to[axis], filter))
                };
                Way::Filtered {
                    rows: taps(0),
                    columns: taps(1),
                }
            }
        };
        Self { from, to, way }
    }

    /// Resizes one channel, rows after one another.
    ///
    /// # Panics
    /// Where `plane` is not of the size that this resizes from.
    pub fn plane(&self, plane: &[u8]) -> Vec<u8> {
        let [height, width] = self.from;
        assert_eq!(plane.len(), height * width, "a plane of {height} x {width}");
        match &self.way {
            Way::Nearest { rows, columns } => rows
                .iter()
                .flat_map(|row| {
                    columns
                        .iter()
                        .map(move |column| plane[row * width + column])
                })
                .collect(),
            Way::Filtered { rows, columns } => {
                let wide;
                let (plane, width) = match columns {
                    Some(taps) => {
                        wide = along_rows(plane, width, taps);
                        (wide.as_slice(), self.to[1])
                    }
                    None => (plane, width),
                };
                match rows {
                    Some(taps) => along_columns(plane, width, taps),
                    None => plane.to_vec(),
                }
            }
        }
    }
}

/// `ImagingScaleAffine`: the middle of each new pixel, added up step by step as Pillow does.
fn nearest(from: usize, to: usize) -> Vec<usize> {
    let step = from as f64 / to as f64;
    let mut middle = step * 0.5;
    (0..to)
        .map(|_| {
            let at = middle as usize;
            middle += step;
            at.min(from - 1)
        })
        .collect()
}

/// `precompute_coeffs` and `normalize_coeffs_8bpc`.
fn taps(from: usize, to: usize, filter: Filter) -> Vec<Taps> {
    let scale = from as f64 / to as f64;
    let stretch = scale.max(1.0);
    let support = filter.support() * stretch;
    (0..to)
        .map(|place| {
            let center = (place as f64 + 0.5) * scale;
            // Towards 0, as C does it; what is below 0 becomes 0 either way.
            let first = (center - support + 0.5) as usize;
            let end = ((center + support + 0.5) as usize).min(from);
            let weights: Vec<f64> = (first..end)
                .map(|x| filter.weight((x as f64 - center + 0.5) * (1.0 / stretch)))
                .collect();
            let sum: f64 = weights.iter().sum();
            let fixed = |weight: f64| {
                let weight = if sum == 0.0 { weight } else { weight / sum };
                let half = if weight < 0.0 { -0.5 } else { 0.5 };
                (half + weight * f64::from(1 << PRECISION_BITS)) as i32
            };
            Taps {
                first,
                weights: weights.into_iter().map(fixed).collect(),
            }
        })
        .collect()
}

fn along_rows(plane: &[u8], width: usize, taps: &[Taps]) -> Vec<u8> {
    plane
        .chunks_exact(width)
        .flat_map(|row| {
            taps.iter().map(move |taps| {
                let pixels = row[taps.first..].iter().zip(&taps.weights);
                let sum: i32 = pixels
                    .map(|(&level, weight)| i32::from(level) * weight)
                    .sum();
                level(sum + HALF)
            })
        })
        .collect()
}

fn along_columns(plane: &[u8], width: usize, taps: &[Taps]) -> Vec<u8> {
    let mut sums = vec![0_i32; width];
    let mut out = Vec::with_capacity(taps.len() * width);
    for taps in taps {
        sums.fill(HALF);
        let rows = plane[taps.first * width..].chunks_exact(width);
        for (row, weight) in rows.zip(&taps.weights) {
            for (sum, &level) in sums.iter_mut().zip(row) {
                *sum += i32::from(level) * weight;
            }
        }
        out.extend(sums.iter().map(|&sum| level(sum)));
    }
    out
}

const HALF: i32 = 1 << (PRECISION_BITS - 1);

fn level(sum: i32) -> u8 {
    (sum >> PRECISION_BITS).clamp(0, 255) as u8
}
