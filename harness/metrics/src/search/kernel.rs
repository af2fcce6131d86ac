//! The inner loops, for whatever instructions the processor has: found at run time by pulp, which
//! keeps what is unsafe about that inside.

use pulp::{Arch, Simd, WithSimd};

/// References side by side in a panel: three vectors of AVX-512, six of AVX, twelve of 128 bits.
pub(crate) const PANEL: usize = 48;
/// Queries that pass over a panel together.
pub(crate) const GROUP: usize = 8;
/// Rows of [`dots`] come in multiples of this, and elements of a row too.
pub(crate) const DOT_ROWS: usize = 4;
pub(crate) const DOT_ELEMENTS: usize = 32;

/// The products of `matrix` ([K][columns], columns a multiple of [`PANEL`]) with a group
/// ([K][GROUP]), as [GROUP][columns].
pub(crate) fn product(matrix: &[f32], group: &[f32], out: &mut [f32]) {
    struct Op<'a>(&'a [f32], &'a [f32], &'a mut [f32]);
    impl WithSimd for Op<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            let columns = self.2.len() / GROUP;
            for at in (0..columns).step_by(PANEL) {
                panel_product(simd, self.0, self.1, &[0.0; PANEL], columns, at, self.2);
            }
        }
    }
    Arch::new().dispatch(Op(matrix, group, out));
}

/// [`PANEL`] columns of a product from `first` on, started at `init`. Each element is one chain of
/// at most 2 K roundings.
#[inline(always)]
fn panel_product<S: Simd>(
    simd: S,
    matrix: &[f32],
    group: &[f32],
    init: &[f32],
    columns: usize,
    first: usize,
    out: &mut [f32],
) {
    let (matrix, init) = (S::as_simd_f32s(matrix).0, S::as_simd_f32s(init).0);
    let out = S::as_mut_simd_f32s(out).0;
    let (width, first) = (columns / S::F32_LANES, first / S::F32_LANES);
    for (init, at) in init.chunks_exact(3).zip((first..).step_by(3)) {
        let init = [init[0], init[1], init[2]];
        if S::REGISTER_COUNT >= 32 {
            let sums = tile::<S, 8>(simd, matrix, width, at, group, 0, init);
            write_tile(out, width, at, 0, &sums);
        } else {
            // Twelve sums, three vectors and a query's coordinate fill 16 registers.
            for half in [0, 4] {
                let sums = tile::<S, 4>(simd, matrix, width, at, group, half, init);
                write_tile(out, width, at, half, &sums);
            }
        }
    }
}

#[inline(always)]
fn tile<S: Simd, const Q: usize>(
    simd: S,
    matrix: &[S::f32s],
    width: usize,
    at: usize,
    group: &[f32],
    first: usize,
    init: [S::f32s; 3],
) -> [[S::f32s; 3]; Q] {
    let mut sums = [init; Q];
    let rows = matrix.chunks_exact(width);
    for (row, coordinates) in rows.zip(group.chunks_exact(GROUP)) {
        let row = [row[at], row[at + 1], row[at + 2]];
        for (q, sums) in sums.iter_mut().enumerate() {
            let coordinate = simd.splat_f32s(coordinates[first + q]);
            for (sum, &reference) in sums.iter_mut().zip(&row) {
                *sum = simd.mul_add_e_f32s(coordinate, reference, *sum);
            }
        }
    }
    sums
}

#[inline(always)]
fn write_tile<V: Copy, const Q: usize>(
    out: &mut [V],
    width: usize,
    at: usize,
    first: usize,
    tile: &[[V; 3]; Q],
) {
    for (q, sums) in tile.iter().enumerate() {
        let place = (first + q) * width + at;
        out[place..place + 3].copy_from_slice(sums);
    }
}

/// A reference that a query's cut let through.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hit {
    /// Row from the first of the panels.
    pub(crate) row: u32,
    /// Query in the group.
    pub(crate) query: u32,
    /// The element of [`product`].
    pub(crate) score: f32,
}

/// Pushes every element of the [`product`]s of `panels` ([P][columns][PANEL]), started at
/// `init` ([P][PANEL]), with `group` ([columns][GROUP]) that is at least its query's cut.
pub(crate) struct Scan<'a> {
    pub(crate) columns: usize,
    pub(crate) panels: &'a [f32],
    pub(crate) init: &'a [f32],
    pub(crate) group: &'a [f32],
    pub(crate) cuts: &'a [f32; GROUP],
    pub(crate) hits: &'a mut Vec<Hit>,
}

impl Scan<'_> {
    pub(crate) fn run(self) {
        Arch::new().dispatch(self);
    }
}

impl WithSimd for Scan<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let mut scores = [0.0; GROUP * PANEL];
        let panels = self.panels.chunks_exact(PANEL * self.columns);
        for (p, (panel, init)) in panels.zip(self.init.chunks_exact(PANEL)).enumerate() {
            panel_product(simd, panel, self.group, init, PANEL, 0, &mut scores);
            for (q, (scores, &cut)) in scores.chunks_exact(PANEL).zip(self.cuts).enumerate() {
                let passed: u32 = scores.iter().map(|&score| u32::from(score >= cut)).sum();
                if passed == 0 {
                    continue;
                }
                for (lane, &score) in scores.iter().enumerate() {
                    if score >= cut {
                        let row = (p * PANEL + lane) as u32;
                        let query = q as u32;
                        self.hits.push(Hit { row, query, score });
                    }
                }
            }
        }
    }
}

