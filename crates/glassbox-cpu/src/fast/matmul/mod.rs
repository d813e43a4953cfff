//! The three matrix products, three ways of computing them, one result.
//!
//! - [`sparse`]: for a left factor with many zeros: only its other elements are multiplied.
//! - [`direct`]: register tiles straight from the operands, for those that fit the cache.
//! - [`packed`]: register tiles from copies laid out for them, for all others.
//!
//! All three leave each element's chain in order, so the choice changes no bit. None of them skips
//! every zero; where that could matter the result is not finite, and [`Product::repair`] computes
//! those elements again by the definition.

mod direct;
mod pack;
mod packed;
pub(crate) mod sparse;
pub(crate) mod tile;

use super::Engine;
use super::pool::Parts;
use crate::area;
use crate::reference::matmul::chain;

/// The work, in multiply-adds, that is worth waking a thread for.
const WORTH_WAKING: usize = 1 << 18;

/// out (m,n) = a (m,k) · b (k,n)
pub fn matmul(engine: &Engine, out: &mut [f32], a: &[f32], b: &[f32], [m, k, n]: [usize; 3]) {
    assert_eq!((out.len(), a.len(), b.len()), (area(m, n), area(m, k), area(k, n)), "matmul");
    product(engine, out, a, b, [m, k, n], [k, 1], [n, 1]);
}

/// out (m,n) = aᵀ · b, with a (k,m) and b (k,n)
pub fn matmul_at(engine: &Engine, out: &mut [f32], a: &[f32], b: &[f32], [m, k, n]: [usize; 3]) {
    assert_eq!((out.len(), a.len(), b.len()), (area(m, n), area(k, m), area(k, n)), "matmul_at");
    product(engine, out, a, b, [m, k, n], [1, m], [n, 1]);
}

/// out (m,n) = a · bᵀ, with a (m,k) and b (n,k)
pub fn matmul_bt(engine: &Engine, out: &mut [f32], a: &[f32], b: &[f32], [m, k, n]: [usize; 3]) {
    assert_eq!((out.len(), a.len(), b.len()), (area(m, n), area(m, k), area(n, k)), "matmul_bt");
    product(engine, out, a, b, [m, k, n], [k, 1], [1, k]);
}

/// out (m,n) = a (m,k) · b (k,n), each operand read through the strides of its rows and columns.
#[derive(Clone, Copy)]
struct Product<'a> {
    out: Parts<f32>,
    a: &'a [f32],
    b: &'a [f32],
    m: usize,
    k: usize,
    n: usize,
    a_strides: [usize; 2],
    b_strides: [usize; 2],
}

fn product(
    engine: &Engine,
    out: &mut [f32],
    a: &[f32],
    b: &[f32],
    [m, k, n]: [usize; 3],
    a_strides: [usize; 2],
    b_strides: [usize; 2],
) {
    if m * n == 0 || k == 0 {
        return out.fill(0.0);
    }
    let out = Parts::new(out);
    let product = Product { out, a, b, m, k, n, a_strides, b_strides };
    if product.b_rows_are_contiguous() && sparse::pays(engine, &product) {
        sparse::run(engine, product);
    } else if product.b_rows_are_contiguous() && direct::pays(&product) {
        direct::run(engine, product);
    } else {
        packed::run(engine, product);
    }
}

impl Product<'_> {
    /// Whether a row of b can be loaded as it lies.
    fn b_rows_are_contiguous(&self) -> bool {
        self.b_strides[1] == 1
    }

    /// Runs tasks on all threads, or on this one if so little work is not worth waking another for.
    fn run(&self, engine: &Engine, tasks: usize, body: &(dyn Fn(usize) + Sync)) {
        if self.work() < WORTH_WAKING {
            (0..tasks).for_each(body);
        } else {
            engine.pool.run(tasks, body);
        }
    }

    /// The number of multiply-adds.
    fn work(&self) -> usize {
        self.m * self.k * self.n
    }

    /// Computes again, by the definition, what is not finite in a block of the output.
    ///
    /// # Safety
    /// The block is within the output, and no one else touches it meanwhile.
    #[cold]
    unsafe fn repair(&self, rows: std::ops::Range<usize>, columns: std::ops::Range<usize>) {
        let ([a_row, a_column], [b_row, b_column]) = (self.a_strides, self.b_strides);
        for i in rows {
            for j in columns.clone() {
                // SAFETY: promised by the caller.
                let out = unsafe { &mut *self.out.at(i * self.n + j) };
                if !out.is_finite() {
                    let a = |p| self.a[i * a_row + p * a_column];
                    let b = |p| self.b[p * b_row + j * b_column];
                    *out = chain((0..self.k).map(|p| (a(p), b(p))));
                }
            }
        }
    }
}
