//! Operations on all elements alike, the transpose, and the sum of squares.

use super::Engine;
use super::dispatch::Kernel;
use super::each::{Elementwise, each};
use super::pool::Parts;
use super::vector::Vector;
use crate::area;
use crate::reference::elementwise::CHAINS;

/// out = a + b
pub fn add(engine: &Engine, out: &mut [f32], a: &[f32], b: &[f32]) {
    each(engine, [out], [a, b], Binary::Add);
}

/// out = a − b
pub fn sub(engine: &Engine, out: &mut [f32], a: &[f32], b: &[f32]) {
    each(engine, [out], [a, b], Binary::Sub);
}

/// out = a · b, element by element
pub fn mul(engine: &Engine, out: &mut [f32], a: &[f32], b: &[f32]) {
    each(engine, [out], [a, b], Binary::Mul);
}

#[derive(Clone, Copy)]
enum Binary {
    Add,
    Sub,
    Mul,
}

impl Elementwise<1, 2> for Binary {
    #[inline(always)]
    unsafe fn apply<V: Vector>(self, _: [V; 1], [a, b]: [V; 2]) -> [V; 1] {
        // SAFETY: the caller promises the instructions.
        unsafe {
            [match self {
                Binary::Add => a.add(b),
                Binary::Sub => a.sub(b),
                Binary::Mul => a.mul(b),
            }]
        }
    }
}

/// x ·= factor
pub fn scale(engine: &Engine, x: &mut [f32], factor: f32) {
    each(engine, [x], [], Scale(factor));
}

#[derive(Clone, Copy)]
struct Scale(f32);

impl Elementwise<1, 0> for Scale {
    #[inline(always)]
    unsafe fn apply<V: Vector>(self, [x]: [V; 1], _: [V; 0]) -> [V; 1] {
        // SAFETY: the caller promises the instructions.
        unsafe { [x.mul(V::splat(self.0))] }
    }
}

/// x += factor · y
pub fn add_scaled(engine: &Engine, x: &mut [f32], factor: f32, y: &[f32]) {
    each(engine, [x], [y], AddScaled(factor));
}

#[derive(Clone, Copy)]
pub(crate) struct AddScaled(pub f32);

impl Elementwise<1, 1> for AddScaled {
    #[inline(always)]
    unsafe fn apply<V: Vector>(self, [x]: [V; 1], [y]: [V; 1]) -> [V; 1] {
        // SAFETY: the caller promises the instructions.
        unsafe { [V::splat(self.0).mul_add(y, x)] }
    }
}

/// The side of the square blocks in which a matrix is transposed, so that both of its views stay
/// in the first-level cache.
const SQUARE: usize = 32;

/// out (n,m) = a (m,n) transposed
pub fn transpose(engine: &Engine, out: &mut [f32], a: &[f32], [m, n]: [usize; 2]) {
    assert_eq!((out.len(), a.len()), (area(m, n), area(m, n)), "transpose");
    let out = Parts::new(out);
    engine.pool.run(n.div_ceil(SQUARE), &|task| {
        let columns = task * SQUARE..n.min((task + 1) * SQUARE);
        // SAFETY: these columns of a are rows of out, this task's alone.
        let out = unsafe { out.part(columns.start * m, columns.len() * m) };
        for top in (0..m).step_by(SQUARE) {
            for j in columns.clone() {
                for i in top..m.min(top + SQUARE) {
                    out[(j - columns.start) * m + i] = a[i * n + j];
                }
            }
        }
    });
}

/// Σ x², in the sixteen chains of the definition
pub fn sum_of_squares(engine: &Engine, x: &[f32]) -> f32 {
    let chains = engine.simd.run(Squares(x));
    chains.into_iter().fold(0.0, |sum, chain| sum + chain)
}

struct Squares<'a>(&'a [f32]);

impl Kernel for Squares<'_> {
    type Output = [f32; CHAINS];

    #[inline(always)]
    unsafe fn run<V: Vector>(self) -> [f32; CHAINS] {
        let mut chains = [0.0f32; CHAINS];
        let rows = self.0.chunks_exact(CHAINS);
        let rest = rows.remainder();
        // SAFETY: a row has CHAINS elements, a multiple of LANES, and the CPU has `V`.
        unsafe {
            let mut acc = [V::splat(0.0); 2];
            let used = CHAINS / V::LANES;
            for row in rows {
                for (c, acc) in acc.iter_mut().enumerate().take(used) {
                    let x = V::load(row.as_ptr().add(c * V::LANES));
                    *acc = x.mul_add(x, *acc);
                }
            }
            for (c, acc) in acc.into_iter().enumerate().take(used) {
                acc.store(chains.as_mut_ptr().add(c * V::LANES));
            }
        }
        for (chain, &x) in chains.iter_mut().zip(rest) {
            *chain = x.mul_add(x, *chain);
        }
        chains
    }
}
