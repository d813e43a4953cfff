//! Products whose left factor is mostly zeros: images, and what relu lets through.

use super::{Engine, Product};
use crate::fast::dispatch::Kernel;
use crate::fast::vector::Vector;
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

/// Whether so many elements of a are zero that looking for them pays, as far as a sample tells.
pub(super) fn pays(engine: &Engine, product: &Product) -> bool {
    product.work() >= LITTLE && product.n >= 16 && engine.simd.run(HasEnoughZeros(product.a))
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

/// A term that is not left out: the element of a, and where the row of b starts.
type Term = (f32, usize);

impl Kernel for Rows<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let (n, k) = (self.product.n, self.product.k);
        let mut terms: [Term; TERMS] = [(0.0, 0); TERMS];
        // SAFETY: these rows of the output are this task's alone, and the CPU has `V`.
        unsafe {
            let mut bad = V::splat(0.0);
            for i in self.rows.clone() {
                let out = self.product.out.part(i * n, n);
                for start in (0..k).step_by(TERMS) {
                    let terms = self.terms(&mut terms, i, start..k.min(start + TERMS));
                    let (b, resume) = (self.product.b, start > 0);
                    let chunks = out.chunks_mut(COLUMNS * V::LANES);
                    for (chunk, j) in chunks.zip((0..).step_by(COLUMNS * V::LANES)) {
                        let bad_here = match chunk.len().div_ceil(V::LANES) {
                            1 => chains::<V, 1>(chunk, b, j, terms, resume),
                            2 => chains::<V, 2>(chunk, b, j, terms, resume),
                            3 | 4 => chains::<V, 4>(chunk, b, j, terms, resume),
                            _ => chains::<V, 8>(chunk, b, j, terms, resume),
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

impl Rows<'_> {
    /// The terms of row `i` in a range whose element of a is not zero, in order.
    #[inline(always)]
    fn terms<'t>(&self, terms: &'t mut [Term; TERMS], i: usize, range: Range<usize>) -> &'t [Term] {
        let Product { a, a_strides: [row, column], b_strides: [b_row, _], .. } = self.product;
        let mut count = 0;
        for p in range {
            let x = a[i * row + p * column];
            terms[count] = (x, p * b_row);
            // Written always and kept if it counts: a branch here would be guessed wrong.
            count += usize::from(x != 0.0);
        }
        &terms[..count]
    }
}

/// C registers of chains side by side, from column `j` of b; `out` may end within them. If they
/// `resume`, it holds their beginnings.
///
/// # Safety
/// Each term names a row of b, which has `out.len()` columns from `j`; the CPU has `V`.
#[inline(always)]
unsafe fn chains<V: Vector, const C: usize>(
    out: &mut [f32],
    b: &[f32],
    j: usize,
    terms: &[Term],
    resume: bool,
) -> V {
    // SAFETY: promised by the caller.
    unsafe {
        let mut acc = [V::splat(0.0); C];
        if resume {
            for (acc, out) in acc.iter_mut().zip(out.chunks(V::LANES)) {
                *acc = V::load_some(out);
            }
        }
        if out.len() == C * V::LANES {
            for &(x, row) in terms {
                acc = multiply_add(V::splat(x), b.as_ptr().add(row + j), acc);
            }
        } else {
            for &(x, row) in terms {
                let (x, b) = (V::splat(x), b.as_ptr().add(row + j));
                for (c, acc) in acc.iter_mut().enumerate() {
                    let valid = out.len().saturating_sub(c * V::LANES);
                    *acc = x.mul_add(load_some(b.wrapping_add(c * V::LANES), valid), *acc);
                }
            }
        }
        let mut bad = V::splat(0.0);
        for (acc, out) in acc.into_iter().zip(out.chunks_mut(V::LANES)) {
            let x = acc.add(V::splat(0.0));
            bad = bad.add(x.sub(x));
            if out.len() == V::LANES {
                x.store(out.as_mut_ptr());
            } else {
                x.store_part(out.as_mut_ptr(), out.len());
            }
        }
        bad
    }
}

/// A register of the first `valid` numbers at `p`, zeros above.
///
/// # Safety
/// The numbers are readable and the CPU has `V`.
#[inline(always)]
unsafe fn load_some<V: Vector>(p: *const f32, valid: usize) -> V {
    // SAFETY: promised by the caller.
    unsafe { if valid >= V::LANES { V::load(p) } else { V::load_part(p, valid) } }
}

/// acc + x · the C registers at `p`, each rounded once.
///
/// # Safety
/// They are readable and the CPU has `V`.
#[inline(always)]
pub(crate) unsafe fn multiply_add<V: Vector, const C: usize>(
    x: V,
    p: *const f32,
    mut acc: [V; C],
) -> [V; C] {
    for (c, acc) in acc.iter_mut().enumerate() {
        // SAFETY: promised by the caller.
        unsafe { *acc = x.mul_add(V::load(p.add(c * V::LANES)), *acc) }
    }
    acc
}