/// Adds the dot products of every row of `a` with every row of `b` to `out` ([a rows][b rows]).
///
/// Rows hold `dim` elements, a multiple of [`DOT_ELEMENTS`], and their numbers are multiples of
/// [`DOT_ROWS`]. Exact where 2,048 neighbouring products of two rows sum up to an i32, as those
/// of pixels do, and of a pixel row with a row of norm 2^14.
pub(crate) fn dots(a: &[i16], b: &[i16], dim: usize, out: &mut [i64]) {
    Arch::new().dispatch(Dots { a, b, dim, out });
}

struct Dots<'a> {
    a: &'a [i16],
    b: &'a [i16],
    dim: usize,
    out: &'a mut [i64],
}

impl WithSimd for Dots<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        const STEP: usize = 2048;
        const COLUMNS: usize = 2;
        let Self { a, b, dim, out } = self;
        let (rows, columns) = (a.len() / dim, b.len() / dim);
        for start in (0..dim).step_by(STEP) {
            let length = STEP.min(dim - start);
            let piece = |row: usize| row * dim + start..row * dim + start + length;
            for i in (0..rows).step_by(DOT_ROWS) {
                let rows: [&[i16]; DOT_ROWS] = std::array::from_fn(|q| &a[piece(i + q)]);
                for j in (0..columns).step_by(COLUMNS) {
                    let others: [&[i16]; COLUMNS] = std::array::from_fn(|r| &b[piece(j + r)]);
                    let sums = dot_tile(rows, others, length);
                    for (q, sums) in sums.iter().enumerate() {
                        for (r, &sum) in sums.iter().enumerate() {
                            out[(i + q) * columns + j + r] += i64::from(sum);
                        }
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn dot_tile<const Q: usize, const R: usize>(
    a: [&[i16]; Q],
    b: [&[i16]; R],
    length: usize,
) -> [[i32; R]; Q] {
    let (a, b) = (a.map(|row| &row[..length]), b.map(|row| &row[..length]));
    let mut sums = [[0_i32; R]; Q];
    // Indices, in this order: it is what becomes multiplications and additions of pairs.
    for at in 0..length {
        for q in 0..Q {
            for r in 0..R {
                // Wrapping: a sum that fits is right whatever it passed through.
                let product = i32::from(a[q][at]) * i32::from(b[r][at]);
                sums[q][r] = sums[q][r].wrapping_add(product);
            }
        }
    }
    sums
}

/// Copies pixels to the start of a row of i16. The sum of their squares.
pub(crate) fn widen(row: &[u8], wide: &mut [i16]) -> u64 {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            let mut squares = 0;
            for (row, wide) in row.chunks(512).zip(wide.chunks_mut(512)) {
                let mut sum = 0_i32;
                for (&pixel, to) in row.iter().zip(wide) {
                    *to = i16::from(pixel);
                    sum += i32::from(pixel) * i32::from(pixel);
                }
                squares += sum as u64;
            }
            squares
        },
    )
}

/// The sum of squared differences if it is at most `limit`; gives up early where it is not.
pub(crate) fn squared_within(a: &[u8], b: &[u8], limit: u64) -> Option<u64> {
    Arch::new().dispatch(
        #[inline(always)]
        || piecewise_within(a, b, limit),
    )
}

/// The largest [`squared_within`] of neighbouring pieces of `tile` pixels.
pub(crate) fn max_tile_within(a: &[u8], b: &[u8], tile: usize, limit: u64) -> Option<u64> {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            let mut largest = 0;
            for (a, b) in a.chunks_exact(tile).zip(b.chunks_exact(tile)) {
                largest = piecewise_within(a, b, limit)?.max(largest);
            }
            Some(largest)
        },
    )
}

#[inline(always)]
fn piecewise_within(a: &[u8], b: &[u8], limit: u64) -> Option<u64> {
    // 512 squares of at most 255^2 fit i32, which is what SIMD adds in.
    const STEP: usize = 512;
    let mut total = 0_u64;
    for (a, b) in a.chunks(STEP).zip(b.chunks(STEP)) {
        let squares = a.iter().zip(b).map(|(&a, &b)| {
            let difference = i32::from(i16::from(a) - i16::from(b));
            difference * difference
        });
        total += squares.sum::<i32>() as u64;
        if total > limit {
            return None;
        }
    }
    Some(total)
}

/// The sum of squared differences of two rows, every term and partial sum rounded: relative to
/// the exact value it is off by at most (length + 2) 2^-24.
pub(crate) fn squared_f32(a: &[f32], b: &[f32]) -> f32 {
    struct Op<'a>(&'a [f32], &'a [f32]);
    impl WithSimd for Op<'_> {
        type Output = f32;

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> f32 {
            let (a, a_rest) = S::as_simd_f32s(self.0);
            let (b, b_rest) = S::as_simd_f32s(self.1);
            let mut sums = simd.splat_f32s(0.0);
            for (&a, &b) in a.iter().zip(b) {
                let difference = simd.sub_f32s(a, b);
                sums = simd.mul_add_e_f32s(difference, difference, sums);
            }
            let rest = a_rest.iter().zip(b_rest).map(|(a, b)| (a - b) * (a - b));
            simd.reduce_sum_f32s(sums) + rest.sum::<f32>()
        }
    }
    Arch::new().dispatch(Op(a, b))
}

/// Adds to every sum the squared distance of `value` to its range, 0 inside.
pub(crate) fn add_squared_outside(value: f32, low: &[f32], high: &[f32], sums: &mut [f32]) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for ((sum, &low), &high) in sums.iter_mut().zip(low).zip(high) {
                let below = if low > value { low - value } else { 0.0 };
                let above = if value > high { value - high } else { 0.0 };
                let outside = below + above;
                *sum += outside * outside;
            }
        },
    );
}
