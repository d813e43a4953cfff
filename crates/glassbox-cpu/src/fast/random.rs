//! Random fills and dropout: four numbers from each block of Philox.

use super::Engine;
use super::pool::Parts;
use crate::reference::philox::Philox;

/// Elements per task: a multiple of four, so that no block is computed twice.
const TASK: usize = 1 << 12;

/// out = uniform in [−limit, limit), a multiple of limit · 2⁻²³
pub fn fill_uniform(engine: &Engine, out: &mut [f32], limit: f32, stream: Philox) {
    by_blocks(engine, out, stream, |out, _, uniform| {
        for (out, u) in out.iter_mut().zip(uniform) {
            *out = (2.0 * u - 1.0) * limit;
        }
    });
}

/// out = x / (1 − p) where the stream's number for the element is at least p, and 0 elsewhere
pub fn dropout(engine: &Engine, out: &mut [f32], x: &[f32], p: f32, stream: Philox) {
    assert_eq!(out.len(), x.len(), "dropout");
    let scale = 1.0 / (1.0 - p);
    by_blocks(engine, out, stream, |out, first, uniform| {
        for ((out, x), u) in out.iter_mut().zip(&x[first..]).zip(uniform) {
            *out = if u < p { 0.0 } else { x * scale };
        }
    });
}

/// dx from dy: the same elements are kept, with the same factor
pub fn dropout_backward(engine: &Engine, dx: &mut [f32], dy: &[f32], p: f32, stream: Philox) {
    dropout(engine, dx, dy, p, stream);
}

/// Calls `f` with up to four elements, the index of the first, and their random numbers.
fn by_blocks(
    engine: &Engine,
    out: &mut [f32],
    stream: Philox,
    f: impl Fn(&mut [f32], usize, [f32; 4]) + Sync,
) {
    let len = out.len();
    let out = Parts::new(out);
    engine.pool.run(len.div_ceil(TASK), &|task| {
        for first in (task * TASK..len.min((task + 1) * TASK)).step_by(4) {
            // SAFETY: these elements are this task's alone.
            let out = unsafe { out.part(first, 4.min(len - first)) };
            f(out, first, stream.uniform_block(first as u64 / 4));
        }
    });
}
