//! Products straight from the operands, for a right factor that fits the second-level cache.

use super::tile::{self, COLUMNS, Tile, full_rows};
use super::{Engine, Product, WORTH_WAKING};
use crate::fast::dispatch::Kernel;
use crate::fast::vector::Vector;
use std::ops::Range;

/// The numbers of b that half a second-level cache of 512 KiB holds, with room for strides.
const SMALL: usize = 1 << 17;

/// The output is cut into blocks of at most this size, whatever the number of threads.
const BLOCK_ROWS: usize = 84;
const BLOCK_COLUMNS: usize = 128;

/// Whether copying the operands would cost more than it gains.
pub(super) fn pays(product: &Product) -> bool {
    product.k * product.n <= SMALL || product.m <= 8
}

pub(super) fn run(engine: &Engine, product: Product) {
    let (m, n) = (product.m, product.n);
    let is_small = product.work() < WORTH_WAKING;
    let (rows, columns) =
        if is_small { (m, n) } else { (BLOCK_ROWS.min(m.div_ceil(2)), BLOCK_COLUMNS) };
    let across = n.div_ceil(columns);
    engine.pool.run(m.div_ceil(rows) * across, &|task| {
        let (i, j) = (task / across * rows, task % across * columns);
        let block = Block { product, rows: i..m.min(i + rows), columns: j..n.min(j + columns) };
        engine.simd.run(block);
    });
}

/// A block of the output.
struct Block<'a> {
    product: Product<'a>,
    rows: Range<usize>,
    columns: Range<usize>,
}

impl Kernel for Block<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        // SAFETY: the block is within the output and no other task has it; the CPU has `V`.
        unsafe {
            let mut bad = V::splat(0.0);
            for j in self.columns.clone().step_by(COLUMNS * V::LANES) {
                for i in self.rows.clone().step_by(full_rows::<V>()) {
                    let (rows, tile, wide) = self.tile::<V>(i, j);
                    bad = bad.add(tile::run::<V, false>(rows, tile, wide));
                }
            }
            if bad.any_nan() {
                self.product.repair(self.rows, self.columns);
            }
        }
    }
}

impl Block<'_> {
    /// The tile at (i,j): its height, its addresses, and whether it is two registers wide.
    ///
    /// # Safety
    /// (i,j) is within the block.
    #[inline(always)]
    unsafe fn tile<V: Vector>(&self, i: usize, j: usize) -> (usize, Tile, bool) {
        let Product { out, a, b, k, n, a_strides, b_strides: [b_row, _], .. } = self.product;
        let rows = full_rows::<V>().min(self.rows.end - i);
        let columns = (COLUMNS * V::LANES).min(self.columns.end - j);
        let wide = columns > V::LANES;
        // SAFETY: (i,j) is an element of the output, row i one of a, column j one of b.
        let tile = unsafe {
            Tile {
                k,
                a: a.as_ptr().add(i * a_strides[0]),
                a_strides,
                b: b.as_ptr().add(j),
                b_row,
                out: out.at(i * n + j),
                out_row: n,
                tail: if wide { columns - V::LANES } else { columns },
                resume: false,
            }
        };
        (rows, tile, wide)
    }
}
