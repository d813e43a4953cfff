//! Products from copies: panels that lie in the order in which the tiles read them.
//!
//! The plan is the one of Goto and van de Geijn, "Anatomy of high-performance matrix
//! multiplication" (2008): a slab of k at a time, b in panels of a tile's width, a in panels of a
//! tile's height. Between slabs the chains wait in the output.

use super::tile::{self, COLUMNS, SLAB, Tile, full_rows};
use super::{Engine, Product};
use crate::fast::dispatch::Kernel;
use crate::fast::memory::Numbers;
use crate::fast::pool::Parts;
use crate::fast::vector::Vector;
use std::ops::Range;

/// Columns per round, so that the copy of b stays in the third-level cache.
const ROUND: usize = 4096;
/// Panels per task: of a, about 84 rows, which stay in the second-level cache, and of b.
const A_ROWS: usize = 84;
const B_COLUMNS: usize = 256;

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
        let (height, width) = (full_rows::<V>(), COLUMNS * V::LANES);
        let (m, k) = (self.product.m, self.terms.len());
        let (a_panels, b_panels) = (m.div_ceil(height), self.columns.len().div_ceil(width));
        let (a_len, b_len) = (a_panels * height * k, b_panels * width * k);
        // Each copy begins a cache line.
        let a_len = a_len.next_multiple_of(16);
        self.scratch.grow(a_len + b_len);
        let (a, b) = self.scratch.split_at_mut(a_len);
        let (a_copy, b_copy) = (Parts::new(a), Parts::new(b));
        let Slab { engine, product, columns, terms, .. } = self;

        engine.pool.run(a_panels + b_panels, &|task| {
            if task < a_panels {
                // SAFETY: panel `task` is this task's alone.
                let panel = unsafe { a_copy.part(task * height * k, height * k) };
                pack_a(panel, &product, task * height, terms.clone(), height);
            } else {
                let index = task - a_panels;
                // SAFETY: as above.
                let panel = unsafe { b_copy.part(index * width * k, width * k) };
                pack_b(panel, &product, columns.start + index * width, terms.clone(), width);
            }
        });

        let (tall, broad) = (A_ROWS / height, B_COLUMNS / width);
        let across = b_panels.div_ceil(broad);
        engine.pool.run(a_panels.div_ceil(tall) * across, &|task| {
            let (down, right) = (task / across * tall, task % across * broad);
            let block = Block {
                product,
                a_copy,
                b_copy,
                a_panels: down..a_panels.min(down + tall),
                b_panels: right..b_panels.min(right + broad),
                first_column: columns.start,
                terms: terms.clone(),
            };
            engine.simd.run(block);
        });
    }
}

/// Some panels of a times some panels of b.
struct Block<'a> {
    product: Product<'a>,
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
            for right in self.b_panels.clone() {
                let j = self.first_column + right * width;
                let (wide, columns) = (n - j > V::LANES, width.min(n - j));
                for down in self.a_panels.clone() {
                    let i = down * height;
                    let tile = Tile {
                        k: self.terms.len(),
                        a: self.a_copy.at(i * self.terms.len()),
                        a_strides: [1, height],
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

/// Rows `i..i + height` of a, term by term; rows that do not exist are zero.
fn pack_a(panel: &mut [f32], product: &Product, i: usize, terms: Range<usize>, height: usize) {
    let [row, column] = product.a_strides;
    let rows = height.min(product.m - i);
    if rows < height {
        panel.fill(0.0);
    }
    if row == 1 {
        for (to, p) in panel.chunks_exact_mut(height).zip(terms) {
            to[..rows].copy_from_slice(&product.a[i + p * column..][..rows]);
        }
    } else {
        for r in 0..rows {
            let from = &product.a[(i + r) * row..];
            for (to, p) in panel.chunks_exact_mut(height).zip(terms.clone()) {
                to[r] = from[p * column];
            }
        }
    }
}

/// Columns `j..j + width` of b, term by term; columns that do not exist are zero.
fn pack_b(panel: &mut [f32], product: &Product, j: usize, terms: Range<usize>, width: usize) {
    let [row, column] = product.b_strides;
    let columns = width.min(product.n - j);
    if columns < width {
        panel.fill(0.0);
    }
    if column == 1 {
        for (to, p) in panel.chunks_exact_mut(width).zip(terms) {
            to[..columns].copy_from_slice(&product.b[p * row + j..][..columns]);
        }
    } else {
        for c in 0..columns {
            let from = &product.b[(j + c) * column..];
            for (to, p) in panel.chunks_exact_mut(width).zip(terms.clone()) {
                to[c] = from[p * row];
            }
        }
    }
}
