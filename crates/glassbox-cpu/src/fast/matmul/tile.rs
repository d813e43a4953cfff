//! The register tile: R rows and C registers of the output, held while k runs.

use crate::fast::vector::Vector;

/// Where a tile reads and writes. Strides count numbers.
#[derive(Clone, Copy)]
pub(crate) struct Tile {
    /// The number of terms.
    pub k: usize,
    /// Element (0,0) of the tile's rows of a.
    pub a: *const f32,
    /// The distance between rows, and between columns, of a.
    pub a_strides: [usize; 2],
    /// Element (0,0) of the tile's columns of b, which lie side by side.
    pub b: *const f32,
    /// The distance between rows of b.
    pub b_row: usize,
    /// Element (0,0) of the output.
    pub out: *mut f32,
    /// The distance between rows of the output.
    pub out_row: usize,
    /// How many numbers of the last register exist; `LANES` if all do.
    pub tail: usize,
    /// Whether the output holds the chains' beginnings, from a block of k before this.
    pub resume: bool,
}

/// Rows of the full tile: as many as the registers hold beside two of b and one of a.
pub(crate) const fn full_rows<V: Vector>() -> usize {
    if V::LANES == 16 { 14 } else { 6 }
}

/// Registers across the full tile.
pub(crate) const COLUMNS: usize = 2;

/// Computes `rows` ≤ [`full_rows`] by `columns` ≤ `COLUMNS` · `LANES` numbers. Returns a register
/// that is zero where everything written to its lane was finite, and NaN elsewhere.
///
/// # Safety
/// The CPU has the instructions of `V`; what the tile reads and writes is valid, b is readable to
/// `tail` in the last register, or wholly if `PADDED`.
#[inline(always)]
pub(crate) unsafe fn run<V: Vector, const PADDED: bool>(rows: usize, tile: Tile, wide: bool) -> V {
    // SAFETY: passed on from the caller.
    unsafe {
        let is_full = tile.tail == V::LANES;
        match (wide, is_full) {
            (true, true) => by_rows::<V, 2, false, PADDED>(rows, tile),
            (true, false) => by_rows::<V, 2, true, PADDED>(rows, tile),
            (false, true) => by_rows::<V, 1, false, PADDED>(rows, tile),
            (false, false) => by_rows::<V, 1, true, PADDED>(rows, tile),
        }
    }
}

/// A full tile, or what is left of one in powers of two.
///
/// # Safety
/// As for [`run`].
#[inline(always)]
unsafe fn by_rows<V: Vector, const C: usize, const TAIL: bool, const PADDED: bool>(
    rows: usize,
    mut tile: Tile,
) -> V {
    // SAFETY: passed on from the caller; the rows done and the rows left make up `rows`.
    unsafe {
        if rows == full_rows::<V>() {
            return match V::LANES {
                16 => block::<V, 14, C, TAIL, PADDED>(tile),
                _ => block::<V, 6, C, TAIL, PADDED>(tile),
            };
        }
        let mut bad = V::splat(0.0);
        if V::LANES == 16 && rows & 8 != 0 {
            bad = bad.add(block::<V, 8, C, TAIL, PADDED>(tile));
            tile = tile.below(8);
        }
        if rows & 4 != 0 {
            bad = bad.add(block::<V, 4, C, TAIL, PADDED>(tile));
            tile = tile.below(4);
        }
        if rows & 2 != 0 {
            bad = bad.add(block::<V, 2, C, TAIL, PADDED>(tile));
            tile = tile.below(2);
        }
        if rows & 1 != 0 {
            bad = bad.add(block::<V, 1, C, TAIL, PADDED>(tile));
        }
        bad
    }
}

impl Tile {
    /// The tile `rows` further down, where there may be nothing left.
    #[inline(always)]
    fn below(mut self, rows: usize) -> Tile {
        self.a = self.a.wrapping_add(rows * self.a_strides[0]);
        self.out = self.out.wrapping_add(rows * self.out_row);
        self
    }
}

/// R × C registers of chains.
///
/// # Safety
/// As for [`run`].
#[inline(always)]
unsafe fn block<V: Vector, const R: usize, const C: usize, const TAIL: bool, const PADDED: bool>(
    tile: Tile,
) -> V {
    let [a_row, a_column] = tile.a_strides;
    // SAFETY: the caller promises that the rows, columns and terms of the tile exist.
    unsafe {
        let mut acc = [[V::splat(0.0); C]; R];
        if tile.resume {
            for (r, acc) in acc.iter_mut().enumerate() {
                *acc = load::<V, C, TAIL>(tile.out.add(r * tile.out_row), tile.tail);
            }
        }
        let (mut a, mut b) = (tile.a, tile.b);
        for _ in 0..tile.k {
            let row = if PADDED {
                load::<V, C, false>(b, V::LANES)
            } else {
                load::<V, C, TAIL>(b, tile.tail)
            };
            for (r, acc) in acc.iter_mut().enumerate() {
                let x = V::splat(*a.add(r * a_row));
                for c in 0..C {
                    acc[c] = x.mul_add(row[c], acc[c]);
                }
            }
            a = a.wrapping_add(a_column);
            b = b.wrapping_add(tile.b_row);
        }
        finish::<V, R, C, TAIL>(tile, acc)
    }
}

/// Writes the chains, −0 as +0. (Between blocks of k that changes nothing: see the definition.)
///
/// # Safety
/// As for [`run`].
#[inline(always)]
unsafe fn finish<V: Vector, const R: usize, const C: usize, const TAIL: bool>(
    tile: Tile,
    acc: [[V; C]; R],
) -> V {
    // SAFETY: the caller promises that the tile's output exists.
    unsafe {
        let mut bad = V::splat(0.0);
        for (r, acc) in acc.into_iter().enumerate() {
            let out = tile.out.add(r * tile.out_row);
            for (c, x) in acc.into_iter().enumerate() {
                let x = x.add(V::splat(0.0));
                bad = bad.add(x.sub(x));
                if TAIL && c == C - 1 {
                    x.store_part(out.add(c * V::LANES), tile.tail);
                } else {
                    x.store(out.add(c * V::LANES));
                }
            }
        }
        bad
    }
}

/// C registers side by side, the last of `tail` numbers if `TAIL`.
///
/// # Safety
/// The numbers are readable and the CPU has the instructions of `V`.
#[inline(always)]
unsafe fn load<V: Vector, const C: usize, const TAIL: bool>(p: *const f32, tail: usize) -> [V; C] {
    // SAFETY: the caller promises the instructions.
    let mut registers = [unsafe { V::splat(0.0) }; C];
    for (c, register) in registers.iter_mut().enumerate() {
        // SAFETY: promised by the caller.
        *register = unsafe {
            let p = p.add(c * V::LANES);
            if TAIL && c == C - 1 { V::load_part(p, tail) } else { V::load(p) }
        };
    }
    registers
}
