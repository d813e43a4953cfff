//! Softmax and log-softmax over the rows of a matrix.
//!
//! The exponentials run in registers; the sums, whose order the definition fixes, one by one.

use super::Engine;
use super::dispatch::Kernel;
use super::math;
use super::pool::Parts;
use super::vector::Vector;
use crate::area;
use crate::reference;

/// Elements per task, about.
const TASK: usize = 1 << 12;

/// out (b,o) = e^x / Σ e^x in each row
pub fn softmax(engine: &Engine, out: &mut [f32], x: &[f32], [b, o]: [usize; 2]) {
    assert_eq!((out.len(), x.len()), (area(b, o), area(b, o)), "softmax");
    by_rows(engine, out, [b, o], &|out, row| {
        engine.simd.run(Softmax { out, x: &x[row * o..][..o] });
    });
}

/// dx = y · (dy − Σ dy·y) in each row, where y (b,o) is the output of [`softmax`]
pub fn softmax_backward(
    engine: &Engine,
    dx: &mut [f32],
    dy: &[f32],
    y: &[f32],
    [b, o]: [usize; 2],
) {
    assert_eq!(
        (dx.len(), dy.len(), y.len()),
        (area(b, o), area(b, o), area(b, o)),
        "softmax_backward"
    );
    by_rows(engine, dx, [b, o], &|dx, row| {
        let row = row * o..(row + 1) * o;
        reference::softmax_backward(dx, &dy[row.clone()], &y[row], [1, o]);
    });
}

/// out (b,o) = x − max − ln Σ e^(x − max) in each row
pub fn log_softmax(engine: &Engine, out: &mut [f32], x: &[f32], [b, o]: [usize; 2]) {
    assert_eq!((out.len(), x.len()), (area(b, o), area(b, o)), "log_softmax");
    by_rows(engine, out, [b, o], &|out, row| {
        let x = &x[row * o..][..o];
        let (max, sum) = engine.simd.run(Exponentials { out, x });
        let ln_sum = reference::math::ln(sum);
        for (out, x) in out.iter_mut().zip(x) {
            *out = (x - max) - ln_sum;
        }
    });
}

/// dx = dy − e^y · Σ dy in each row, where y (b,o) is the output of [`log_softmax`]
pub fn log_softmax_backward(
    engine: &Engine,
    dx: &mut [f32],
    dy: &[f32],
    y: &[f32],
    [b, o]: [usize; 2],
) {
    assert_eq!(
        (dx.len(), dy.len(), y.len()),
        (area(b, o), area(b, o), area(b, o)),
        "log_softmax_backward"
    );
    by_rows(engine, dx, [b, o], &|dx, row| {
        let dy = &dy[row * o..][..o];
        math::exp(engine.simd, dx, &y[row * o..][..o]);
        let sum = dy.iter().fold(0.0, |sum, dy| sum + dy);
        for (dx, &dy) in dx.iter_mut().zip(dy) {
            *dx = (-*dx).mul_add(sum, dy);
        }
    });
}

/// Calls `f` with each row of `out` (b,o) and its number.
pub(super) fn by_rows(
    engine: &Engine,
    out: &mut [f32],
    [b, o]: [usize; 2],
    f: &(dyn Fn(&mut [f32], usize) + Sync),
) {
    let rows = (TASK / o.max(1)).max(1);
    let out = Parts::new(out);
    engine.pool.run(b.div_ceil(rows), &|task| {
        for row in task * rows..b.min((task + 1) * rows) {
            // SAFETY: this row is this task's alone.
            f(unsafe { out.part(row * o, o) }, row);
        }
    });
}

struct Softmax<'a> {
    out: &'a mut [f32],
    x: &'a [f32],
}

impl Kernel for Softmax<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Softmax { out, x } = self;
        // SAFETY: the CPU has `V`, and chunks are at most LANES long.
        unsafe {
            let (_, sum) = Exponentials { out, x }.run::<V>();
            let sum = V::splat(sum);
            for out in out.chunks_mut(V::LANES) {
                V::load_some(out).div(sum).store_some(out);
            }
        }
    }
}

/// out = e^(x − max) for a row; gives the largest element and the sum, in ascending order.
pub(crate) struct Exponentials<'a> {
    pub out: &'a mut [f32],
    pub x: &'a [f32],
}

impl Kernel for Exponentials<'_> {
    type Output = (f32, f32);

    #[inline(always)]
    unsafe fn run<V: Vector>(self) -> (f32, f32) {
        let Exponentials { out, x } = self;
        // Which of two equal maxima is found cannot matter: ±0 differ in nothing that follows.
        let max = x.iter().fold(f32::NEG_INFINITY, |max, &x| if max < x { x } else { max });
        // SAFETY: the CPU has `V`, and chunks are at most LANES long.
        unsafe {
            for (out, x) in out.chunks_mut(V::LANES).zip(x.chunks(V::LANES)) {
                math::lanes::exp(V::load_some(x).sub(V::splat(max))).store_some(out);
            }
        }
        (max, out.iter().fold(0.0, |sum, e| sum + e))
    }
}
