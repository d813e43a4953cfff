//! Products whose left factor is mostly zeros: images, and what relu lets through.

use super::{Engine, Product};
use crate::fast::dispatch::Kernel;
use crate::fast::vector::{Vector, multiply_add};
use std::mem::MaybeUninit;
use std::ops::Range;

/// The share of zeros from which skipping them beats the register tiles, which do not skip. It is
/// higher for wider registers, because they make the tiles faster and finding zeros no faster.
const fn enough_zeros<V: Vector>() -> f64 {
    if V::LANES == 16 { 0.85 } else { 0.7 }
}

/// Registers across: so many chains are held at a time while a row's non-zeros run by.
const COLUMNS: usize = 8;

/// Terms at a time: their list is on the stack, because asking the system for memory costs more than a
/// single image.
const TERMS: usize = 1024;

/// Rows a task computes, whatever the number of threads.
const TASK_ROWS: usize = 8;

/// Work below this, in multiply-adds, is not worth counting zeros for.
const LITTLE: usize = 1 << 14;

/// Zeros are counted in the first of so many numbers of each stretch. Its length is prime, so that
/// the counted ones are of all columns.
const COUNTED: usize = 64;
const STRETCH: usize = 509;

/// Whether looking for zeros in a pays, as far as a sample tells.
pub(super) fn pays(engine: &Engine, product: &Product) -> bool {
    if product.work() < LITTLE || product.n < 16 {
        return false;
    }
    // A tile of one row has so few chains that skipping is faster even where nothing is zero.
    product.m == 1 && product.work() < 16 * LITTLE || engine.simd.run(HasEnoughZeros(product.a))
}

struct HasEnoughZeros<'a>(&'a [f32]);

impl Kernel for HasEnoughZeros<'_> {
    type Output = bool;

    #[inline(always)]
    unsafe fn run<V: Vector>(self) -> bool {
        let (mut zeros, mut counted) = (0, 0);
        for stretch in self.0.chunks(STRETCH) {
            let sample = &stretch[..COUNTED.min(stretch.len())];
            for &x in sample {
                zeros += usize::from(x == 0.0);
            }
            counted += sample.len();
        }
        zeros as f64 >= enough_zeros::<V>() * counted as f64
    }
}

pub(super) fn run(engine: &Engine, product: Product) {
    let rows = if product.work() < 16 * LITTLE { product.m } else { TASK_ROWS };
    engine.pool.run(product.m.div_ceil(rows), &|task| {
        let rows = task * rows..product.m.min((task + 1) * rows);
        engine.simd.run(Rows { product, rows });
    });
}

/// Some rows of the output.
struct Rows<'a> {
    product: Product<'a>,
    rows: Range<usize>,
}

/// Terms that are not left out, in order, counted from the first of their range.
type Places = [MaybeUninit<u32>; TERMS];

impl Kernel for Rows<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let (n, k) = (self.product.n, self.product.k);
        let mut places: Places = [MaybeUninit::uninit(); TERMS];
        // SAFETY: these rows of the output are this task's alone, and the CPU has `V`.
        unsafe {
            let mut bad = V::splat(0.0);
            for i in self.rows.clone() {
                let out = self.product.out.part(i * n, n);
                for start in (0..k).step_by(TERMS) {
                    let terms = self.terms::<V>(&mut places, i, start..k.min(start + TERMS));
                    let chunks = out.chunks_mut(COLUMNS * V::LANES);
                    for (chunk, j) in chunks.zip((0..).step_by(COLUMNS * V::LANES)) {
                        let bad_here = match chunk.len().div_ceil(V::LANES) {
                            1 => chains::<V, 1>(chunk, j, terms),
                            2 => chains::<V, 2>(chunk, j, terms),
                            3 | 4 => chains::<V, 4>(chunk, j, terms),
                            _ => chains::<V, 8>(chunk, j, terms),
                        };
                        bad = bad.add(bad_here);
                    }
                }
            }
            if bad.any_nan() {
                self.product.repair(self.rows, 0..n);
            }
        }
    }
}

