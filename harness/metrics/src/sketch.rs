//! Sums over short pieces of an image: a lower bound of a distance at a sixteenth of its cost.

use rayon::prelude::*;

use crate::Images;

/// Pixels a piece: 32 * 255 fits i16, and the square of such a difference 64 times into u32.
const PIECE: usize = 32;
const PIECES_PER_SUM: usize = 64;

/// The piecewise sums of every image of a set, row after row.
///
/// For a piece of at most n pixels, Cauchy-Schwarz gives (sum(a) - sum(b))^2 <= n |a - b|^2, in
/// exact integers, so what the bound rules out is never a neighbour.
pub(crate) struct Sketch {
    sums: Vec<i16>,
    pieces: usize,
}

impl Sketch {
    pub(crate) fn new(images: Images<'_>) -> Self {
        let pieces = images.dim().div_ceil(PIECE);
        let mut sums = vec![0; images.len() * pieces];
        sums.par_chunks_mut(pieces)
            .zip(images.pixels().par_chunks(images.dim()))
            .for_each(|(sums, row)| write_sums(row, sums));
        Self { sums, pieces }
    }

    pub(crate) fn row(&self, i: usize) -> &[i16] {
        &self.sums[i * self.pieces..(i + 1) * self.pieces]
    }
}

/// The sums of one image.
pub(crate) fn sums(row: &[u8]) -> Vec<i16> {
    let mut sums = vec![0; row.len().div_ceil(PIECE)];
    write_sums(row, &mut sums);
    sums
}

fn write_sums(row: &[u8], sums: &mut [i16]) {
    for (sum, piece) in sums.iter_mut().zip(row.chunks(PIECE)) {
        *sum = piece.iter().map(|&pixel| i16::from(pixel)).sum();
    }
}

/// Whether the two images that were summed up are certainly further apart than `limit`.
pub(crate) fn rules_out(a: &[i16], b: &[i16], limit: u64) -> bool {
    let mut bound = 0_u64;
    for (a, b) in a.chunks(PIECES_PER_SUM).zip(b.chunks(PIECES_PER_SUM)) {
        let sum: u32 = a
            .iter()
            .zip(b)
            .map(|(&a, &b)| {
                let difference = i32::from(a - b);
                (difference * difference) as u32
            })
            .sum();
        bound += u64::from(sum);
    }
    bound > limit.saturating_mul(PIECE as u64)
}
