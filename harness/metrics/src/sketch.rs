//! Sums over short pieces of an image: a lower bound of a distance at a sixteenth of its cost.

/// Pixels a piece: 32 * 255 fits i16, and the square of such a difference 64 times into u32.
const PIECE: usize = 32;
const PIECES_PER_SUM: usize = 64;

/// The sums of one image, piece after piece.
///
/// For a piece of at most n pixels, Cauchy-Schwarz gives (sum(a) - sum(b))^2 <= n |a - b|^2, in
/// exact integers, so what the bound rules out is never near.
pub(crate) fn sums(row: &[u8]) -> Vec<i16> {
    row.chunks(PIECE)
        .map(|piece| piece.iter().map(|&pixel| i16::from(pixel)).sum())
        .collect()
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