impl<'a> Rows<'a> {
    /// The terms of row `i` in a range whose element of a is not zero.
    ///
    /// # Safety
    /// The range is within the row, not empty and not longer than `TERMS`; the CPU has `V`.
    #[inline(always)]
    unsafe fn terms<'t, V: Vector>(
        &self,
        places: &'t mut Places,
        i: usize,
        range: Range<usize>,
    ) -> Terms<'t>
    where
        'a: 't,
    {
        let Product { a, b, a_strides: [row, column], b_strides: [b_row, _], .. } = self.product;
        let row = &a[i * row + range.start * column..][..(range.len() - 1) * column + 1];
        let (to, mut count, mut p) = (places.as_mut_ptr().cast::<u32>(), 0, 0);
        // SAFETY: the places are within the row; the list has room for a register behind those that count,
        // since no more count than were looked at.
        unsafe {
            if column == 1 {
                while p + V::LANES <= range.len() {
                    let x = V::load(row.as_ptr().add(p));
                    count += x.store_non_zero_places(p as u32, to.add(count));
                    p += V::LANES;
                }
            }
            for p in p..range.len() {
                // Written always and kept if it counts: a branch here would be guessed wrong.
                to.add(count).write(p as u32);
                count += usize::from(row[p * column] != 0.0);
            }
            let places = std::slice::from_raw_parts(to, count);
            Terms {
                places,
                row,
                column,
                b: &b[range.start * b_row..],
                b_row,
                resume: range.start > 0,
            }
        }
    }
}

/// The terms of a row, as far as they are not left out.
#[derive(Clone, Copy)]
struct Terms<'a> {
    places: &'a [u32],
    /// A row of a from the first term on, whose elements are `column` apart.
    row: &'a [f32],
    column: usize,
    /// b from the first term on, whose rows are `b_row` apart.
    b: &'a [f32],
    b_row: usize,
    /// Whether the output holds the beginnings of the chains.
    resume: bool,
}

/// C registers of chains side by side, from column `j` of b; `out` may end within them.
///
/// # Safety
/// Each term names an element of the row and a row of b, which has `out.len()` columns from `j`; the
/// CPU has `V`.
#[inline(always)]
unsafe fn chains<V: Vector, const C: usize>(out: &mut [f32], j: usize, terms: Terms) -> V {
    // SAFETY: promised by the caller.
    unsafe {
        let mut acc = [V::splat(0.0); C];
        let Terms { places, row, column, b, b_row, resume } = terms;
        if resume {
            for (acc, out) in acc.iter_mut().zip(out.chunks(V::LANES)) {
                *acc = V::load_some(out);
            }
        }
        if out.len() == C * V::LANES {
            for &p in places {
                let x = V::splat(*row.as_ptr().add(p as usize * column));
                acc = multiply_add(x, b.as_ptr().add(p as usize * b_row + j), acc);
            }
        } else {
            for &p in places {
                let x = V::splat(*row.as_ptr().add(p as usize * column));
                let b = b.as_ptr().add(p as usize * b_row + j);
                for (c, acc) in acc.iter_mut().enumerate() {
                    let valid = out.len().saturating_sub(c * V::LANES);
                    *acc = x.mul_add(load_first(b.wrapping_add(c * V::LANES), valid), *acc);
                }
            }
        }
        let mut bad = V::splat(0.0);
        for (acc, out) in acc.into_iter().zip(out.chunks_mut(V::LANES)) {
            let x = acc.add(V::splat(0.0));
            bad = bad.add(x.sub(x));
            x.store_some(out);
        }
        bad
    }
}

/// A register of the first `valid` numbers at `p`, zeros above.
///
/// # Safety
/// The numbers are readable and the CPU has `V`.
#[inline(always)]
unsafe fn load_first<V: Vector>(p: *const f32, valid: usize) -> V {
    // SAFETY: promised by the caller.
    unsafe { if valid >= V::LANES { V::load(p) } else { V::load_part(p, valid) } }
}
