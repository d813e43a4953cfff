//! Copies of parts of the operands, laid out as the tiles read them.

use super::Product;
use super::tile::{COLUMNS, full_rows};
use crate::fast::dispatch::Kernel;
use crate::fast::vector::Vector;
use std::ops::Range;

/// Where the numbers of a panel of a lie. Both ways are copies of pieces that lie side by side in
/// memory: rows if a is row-major, terms if it is transposed.
#[derive(Clone, Copy)]
pub(super) struct ALayout {
    /// The distance between rows, and between terms.
    pub strides: [usize; 2],
    /// How many numbers a panel takes.
    pub len: usize,
}

impl ALayout {
    /// The layout of panels of `height` rows and `terms` terms.
    pub fn new(product: &Product, height: usize, terms: usize) -> ALayout {
        if product.a_strides[1] == 1 {
            // A cache line more, because rows a power of two apart displace each other from a cache.
            let row = terms.next_multiple_of(16) + 16;
            ALayout { strides: [row, 1], len: height * row }
        } else {
            ALayout { strides: [1, height], len: (height * terms).next_multiple_of(16) }
        }
    }
}

/// Copies rows `row..` of a into some panels. Rows that do not exist are left out.
pub(super) struct PackA<'a> {
    pub panels: &'a mut [f32],
    pub layout: ALayout,
    pub product: Product<'a>,
    pub row: usize,
    pub terms: Range<usize>,
}

impl Kernel for PackA<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let PackA { panels, layout, product, row, terms } = self;
        let Product { a, a_strides: [a_row, a_column], .. } = product;
        let height = full_rows::<V>();
        let rows = (panels.len() / layout.len * height).min(product.m - row);
        if a_column == 1 {
            for (r, to) in panels.chunks_mut(layout.strides[0]).enumerate().take(rows) {
                let from = &a[(row + r) * a_row..][terms.clone()];
                to[..from.len()].copy_from_slice(from);
            }
        } else {
            let rows = row..row + rows;
            copy_pieces((panels, layout.len), height, (a, a_column), rows, terms);
        }
    }
}

/// Copies columns `column..` of b into some panels, term by term. Columns that do not exist are
/// zero.
pub(super) struct PackB<'a> {
    pub panels: &'a mut [f32],
    pub product: Product<'a>,
    pub column: usize,
    pub terms: Range<usize>,
}

impl Kernel for PackB<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let PackB { panels, product, column, terms } = self;
        let Product { b, b_strides: [b_row, b_column], .. } = product;
        let width = COLUMNS * V::LANES;
        let len = width * terms.len();
        let columns = (panels.len() / terms.len()).min(product.n - column);
        if product.b_rows_are_contiguous() {
            if !columns.is_multiple_of(width) {
                panels[columns / width * len..].fill(0.0);
            }
            let columns = column..column + columns;
            return copy_pieces((panels, len), width, (b, b_row), columns, terms);
        }
        for first in (0..panels.len() / terms.len()).step_by(V::LANES) {
            let from = &b[(column + first.min(columns)) * b_column..];
            let count = columns.saturating_sub(first).min(V::LANES);
            let to = &mut panels[first / width * len + first % width..];
            // SAFETY: so many columns of b, all their terms, and the panel exist; the CPU has `V`.
            unsafe {
                match V::LANES {
                    16 => transpose::<V, 16>(to, from, b_column, count, terms.clone()),
                    _ => transpose::<V, 8>(to, from, b_column, count, terms.clone()),
                }
            }
        }
    }
}

/// For each term, copies some columns of that row of a matrix, `piece` of them into each panel of
/// length `len`. All panels at once, because what lies side by side in memory is read together.
#[inline(always)]
fn copy_pieces(
    (panels, len): (&mut [f32], usize),
    piece: usize,
    (matrix, row): (&[f32], usize),
    columns: Range<usize>,
    terms: Range<usize>,
) {
    for (index, term) in terms.enumerate() {
        let mut place = index * piece;
        let pieces = matrix[term * row..][columns.clone()].chunks_exact(piece);
        let rest = pieces.remainder();
        for from in pieces {
            // A length that the compiler knows becomes a few instructions instead of a call.
            panels[place..][..piece].copy_from_slice(from);
            place += len;
        }
        if !rest.is_empty() {
            panels[place..][..rest.len()].copy_from_slice(rest);
        }
    }
}

/// Turns `count` ≤ N rows of a matrix, each a column of b, into columns of a panel; zeros follow.
///
/// # Safety
/// The rows have all the `terms`, the panel has room for them, N is the number of lanes, and the
/// CPU has `V`.
#[inline(always)]
unsafe fn transpose<V: Vector, const N: usize>(
    panel: &mut [f32],
    matrix: &[f32],
    row: usize,
    count: usize,
    terms: Range<usize>,
) {
    let (from, mut to) = (matrix.as_ptr(), panel.as_mut_ptr());
    for p in terms.clone().step_by(N) {
        let here = N.min(terms.end - p);
        // SAFETY: promised by the caller.
        unsafe {
            let mut lanes = [V::splat(0.0); N];
            for (c, lanes) in lanes.iter_mut().enumerate().take(count) {
                let from = from.add(c * row + p);
                *lanes = if here == N { V::load(from) } else { V::load_part(from, here) };
            }
            for lanes in &transposed(lanes)[..here] {
                lanes.store(to);
                to = to.wrapping_add(COLUMNS * N);
            }
        }
    }
}

/// Lane l of register r becomes lane r of register l. A number's place is its register in binary,
/// followed by its lane; each round of interleaving moves the first digit to the end.
///
/// # Safety
/// N is the number of lanes, and the CPU has `V`.
#[inline(always)]
unsafe fn transposed<V: Vector, const N: usize>(mut lanes: [V; N]) -> [V; N] {
    for _ in 0..N.ilog2() {
        let before = lanes;
        for r in 0..N / 2 {
            // SAFETY: promised by the caller.
            [lanes[2 * r], lanes[2 * r + 1]] = unsafe { before[r].interleave(before[r + N / 2]) };
        }
    }
    lanes
}
