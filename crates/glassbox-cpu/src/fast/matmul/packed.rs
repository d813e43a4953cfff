//! Products from copies: panels that lie in the order in which the tiles read them.
//!
//! The plan is the one of Goto and van de Geijn, "Anatomy of high-performance matrix
//! multiplication" (2008): a slab of k at a time, b in panels of a tile's width, a in panels of a
//! tile's height. A panel of a stays in the first-level cache while some panels of b, which stay in
//! the second, run by. Between slabs the chains wait in the output.

use super::pack::{ALayout, PackA, PackB};
use super::tile::{self, COLUMNS, Tile, full_rows};
use super::{Engine, Product};
use crate::fast::dispatch::Kernel;
use crate::fast::memory::Numbers;
use crate::fast::pool::Parts;
use crate::fast::vector::Vector;
use std::ops::Range;

/// Columns per round, so that the copy of b stays in the third-level cache.
const ROUND: usize = 4096;
/// Terms per slab. Longer chains wait in the output less often.
const SLAB: usize = 512;
/// Panels of b per task: a quarter to half of the second-level cache. Tasks that follow each other
/// have the same ones.
const B_PANELS: usize = 8;
/// Panels of a per task, few so that threads end together.
const A_PANELS: usize = 3;

/// Panels per task that copies.
const COPIED: usize = 8;

pub(super) fn run(engine: &Engine, product: Product) {
    let mut scratch = engine.scratch();
    for j in (0..product.n).step_by(ROUND) {
        let columns = j..product.n.min(j + ROUND);
        for p in (0..product.k).step_by(SLAB) {
            let terms = p..product.k.min(p + SLAB);
            engine.simd.run(Slab {
                engine,
                product,
                columns: columns.clone(),
                terms,
                scratch: &mut scratch,
            });
        }
    }
}

/// A slab of terms for a round of columns.
struct Slab<'a> {
    engine: &'a Engine,
    product: Product<'a>,
    columns: Range<usize>,
    terms: Range<usize>,
    scratch: &'a mut Numbers,
}

impl Kernel for Slab<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Slab { engine, product, columns, terms, scratch } = self;
        let (height, width) = (full_rows::<V>(), COLUMNS * V::LANES);
        let (a_panels, b_panels) = (product.m.div_ceil(height), columns.len().div_ceil(width));
        let layout = ALayout::new(&product, height, terms.len());
        let (a_len, b_len) = (a_panels * layout.len, width * terms.len());
        scratch.grow(a_len + b_panels * b_len);
        let (a, b) = scratch.split_at_mut(a_len);
        let (a_copy, b_copy) = (Parts::new(a), Parts::new(b));

        let a_tasks = a_panels.div_ceil(COPIED);
        product.run(engine, a_tasks + b_panels.div_ceil(COPIED), &|task| {
            let terms = terms.clone();
            if task < a_tasks {
                let first = task * COPIED;
                let count = COPIED.min(a_panels - first);
                // SAFETY: these panels are this task's alone.
                let panels = unsafe { a_copy.part(first * layout.len, count * layout.len) };
                engine.simd.run(PackA { panels, layout, product, row: first * height, terms });
            } else {
                let first = (task - a_tasks) * COPIED;
                let count = COPIED.min(b_panels - first);
                // SAFETY: as above.
                let panels = unsafe { b_copy.part(first * b_len, count * b_len) };
                let column = columns.start + first * width;
                engine.simd.run(PackB { panels, product, column, terms });
            }
        });

        let down = a_panels.div_ceil(A_PANELS);
        product.run(engine, down * b_panels.div_ceil(B_PANELS), &|task| {
            let (down, right) = (task % down * A_PANELS, task / down * B_PANELS);
            engine.simd.run(Block {
                product,
                layout,
                a_copy,
                b_copy,
                a_panels: down..a_panels.min(down + A_PANELS),
                b_panels: right..b_panels.min(right + B_PANELS),
                first_column: columns.start,
                terms: terms.clone(),
            });
        });
    }
}

/// Some panels of a times some panels of b.
struct Block<'a> {
    product: Product<'a>,
    layout: ALayout,
    a_copy: Parts<f32>,
    b_copy: Parts<f32>,
    a_panels: Range<usize>,
    b_panels: Range<usize>,
    first_column: usize,
    terms: Range<usize>,
}

impl Kernel for Block<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let (height, width) = (full_rows::<V>(), COLUMNS * V::LANES);
        let Product { out, m, k, n, .. } = self.product;
        let (rows, columns) = (self.rows(height), self.columns(width));
        // SAFETY: the block is within the output and no other task has it; the panels are packed;
        // the CPU has `V`.
        unsafe {
            let mut bad = V::splat(0.0);
            for down in self.a_panels.clone() {
                let i = down * height;
                for right in self.b_panels.clone() {
                    let j = self.first_column + right * width;
                    let (wide, columns) = (n - j > V::LANES, width.min(n - j));
                    let tile = Tile {
                        k: self.terms.len(),
                        a: self.a_copy.at(down * self.layout.len),
                        a_strides: self.layout.strides,
                        b: self.b_copy.at(right * width * self.terms.len()),
                        b_row: width,
                        out: out.at(i * n + j),
                        out_row: n,
                        tail: if wide { columns - V::LANES } else { columns },
                        resume: self.terms.start > 0,
                    };
                    bad = bad.add(tile::run::<V, true>(height.min(m - i), tile, wide));
                }
            }
            if self.terms.end == k && bad.any_nan() {
                self.product.repair(rows, columns);
            }
        }
    }
}

impl Block<'_> {
    fn rows(&self, height: usize) -> Range<usize> {
        self.a_panels.start * height..self.product.m.min(self.a_panels.end * height)
    }

    fn columns(&self, width: usize) -> Range<usize> {
        let start = self.first_column;
        start + self.b_panels.start * width..self.product.n.min(start + self.b_panels.end * width)
    }
}
